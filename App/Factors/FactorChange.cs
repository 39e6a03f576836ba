using System.Globalization;
using App.Audit;
using App.Data;
using App.Events;
using App.Mail;
using Microsoft.EntityFrameworkCore;

namespace App.Factors;

/// <summary>
/// What every change of a factor leaves behind, in the transaction of the change: an audit row, a letter to the owner, and an event that makes
/// the tokens issued until now be refused. A browser renews its own with the next request.
/// </summary>
internal sealed class FactorChange(AppDb db, SecurityEventLog events, AuditLog audit, Outbox outbox, LetterPaper paper, Brand brand)
{
    public const string AuthenticatorAdded = "authenticator-added";
    public const string AuthenticatorRemoved = "authenticator-removed";
    public const string CodesRenewed = "recovery-codes-renewed";
    public const string CodesRemoved = "recovery-codes-removed";
    public const string PasskeyAdded = "passkey-added";
    public const string PasskeyRemoved = "passkey-removed";

    /// <summary>For the audit alone: it changes nothing that anybody signs in with.</summary>
    public const string PasskeyRenamed = "passkey-renamed";

    /// <param name="action">One of the above.</param>
    /// <param name="detail">Which passkey, where one was added: whoever disowns the session is rid of it too.</param>
    public Task NoteAsync(string action, CurrentUser user, string address, CancellationToken ct, string? detail = null) =>
        NoteAsync(action, user.Id, user.SessionId, address, ct, detail);

    /// <summary>The same, where nobody is signed in.</summary>
    public async Task NoteAsync(string action, Guid userId, Guid? sessionId, string address, CancellationToken ct, string? detail = null)
    {
        audit.Add(action, userId, sessionId, address, detail);
        await events.UserChangedAsync(Causes.FactorChanged, userId, ct);

        // Their address as it is now: the token may be older than the last change of it.
        var to = await db.Users.Where(u => u.Id == userId).Select(u => new { u.Email, u.Language }).SingleAsync(ct);
        using var language = new LanguageOf(to.Language);
        var (subject, what, page) = action switch
        {
            AuthenticatorAdded => (Text.LetterTwoStepOn, Text.LetterTwoStepOnWhat, "/account/two-step"),
            AuthenticatorRemoved => (Text.LetterTwoStepOff, Text.LetterTwoStepOffWhat, "/account/two-step"),
            CodesRenewed => (Text.LetterCodes, Text.LetterCodesWhat, "/account/two-step"),
            CodesRemoved => (Text.LetterCodesVoid, Text.LetterCodesVoidWhat, "/account/two-step"),
            PasskeyAdded => (Text.LetterPasskeyAdded, Text.LetterPasskeyAddedWhat, "/account/passkeys"),
            PasskeyRemoved => (Text.LetterPasskeyRemoved, Text.LetterPasskeyRemovedWhat, "/account/passkeys"),
            _ => throw new ArgumentOutOfRangeException(nameof(action), action, "No such change."),
        };
        outbox.Add(paper.Write(to.Email!, subject, [string.Format(CultureInfo.CurrentCulture, what, brand.Name)], (Text.LetterLook, page), Text.LetterNotYou), userId);
    }
}
