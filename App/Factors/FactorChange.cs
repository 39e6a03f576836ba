using App.Audit;
using App.Events;
using App.Tokens;

namespace App.Factors;

/// <summary>
/// What every change of a factor leaves behind, in the transaction of the change: an audit row, and an event that makes the tokens issued
/// until now be refused. A browser renews its own with the next request.
/// </summary>
internal sealed class FactorChange(SecurityEventLog events, AuditLog audit, TokenOptions tokens)
{
    public const string AuthenticatorAdded = "authenticator-added";
    public const string AuthenticatorRemoved = "authenticator-removed";
    public const string CodesRenewed = "recovery-codes-renewed";
    public const string PasskeyAdded = "passkey-added";
    public const string PasskeyRemoved = "passkey-removed";

    public Task NoteAsync(string action, CurrentUser user, string address, CancellationToken ct)
    {
        audit.Add(action, user.Id, user.SessionId, address);
        return events.UserChangedAsync(Causes.FactorChanged, user.Id, tokens.AccessTokenLifetime + (2 * TokenOptions.ClockSkew), ct);
    }
}
