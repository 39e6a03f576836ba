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
    /// <summary>What was added in one session: the audit tells.</summary>
    public async Task OfSessionAsync(Guid userId, Guid sessionId, string address, CancellationToken ct)
    {
        var details = await db.Audit.Where(a => a.UserId == userId && a.SessionId == sessionId && a.Action == FactorChange.PasskeyAdded).Select(a => a.Detail).ToListAsync(ct);
        var added = details.Where(d => d is not null).Select(d => Guid.Parse(d!)).ToList();
        await PasskeysAsync(userId, await db.Passkeys.AsNoTracking().Where(p => p.UserId == userId && added.Contains(p.Id)).ToListAsync(ct), address, ct);
        if (await NewestAsync(userId, [FactorChange.AuthenticatorAdded], ct) == sessionId) await AuthenticatorAsync(userId, address, ct);
        else if (await NewestAsync(userId, [FactorChange.AuthenticatorAdded, FactorChange.CodesRenewed], ct) == sessionId) await CodesAsync(userId, address, ct);
    }

    public async Task AllAsync(Guid userId, string address, CancellationToken ct)
    {
        await PasskeysAsync(userId, await db.Passkeys.AsNoTracking().Where(p => p.UserId == userId).ToListAsync(ct), address, ct);
        await AuthenticatorAsync(userId, address, ct);
    }

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

    private async Task AuthenticatorAsync(Guid userId, string address, CancellationToken ct)
    {
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

    // The session that made what is in force now.
    private Task<Guid?> NewestAsync(Guid userId, string[] actions, CancellationToken ct) =>
        db.Audit.Where(a => a.UserId == userId && actions.Contains(a.Action)).OrderByDescending(a => a.Id).Select(a => a.SessionId).FirstOrDefaultAsync(ct);
}
