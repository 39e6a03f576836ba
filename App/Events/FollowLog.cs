using System.Diagnostics;
using App.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Events;

/// <summary>
/// Keeps the index and the feed current with what other processes on the same database write: the service's replicas and the command line.
/// A fifth of a second between looks keeps "refused at the other replica" well inside a second. Where Redis says when to look, fewer of
/// them do, yet enough to keep that word should it fall silent. Cursors grow in the order of commits, so each look asks for what comes
/// after the last one, and nothing can turn up before it.
/// </summary>
internal sealed partial class FollowLog(
    IServiceScopeFactory scopes, RevocationIndex index, EventFeed feed, RedisStream redis, TimeProvider time, ILogger<FollowLog> logger) : BackgroundService
{
    private const string Behind = """ "Value" < (SELECT MAX("Cursor") FROM "SecurityEventLog")""";

    private const string CatchUp = $"""UPDATE "EventCounter" SET "Value" = (SELECT MAX("Cursor") FROM "SecurityEventLog") WHERE {Behind}""";

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private static readonly TimeSpan IntervalWithRedis = TimeSpan.FromMilliseconds(500);

    private static readonly TimeSpan BetweenBeats = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan BetweenSweeps = TimeSpan.FromMinutes(1);

    /// <summary>Half of the grace that losers of a renewal's race have, which one replica counts from another's clock.</summary>
    private static readonly TimeSpan Apart = TimeSpan.FromSeconds(5);

    /// <summary>Longer than a hiccup, shorter than anybody's limit of staleness.</summary>
    private static readonly TimeSpan Current = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly SemaphoreSlim _one = new(1);
    private readonly SemaphoreSlim _hurry = new(0, 1);
    private readonly Lock _turn = new();
    private Task _telling = Task.CompletedTask;
    private volatile Moment _read = new(0, DateTimeOffset.MinValue);
    private (Task Look, long Began) _extra = (Task.CompletedTask, 0);
    private long _lastSweep = time.GetTimestamp();
    private long _lastBeat;
    private bool _failing;
    private bool _apart;
    private volatile Moment _told = new(0, DateTimeOffset.MinValue);

    /// <summary>Reads every revocation still in force, also if the clock should be ahead now. Must have returned before the first request is accepted.</summary>
    public async Task LoadAsync(CancellationToken ct)
    {
        var began = Moment.Now(time);
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        // A log from before the counter, or one that was restored without it: cursors go on from where they were.
        // Asked first: a start that has nothing to write needn't wait for whoever does.
        if (await db.ExistsAsync($"""SELECT 1 FROM "EventCounter" WHERE {Behind}""", ct)) await db.WriteAsync(CatchUp, ct);

        // The mark first: what is written after it is the follower's.
        long? counted = null;
        await db.ReadAsync("""SELECT "Value" FROM "EventCounter" """, row => counted = row.GetInt64(0), ct);
        var newest = counted ?? throw new InvalidOperationException("The table EventCounter has lost its row.");
        await WriteTransaction.FlushAsync(db); // as in each look
        var horizon = time.GetUtcNow() - RevocationIndex.Slack;
        await foreach (var entry in db.SecurityEvents.AsNoTracking().Where(e => e.ExpiresAt > horizon).AsAsyncEnumerable().WithCancellation(ct))
            index.Apply(entry);
        var recent = await db.SecurityEvents.AsNoTracking().Where(e => e.Cursor <= newest).OrderByDescending(e => e.Cursor).Take(EventFeed.Kept).ToListAsync(ct);
        feed.Start(newest, recent.AsEnumerable().Reverse());
        _read = _told = began;
    }

    /// <summary>
    /// False where another process may have revoked something that isn't known here: the log wasn't read through for two seconds, because the
    /// database is away, a look hangs or the machine slept, and neither is it now, in one look that all who ask share and wait for, a second at most.
    /// </summary>
    public ValueTask<bool> IsCurrentAsync() => IsCurrent ? ValueTask.FromResult(true) : new(LookNowAsync());

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        feed.Missing += Hurry;
        redis.Grown += Hurry;
        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (true)
        {
            // The wall's own seconds, not TimeProvider's: this is a pace, not a deadline, and a test that moves its clock by a month
            // would otherwise tick thirteen million times on the way.
            await _hurry.WaitAsync(redis.Answers ? IntervalWithRedis : Interval, stoppingToken);
            try
            {
                await CatchUpAsync(stoppingToken);
                if (time.GetElapsedTime(_told.Timestamp) < Current)
                {
                    _failing = false;
                    Beat();
                }
                else Lost("what is newest wasn't told within two seconds");
            }
            catch (Exception e) when (e is not OperationCanceledException || !stoppingToken.IsCancellationRequested)
            {
                Lost(e.Message);
                await Task.Delay(Interval, stoppingToken);
            }
        }
    }

    internal async Task CatchUpAsync(CancellationToken ct)
    {
        await _one.WaitAsync(ct);
        try
        {
            await LookAsync(ct);
        }
        finally
        {
            _one.Release();
        }
    }

    public override void Dispose()
    {
        feed.Missing -= Hurry;
        redis.Grown -= Hurry;
        _one.Dispose();
        _hurry.Dispose();
        base.Dispose();
    }

    // By two clocks: the one stands still while the machine sleeps, the other can be set.
    private bool IsCurrent => _read is var read && time.GetElapsedTime(read.Timestamp) < Current && (time.GetUtcNow() - read.At).Duration() < Current;

    private async Task<bool> LookNowAsync()
    {
        (Task Look, long Began) extra;
        lock (_turn)
        {
            // Where it fails, no more often than the follower; and on a thread of its own: SQLite has whoever reads wait.
            if (_extra.Look.IsCompletedSuccessfully || (_extra.Look.IsCompleted && Stopwatch.GetElapsedTime(_extra.Began) >= Interval)) _extra = (Task.Run(() => CatchUpAsync(CancellationToken.None)), Stopwatch.GetTimestamp());
            extra = _extra;
        }

        // Of one that hangs, the wait is over for all. Why one has failed the follower says, which fails like it.
        var left = Patience - Stopwatch.GetElapsedTime(extra.Began);
        await extra.Look.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return IsCurrent;
    }

    private async Task LookAsync(CancellationToken ct)
    {
        var began = Moment.Now(time);
        await using (var scope = scopes.CreateAsyncScope())
        {
            var db = scope.ServiceProvider.GetRequiredService<AppDb>();
            // What this process has opened can still be read, though nobody else writes to it any more.
            if (db.IsSqlite && SharedSync.IsGone(db.Database.GetDbConnection().DataSource)) throw new FileNotFoundException("The file of the database is gone.");
            // Before the rows: what is given out by now is either read below or has been pruned.
            var givenOut = await GivenOut(db, ct);
            var news = new List<LoggedEvent>();
            await foreach (var entry in After(db, feed.Newest).WithCancellation(ct))
            {
                index.Apply(entry);
                news.Add(entry);
                Compare(entry);
            }

            _read = began;
            if (givenOut <= feed.Newest) _told = began;
            else if (_telling.IsCompleted) _telling = TellAsync(db, news, givenOut, began);
        }

        // Of a disk that hangs nobody hears here: what is read is known, and whoever wrote it is waiting, too.
        await _telling.WaitAsync(Patience, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var now = time.GetTimestamp();
        if (time.GetElapsedTime(_lastSweep, now) < BetweenSweeps) return;
        _lastSweep = now;
        index.ForgetExpired();
    }

    // Told of is only what a power cut won't take back: its cursor would come again, for another entry. What the disk refuses is read and told the next time.
    private async Task TellAsync(AppDb db, List<LoggedEvent> news, long givenOut, Moment began)
    {
        if (!await WriteTransaction.FlushAsync(db)) return;
        foreach (var entry in news) feed.Offer(entry, read: true);
        feed.Reached(givenOut);
        _told = began;
    }

    // Whose event is yet to come has another clock than this.
    private void Compare(LoggedEvent entry)
    {
        var ahead = entry.OccurredAt - time.GetUtcNow();
        if (ahead > Apart && !_apart) LogApart(ahead.TotalSeconds);
        _apart = ahead > Apart;
    }

    private void Lost(string cause)
    {
        if (!_failing) LogLost(cause);
        _failing = true;
    }

    // Only after the log was read and told: a heartbeat says that nothing older is missing.
    private void Beat()
    {
        if (_lastBeat != 0 && Stopwatch.GetElapsedTime(_lastBeat) < BetweenBeats) return;
        _lastBeat = Stopwatch.GetTimestamp();
        feed.Beat();
    }

    private void Hurry()
    {
        try
        {
            _hurry.Release();
        }
        catch (Exception e) when (e is SemaphoreFullException or ObjectDisposedException)
        {
            // Already told, or nobody is there any more.
        }
    }

    // Several times a second, so compiled once.
    private static readonly Func<AppDb, long, IAsyncEnumerable<LoggedEvent>> After = EF.CompileAsyncQuery((AppDb db, long cursor) =>
        db.Set<LoggedEvent>().AsNoTracking().Where(e => e.Cursor > cursor).OrderBy(e => e.Cursor).AsQueryable());

    private static readonly Func<AppDb, CancellationToken, Task<long>> GivenOut = EF.CompileAsyncQuery((AppDb db, CancellationToken ct) =>
        db.Set<EventCounter>().AsNoTracking().Select(c => c.Value).Single());

    private sealed record Moment(long Timestamp, DateTimeOffset At)
    {
        public static Moment Now(TimeProvider time) => new(time.GetTimestamp(), time.GetUtcNow());
    }

    [LoggerMessage(2501, LogLevel.Warning, "The event log can't be read or told on; revocations wait: {Cause}")]
    private partial void LogLost(string cause);

    [LoggerMessage(2502, LogLevel.Warning, "The clock of another replica is {Seconds:0} s ahead of this one's: past 10 s, two tabs that renew at once are taken for a thief and signed out. Let NTP set both")]
    private partial void LogApart(double seconds);
}
