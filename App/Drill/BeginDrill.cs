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
internal sealed partial class BeginDrill(
    AppDb db, StartSession start, RevokeSessions revoke, ShowDrill show, DrillSchedule schedule, WatchDrill watch, TimeProvider time, ILogger<BeginDrill> logger)
{
    /// <summary>Each drill costs every service an event.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    public abstract record Outcome
    {
        public sealed record Begun(Guid Id) : Outcome;

        /// <param name="Wait">Until another may begin.</param>
        public sealed record UnderWay(Guid Id, TimeSpan Wait) : Outcome;

        /// <summary>The caller is no admin any more, nor is <c>Drill:Account</c>.</summary>
        public sealed record Forbidden : Outcome;

        /// <summary>Another replica was first.</summary>
        public sealed record NotDue : Outcome;
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
        return await EndOneAsync(transaction, person, admin.Amr, address, Causes.FireDrill, "fire-drill", ct);
    }

    /// <summary>The one that is due by itself, if it still is. Nobody did anything: what came of it stands in the log, the figures and the overview, and no row of the audit is buried under thousands of its.</summary>
    public async Task<Outcome> IfDueAsync(CancellationToken ct)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        // Touches the role, so that of two replicas the second finds the drill of the first.
        if (!await db.IsStillAdminAsync(admin: null, ct) || await schedule.AccountAsync(ct) is not { } person) return new Outcome.Forbidden();
        if (await schedule.DueAsync(person.Id, ct) > time.GetUtcNow()) return new Outcome.NotDue();
        await schedule.ForgetEarlierAsync(person.Id, ct);
        return await EndOneAsync(transaction, person, [], "", Causes.ScheduledDrill, action: null, ct);
    }

    private async Task<Outcome> EndOneAsync(WriteTransaction transaction, User person, IReadOnlyList<string> amr, string address, Cause cause, string? action, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        if (await show.NewestAsync(1, ct) is [var last] && (now - last.OccurredAt).Duration() < Pause) // further ahead, its clock has been set right since
            return new Outcome.UnderWay(last.SessionId!.Value, last.OccurredAt > now ? Pause : last.OccurredAt + Pause - now);
        if (await start.BeginAsync(person, amr, new Client(address, DrillOutcome.Canary), [], ct, action) is not { User.SessionId: var id }) return new Outcome.Forbidden();

        // As if it had got a token for each: who accepts none but their own hear of no other session.
        var audiences = await db.OAuthClients.Where(c => c.Audience != null).Select(c => c.Audience!).Distinct().ToListAsync(ct);
        db.BoundAudiences.AddRange(audiences.Select(audience => new BoundAudience { SessionId = id, UserId = person.Id, Audience = audience }));
        await db.SaveChangesAsync(ct);
        await revoke.InUnitOfWorkAsync(s => s.Id == id, cause, ct);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        if (cause.Audited) Begun(person.Id, id);
        watch.Begun(id);
        return new Outcome.Begun(id);
    }

    [LoggerMessage(7201, LogLevel.Information, "Fire drill of admin {UserId}: session {SessionId} has ended")]
    private partial void Begun(Guid userId, Guid sessionId);
}
