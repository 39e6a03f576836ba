using Microsoft.Extensions.Time.Testing;

namespace App.Tests;

/// <summary>Stands still until a test moves it. The wall's clock can be set, as an operator or NTP does; what counts ticks hears nothing of it.</summary>
public sealed class TestClock(DateTimeOffset start) : FakeTimeProvider(start)
{
    private long _kept;

    /// <summary>Forward, or back where it is negative. No timer fires.</summary>
    public void SetWall(TimeSpan by)
    {
        var before = GetTimestamp();
        AdjustTime(GetUtcNow() + by);
        _kept += before - GetTimestamp();
    }

    public override long GetTimestamp() => base.GetTimestamp() + _kept;
}
