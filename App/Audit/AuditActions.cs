using System.Collections.Frozen;

namespace App.Audit;

/// <summary>Every kind of row there is: <see cref="AuditLog"/> writes no other. People read each in words, which a test sees to.</summary>
internal static class AuditActions
{
    public static readonly FrozenSet<string> All = new[]
    {
        "signed-up", "signed-in", "session-ended", "sign-in-refused", "locked-out", "proved-again", "proof-refused",
        "password-changed", "reset-asked", "disowned",
        "email-confirmed", "email-change-asked", "email-change-withdrawn", "email-changed", "email-change-undone",
        "authenticator-added", "authenticator-removed", "recovery-codes-renewed", "recovery-codes-removed", "recovery-code-used",
        "passkey-added", "passkey-removed", "passkey-renamed",
        "name-changed", "data-taken", "account-deleted",
        "role-granted", "role-revoked", "account-locked", "account-unlocked", "sessions-ended", "reset-started",
        "service-created", "service-changed", "service-removed", "service-secret-rotated", "service-secret-withdrawn",
        "service-push-changed", "service-push-removed", "service-push-retried",
        "signing-key-rotated", "signing-key-revoked",
        "fire-drill",
    }.ToFrozenSet(StringComparer.Ordinal);

    /// <exception cref="ArgumentOutOfRangeException">A kind that is new: it belongs in this list, and its words beside the others'.</exception>
    public static string Known(string action) => All.Contains(action) ? action : throw new ArgumentOutOfRangeException(nameof(action), action, "No such kind.");
}
