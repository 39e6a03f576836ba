using Microsoft.Net.Http.Headers;

namespace App.Ui;

/// <summary>Light, dark, or what the device says: remembered in a cookie, so that the first HTML already has the right colours.</summary>
internal static class Theme
{
    public const string Cookie = "theme";

    /// <summary><c>light</c> or <c>dark</c> as chosen; null leaves it to the device.</summary>
    public static string? Of(HttpContext? http) => Known(http?.Request.Cookies[Cookie]);

    /// <summary>The form behind the switch in the footer: works without script, and leads back to the page it came from.</summary>
    public static SeeOther Handle(HttpContext http)
    {
        var chosen = Known(PostedForm.Field(http.Request, "theme"));
        http.Response.Headers.Append(HeaderNames.SetCookie, new SetCookieHeaderValue(Cookie, chosen ?? "")
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

    private static string? Known(string? theme) => theme switch { "light" => "light", "dark" => "dark", _ => null };
}
