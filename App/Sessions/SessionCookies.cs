using System.Globalization;
using System.Text;
using Microsoft.Extensions.Primitives;

namespace App.Sessions;

/// <summary>What the cookies of a request say. Two different values under one name are a sign of tampering: neither counts.</summary>
internal readonly record struct PresentedCookies(ReadOnlyMemory<char> Session, ReadOnlyMemory<char> Refresh, bool Any);

/// <summary>
/// The two cookies (contract section 3). The value of the first is, byte for byte, what Express <c>cookie-session({signed:false})</c> writes:
/// base64 in the standard alphabet, padded and not percent-encoded, which is why the framework's own cookie writer isn't used.
/// </summary>
internal sealed class SessionCookies(CookieNames names)
{
    private const string Expired = "; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT";

    /// <summary>
    /// Reads both from the raw header. Clients may echo a whole <c>Set-Cookie</c> line back, several joined by commas:
    /// attributes then look like cookies of other names and are passed over. But a browser keeps commas in a value (RFC 6265 section 4.2.1):
    /// what stands behind one counts only where no cookie of that name stands by itself.
    /// </summary>
    public PresentedCookies Read(HttpRequest request)
    {
        Found session = default, refresh = default;
        foreach (var header in request.Headers.Cookie)
        {
            foreach (var range in header.AsSpan().SplitAny(';', ','))
            {
                var pair = header.AsMemory(range).Trim(' ');
                var inside = range.Start.Value > 0 && header![range.Start.Value - 1] == ',';
                if (ValueOf(names.Session, pair) is { } first) session.Take(first, inside);
                else if (ValueOf(names.Refresh, pair) is { } second) refresh.Take(second, inside);
            }
        }

        return session.Tampered || refresh.Tampered
            ? new PresentedCookies(default, default, true)
            : new PresentedCookies(session.Value ?? default, refresh.Value ?? default, session.Value is not null || refresh.Value is not null);
    }

    /// <summary>Every refresh token that the request shows, also where there are several.</summary>
    public IEnumerable<string> RefreshTokens(HttpRequest request)
    {
        var all = (from header in request.Headers.Cookie
                   from cookie in header.Split(';')
                   from part in cookie.Split(',').Index()
                   let value = ValueOf(names.Refresh, part.Item.AsMemory().Trim(' '))
                   where value is not null
                   select (Inside: part.Index > 0, Text: value.Value.ToString())).ToLookup(found => found.Inside, found => found.Text);
        return all[!all.Contains(false)];
    }

    // The cast is needed: a bare null would become an array, and the array an empty value that is there.
    private static ReadOnlyMemory<char>? ValueOf(string name, ReadOnlyMemory<char> pair) =>
        pair.Length > name.Length && pair.Span[name.Length] == '=' && pair.Span.StartsWith(name) ? pair[(name.Length + 1)..] : (ReadOnlyMemory<char>?)null;

    /// <summary>The access token inside the first cookie's value: <c>{"jwt":"…"}</c>, other members ignored as Express does.</summary>
    public static string? Unwrap(string value)
    {
        // A base64 text of n characters holds at most 3n/4 bytes.
        var bytes = new byte[(value.Length / 4 * 3) + 3];
        if (value.Length > Tokens.StrictToken.MaxLength * 2 || !Convert.TryFromBase64String(value, bytes, out var written)) return null;
        // The decoder forgives white space and stray bits: then there would be any number of texts for one token, and others read them differently.
        if (Convert.ToBase64String(bytes, 0, written) != value) return null;
        return Tokens.StrictJson.Read(bytes.AsMemory(0, written)) is { } members && Tokens.StrictMembers.TryText(members, "jwt", out var token) ? token : null;
    }

    /// <summary>Sets both cookies on this answer, the session first, in place of any of ours it already had.</summary>
    public void Write(HttpContext http, Grant grant)
    {
        var expires = grant.SessionExpiresAt.UtcDateTime.ToString("R", CultureInfo.InvariantCulture);
        Replace(http, (names.Session, SessionOf(http, grant)), (names.Refresh, $"{grant.RefreshToken}; path=/; expires={expires}{Domain}; samesite=lax{Secure(http)}; httponly"));
    }

    /// <summary>Sets the first alone: what the browser renews by stays as it is, or as another answer has just set it.</summary>
    public void WriteSession(HttpContext http, Grant grant) => Replace(http, (names.Session, SessionOf(http, grant)));

    /// <summary>Clears both; the first line is, byte for byte, what the course's sign-out sends.</summary>
    public void Clear(HttpContext http)
    {
        var end = $"{Expired}{Domain}{Secure(http)}; httponly";
        Replace(http, (names.Session, end), (names.Refresh, end));
    }

    private string Domain => names.Domain is null ? "" : "; domain=" + names.Domain;

    private static string Secure(HttpContext http) => http.Request.IsHttps ? "; secure" : "";

    private string SessionOf(HttpContext http, Grant grant) =>
        Convert.ToBase64String(Encoding.UTF8.GetBytes($$"""{"jwt":"{{grant.AccessToken}}"}""")) + $"; path=/{Domain}; samesite=lax{Secure(http)}; httponly";

    private void Replace(HttpContext http, params (string Name, string Value)[] ours)
    {
        var others = http.Response.Headers.SetCookie.Where(line => !Array.Exists(ours, cookie => line!.StartsWith(cookie.Name + "=", StringComparison.Ordinal)));
        // Cookies from before a Domain was set would stand beside the new ones and contradict them. Whoever shows none has none of those.
        var former = names.Domain is null ? [] : ours.Where(cookie => Bears(http.Request, cookie.Name)).Select(cookie => $"{cookie.Name}={Expired}; httponly");
        http.Response.Headers.SetCookie = new StringValues([.. ours.Select(cookie => $"{cookie.Name}={cookie.Value}"), .. former, .. others]);
    }

    private static bool Bears(HttpRequest request, string name) =>
        request.Headers.Cookie.Any(header => header!.Split(';', ',').Any(pair => ValueOf(name, pair.AsMemory().Trim(' ')) is not null));

    // What was found under one name, by itself or else inside another's value.
    private struct Found
    {
        private bool _inside;

        public ReadOnlyMemory<char>? Value { get; private set; }
        public bool Tampered { get; private set; }

        public void Take(ReadOnlyMemory<char> value, bool inside)
        {
            if (Value is not { } earlier || (_inside && !inside)) (Value, _inside, Tampered) = (value, inside, false);
            else if (inside == _inside && !value.Span.SequenceEqual(earlier.Span)) Tampered = true;
        }
    }
}
