using App.Accounts;
using App.Audit;
using App.Data;
using App.Profile;
using App.Recovery;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Admin;

/// <summary>An admin helps somebody back in: their address gets the letter for a new password. The link in it is for its owner alone, and no admin sees it.</summary>
internal sealed class StartReset(AppDb db, AskForReset ask, AuditLog audit)
{
    public enum Outcome
    {
        /// <summary>The letter is on its way; also where one that was asked for a moment ago still is.</summary>
        Started,
        NoSuchUser,

        /// <summary>A locked account gets no letter that leads into it.</summary>
        Locked,

        /// <summary>They have been sent as many as anybody is in an hour.</summary>
        EnoughLetters,

        /// <summary>The caller is no admin any more.</summary>
        Forbidden,
    }

    /// <summary>202: a letter follows to the address of the account. 409 where none can be sent: <c>account_locked</c>, and <c>enough_letters</c> past three within an hour.</summary>
    /// <param name="id">The person's id.</param>
    public static async Task<Results<Accepted<Nothing>, ProblemHttpResult>> HandleAsync(Guid id, CurrentUser admin, StartReset start, CancellationToken ct) =>
        await start.RunAsync(id, admin, ct) switch
        {
            Outcome.Started => TypedResults.Accepted((string?)null, new Nothing()),
            Outcome.Locked => Problems.AccountLocked(),
            Outcome.EnoughLetters => Problems.EnoughLetters(),
            Outcome.Forbidden => Problems.Forbidden(),
            _ => Problems.NotFound(),
        };

    public async Task<Outcome> RunAsync(Guid id, CurrentUser admin, CancellationToken ct)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        if (!await db.IsStillAdminAsync(admin, ct)) return Outcome.Forbidden;
        if (await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.Id == id, ct) is not { } user) return Outcome.NoSuchUser;
        if (user.IsLocked) return Outcome.Locked;
        switch (await ask.ForOwnerAsync(id, ct))
        {
            case AskForReset.Letters.Enough: return Outcome.EnoughLetters;
            case AskForReset.Letters.Waiting: return Outcome.Started;
        }

        audit.Add("reset-started", id, actor: admin.Id);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return Outcome.Started;
    }
}
