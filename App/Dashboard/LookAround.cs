using System.Diagnostics;
using App.Data;
using App.Events;
using App.Mail;
using App.Ops;
using App.Sessions;
using App.Tokens;
using Microsoft.EntityFrameworkCore;
using SessionOptions = App.Sessions.SessionOptions;

namespace App.Dashboard;

/// <summary>What is true at all replicas.</summary>
internal sealed record Surroundings(DateTimeOffset At, IReadOnlyList<ProblemView> Problems, long? ActiveSessions, LastRevocationView? LastRevocation, IReadOnlyList<ServiceState> Services);

/// <summary>Looks at the database for all who look at the overview together, at most once in two seconds however many they are.</summary>
internal sealed partial class LookAround(
    IServiceScopeFactory scopes, Health health, FollowLog log, EventFeed feed, SigningKeyRing ring, KeyOptions keys, MailOptions mail, SessionOptions sessions, IHostEnvironment environment,
    IEnumerable<TroubleSource> sources, TimeProvider time, ILogger<LookAround> logger)
{
    public static readonly TimeSpan Pace = TimeSpan.FromSeconds(2);

    // A letter leaves within seconds, and is tried again after ten.
    private static readonly TimeSpan LetterWaits = TimeSpan.FromMinutes(5);

    // Beyond its time, and the next key's: the schedule looks each minute.
    private static readonly TimeSpan RotationSlack = RotateOnSchedule.PublishedBefore + TimeSpan.FromHours(1);

    // Of a million sessions it takes a fifth of a second: at most a hundredth of the time goes into it.
    private const int CountShare = 100;
    private static readonly TimeSpan CountPatience = TimeSpan.FromMilliseconds(500);

    private const int MostLooked = 100, MostAsked = 5;

    private readonly Lock _one = new();
    private (long At, Task<Surroundings> Look)? _latest;
    private Task _counting = Task.CompletedTask;
    private long? _sessions;
    private long _counted;
    private TimeSpan? _took;

    /// <summary>What was seen last, however long ago; null where nobody has looked yet.</summary>
    public Surroundings? Latest { get; private set; }

    public Task<Surroundings> LookAsync(CancellationToken ct)
    {
        lock (_one)
        {
            // Not for the next one to wait for what this one asked: on SQLite whoever reads holds their thread.
            if (_latest is not { } l || (l.Look.IsCompleted && time.GetElapsedTime(l.At) >= Pace)) _latest = (time.GetTimestamp(), Task.Run(ReadAsync, CancellationToken.None));
            return _latest.Value.Look.WaitAsync(ct);
        }
    }

    private async Task<Surroundings> ReadAsync()
    {
        try
        {
            var ready = await health.ReadyAsync(CancellationToken.None);
            if (ready.Checks?.GetValueOrDefault("database") == "failing") return Latest = Away();
            await using var scope = scopes.CreateAsyncScope();
            return Latest = await ReadAsync(scope.ServiceProvider, CancellationToken.None);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            NotRead(e.GetType().Name, e.Message);
            return Latest = Away();
        }
    }

    // What was known of services and sessions may be true no more.
    private Surroundings Away() => new(time.GetUtcNow(), [new ProblemView(ProblemView.DatabaseAway)], null, null, []);

    private async Task<Surroundings> ReadAsync(IServiceProvider services, CancellationToken ct)
    {
        var (db, now) = (services.GetRequiredService<AppDb>(), time.GetUtcNow());
        var states = await services.GetRequiredService<ServiceStates>().AllAsync(ct);
        List<ProblemView> problems = [.. states.SelectMany(ServiceStates.ProblemsOf)];
        if (!await log.IsCurrentAsync()) problems.Add(new(ProblemView.NotCurrent));
        if (await LettersAsync(db, now, ct) is { } letters) problems.Add(letters);
        if (!ring.IsShared && await db.SigningKeys.Where(k => k.State == SigningKeyState.Current).Select(k => k.ActivatedAt).SingleOrDefaultAsync(ct) is { } activated
            && now - activated > keys.RotateAfter + RotationSlack) problems.Add(new(ProblemView.RotationOverdue, Seconds: Math.Round((now - activated - keys.RotateAfter).TotalSeconds)));
        foreach (var source in sources) problems.AddRange((await source.FindAsync(services, ct)).Select(t => new ProblemView(t.Kind, t.Service, t.Count, t.Seconds)));
        var last = await LastRevocationAsync(services.GetRequiredService<Convergence>(), ct);
        return new Surroundings(now, problems, await CountAsync(), last, states);
    }

    // In Development they are read where they lie.
    private async Task<ProblemView?> LettersAsync(AppDb db, DateTimeOffset now, CancellationToken ct)
    {
        if (mail.Host is null && environment.IsDevelopment()) return null;
        var since = now - LetterWaits;
        var waiting = await db.Outbox.Where(l => l.DueAt != null && l.GiveUpAt > now && l.CreatedAt < since).GroupBy(_ => 1)
            .Select(all => new { Count = all.Count(), Oldest = all.Min(l => l.CreatedAt) }).SingleOrDefaultAsync(ct);
        return waiting is null ? null : new(mail.Host is null ? ProblemView.NoMailServer : ProblemView.LettersWaiting, Count: waiting.Count, Seconds: Math.Round((now - waiting.Oldest).TotalSeconds));
    }

    private async Task<LastRevocationView?> LastRevocationAsync(Convergence convergence, CancellationToken ct)
    {
        // Each of them costs a question, and most concern somebody.
        foreach (var entry in feed.Recent().Take(MostLooked).Where(entry => entry.Revokes).Take(MostAsked))
            if (await convergence.OfAsync(entry, ct) is { } view) return new LastRevocationView(entry.OccurredAt, view.Applied, view.Services, view.Seconds);

        return null;
    }

    /// <returns>The latest count; null where the first one takes longer than anybody would wait for.</returns>
    private async Task<long?> CountAsync()
    {
        if (_counting.IsCompleted && (_took is not { } took || time.GetElapsedTime(_counted) >= took * CountShare)) _counting = Task.Run(CountNowAsync);
        if (_sessions is null || !_counting.IsCompleted) await _counting.WaitAsync(CountPatience).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return _sessions;
    }

    private async Task CountNowAsync()
    {
        var began = Stopwatch.GetTimestamp();
        await using var scope = scopes.CreateAsyncScope();
        _sessions = await scope.ServiceProvider.GetRequiredService<AppDb>().Sessions.Living(time.GetUtcNow(), sessions).LongCountAsync();
        // The first one says more of what had to be compiled for it.
        (_took, _counted) = (_counted == 0 ? null : Stopwatch.GetElapsedTime(began), time.GetTimestamp());
    }

    [LoggerMessage(9001, LogLevel.Warning, "The overview can't be read: {Exception}: {Reason}")]
    private partial void NotRead(string exception, string reason);
}
