using System.Collections.Concurrent;
using Microsoft.Extensions.Time.Testing;

namespace App.Tests;

/// <summary>Stands still until a test moves it. The wall's clock can be set, as an operator or NTP does; what counts ticks hears nothing of it.</summary>
public sealed class TestClock(DateTimeOffset start) : FakeTimeProvider(start)
{
    private readonly ConcurrentQueue<TimeSpan> _periods = new();
    private long _kept;

    /// <summary>Forward, or back where it is negative. No timer fires.</summary>
    public void SetWall(TimeSpan by)
    {
        var before = GetTimestamp();
        AdjustTime(GetUtcNow() + by);
        _kept += before - GetTimestamp();
    }

    /// <summary>Of all timers that were started: one that isn't yet hears nothing of how far the clock is moved before.</summary>
    public IReadOnlyCollection<TimeSpan> Periods => _periods;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = base.CreateTimer(callback, state, dueTime, period);
        _periods.Enqueue(period);
        return timer;
    }

    public override long GetTimestamp() => base.GetTimestamp() + _kept;
}
