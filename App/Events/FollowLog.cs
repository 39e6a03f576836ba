using App.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Events;

/// <summary>
/// Keeps the index current with what other processes on the same database write: the service's replicas and the command line.
/// A fifth of a second between looks keeps "refused at the other replica" well inside a second.
/// </summary>
internal sealed partial class FollowLog(IServiceScopeFactory scopes, RevocationIndex index, TimeProvider time, ILogger<FollowLog> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    // On SQL Server a transaction that took its cursor early may commit late. Looking back this far at each turn finds its entry.
    private static readonly TimeSpan LookBack = TimeSpan.FromSeconds(20);

    private static readonly TimeSpan BetweenSweeps = TimeSpan.FromMinutes(1);

    // Measured by the monotonic clock: a wall clock that jumps must not cut the looking back short.
    private readonly Queue<(long SeenAt, long Cursor)> _seen = new();
    private readonly HashSet<long> _applied = [];
    private readonly SemaphoreSlim _one = new(1);
    private long _lastSweep = time.GetTimestamp();
    private long _from;
    private bool _failing;

    /// <summary>Reads every revocation still in force. Must have returned before the first request is accepted.</summary>
    public async Task LoadAsync(CancellationToken ct)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        var now = time.GetUtcNow();
        await foreach (var entry in db.SecurityEvents.AsNoTracking().Where(e => e.ExpiresAt > now).AsAsyncEnumerable().WithCancellation(ct))
            index.Apply(entry);
        _from = await db.SecurityEvents.OrderByDescending(e => e.Cursor).Skip(100).Select(e => e.Cursor).FirstOrDefaultAsync(ct);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // The wall's own seconds, not TimeProvider's: this is a pace, not a deadline, and a test that moves its clock by a month
        // would otherwise tick thirteen million times on the way.
        using var timer = new PeriodicTimer(Interval);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await CatchUpAsync(stoppingToken);
                _failing = false;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                if (!_failing) LogLost(e.Message);
                _failing = true;
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
        _one.Dispose();
        base.Dispose();
    }

    private async Task LookAsync(CancellationToken ct)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        var newest = _from;
        await foreach (var entry in db.SecurityEvents.AsNoTracking().Where(e => e.Cursor > _from).OrderBy(e => e.Cursor).AsAsyncEnumerable().WithCancellation(ct))
        {
            if (_applied.Add(entry.Cursor)) index.Apply(entry);
            newest = Math.Max(newest, entry.Cursor);
        }

        var now = time.GetTimestamp();
        _seen.Enqueue((now, newest));
        while (_seen.TryPeek(out var oldest) && time.GetElapsedTime(oldest.SeenAt, now) > LookBack) _from = _seen.Dequeue().Cursor;
        if (time.GetElapsedTime(_lastSweep, now) < BetweenSweeps) return;
        _lastSweep = now;
        _applied.RemoveWhere(cursor => cursor <= _from);
        index.ForgetExpired();
    }

    [LoggerMessage(2501, LogLevel.Warning, "The event log can't be read; revocations of other replicas wait: {Cause}")]
    private partial void LogLost(string cause);
}
