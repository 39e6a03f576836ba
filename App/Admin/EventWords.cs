using App.Events;

namespace App.Admin;

/// <summary>The log's codes as people say them, which a test sees to; an older version's stand as they are.</summary>
internal static class EventWords
{
    public static string Of(string type) => type switch
    {
        EventTypes.SessionRevoked => Text.EventSession,
        EventTypes.CredentialChange => Text.EventCredential,
        EventTypes.TokenClaimsChange => Text.EventClaims,
        EventTypes.IdentifierChanged => Text.EventIdentifier,
        EventTypes.AccountDisabled => Text.EventDisabled,
        EventTypes.AccountPurged => Text.EventPurged,
        EventTypes.SigningKeyChanged => Text.EventKey,
        _ => type,
    };

    public static string Why(string reason) => reason switch
    {
        "sign-out" => Text.WhySignOut,
        "ended-by-user" => Text.WhyUser,
        "disowned" => Text.WhyDisowned,
        "ended-by-admin" or "disabled" => Text.WhyAdmin,
        "replaced" => Text.WhyReplaced,
        "refresh-reuse" => Text.WhyReuse,
        "too-many-guesses" => Text.WhyGuesses,
        "fire-drill" => Text.WhyDrill,
        "scheduled-drill" => Text.WhyScheduledDrill,
        "token-revoked" => Text.WhyApp,
        "password-changed" => Text.WhyPassword,
        "email-changed" => Text.WhyEmail,
        "factor-changed" => Text.WhyFactor,
        "roles-changed" => Text.WhyRoles,
        "deleted" => Text.WhyDeleted,
        "rotated" => Text.WhyRotated,
        "revoked" => Text.WhyRevoked,
        _ => reason,
    };
}
