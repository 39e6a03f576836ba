using System.Globalization;
using System.Security.Cryptography;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Net.Http.Headers;

namespace App.Ui;

/// <summary>
/// What a form's answer says on the page that it leads to: once, and within a minute, in a cookie that only this service can make.
/// An address says nothing, so that nobody can link to a notice of what hasn't happened, and going back to a page doesn't say it again.
/// </summary>
internal sealed class Told(IDataProtectionProvider protection, TimeProvider time)
{
    private const string Cookie = "told";

    private static readonly TimeSpan Lasts = TimeSpan.FromMinutes(1);

    private readonly IDataProtector _protector = protection.CreateProtector("told once");

    /// <param name="what">The notice, and after a space what belongs into it.</param>
    public void Say(HttpContext http, string what) =>
        Write(http, _protector.Protect(string.Create(CultureInfo.InvariantCulture, $"{(time.GetUtcNow() + Lasts).ToUnixTimeSeconds()} {what}")), Lasts);

    /// <returns>Null where there is nothing to say; otherwise what belongs into the notice, which isn't said again.</returns>
    public string? Take(HttpContext http, string notice)
    {
        if (http.Request.Cookies[Cookie] is not { Length: > 0 } text || http.Response.HasStarted) return null;
        try
        {
            if (_protector.Unprotect(text).Split(' ') is not [var until, var said, .. var details] || said != notice) return null;
            Write(http, "", TimeSpan.Zero);
            return long.Parse(until, CultureInfo.InvariantCulture) < time.GetUtcNow().ToUnixTimeSeconds() ? null : string.Join(' ', details);
        }
        catch (Exception e) when (e is CryptographicException or FormatException)
        {
            return null; // not one of ours
        }
    }

    private static void Write(HttpContext http, string value, TimeSpan lasts) =>
        http.Response.Headers.Append(HeaderNames.SetCookie, new SetCookieHeaderValue(Cookie, value)
        {
            Path = "/",
            MaxAge = lasts,
            HttpOnly = true,
            SameSite = Microsoft.Net.Http.Headers.SameSiteMode.Lax,
            Secure = http.Request.IsHttps,
        }.ToString());
}
