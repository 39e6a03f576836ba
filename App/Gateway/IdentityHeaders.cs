using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.Extensions.Primitives;

namespace App.Gateway;

/// <summary>
/// Who is calling, as headers for the service behind the proxy. A value is printable ASCII: everything else in it, and <c>%</c> itself, is
/// percent-encoded as UTF-8, so that no name can end a header or begin another. Roles are separated by commas.
/// </summary>
internal sealed class IdentityHeaders
{
    public const string User = "X-Auth-User";
    public const string Email = "X-Auth-Email";
    public const string Roles = "X-Auth-Roles";
    public const string Session = "X-Auth-Session";

    /// <summary>
    /// <c>?1</c> from a proxy that wants the two lines of a renewal's <c>Set-Cookie</c> in headers of their own: nginx before 1.23 sees only the first of several
    /// of one name. A script can't set a header that begins like this (Fetch, "forbidden request-header"), and must not read what is in an <c>HttpOnly</c> cookie.
    /// </summary>
    public const string AsksForRenewed = "Sec-Renewed-Cookies";

    public const string RenewedSession = "X-Renewed-Session", RenewedRefresh = "X-Renewed-Refresh";

    // The same token gets the same headers: they live as long as the verified token they belong to.
    private static readonly ConditionalWeakTable<CurrentUser, IdentityHeaders> Known = [];

    private readonly StringValues _user, _email, _roles, _session;

    private IdentityHeaders(CurrentUser user)
    {
        (_user, _session) = (user.Id.ToString(), user.SessionId.ToString());
        (_email, _roles) = (Encode(user.Email), string.Join(',', user.Roles.Select(role => Encode(role).Replace(",", "%2C", StringComparison.Ordinal))));
    }

    public static IdentityHeaders Of(CurrentUser user) => Known.GetValue(user, static user => new IdentityHeaders(user));

    /// <summary>Writes them all, empty ones too: a proxy that copies them then overwrites whatever the client sent under the name.</summary>
    public void Write(IHeaderDictionary headers, string authorization)
    {
        headers[User] = _user;
        headers[Email] = _email;
        headers[Roles] = _roles;
        headers[Session] = _session;
        headers.Authorization = authorization;
    }

    public static void WriteRenewed(IHeaderDictionary headers)
    {
        if (headers.SetCookie is [var session, var refresh, ..]) (headers[RenewedSession], headers[RenewedRefresh]) = (session, refresh);
    }

    internal static string Encode(string text)
    {
        if (text.AsSpan().IndexOfAnyExceptInRange('!', '~') < 0 && !text.Contains('%', StringComparison.Ordinal)) return text;
        var encoded = new StringBuilder(text.Length * 3);
        Span<byte> bytes = stackalloc byte[4];
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value is > ' ' and <= '~' and not '%')
            {
                encoded.Append((char)rune.Value);
                continue;
            }

            foreach (var octet in bytes[..rune.EncodeToUtf8(bytes)]) encoded.Append('%').Append(octet.ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
        }

        return encoded.ToString();
    }
}
