using System.Buffers;
using System.Text;
using App.Sessions;

namespace App.Gateway;

/// <summary>
/// The caller's own token as a service behind a proxy is to get it, in whichever way it came: from the header, from inside the cookie,
/// or made a moment ago, when the cookies were renewed. What was inside a cookie is kept beside the connection it came by, for the next request, and not beyond.
/// </summary>
internal sealed class SharedTokens(SessionCookies cookies)
{
    private const string Scheme = "Bearer ";
    private const int Usual = 2048;

    private static readonly SearchValues<byte> TokenAlphabet = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."u8);

    /// <summary>Whether the request shows anything that could be a person's credentials.</summary>
    public bool Any(HttpContext http) => SessionHandler.BearsToken(http.Request) || cookies.Read(http.Request).Any;

    /// <summary>The value for <c>Authorization</c>. The request must have been authenticated as a person's.</summary>
    public string Of(HttpContext http)
    {
        if (SessionHandler.BearerIn(http.Request.Headers.Authorization) is { } token)
        {
            var line = http.Request.Headers.Authorization[0]!;
            return line.StartsWith(Scheme, StringComparison.Ordinal) && line.Length == Scheme.Length + token.Length ? line : string.Concat(Scheme, token.Span);
        }

        if (http.Features.Get<Grant>() is { } renewed) return Scheme + renewed.AccessToken;
        if (http.Request.Headers.Cookie is not [{ } header] || KeptConnection.ItemsOf(http) is not { } connection) return Unwrapped(http);
        if (connection.TryGetValue(typeof(Kept), out var held) && held is Kept before && ReferenceEquals(before.Cookies, header)) return before.Authorization;
        var authorization = Unwrapped(http);
        connection[typeof(Kept)] = new Kept(header, authorization);
        return authorization;
    }

    // The server hands out the very same string where a connection sends the same header again.
    private sealed record Kept(string Cookies, string Authorization)
    {
        public override string ToString() => "(token)";
    }

    private string Unwrapped(HttpContext http)
    {
        var value = cookies.Read(http.Request).Session;
        return Unwrap(value.Span) ?? Scheme + SessionCookies.Unwrap(value.ToString());
    }

    // Cookies as we write them, without reading JSON; the text was verified before, so only its form is looked at. Null for any other form.
    private static string? Unwrap(ReadOnlySpan<char> value)
    {
        Span<byte> bytes = stackalloc byte[Usual];
        if (!Convert.TryFromBase64Chars(value, bytes, out var length)) return null;
        ReadOnlySpan<byte> json = bytes[..length];
        if (!json.StartsWith("{\"jwt\":\""u8) || !json.EndsWith("\"}"u8)) return null;
        var token = json[8..^2];
        if (token.ContainsAnyExcept(TokenAlphabet)) return null;
        return string.Create(Scheme.Length + token.Length, token, static (text, token) =>
        {
            Scheme.CopyTo(text);
            Encoding.ASCII.GetChars(token, text[Scheme.Length..]);
        });
    }
}
