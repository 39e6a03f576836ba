using System.Text.Json;

namespace App.Tokens;

/// <summary>What a look at a token came to.</summary>
internal abstract record TokenVerdict
{
    /// <summary>Genuine, ours, for this audience, and in its time. Whether it was revoked is another question.</summary>
    public sealed record Genuine(CurrentUser User) : TokenVerdict;

    /// <param name="Fault">The first that was found; says nothing of what stands in the token.</param>
    public sealed record Refused(TokenFault Fault) : TokenVerdict;
}

/// <summary>Why a token isn't good.</summary>
internal enum TokenFault
{
    /// <summary>Not a compact JWS: three segments of base64url (RFC 7515 section 3.1).</summary>
    Form,

    /// <summary>Its header isn't that of an access token of ours: another <c>alg</c>, <c>typ</c>, no <c>kid</c>, an extension, or not one object.</summary>
    Header,

    /// <summary>A claim is missing, named twice, or of the wrong type.</summary>
    Claims,

    IssuedByOthers,
    MeantForOthers,
    Expired,
    NotYetValid,
    LifetimeOutOfBounds,
    UnknownKey,

    /// <summary>The signature has the wrong length, or isn't that of the key over these claims.</summary>
    Signature,

    /// <summary>The library that checks again found something else.</summary>
    Validator,

    /// <summary>No session of that id and user is known.</summary>
    SessionUnknown,

    SessionEnded,
    SessionExpired,

    /// <summary>Its key, or all that its user had been given until then, was revoked.</summary>
    Revoked,
}

/// <summary>The feature of a request whose token isn't good: why, in a word for figures.</summary>
internal sealed class TokenRefusal
{
    private static readonly TokenRefusal[] All = [.. Enum.GetNames<TokenFault>().Select(name => new TokenRefusal(JsonNamingPolicy.SnakeCaseLower.ConvertName(name)))];

    private TokenRefusal(string reason) => Reason = reason;

    public string Reason { get; }

    public static TokenRefusal For(TokenFault fault) => All[(int)fault];
}
