using System.Diagnostics.Metrics;
using App.Dashboard;
using App.Ops;
using Microsoft.Extensions.DependencyInjection;
using static App.Dashboard.Recorder;

namespace App.Tests.Dashboard;

/// <summary>The memory of an hour, by a clock of the test's own.</summary>
public sealed class RecorderTests : IDisposable
{
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly TestClock _time = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly Figures _figures;
    private readonly Recorder _recorder;

    public RecorderTests()
    {
        var meters = _services.GetRequiredService<IMeterFactory>();
        _figures = new Figures(meters);
        _recorder = new Recorder(meters, _figures, _time);
        _recorder.StartAsync(CancellationToken.None);
    }

    public void Dispose()
    {
        _recorder.Dispose();
        _services.Dispose();
    }

    [Fact]
    public void What_happens_is_in_the_last_minute_for_a_minute_and_in_the_last_hour_for_an_hour()
    {
        _time.Advance(TimeSpan.FromMinutes(90));
        _figures.SignIn("ok");
        _figures.SignIn("wrong");
        _figures.SignIn("second_step"); // no end of anything
        _figures.Renewal("renewed");
        _figures.Traffic.TokenChecked();
        Assert.Equal((1, 1, 1, 1), Counts(_recorder.Read().Minute));
        Assert.Equal((1, 1, 1, 1), Counts(_recorder.Read().Minutes[^1]));

        _time.Advance(TimeSpan.FromSeconds(50));
        Assert.Equal((1, 1, 1, 1), Counts(_recorder.Read().Minute));
        _time.Advance(TimeSpan.FromSeconds(10));
        _figures.SignIn("limited");
        Assert.Equal((0, 0, 0, 0), Counts(_recorder.Read().Minute));
        Assert.Equal((1, 1, 1, 1), Counts(_recorder.Read().Minutes[^2]));
        Assert.Equal(1, _recorder.Read().Minute.SignIns("limited"));

        _time.Advance(TimeSpan.FromMinutes(58));
        Assert.Equal((1, 1, 1, 1), Counts(_recorder.Read().Hour));
        Assert.Equal((1, 1, 1, 1), Counts(_recorder.Read().Minutes[0]));
        Assert.Equal(_recorder.Read().Hour.SignIns("ok"), _recorder.Read().Minutes.Sum(m => m.SignIns("ok")));
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal((0, 0, 0, 0), Counts(_recorder.Read().Hour));
        Assert.Equal(1, _recorder.Read().Hour.SignIns("limited"));
        _time.Advance(TimeSpan.FromDays(3)); // as over a sleep
        Assert.Equal(0, _recorder.Read().Hour.SignIns("limited"));
    }

    [Fact]
    public void Each_minute_has_its_own_count_though_nobody_looks_in_between()
    {
        for (var minute = 1; minute <= 60; minute++)
        {
            for (var i = 0; i < minute; i++) _figures.Traffic.TokenChecked();
            _time.Advance(TimeSpan.FromMinutes(1));
        }

        // The last minute has just begun.
        Assert.Equal([.. Enumerable.Range(2, 59), 0], _recorder.Read().Minutes.Select(m => (int)m[Cell.TokenChecks]));
    }

    [Fact]
    public void A_process_that_has_just_begun_doesnt_spread_its_counts_over_an_hour()
    {
        _time.Advance(TimeSpan.FromSeconds(4));
        for (var i = 0; i < 20; i++) _figures.Traffic.TokenChecked();
        var traffic = TrafficView.Of(_recorder.Read().Hour);
        Assert.Equal((4.0, 20, 5.0), (traffic.Seconds, traffic.TokenChecks, traffic.TokenChecksPerSecond));
        _time.Advance(TimeSpan.FromMinutes(2) + TimeSpan.FromSeconds(1));
        Assert.Equal((55.0, 125.0), (_recorder.Read().Minute.Length.TotalSeconds, _recorder.Read().Hour.Length.TotalSeconds));
    }

    [Fact]
    public void Percentiles_are_those_of_the_nearest_rank_and_off_by_an_eighth_at_most()
    {
        for (var i = 1; i <= 98; i++) _figures.Traffic.Answered(TimeSpan.FromMilliseconds(2));
        for (var i = 0; i < 2; i++) _figures.Traffic.Answered(TimeSpan.FromMilliseconds(300));
        var traffic = TrafficView.Of(_recorder.Read().Minute);
        Assert.Equal(100, traffic.Requests);
        _figures.Traffic.Answered(null);
        Assert.Equal(101, TrafficView.Of(_recorder.Read().Minute).Requests);
        Assert.InRange(traffic.RequestP50Milliseconds!.Value, 2 * 0.875, 2 * 1.125);
        Assert.InRange(traffic.RequestP99Milliseconds!.Value, 300 * 0.875, 300 * 1.125);
        Assert.Null(traffic.PropagationP99Milliseconds);
    }

    [Fact] // all on one core, as far as the test can say so
    public void A_request_that_is_timed_stands_for_those_before_it_that_were_not()
    {
        for (var i = 0; i < 5000; i++) _figures.Traffic.Answered(i % 50 == 49 ? TimeSpan.FromMilliseconds(i < 4500 ? 2 : 300) : null);
        var minute = _recorder.Read().Minute;
        Assert.InRange(minute.Measured(Cell.Took), 4700, 5000);
        Assert.InRange(minute.Percentile(Cell.Took, 80)!.Value.TotalMilliseconds, 2 * 0.875, 2 * 1.125);
        Assert.InRange(minute.Percentile(Cell.Took, 95)!.Value.TotalMilliseconds, 300 * 0.875, 300 * 1.125);
    }

    [Fact]
    public void Of_many_requests_at_once_few_are_timed()
    {
        var timed = 0;
        var began = System.Diagnostics.Stopwatch.GetTimestamp();
        for (var i = 0; i < 1_000_000; i++) timed += _figures.Traffic.IsToBeTimed() ? 1 : 0;
        Assert.InRange(timed, 1, 1 + (Environment.ProcessorCount * (int)System.Diagnostics.Stopwatch.GetElapsedTime(began).TotalMilliseconds));
    }

    [Fact]
    public void A_buckets_middle_is_near_all_that_falls_into_it()
    {
        var before = 0;
        for (var microseconds = 4.0; microseconds < 500e6; microseconds *= 1.01)
        {
            var span = TimeSpan.FromMicroseconds(microseconds);
            var bucket = LogScale.BucketOf(span);
            Assert.InRange(bucket, before, before + 1);
            Assert.InRange(LogScale.MiddleOf(bucket) / span, 0.875, 1.126);
            before = bucket;
        }

        Assert.Equal((0, 0, LogScale.Buckets - 1), (LogScale.BucketOf(TimeSpan.Zero), LogScale.BucketOf(TimeSpan.FromSeconds(-1)), LogScale.BucketOf(TimeSpan.FromDays(1))));
    }

    [Fact]
    public void Revocations_that_services_applied_are_measured_and_refused_tokens_counted_by_reason()
    {
        var histogram = _services.GetRequiredService<IMeterFactory>().Create(OpsModule.OwnMeter).CreateHistogram<double>("gatehouse_revocation_propagation_seconds");
        foreach (var seconds in new[] { 0.02, 0.02, 40 }) histogram.Record(seconds, new KeyValuePair<string, object?>("service", "billing"));
        foreach (var reason in new[] { "revoked", "expired", "expired", "never heard of" }) _figures.TokenRefused(reason);
        var traffic = TrafficView.Of(_recorder.Read().Minute);
        Assert.Equal(3, traffic.EventsApplied);
        Assert.InRange(traffic.PropagationP50Milliseconds!.Value, 17.5, 22.5);
        Assert.InRange(traffic.PropagationP99Milliseconds!.Value, 35_000, 45_000);
        Assert.Equal([("expired", 2), ("revoked", 1)], traffic.TokensRefusedByReason.Select(r => (r.Key, (int)r.Value)));
        Assert.Equal(3, traffic.TokensRefused);
    }

    [Fact]
    public void Another_hosts_instruments_of_the_same_name_are_not_heard()
    {
        using var other = new ServiceCollection().AddMetrics().BuildServiceProvider();
        new Figures(other.GetRequiredService<IMeterFactory>()).SignIn("ok");
        Assert.Equal(0, _recorder.Read().Minute.SignIns("ok"));
    }

    [Fact]
    public async Task Many_threads_lose_no_count_and_allocate_nothing()
    {
        const int threads = 4, each = 100_000;
        var allocated = await Task.WhenAll(Enumerable.Range(0, threads).Select(_ => Task.Factory.StartNew(() =>
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < each; i++)
            {
                _figures.Traffic.TokenChecked();
                _figures.Traffic.Answered(_figures.Traffic.IsToBeTimed() ? TimeSpan.FromTicks(i) : null);
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
        Assert.All(allocated, bytes => Assert.Equal(0, bytes));
        var hour = TrafficView.Of(_recorder.Read().Hour);
        Assert.Equal((threads * each, threads * each), (hour.TokenChecks, hour.Requests));
    }

    [Fact]
    public void It_takes_less_than_350_KB_of_memory() => Assert.InRange(Slots * Cell.Count * sizeof(int), 1, 350_000);

    private static (long Ok, long Wrong, long Renewed, long Checks) Counts(Window window) => (window.SignIns("ok"), window.SignIns("wrong"), window.Renewals("renewed"), window[Cell.TokenChecks]);
}
