using App.Accounts;
using App.Audit;
using App.Data;
using App.Events;
using App.Profile;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;

namespace App.Admin;

/// <summary>
/// An account is locked: all of its sessions end, every token is refused, and until it is unlocked whoever tries to get in is told what
/// somebody with a wrong password is told.
/// </summary>
internal sealed class LockAccount(
    AppDb db, ILookupNormalizer normalizer, RevokeSessions revoke, SecurityEventLog events, LooseEnds looseEnds, GuessLimits guesses, AuditLog audit)
{
    public enum Outcome
    {
        /// <summary>Also where it was so already.</summary>
        Done,
        NoSuchUser,

        /// <summary>Nobody would be left to look after the service.</summary>
        OnlyAdmin,

        /// <summary>The admin's own account.</summary>
        Oneself,

        /// <summary>The caller is no admin any more.</summary>
        Forbidden,
    }

    /// <summary>Ends every session of the person, and keeps them out until the account is unlocked. 409 <c>only_admin</c> for the only admin, <c>oneself</c> for the caller's own account.</summary>
    /// <param name="id">The person's id.</param>
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleLockAsync(Guid id, CurrentUser admin, LockAccount account, CancellationToken ct) =>
        await account.RunAsync(id, locked: true, admin, ct) switch
        {
            Outcome.Done => TypedResults.NoContent(),
            Outcome.OnlyAdmin => Problems.OnlyAdmin(),
            Outcome.Oneself => Problems.Oneself(),
            Outcome.Forbidden => Problems.Forbidden(),
            _ => Problems.NotFound(),
        };

    /// <summary>The person may sign in again, with what they had before, whether an admin had locked the account or wrong guesses had.</summary>
    /// <param name="id">The person's id.</param>
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleUnlockAsync(Guid id, CurrentUser admin, LockAccount account, CancellationToken ct) =>
        await account.RunAsync(id, locked: false, admin, ct) switch
        {
            Outcome.Done => TypedResults.NoContent(),
            Outcome.Forbidden => Problems.Forbidden(),
            _ => Problems.NotFound(),
        };

    public async Task<Outcome> RunAsync(string email, bool locked, CancellationToken ct)
    {
        var key = normalizer.NormalizeEmail(email);
        return await db.Users.Where(u => u.NormalizedEmail == key).Select(u => (Guid?)u.Id).SingleOrDefaultAsync(ct) is { } id
            ? await RunAsync(id, locked, null, ct)
            : Outcome.NoSuchUser;
    }

    /// <param name="admin">Who does it; null for the command line.</param>
    public async Task<Outcome> RunAsync(Guid id, bool locked, CurrentUser? admin, CancellationToken ct)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        if (!await db.IsStillAdminAsync(admin, ct)) return Outcome.Forbidden;
        if (locked && await db.IsOnlyAdminAsync(id, ct)) return Outcome.OnlyAdmin;
        if (locked && admin?.Id == id) return Outcome.Oneself;

        // First the user's row: a session that begins meanwhile finds it changed, or is found below. And of two who lock at once one finds nothing to do.
        DateTimeOffset? until = locked ? DateTimeOffset.MaxValue : null;
        var changed = await db.Users.Where(u => u.Id == id && u.LockoutEnd == null == locked).ExecuteUpdateAsync(set => set.SetProperty(u => u.LockoutEnd, until), ct) > 0;
        if (await db.Users.Where(u => u.Id == id).Select(u => u.NormalizedEmail!).SingleOrDefaultAsync(ct) is not { } address) return Outcome.NoSuchUser;
        // Whoever is unlocked may sign in, whether an admin had locked them, or wrong guesses; and what its owner tried meanwhile was refused however right it was.
        var forgotten = false;
        if (!locked)
            foreach (var key in ShowUser.GuessedAt(address, id)) forgotten |= await guesses.ForgetAsync(key, ct);
        if (!changed)
        {
            if (forgotten) audit.Add("account-unlocked", id, detail: "guesses", actor: admin?.Id);
            await db.SaveChangesAsync(ct);
            await transaction.CommitAsync(ct);
            return Outcome.Done;
        }

        if (locked)
        {
            // Open pages follow their session, everybody else the account.
            await revoke.InUnitOfWorkAsync(s => s.UserId == id, Causes.EndedByAdmin, ct, actor: admin?.Id, ofUser: Causes.Disabled);
            await events.UserChangedAsync(Causes.Disabled, id, ct);
            await looseEnds.OfLockAsync(id, ct);
        }
        else
        {
            await looseEnds.OfUnlockAsync(id, ct);
        }

        audit.Add(locked ? "account-locked" : "account-unlocked", id, actor: admin?.Id);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return Outcome.Done;
    }
}
