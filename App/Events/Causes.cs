namespace App.Events;

/// <summary>Whom an event is about. A cause writes exactly one entry for each of them.</summary>
internal enum Concerns { Session, User, Key }

/// <summary>Why an entry is written, and what it says.</summary>
/// <param name="Reason">Our word for it, in the log, the feed and the audit; at most 40 characters.</param>
/// <param name="Type">The short name of the event, one of <see cref="EventTypes"/>.</param>
/// <param name="Concerns">What its entries name, one entry each.</param>
/// <param name="Audited">Whether somebody did it, so that the audit has a row of it.</param>
internal sealed record Cause(string Reason, string Type, Concerns Concerns, bool Audited = true);

/// <summary>
/// Every cause of an event (contract section 6), complete: nothing else can be written into the log.
/// "End all" is one entry per session. A cause that concerns a user refuses all of their tokens issued so far.
/// </summary>
internal static class Causes
{
    public static readonly Cause SignOut = new("sign-out", EventTypes.SessionRevoked, Concerns.Session);
    public static readonly Cause EndedByUser = new("ended-by-user", EventTypes.SessionRevoked, Concerns.Session);
    /// <summary>Its owner says that it was somebody else's.</summary>
    public static readonly Cause Disowned = new("disowned", EventTypes.SessionRevoked, Concerns.Session);

    public static readonly Cause EndedByAdmin = new("ended-by-admin", EventTypes.SessionRevoked, Concerns.Session);
    public static readonly Cause Replaced = new("replaced", EventTypes.SessionRevoked, Concerns.Session);
    public static readonly Cause RefreshReuse = new("refresh-reuse", EventTypes.SessionRevoked, Concerns.Session);

    /// <summary>A hundred wrong passwords or codes in a row in it.</summary>
    public static readonly Cause TooManyGuesses = new("too-many-guesses", EventTypes.SessionRevoked, Concerns.Session);

    /// <summary>An admin's own, begun to be ended: who applies it, and how soon, is what it is for.</summary>
    public static readonly Cause FireDrill = new("fire-drill", EventTypes.SessionRevoked, Concerns.Session);

    /// <summary>The same by itself, as often as the settings say: of interest is only what came of it.</summary>
    public static readonly Cause ScheduledDrill = new("scheduled-drill", EventTypes.SessionRevoked, Concerns.Session, Audited: false);

    /// <summary>RFC 7009.</summary>
    public static readonly Cause TokenRevoked = new("token-revoked", EventTypes.SessionRevoked, Concerns.Session);

    public static readonly Cause PasswordChanged = new("password-changed", EventTypes.CredentialChange, Concerns.User);
    public static readonly Cause EmailChanged = new("email-changed", EventTypes.IdentifierChanged, Concerns.User);
    public static readonly Cause FactorChanged = new("factor-changed", EventTypes.CredentialChange, Concerns.User);
    public static readonly Cause RolesChanged = new("roles-changed", EventTypes.TokenClaimsChange, Concerns.User);
    public static readonly Cause Disabled = new("disabled", EventTypes.AccountDisabled, Concerns.User);
    public static readonly Cause Deleted = new("deleted", EventTypes.AccountPurged, Concerns.User);
    public static readonly Cause KeyRotated = new("rotated", EventTypes.SigningKeyChanged, Concerns.Key);
    public static readonly Cause KeyRevoked = new("revoked", EventTypes.SigningKeyChanged, Concerns.Key);

    public static readonly IReadOnlyList<Cause> All =
    [
        SignOut, EndedByUser, Disowned, EndedByAdmin, Replaced, RefreshReuse, TooManyGuesses, FireDrill, ScheduledDrill, TokenRevoked,
        PasswordChanged, EmailChanged, FactorChanged, RolesChanged, Disabled, Deleted, KeyRotated, KeyRevoked,
    ];
}

/// <summary>Short names of the event types, and their URIs: CAEP's and RISC's where one has it, one of our own otherwise.</summary>
internal static class EventTypes
{
    public const string SessionRevoked = "session-revoked";
    public const string CredentialChange = "credential-change";
    public const string TokenClaimsChange = "token-claims-change";
    public const string IdentifierChanged = "identifier-changed";
    public const string AccountDisabled = "account-disabled";
    public const string AccountPurged = "account-purged";
    public const string SigningKeyChanged = "signing-key-changed";

    public static readonly IReadOnlyList<string> All =
        [SessionRevoked, CredentialChange, TokenClaimsChange, IdentifierChanged, AccountDisabled, AccountPurged, SigningKeyChanged];

    /// <summary>The member name under <c>events</c> in a SET, and what <c>ssf-configuration</c> lists.</summary>
    public static string UriOf(string type, string issuer) => type switch
    {
        SessionRevoked or CredentialChange or TokenClaimsChange => "https://schemas.openid.net/secevent/caep/event-type/" + type,
        IdentifierChanged or AccountDisabled or AccountPurged => "https://schemas.openid.net/secevent/risc/event-type/" + type,
        _ => $"{issuer}/events/{type}",
    };
}
