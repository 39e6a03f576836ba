using System.Buffers;
using System.Buffers.Text;
using System.Text.Json;

namespace App.Tokens;

/// <summary>
/// The form of an access token of ours, checked before any cryptography (contract section 2).
/// The stock validator lets 32 malformed but signed variants through (RFC 8725 sections 2.6, 3.10, 3.11; RFC 7515 section 4.1.11);
/// this is what closes them. It looks nothing up: no key, no file, no address that a header names.
/// </summary>
internal sealed record StrictToken(string KeyId, string Issuer, IReadOnlyList<string> Audience, long? NotBefore, CurrentUser User)
{
    public const string Type = "at+jwt";
    public const int MaxLength = 8 * 1024;

    private static readonly SearchValues<char> Base64UrlAlphabet =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    /// <returns>Null with the fault for anything that isn't exactly one of our tokens in form.</returns>
    public static StrictToken? Parse(string token, string algorithm, out TokenFault fault) =>
        Open(token, algorithm, out fault) is var (keyId, claims) ? ReadClaims(claims, keyId) : null;

    /// <summary>The form that a person's token and a service's share: three segments, our header, claims that are one strict object.</summary>
    public static (string KeyId, Dictionary<string, JsonElement> Claims)? Open(string token, string algorithm, out TokenFault fault)
    {
        fault = TokenFault.Form;
        if (token.Length is 0 or > MaxLength) return null;
        var dots = (First: token.IndexOf('.'), Last: token.LastIndexOf('.'));
        if (dots.First <= 0 || dots.Last <= dots.First + 1 || dots.Last == token.Length - 1) return null;
        if (Decode(token.AsSpan(..dots.First)) is not { } header
            || Decode(token.AsSpan((dots.First + 1)..dots.Last)) is not { } payload
            || Decode(token.AsSpan((dots.Last + 1)..)) is not { } signature) return null;

        fault = TokenFault.Header;
        if (StrictJson.Read(header) is not { } head || ReadHeader(head, algorithm) is not { } keyId) return null;

        fault = TokenFault.Signature;
        if (signature.Length != (algorithm == "ES256" ? 64 : 32)) return null; // R||S of P-256 (RFC 7518 section 3.4), or HMAC-SHA256

        fault = TokenFault.Claims;
        return StrictJson.Read(payload) is { } claims ? (keyId, claims) : null;
    }

    private static string? ReadHeader(Dictionary<string, JsonElement> head, string algorithm)
    {
        if (head.ContainsKey("crit") || head.ContainsKey("b64") || head.ContainsKey("zip")) return null;
        if (!head.TryText("alg", out var alg) || alg != algorithm) return null;
        if (!head.TryText("typ", out var typ) || typ != Type) return null;
        if (head.TryText("kid", out var keyId)) return keyId;
        return algorithm == "HS256" && !head.ContainsKey("kid") ? "" : null;
    }

    private static StrictToken? ReadClaims(Dictionary<string, JsonElement> claims, string keyId)
    {
        if (!claims.TryText("iss", out var issuer) || ReadAudience(claims) is not { } audience) return null;
        if (!claims.TryId("sub", out var userId) || !claims.TryId("id", out var id) || id != userId) return null;
        if (!claims.TryId("sid", out var sessionId) || !claims.TryText("jti", out var tokenId)) return null;
        if (!claims.TrySeconds("iat", out var issuedAt) || !claims.TrySeconds("exp", out var expiresAt)) return null;
        if (!claims.TrySeconds("auth_time", out var authTime) || !claims.TryText("email", out var email)) return null;
        if (!claims.TryTexts("roles", out var roles) || !claims.TryTexts("amr", out var amr)) return null;
        if (claims.TryGetValue("name", out var given) && given.ValueKind != JsonValueKind.String) return null;
        if (claims.TryGetValue("email_verified", out var verified) && verified.ValueKind is not (JsonValueKind.True or JsonValueKind.False)) return null;
        if (!claims.TryActors(out var actors)) return null;
        long? notBefore = null;
        if (claims.ContainsKey("nbf"))
        {
            if (!claims.TrySeconds("nbf", out var from)) return null;
            notBefore = from;
        }

        return new StrictToken(keyId, issuer, audience, notBefore, new CurrentUser
        {
            Id = userId,
            SessionId = sessionId,
            TokenId = tokenId,
            Email = email,
            EmailVerified = verified.ValueKind == JsonValueKind.True,
            Name = claims.TryText("name", out var name) ? name : null,
            Roles = roles,
            Amr = amr,
            Actors = actors,
            IssuedAt = issuedAt,
            ExpiresAt = expiresAt,
            AuthTime = authTime,
            KeyId = keyId,
        });
    }

    // One string or a list of them (RFC 7519 section 4.1.3).
    private static IReadOnlyList<string>? ReadAudience(Dictionary<string, JsonElement> claims) =>
        claims.TryText("aud", out var one) ? [one]
        : claims.ContainsKey("aud") && claims.TryTexts("aud", out var many) ? many
        : null;

    // The framework's decoder refuses stray bits in the last character but forgives padding and white space; one token must have one spelling.
    private static byte[]? Decode(ReadOnlySpan<char> segment)
    {
        if (segment.IndexOfAnyExcept(Base64UrlAlphabet) >= 0) return null;
        var bytes = new byte[Base64Url.GetMaxDecodedLength(segment.Length)];
        return Base64Url.DecodeFromChars(segment, bytes, out _, out var written) == OperationStatus.Done && written == bytes.Length ? bytes : null;
    }
}
