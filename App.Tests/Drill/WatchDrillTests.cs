using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using App.Drill;
using App.Events;
using App.Ops;
using App.Sessions;
using App.Tests.Admin;
using App.Tests.Events;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Drill;

/// <summary>What comes of each drill is counted, and known afterwards, though nobody looks. Heard where this app alone counts: <c>/metrics</c> tells of every app in the process.</summary>
public sealed class WatchDrillTests : IAsyncLifetime
{
    private const string Account = "operator@example.test";
    private static readonly (string, string?)[] Settings = [.. FeedServices.Settings, ("Drill:Account", Account)];

    private readonly TestApp _app = TestApp.Start(Settings);
    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<string, long> _counted = new();
    private readonly ConcurrentQueue<double> _slowest = new();
    private TestUser _admin = null!;
    private long _cursor;

    public async Task InitializeAsync()
    {
        var factory = _app.Get<IMeterFactory>();
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter is { Name: OpsModule.OwnMeter, Scope: var scope } && scope == factory && instrument.Name.StartsWith("gatehouse_drill", StringComparison.Ordinal)) listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((_, value, tags, _) => _counted.AddOrUpdate((string)tags[0].Value!, value, (_, before) => before + value));
        _listener.SetMeasurementEventCallback<double>((_, value, _, _) => _slowest.Enqueue(value));
        _listener.Start();
        _admin = await _app.SignUpAsync(Account);
        await _app.GrantAsync(_admin);
        _admin = await _app.SignInAsync(_admin);
    }

    public async Task DisposeAsync()
    {
        _listener.Dispose();
        await _app.DisposeAsync();
    }

    [Fact]
    public async Task Each_drill_is_counted_once_by_what_came_of_it_at_the_replica_where_it_began()
    {
        await using var replica = _app.StartReplica(Settings);
        var first = await BeginAsync();
        Assert.Equal("nobody", (await EndedAsync(first))!.Word);
        Assert.Equal([], Slowest());

        await AckAsync("billing", 1);
        await AckAsync("orders", 1);
        // Who came later and knows of more wasn't there either.
        Assert.Equal((DrillState.Nobody, 0), (await _app.ScopedAsync((ShowDrill show) => show.OneAsync(first, CancellationToken.None))) is { } seen ? (seen.State, seen.Expected) : default);
        Assert.Equal(("within", 0.3), await EndedAsync(await BeginAsync(), ("billing", 0.1), ("orders", 0.3)) is var within ? (within!.Word, within.Seconds!.Value) : default);
        Assert.Equal([0.3], Slowest());
        Assert.Equal(new DrillOutcome("late", 2.5, 1, "orders"), await EndedAsync(await BeginAsync(), ("billing", 1), ("orders", 2.5)));
        Assert.Equal([2.5], Slowest());
        Assert.Equal(("behind", "orders"), await EndedAsync(await BeginAsync(), ("billing", 1)) is var behind ? (behind!.Word, behind.Service) : default);
        Assert.True(Assert.Single(Slowest()) >= 60);
        Assert.Equal([("behind", 1), ("late", 1), ("nobody", 1), ("within", 1)], _counted.Select(c => (c.Key, (int)c.Value)).Order());
        Assert.Contains(_app.Log.Lines, l => l.StartsWith("Warning App.Drill.WatchDrill 7205", StringComparison.Ordinal) && l.Contains("late, orders 2.5 s", StringComparison.Ordinal));

        var metrics = await _app.Client.GetStringAsync("/metrics");
        foreach (var line in new[] { "gatehouse_drill_seconds{", "gatehouse_drills_total{" }) Assert.Contains(line, metrics, StringComparison.Ordinal);
        foreach (var outcome in new[] { "within", "late", "behind", "nobody" }) Assert.Contains($"outcome=\"{outcome}\"", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_that_began_by_itself_counts_like_any_other()
    {
        _app.Get<DrillOptions>().Every = TimeSpan.FromMinutes(10);
        await AckAsync("billing", 1);
        await _app.Get<DrillOnSchedule>().RunOnceAsync(CancellationToken.None);
        var (id, cursor) = await _app.DbAsync(db => db.SecurityEvents.Where(e => e.Reason == "scheduled-drill").Select(e => ValueTuple.Create(e.SessionId!.Value, e.Cursor)).SingleAsync());
        _cursor = cursor;
        Assert.Equal(new DrillOutcome("late", 1.5, 1, "billing"), await EndedAsync(id, ("billing", 1.5)));
        Assert.Equal([("late", 1)], _counted.Select(c => (c.Key, (int)c.Value)));
    }

    private double[] Slowest()
    {
        _slowest.Clear();
        _listener.RecordObservableInstruments();
        return [.. _slowest];
    }

    private async Task<Guid> BeginAsync()
    {
        _app.Time.Advance(BeginDrill.Pause);
        if (_app.Time.GetUtcNow().ToUnixTimeSeconds() >= _admin.Claims.GetProperty("exp").GetInt64()) _admin = await _app.SignInAsync(_admin);
        using var answer = await _app.SendAsync(HttpMethod.Post, "/api/admin/drills", _admin.AccessToken);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        var drill = await answer.Content.ReadFromJsonAsync<JsonElement>();
        _cursor = drill.GetProperty("cursor").GetInt64();
        return drill.GetProperty("id").GetGuid();
    }

    // Each answers so many seconds after it began; then the clock goes on until what came of it is written down.
    private async Task<DrillOutcome?> EndedAsync(Guid id, params (string Service, double After)[] answers)
    {
        var began = _app.Time.GetUtcNow();
        foreach (var (service, after) in answers)
        {
            _app.Time.Advance(began + TimeSpan.FromSeconds(after) - _app.Time.GetUtcNow());
            await AckAsync(service, _cursor);
        }

        return await _app.UntilAsync(
            () => DrillOutcome.Read(_app.DbAsync(db => db.Sessions.Where(s => s.Id == id).Select(s => s.UserAgent).SingleAsync()).GetAwaiter().GetResult()), outcome => outcome is not null, quick: 400); // who is behind is waited for for a minute
    }

    private async Task AckAsync(string service, long cursor)
    {
        Assert.Equal(HttpStatusCode.NoContent, (await Feed.PostAsync(_app, "/events/ack", new { cursor }, service)).StatusCode);
        await _app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
    }
}
