using App.Audit;
using App.Data;
using App.Events;
using App.Profile;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Admin;

/// <summary>An admin ends a session of somebody's, or all of them. They may sign in again at once: to keep them out is what a lock is for.</summary>
internal sealed class EndTheirSessions(AppDb db, RevokeSessions revoke, AuditLog audit)
{
    public abstract record Outcome
    {
        /// <param name="Owner">Whose they were.</param>
        /// <param name="Count">None where they had ended already.</param>
        public sealed record Ended(Guid Owner, int Count) : Outcome;
        public sealed record NotFound : Outcome;

        /// <summary>The caller is no admin any more.</summary>
        public sealed record Forbidden : Outcome;
    }

    /// <summary>Ends all of a person's sessions, the caller's own included where it is them.</summary>
    /// <param name="id">The person's id.</param>
    public static async Task<Results<Ok<EndedSessions>, ProblemHttpResult>> HandleAllAsync(Guid id, CurrentUser admin, EndTheirSessions end, CancellationToken ct) =>
        await end.AllAsync(id, admin, ct) switch
        {
            Outcome.Ended(_, var count) => TypedResults.Ok(new EndedSessions(count)),
            Outcome.Forbidden => Problems.Forbidden(),
            _ => Problems.NotFound(),
        };

    /// <summary>Ends one session, whosever it is. 204 also where it had ended already.</summary>
    /// <param name="id">The session's id.</param>
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleOneAsync(Guid id, CurrentUser admin, EndTheirSessions end, CancellationToken ct) =>
        await end.OneAsync(id, admin, ct) switch
        {
            Outcome.Ended => TypedResults.NoContent(),
            Outcome.Forbidden => Problems.Forbidden(),
            _ => Problems.NotFound(),
        };

    public async Task<Outcome> AllAsync(Guid userId, CurrentUser admin, CancellationToken ct)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        if (!await db.IsStillAdminAsync(admin, ct)) return new Outcome.Forbidden();
        if (!await db.Users.AnyAsync(u => u.Id == userId, ct)) return new Outcome.NotFound();
        await db.HoldUserAsync(userId, ct);
        var ended = await revoke.InUnitOfWorkAsync(s => s.UserId == userId, Causes.EndedByAdmin, ct, actor: admin.Id);
        if (ended.Count > 0) audit.Add("sessions-ended", userId, actor: admin.Id);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return new Outcome.Ended(userId, ended.Count);
    }

    public async Task<Outcome> OneAsync(Guid sessionId, CurrentUser admin, CancellationToken ct)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        if (!await db.IsStillAdminAsync(admin, ct)) return new Outcome.Forbidden();
        if (await db.Sessions.Where(s => s.Id == sessionId).Select(s => (Guid?)s.UserId).SingleOrDefaultAsync(ct) is not { } owner) return new Outcome.NotFound();
        var ended = await revoke.InUnitOfWorkAsync(s => s.Id == sessionId, Causes.EndedByAdmin, ct, actor: admin.Id);
        if (ended.Count > 0) audit.Add("sessions-ended", owner, sessionId, actor: admin.Id);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return new Outcome.Ended(owner, ended.Count);
    }
}
