using App.Tokens;
using Microsoft.EntityFrameworkCore;
using static App.Tests.Tokens.SigningKeysTests;

namespace App.Tests.Tokens;

public sealed class RotateOnScheduleTests : IAsyncLifetime
{
    // The database was migrated by an earlier process, with the clock on the wall: the tests begin at a rotation of their own.
    private readonly TestApp _app = TestApp.Start(("Sessions:AbsoluteLifetime", "365.00:00:00"));

    public async Task InitializeAsync()
    {
        await RotateAsync();
        await RotateAsync();
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task The_current_key_is_replaced_after_thirty_days_and_not_before()
    {
        var (current, next) = await PairAsync();

        await RunAsync(TimeSpan.FromDays(30) - TimeSpan.FromMinutes(2));
        Assert.Equal((current, next), await PairAsync());

        await RunAsync(TimeSpan.FromMinutes(2));
        var (newCurrent, newNext) = await PairAsync();
        Assert.Equal(next, newCurrent);
        Assert.NotEqual(next, newNext);
    }

    [Fact]
    public async Task Every_rotation_starts_the_thirty_days_anew()
    {
        await RunAsync(TimeSpan.FromDays(29));
        await RotateAsync();
        var pair = await PairAsync();
        await RunAsync(TimeSpan.FromDays(29));
        Assert.Equal(pair, await PairAsync());
        await RunAsync(TimeSpan.FromDays(1));
        Assert.NotEqual(pair, await PairAsync());
    }

    [Fact]
    public async Task A_key_younger_than_a_day_never_takes_over_by_schedule()
    {
        await RunAsync(TimeSpan.FromDays(30) - TimeSpan.FromHours(1));
        var (current, revoked) = await PairAsync();
        await _app.ScopedAsync((SigningKeys keys) => keys.RevokeAsync(revoked, CancellationToken.None));
        var (_, next) = await PairAsync();

        await RunAsync(TimeSpan.FromDays(1) - TimeSpan.FromMinutes(2));
        Assert.Equal((current, next), await PairAsync());
        await RunAsync(TimeSpan.FromMinutes(2));
        Assert.Equal(next, (await PairAsync()).Current);
    }

    [Fact]
    public async Task Two_replicas_whose_schedules_meet_rotate_once()
    {
        await using var replica = _app.StartReplica();
        _ = replica.Services;
        var (current, next) = await PairAsync();
        foreach (var app in new[] { _app, replica }) app.Time.AdjustTime(app.Time.GetUtcNow() + TimeSpan.FromDays(30));
        // Each on a thread of its own: SQLite answers at once, and the first would have committed before the second begins.
        await Task.WhenAll(new[] { _app, replica }.Select(app => Task.Run(() => app.Get<RotateOnSchedule>().RunOnceAsync(CancellationToken.None))));

        Assert.Equal(next, (await PairAsync()).Current);
        Assert.Equal(current, (await KeysAsync(_app)).OrderByDescending(k => k.EndedAt).First().Id);
    }

    [Fact]
    public async Task Failing_once_is_logged_and_not_the_end()
    {
        var schedule = _app.Get<RotateOnSchedule>();
        await _app.DbAsync(db => db.Database.ExecuteSqlRawAsync("ALTER TABLE SigningKeys RENAME TO Away"));
        await schedule.RunOnceAsync(CancellationToken.None);
        Assert.Contains(_app.Log.Lines, l => l.StartsWith("Error App.Tokens.RotateOnSchedule 3002", StringComparison.Ordinal));

        var user = await _app.SignUpAsync(); // the ring goes on with what it has
        Assert.NotNull(await _app.WhoAmIAsync(bearer: user.AccessToken));
        await _app.DbAsync(db => db.Database.ExecuteSqlRawAsync("ALTER TABLE Away RENAME TO SigningKeys"));
        await RotateAsync();
    }

    // The clock alone: letting every timer tick through a month takes longer than all the rest.
    private async Task RunAsync(TimeSpan later)
    {
        _app.Time.AdjustTime(_app.Time.GetUtcNow() + later);
        await _app.Get<RotateOnSchedule>().RunOnceAsync(CancellationToken.None);
    }

    private async Task RotateAsync() =>
        Assert.IsType<SigningKeys.Outcome.Done>(await _app.ScopedAsync((SigningKeys keys) => keys.RotateAsync(CancellationToken.None)));

    private async Task<(string Current, string Next)> PairAsync()
    {
        var keys = await KeysAsync(_app);
        return (Of(keys, SigningKeyState.Current).Id, Of(keys, SigningKeyState.Next).Id);
    }
}
