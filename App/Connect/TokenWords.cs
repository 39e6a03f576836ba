using System.Globalization;
using System.Text.Json;
using App.Tokens;
using App.Ui;

namespace App.Connect;

/// <summary>A token in plain words: what each of its members means, and why it was refused.</summary>
internal static class TokenWords
{
    private static readonly string[] Needed = ["iss", "aud", "sub", "id", "sid", "jti", "iat", "exp", "auth_time", "email"];

    /// <summary>Why, and where it is told by a moment, when.</summary>
    public static string Because(InspectToken.Finding finding, InspectToken.Verdict.Refused refused, string issuer, DateTimeOffset now)
    {
        var (reading, ago) = (finding.Reading, refused.At is { } at ? When.Relative(at - now) : "");
        return refused.Fault switch
        {
            TokenFault.Form => IsUnsigned(reading) ? Text.WhyAlgNone : Text.WhyForm,
            TokenFault.Header => OfHeader(reading, finding.Algorithm),
            TokenFault.Claims => OfClaims(reading),
            TokenFault.IssuedByOthers => Say(Text.WhyIssuer, reading.InClaims("iss")?.Shown ?? Text.Nobody, issuer),
            TokenFault.MeantForOthers => Say(Text.WhyAudience, reading.InClaims("aud")?.Shown ?? Text.Nobody),
            TokenFault.Expired => Say(Text.WhyExpired, ago) + (OfKey(finding.Key, now) is { } key ? " " + key : ""),
            TokenFault.NotYetValid => Say(Text.WhyNotYet, ago),
            TokenFault.LifetimeOutOfBounds => Text.WhyLifetime,
            TokenFault.UnknownKey => OfKey(finding.Key, now) ?? Text.WhyUnknownKey,
            TokenFault.Signature => Text.WhySignature,
            TokenFault.SessionUnknown => Text.WhySessionUnknown,
            TokenFault.SessionEnded => Say(Text.WhySessionEnded, ago),
            TokenFault.SessionExpired => Say(Text.WhySessionExpired, ago),
            TokenFault.Revoked => Text.WhyRevoked,
            _ => Text.WhyValidator,
        };
    }

    public static string OfMember(string name) => name switch
    {
        "alg" => Text.Alg,
        "typ" => Text.Typ,
        "kid" => Text.Kid,
        "crit" or "b64" or "zip" => Text.Crit,
        "iss" => Text.Iss,
        "aud" => Text.Aud,
        "sub" => Text.Sub,
        "id" => Text.Id,
        "sid" => Text.Sid,
        "jti" => Text.Jti,
        "iat" => Text.Iat,
        "exp" => Text.Exp,
        "nbf" => Text.Nbf,
        "auth_time" => Text.AuthTime,
        "email" => Text.Email,
        "email_verified" => Text.EmailVerified,
        "name" => Text.Name,
        "roles" => Text.Roles,
        "amr" => Text.Amr,
        "act" => Text.Act,
        "client_id" => Text.ClientId,
        "secret_id" => Text.SecretId,
        "scope" => Text.Scope,
        "events" => Text.Events,
        "sub_id" => Text.SubId,
        "txn" => Text.Txn,
        _ => Text.NotOurs,
    };

    /// <summary>What is known of the key that a token names.</summary>
    public static string OfKeyId(KeyView? key, DateTimeOffset now) => key switch
    {
        null => Text.Kid,
        { State: SigningKeyState.Next } => Text.KidNext,
        { State: SigningKeyState.Current } => Text.KidCurrent,
        { State: SigningKeyState.Retired, EndedAt: { } at } => Say(Text.KidRetired, When.Relative(at - now)),
        { State: SigningKeyState.Revoked, EndedAt: { } at } => Say(Text.KidRevoked, When.Relative(at - now)),
        _ => Text.KidUnknown,
    };

    private static string? OfKey(KeyView? key, DateTimeOffset now) => key switch
    {
        { State: SigningKeyState.Retired, EndedAt: { } at } => Say(Text.WhyKeyRetired, When.Relative(at - now)),
        { State: SigningKeyState.Revoked, EndedAt: { } at } => Say(Text.WhyKeyRevoked, When.Relative(at - now)),
        _ => null,
    };

    private static string OfHeader(TokenReading reading, string algorithm)
    {
        if (reading.Header is not { } header) return Text.WhyHeaderUnreadable;
        if (Twice(header) is { } twice) return twice;
        var alg = reading.InHeader("alg");
        if (alg is null) return Text.WhyAlgMissing;
        if (IsUnsigned(reading)) return Text.WhyAlgNone;
        if (alg.Shown != algorithm) return Say(Text.WhyAlg, alg.Shown, algorithm);
        if (header.FirstOrDefault(m => m.Name is "crit" or "b64" or "zip") is { } extension) return Say(Text.WhyExtension, extension.ShownName);
        var type = reading.InHeader("typ");
        if (type is null) return Text.WhyTypeMissing;
        if (type.Shown == "secevent+jwt") return Text.WhyEvent;
        if (type.Shown != StrictToken.Type) return Say(Text.WhyType, type.Shown);
        return reading.InHeader("kid") is null ? Text.WhyKeyMissing : Text.WhyHeader;
    }

    // Spelt in any way: some readers fall for each.
    private static bool IsUnsigned(TokenReading reading) => reading.InHeader("alg")?.Shown.Equals("none", StringComparison.OrdinalIgnoreCase) == true;

    private static string OfClaims(TokenReading reading)
    {
        if (reading.Claims is not { } claims) return Text.WhyClaimsUnreadable;
        if (Twice(claims) is { } twice) return twice;
        if (reading.InClaims("client_id") is not null && reading.InClaims("sid") is null) return Text.WhyServiceToken;
        return Needed.FirstOrDefault(name => reading.InClaims(name) is null or { Value.ValueKind: JsonValueKind.Null }) is { } missing ? Say(Text.WhyClaimMissing, missing) : Text.WhyClaims;
    }

    private static string? Twice(IReadOnlyList<TokenMember> members) =>
        members.GroupBy(m => m.Name, StringComparer.Ordinal).FirstOrDefault(g => g.Skip(1).Any()) is { } group ? Say(Text.WhyTwice, group.First().ShownName) : null;

    private static string Say(string sentence, params object[] values) => string.Format(CultureInfo.CurrentCulture, sentence, values);
}
