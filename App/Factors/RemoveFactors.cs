using App.Audit;
using App.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Factors;

/// <summary>
/// Takes away what somebody else may have added so as to get in again without the password, with a letter about each kind.
/// In the caller's write transaction; the caller saves.
/// </summary>
internal sealed class RemoveFactors(AppDb db, RecoveryCodes recovery, FactorChange change)
{
    /// <summary>
    /// What was added in a session that somebody disowns, or in one begun after it: whoever had signed in once could sign in again from the same
    /// browser, of which no letter tells. What older sessions added stays. The audit tells which is which.
    /// </summary>
    /// <param name="kept">The session of the person who disowns the other.</param>
    public async Task OfSessionAsync(Guid userId, Guid sessionId, string address, CancellationToken ct, Guid? kept = null)
    {
        var begun = db.Audit.Where(a => a.UserId == userId && a.Action == "signed-in");
        var first = await begun.Where(a => a.SessionId == sessionId).Select(a => (long?)a.Id).MinAsync(ct);
        List<Guid?> theirs = first is null ? [sessionId] : await begun.Where(a => a.Id >= first && a.SessionId != kept).Select(a => a.SessionId).ToListAsync(ct);
        var details = await db.Audit.Where(a => a.UserId == userId && theirs.Contains(a.SessionId) && a.Action == FactorChange.PasskeyAdded).Select(a => a.Detail).ToListAsync(ct);
        var added = details.Where(d => d is not null).Select(d => Guid.Parse(d!)).ToList();
        await PasskeysAsync(userId, await db.Passkeys.AsNoTracking().Where(p => p.UserId == userId && added.Contains(p.Id)).ToListAsync(ct), address, ct);
        if (await IsTheirsAsync(FactorChange.AuthenticatorAdded)) await AuthenticatorAsync(userId, theirs, address, ct);
        else if (await IsTheirsAsync(FactorChange.AuthenticatorAdded, FactorChange.CodesRenewed)) await CodesAsync(userId, address, ct);

        async Task<bool> IsTheirsAsync(params string[] actions) => await NewestAsync(userId, actions, ct) is { } session && theirs.Contains(session);
    }

    /// <summary>Which of a person's sessions began first; null for none.</summary>
    public async Task<Guid?> EarliestAsync(Guid userId, IReadOnlyList<Guid> sessions, CancellationToken ct) =>
        await db.Audit.Where(a => a.UserId == userId && a.Action == "signed-in" && a.SessionId != null && sessions.Contains(a.SessionId.Value))
            .OrderBy(a => a.Id).Select(a => a.SessionId).FirstOrDefaultAsync(ct) ?? sessions.Select(s => (Guid?)s).FirstOrDefault();

    /// <summary>All of them: each opens the account by itself.</summary>
    public async Task PasskeysAsync(Guid userId, string address, CancellationToken ct) =>
        await PasskeysAsync(userId, await db.Passkeys.AsNoTracking().Where(p => p.UserId == userId).ToListAsync(ct), address, ct);

    /// <summary>Two-step sign-in, with its recovery codes.</summary>
    public Task AuthenticatorAsync(Guid userId, string address, CancellationToken ct) => AuthenticatorAsync(userId, null, address, ct);

    private async Task PasskeysAsync(Guid userId, List<Passkey> passkeys, string address, CancellationToken ct)
    {
        foreach (var passkey in passkeys) await db.DeletePasskeyAsync(passkey, ct);
        if (passkeys.Count == 0) return;
        await change.NoteAsync(FactorChange.PasskeyRemoved, userId, null, address, ct);
        await StepWithoutKeysAsync(userId, null, address, ct);
    }

    /// <summary>A second step that nothing but passkeys could have answered ends with the last of them: it would keep its owner out.</summary>
    public async Task StepWithoutKeysAsync(Guid userId, Guid? sessionId, string address, CancellationToken ct)
    {
        if (await db.Passkeys.AnyAsync(p => p.UserId == userId, ct)) return;
        if (await db.Authenticators.Where(a => a.UserId == userId && a.Secret == Array.Empty<byte>()).ExecuteDeleteAsync(ct) == 0) return;
        await recovery.RemoveAsync(userId, ct);
        await change.NoteAsync(FactorChange.AuthenticatorRemoved, userId, sessionId, address, ct);
    }

    private async Task AuthenticatorAsync(Guid userId, List<Guid?>? theirs, string address, CancellationToken ct)
    {
        // An app that was added to the owner's passkeys goes, and the step by passkeys stays.
        if (theirs is not null && await db.Passkeys.AnyAsync(p => p.UserId == userId, ct) && await WasOnAsync(userId, theirs, ct))
        {
            await db.Authenticators.Where(a => a.UserId == userId).ExecuteUpdateAsync(set => set.SetProperty(a => a.Secret, Array.Empty<byte>()), ct);
            await CodesAsync(userId, address, ct);
            return;
        }

        if (await db.Authenticators.Where(a => a.UserId == userId).ExecuteDeleteAsync(ct) == 0) return;
        await recovery.RemoveAsync(userId, ct);
        await change.NoteAsync(FactorChange.AuthenticatorRemoved, userId, null, address, ct);
    }

    private async Task CodesAsync(Guid userId, string address, CancellationToken ct)
    {
        if (await recovery.LeftAsync(userId, ct) == 0) return;
        await recovery.RemoveAsync(userId, ct);
        await change.NoteAsync(FactorChange.CodesRemoved, userId, null, address, ct);
    }

    private async Task<bool> WasOnAsync(Guid userId, List<Guid?> theirs, CancellationToken ct) =>
        await db.Audit.Where(a => a.UserId == userId && !theirs.Contains(a.SessionId) && (a.Action == FactorChange.AuthenticatorAdded || a.Action == FactorChange.AuthenticatorRemoved))
            .OrderByDescending(a => a.Id).Select(a => a.Action).FirstOrDefaultAsync(ct) == FactorChange.AuthenticatorAdded;

    // The session that made what is in force now.
    private Task<Guid?> NewestAsync(Guid userId, string[] actions, CancellationToken ct) =>
        db.Audit.Where(a => a.UserId == userId && actions.Contains(a.Action)).OrderByDescending(a => a.Id).Select(a => a.SessionId).FirstOrDefaultAsync(ct);
}
