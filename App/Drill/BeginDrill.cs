using App.Data;
using App.Events;
using App.OAuth;
using App.Profile;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Drill;

/// <summary>
/// A session of the admin's own begins and ends by the verbs by which all do, in one transaction: nothing lives on if this process dies,
/// no list shows it as alive, and its tokens, which never leave here, were never good. Each service hears of it as of any other end.
/// </summary>
internal sealed partial class BeginDrill(AppDb db, StartSession start, RevokeSessions revoke, ShowDrill show, TimeProvider time, ILogger<BeginDrill> logger)
{
    /// <summary>Each drill costs every service an event.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    private const string Canary = "Fire-drill";

    public abstract record Outcome
    {
        public sealed record Begun(Guid Id) : Outcome;

        /// <param name="Wait">Until another may begin.</param>
        public sealed record UnderWay(Guid Id, TimeSpan Wait) : Outcome;

        /// <summary>The caller is no admin any more.</summary>
        public sealed record Forbidden : Outcome;
    }

    /// <summary>
    /// Begins a fire drill: a session of the caller's own, made for this alone, is ended, and every service that follows the feed is timed.
    /// 201 with who is waited for. 409 (<c>drill_under_way</c>, with its id and Retry-After) within ten seconds of the one before, whoever began it.
    /// </summary>
    public static async Task<Results<Created<DrillView>, ProblemHttpResult>> HandleAsync(CurrentUser admin, BeginDrill begin, ShowDrill show, HttpContext http, CancellationToken ct) =>
        await begin.TryAsync(admin, Client.Of(http).Address, ct) switch
        {
            Outcome.Begun(var id) when await show.OneAsync(id, ct) is { } drill => TypedResults.Created($"/api/admin/drills/{id}", drill),
            Outcome.UnderWay(var id, var wait) => Problems.DrillUnderWay(http, id, wait),
            _ => Problems.Forbidden(),
        };

    public async Task<Outcome> TryAsync(CurrentUser admin, string address, CancellationToken ct)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        // What admins do happens one after the other, at whichever replica: of two at once, the second finds the drill of the first.
        if (!await db.IsStillAdminAsync(admin, ct) || await db.Users.SingleOrDefaultAsync(u => u.Id == admin.Id, ct) is not { } person) return new Outcome.Forbidden();
        var now = time.GetUtcNow();
        if (await show.NewestAsync(1, ct) is [var last] && last.OccurredAt > now - Pause)
            return new Outcome.UnderWay(last.SessionId!.Value, last.OccurredAt > now ? Pause : last.OccurredAt + Pause - now);
        if (await start.BeginAsync(person, admin.Amr, new Client(address, Canary), [], ct, action: "fire-drill") is not { User.SessionId: var id }) return new Outcome.Forbidden();

        // As if it had got a token for each: who accepts none but their own hear of no other session.
        var audiences = await db.OAuthClients.Where(c => c.Audience != null).Select(c => c.Audience!).Distinct().ToListAsync(ct);
        db.BoundAudiences.AddRange(audiences.Select(audience => new BoundAudience { SessionId = id, UserId = admin.Id, Audience = audience }));
        await db.SaveChangesAsync(ct);
        await revoke.InUnitOfWorkAsync(s => s.Id == id, Causes.FireDrill, ct);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        Begun(admin.Id, id);
        return new Outcome.Begun(id);
    }

    [LoggerMessage(7201, LogLevel.Information, "Fire drill of admin {UserId}: session {SessionId} has ended")]
    private partial void Begun(Guid userId, Guid sessionId);
}
