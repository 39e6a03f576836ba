using System.Linq.Expressions;
using App.Audit;
using App.Data;
using App.Events;
using Microsoft.EntityFrameworkCore;

namespace App.Sessions;

/// <summary>
/// Ends sessions: the row, its event and its audit entry in one transaction, exactly once however many ask at the same time.
/// Every way out of a session leads through here.
/// </summary>
internal sealed class RevokeSessions(AppDb db, SecurityEventLog events, AuditLog audit, SessionOptions options, TimeProvider time)
{
    public const string Usage = "sessions end-all (everybody signs in again: after a backup was restored)";

    private const int Piece = 200;

    // Longer than any token lives (an hour at most) and any clock jumps: of what ran out before, nobody has anything left to refuse.
    private static readonly TimeSpan Forgotten = TimeSpan.FromHours(2);

    /// <returns>The ids of those that were alive and now aren't. One that had run out is no longer to be renewed by any clock; while a token of it may still be believed somewhere, services hear of it.</returns>
    public async Task<IReadOnlyList<Guid>> RunAsync(Expression<Func<Session, bool>> which, Cause cause, CancellationToken ct)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        var ended = await InUnitOfWorkAsync(which, cause, ct);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return ended;
    }

    /// <summary>
    /// <c>App sessions end-all</c>: everybody signs in again. For after a backup was restored, in which sessions that have ended since are still alive.
    /// </summary>
    public static async Task<int> EndAllAsync(IServiceProvider services, string[] args, TextWriter output, CancellationToken ct)
    {
        if (args is not ["end-all"])
        {
            await output.WriteLineAsync("Usage: App " + Usage);
            return 2;
        }

        await using (var scope = services.CreateAsyncScope()) await scope.ServiceProvider.GetRequiredService<SecurityEventLog>().LeapAsync(ct);
        var ended = 0;
        for (var more = true; more;)
        {
            await using var scope = services.CreateAsyncScope();
            // In pieces, so that nobody else who writes waits for all of them.
            var piece = await scope.ServiceProvider.GetRequiredService<AppDb>().Sessions.Where(s => s.RevokedAt == null).OrderBy(s => s.Id).Take(Piece).Select(s => s.Id).ToListAsync(ct);
            ended += (await scope.ServiceProvider.GetRequiredService<RevokeSessions>().RunAsync(s => piece.Contains(s.Id), Causes.EndedByAdmin, ct)).Count;
            more = piece.Count == Piece;
        }

        await output.WriteLineAsync($"Done. Sessions ended: {ended}.");
        return 0;
    }

    /// <summary>The same, inside a transaction of the caller's, who saves and commits.</summary>
    /// <param name="actor">The admin who does it to somebody else.</param>
    /// <param name="ofUser">What happened to the user, where they end with that: who holds one of their cookies is told this.</param>
    public async Task<IReadOnlyList<Guid>> InUnitOfWorkAsync(Expression<Func<Session, bool>> which, Cause cause, CancellationToken ct, Guid? actor = null, Cause? ofUser = null)
    {
        var because = (ofUser ?? cause).Reason;
        var now = time.GetUtcNow();
        var alive = await db.Sessions.AsNoTracking().Where(which).Where(s => s.RevokedAt == null).Select(s => new { s.Id, s.UserId, s.ExpiresAt, s.LastSeenAt }).ToListAsync(ct);
        foreach (var user in alive.Select(s => s.UserId).Distinct().Order()) await db.HoldUserAsync(user, ct);
        var ended = new List<Guid>(alive.Count);
        foreach (var session in alive)
        {
            // Whoever changes the row writes the event; the others find it changed.
            var changed = await db.Sessions.Where(s => s.Id == session.Id && s.RevokedAt == null)
                .ExecuteUpdateAsync(set => set.SetProperty(s => s.RevokedAt, now).SetProperty(s => s.RevokedBecause, because), ct);
            var end = options.EndOf(session.ExpiresAt, session.LastSeenAt);
            if (changed == 0 || end < now - Forgotten) continue;
            events.SessionRevoked(cause, session.UserId, session.Id);
            if (end <= now) continue;
            if (cause.Audited) audit.Add("session-ended", session.UserId, session.Id, detail: cause.Reason, actor: actor);
            ended.Add(session.Id);
        }

        return ended;
    }
}
