using Microsoft.AspNetCore.DataProtection;
using Microsoft.Net.Http.Headers;

namespace App.Passwords;

/// <summary>
/// That a session was begun with a password shorter than one that stands alone must be. Sign-in alone can tell, so it writes it down for the page
/// where a new one is chosen: in a cookie that only this service can make, and good for that session. What an address says is believed by nobody,
/// and a thief of the database doesn't read there whose password is short.
/// </summary>
internal sealed class ShortPassword(PasswordPolicy policy, IDataProtectionProvider protection)
{
    /// <summary>Where a new one is chosen. The cookie goes nowhere else.</summary>
    public const string Page = "/account/security";

    private const string Cookie = "short_password";

    private readonly IDataProtector _protector = protection.CreateProtector("short passwords");

    /// <returns>Whether it is, and was written down.</returns>
    public bool Note(HttpContext http, string password, Guid sessionId)
    {
        if (!policy.IsShortAlone(password)) return false;
        http.Response.Headers.Append(HeaderNames.SetCookie, new SetCookieHeaderValue(Cookie, _protector.Protect(sessionId.ToString()))
        {
            Path = Page,
            HttpOnly = true,
            SameSite = Microsoft.Net.Http.Headers.SameSiteMode.Lax,
            Secure = http.Request.IsHttps,
        }.ToString());
        return true;
    }

    public bool IsNoted(HttpContext http, Guid sessionId)
    {
        if (http.Request.Cookies[Cookie] is not { Length: > 0 } text) return false;
        try
        {
            return _protector.Unprotect(text) == sessionId.ToString();
        }
        catch (Exception e) when (e is System.Security.Cryptography.CryptographicException or FormatException)
        {
            return false; // not one of ours
        }
    }
}
