using App.Ui;
using Microsoft.Net.Http.Headers;

namespace App.Frame;

/// <summary>What a reader has chosen in the footer, each in a cookie, so that the first HTML already has it. The forms work without script.</summary>
internal static class Choices
{
    /// <param name="chosen">Null takes the choice back.</param>
    /// <returns>The page that the form stood on.</returns>
    public static SeeOther Remember(HttpContext http, string cookie, string? chosen)
    {
        http.Response.Headers.Append(HeaderNames.SetCookie, new SetCookieHeaderValue(cookie, chosen ?? "")
        {
            Path = "/",
            HttpOnly = true,
            SameSite = Microsoft.Net.Http.Headers.SameSiteMode.Lax,
            Secure = http.Request.IsHttps,
            // 400 days is the longest that browsers keep a cookie (RFC 6265bis section 5.5); zero takes it away.
            MaxAge = chosen is null ? TimeSpan.Zero : TimeSpan.FromDays(400),
        }.ToString());
        return new SeeOther(ReturnUrl.Local(PostedForm.Field(http.Request, "returnUrl"), "/"));
    }
}
