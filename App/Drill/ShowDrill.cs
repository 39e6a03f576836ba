using System.Linq.Expressions;
using App.Data;
using App.Events;
using App.OAuth;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using SessionOptions = App.Sessions.SessionOptions;

namespace App.Drill;

/// <summary>
/// Who refuses a drill's session by now, worked out from its entry in the log and from what each reader of the feed has said: it is kept nowhere
/// else, so that any replica can tell, and nobody once the log has forgotten it.
/// </summary>
internal sealed class ShowDrill(AppDb db, EntryText text, TokenFacts tokens, ServiceRegistry registry, LiveServices live, DrillOptions options, SessionOptions sessions, TimeProvider time)
{
    /// <summary>Whoever hasn't answered by then isn't waited for any longer.</summary>
    public static readonly TimeSpan Watched = TimeSpan.FromSeconds(60);

    private const int MostCounted = 1000;

    // No index tells drills from the rest, and nobody waits until all of a busy log is read.
    private const int MostLooked = 10_000;

    // Begun by somebody or by itself.
    private static readonly Expression<Func<LoggedEvent, bool>> IsDrill = e => e.Reason == Causes.FireDrill.Reason || e.Reason == Causes.ScheduledDrill.Reason;

    /// <summary>A fire drill as it stands now. 404 for one that the event log no longer holds: it goes back an hour beyond the life of the tokens.</summary>
    /// <param name="id">The drill's id, which is that of the session that was ended.</param>
    public static async Task<Results<Ok<DrillView>, ProblemHttpResult>> HandleAsync(Guid id, ShowDrill show, CancellationToken ct) =>
        await show.OneAsync(id, ct) is { } drill ? TypedResults.Ok(drill) : Problems.NotFound();

    /// <summary>Whether an admin may go on looking.</summary>
    public Task<bool> MayAsync(CurrentUser admin, CancellationToken ct) => db.HoldsStillAsync(admin, Roles.Admin, time.GetUtcNow(), sessions, ct);

    /// <returns>Null where the log no longer holds it.</returns>
    public async Task<DrillView?> OneAsync(Guid id, CancellationToken ct) =>
        await db.SecurityEvents.AsNoTracking().Where(IsDrill).SingleOrDefaultAsync(e => e.SessionId == id, ct) is { } drill ? await ReadAsync(drill, ct) : null;

    /// <summary>Who would be asked by a drill that began now.</summary>
    public async Task<DrillView> NextAsync(CancellationToken ct)
    {
        var drill = new LoggedEvent { Type = "", Reason = "", OccurredAt = time.GetUtcNow(), Cursor = FeedReader.Everything - 1, Audiences = BoundAudience.Everybody };
        var view = await ReadAsync(drill, ct);
        return view with { State = DrillState.Ready, Services = [.. view.Services.Select(s => s with { State = Ready(s.State), BehindSeconds = null, Instances = [.. s.Instances.Select(i => i with { State = Ready(i.State), BehindSeconds = null })] })] };

        static string Ready(string state) => state == DrillState.Silent ? state : DrillState.Ready;
    }

    /// <summary>The newest first, as far as the log holds them.</summary>
    public async Task<IReadOnlyList<LoggedEvent>> NewestAsync(int most, CancellationToken ct) =>
        await db.SecurityEvents.AsNoTracking().OrderByDescending(e => e.Cursor).Take(MostLooked)
            .Where(IsDrill).OrderByDescending(e => e.Cursor).Take(most).ToListAsync(ct);

    /// <summary>The same as they stand now.</summary>
    public async Task<IReadOnlyList<DrillView>> EarlierAsync(int most, CancellationToken ct)
    {
        var views = new List<DrillView>();
        foreach (var drill in await NewestAsync(most, ct)) views.Add(await ReadAsync(drill, ct));
        return views;
    }

    private async Task<DrillView> ReadAsync(LoggedEvent drill, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var readers = await ReadersOfAsync(drill, ct);
        var aside = await db.UndeliveredEvents.Where(u => u.Cursor == drill.Cursor).Select(u => u.Service).ToListAsync(ct);
        var states = readers.ConvertAll(r => (Reader: r, State: StateOf(r, drill, aside)));
        var missed = await MissedAsync(states.Where(s => s.State == DrillState.Waiting).Select(s => s.Reader), drill, ct);
        var answers = states.Select(s => (s.Reader.Service, Instance: new DrillInstance(
            s.Reader.Instance, s.State,
            s.State is DrillState.Applied ? SecondsOf(s.Reader, drill) : null,
            s.State is DrillState.Waiting ? Convergence.Seconds(now - FirstMissed(s.Reader, drill, missed)) : null,
            s.Reader.ContactAt == default ? null : s.Reader.ContactAt))).ToList();
        return DrillView.Of(
            drill.SessionId ?? default, drill.Cursor, drill.OccurredAt, answers, [.. registry.All.Select(s => s.Description.Id).Except(answers.Select(a => a.Service)).Order(StringComparer.Ordinal)],
            now, options.Target, drill.Reason == Causes.ScheduledDrill.Reason);
    }

    private async Task<List<FeedReader>> ReadersOfAsync(LoggedEvent drill, CancellationToken ct)
    {
        var since = drill.OccurredAt - Convergence.Remembered;
        var readers = await db.FeedReaders.AsNoTracking().Where(r => r.ContactAt > since).ToListAsync(ct);
        var receivers = live.Receivers.Select(r => r.Service).Where(s => text.Concerns(drill, s.Audience)).ToList();
        var unwatched = readers.Exists(r => r.CameAfter(drill)) && await WasUnwatchedAsync(drill, ct);
        // Who began after it wasn't there, however far behind it is; and an instance that began anew is the same one, unless there was none. Who had said goodbye before isn't asked, nor is anything pushed to where no receiver is any more.
        readers.RemoveAll(r => !live.IsThere(r.Service) || !text.Concerns(drill, r.Audience) || (r.HasLeft && r.ContactAt <= drill.OccurredAt)
            || (r.CameAfter(drill) && (unwatched || r.Applied < drill.Cursor))
            || (r.Instance == FeedReader.Push && !receivers.Exists(s => s.Id == r.Service)));
        // Nothing was pushed to it for a day, or ever: it is told all the same.
        readers.AddRange(receivers.Where(s => !readers.Exists(r => r.Service == s.Id && r.Instance == FeedReader.Push))
            .Select(s => new FeedReader { Service = s.Id, Instance = FeedReader.Push, Audience = s.Audience }));
        return readers;
    }

    // As it was when it was over.
    private async Task<bool> WasUnwatchedAsync(LoggedEvent drill, CancellationToken ct) =>
        await db.Sessions.Where(s => s.Id == drill.SessionId).Select(s => s.UserAgent).SingleOrDefaultAsync(ct) is { } text && DrillOutcome.Read(text) is { Word: DrillOutcome.Nobody };

    // To a receiver it is we who come, however long there was nothing to bring. All others are in contact who were heard of within a token's life.
    private string StateOf(FeedReader reader, LoggedEvent drill, List<string> aside) =>
        !reader.IsInstance && aside.Contains(reader.Service) ? DrillState.Refused
        : reader.HasLeft ? SecondsOf(reader, drill) is null ? DrillState.Left : DrillState.Applied
        : Convergence.HasApplied(reader, drill.Cursor) ? DrillState.Applied
        : reader.Instance == FeedReader.Push || reader.ContactAt > drill.OccurredAt - tokens.Lifetime ? DrillState.Waiting
        : DrillState.Silent;

    // Who began after it was never behind. Of whom it isn't known any more when they began, what they said first is where our memory of them does;
    // to a receiver that is the very entry.
    private static double? SecondsOf(FeedReader reader, LoggedEvent drill)
    {
        if (reader.AppliedAt(drill.Cursor) is not { } at || reader.CameAfter(drill)) return null;
        var begins = reader.Acknowledged()[0].Cursor;
        return begins < drill.Cursor || (begins == drill.Cursor && reader.Instance == FeedReader.Push) ? Convergence.Seconds(at - drill.OccurredAt) : null;
    }

    // The newest first. Few are waited for, as a rule, and not for long.
    private async Task<List<LoggedEvent>> MissedAsync(IEnumerable<FeedReader> waiting, LoggedEvent drill, CancellationToken ct)
    {
        if (drill.SessionId is null || waiting.Select(r => r.Applied).Where(applied => applied > 0).DefaultIfEmpty().Min() is not (> 0 and var after)) return [];
        return await db.SecurityEvents.AsNoTracking().Where(e => e.Cursor > after && e.Cursor < drill.Cursor).OrderByDescending(e => e.Cursor).Take(MostCounted).ToListAsync(ct);
    }

    private DateTimeOffset FirstMissed(FeedReader reader, LoggedEvent drill, List<LoggedEvent> missed) =>
        reader.Applied == 0 ? drill.OccurredAt
        : missed.FindLast(e => text.Concerns(e, reader.Audience) && !Convergence.HasApplied(reader, e.Cursor))?.OccurredAt ?? drill.OccurredAt;
}
