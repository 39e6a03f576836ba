using System.Net.Http.Json;
using System.Text.Json;
using App.Audit;
using App.Data;
using App.Drill;
using App.Events;
using App.Ops;
using App.Sessions;
using App.Tests.Admin;
using App.Tests.Events;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;

namespace App.Tests.Drill;

/// <summary>Fire drills that begin by themselves.</summary>
public sealed class DrillOnScheduleTests : IAsyncLifetime
{
    private const string Account = "operator@example.test";

    private readonly TestApp _app = Start("00:05:00");
    private TestUser _admin = null!;

    public async Task InitializeAsync() => _admin = await AdminAsync(_app);

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Of_two_replicas_one_begins_one_in_each_interval()
    {
        await using var replica = _app.StartReplica(Settings("00:05:00"));
        await LookAsync(TimeSpan.Zero, _app, replica);
        for (var begun = 1; begun <= 3; begun++)
        {
            Assert.Equal(begun, await CountAsync(_app));
            await LookAsync(TimeSpan.FromSeconds(299), _app, replica);
            Assert.Equal(begun, await CountAsync(_app));
            await LookAsync(TimeSpan.FromSeconds(1), _app, replica);
        }
    }

    [Fact]
    public async Task By_the_hosts_own_clock_one_begins_soon_after_the_start_and_none_where_that_isnt_set()
    {
        await using var never = Start(null);
        await AdminAsync(never);
        await never.UntilAsync(() => never.Time.GetUtcNow(), now => now > new DateTimeOffset(2026, 1, 1, 0, 10, 0, TimeSpan.Zero), quick: 400);
        Assert.Equal(0, await CountAsync(never));
        Assert.Equal(1, await _app.UntilAsync(() => CountAsync(_app).GetAwaiter().GetResult(), count => count > 0, quick: 400));
    }

    [Fact] // the log goes back an hour or so
    public async Task A_restart_adds_none_though_the_log_has_forgotten_the_last()
    {
        await using var app = Start("12:00:00");
        await AdminAsync(app);
        await LookAsync(TimeSpan.Zero, app);
        app.Time.SetWall(TimeSpan.FromHours(11));
        await app.Get<HourlySweep>().RunOnceAsync(CancellationToken.None);
        Assert.Equal(0, await CountAsync(app));
        await using (var again = app.StartReplica(Settings("12:00:00")))
        {
            await LookAsync(TimeSpan.Zero, again);
            Assert.Equal(0, await CountAsync(app));
            await LookAsync(TimeSpan.FromHours(1), again);
            Assert.Equal(1, await CountAsync(app));
        }
    }

    [Fact]
    public async Task One_that_was_begun_by_a_clock_ahead_keeps_none_waiting_once_it_is_set_right()
    {
        _app.Time.SetWall(TimeSpan.FromDays(1));
        await LookAsync(TimeSpan.Zero, _app);
        Assert.Equal(1, await CountAsync(_app));
        await LookAsync(TimeSpan.Zero, _app); // it knows when the next one would be due
        _app.Time.SetWall(-TimeSpan.FromDays(1));
        await LookAsync(TimeSpan.Zero, _app);
        Assert.Equal(2, await CountAsync(_app));
    }

    [Fact]
    public async Task Without_its_account_none_begins_and_the_log_says_so_once()
    {
        var other = await _app.NewAdminAsync();
        await LookAsync(TimeSpan.Zero, _app);
        foreach (var (take, give) in new (Func<Task>, Func<Task>)[]
        {
            (() => _app.GrantAsync(_admin, granted: false), () => _app.GrantAsync(_admin)),
            (() => _app.DbAsync(db => db.Users.Where(u => u.Id == _admin.Id).ExecuteUpdateAsync(set => set.SetProperty(u => u.LockoutEnd, DateTimeOffset.MaxValue))),
                () => _app.DbAsync(db => db.Users.Where(u => u.Id == _admin.Id).ExecuteUpdateAsync(set => set.SetProperty(u => u.LockoutEnd, (DateTimeOffset?)null)))),
            (() => _app.DbAsync(db => db.Users.Where(u => u.Id == _admin.Id).ExecuteUpdateAsync(set => set.SetProperty(u => u.NormalizedEmail, "away@example.test"))),
                () => _app.DbAsync(db => db.Users.Where(u => u.Id == _admin.Id).ExecuteUpdateAsync(set => set.SetProperty(u => u.NormalizedEmail, Account)))),
        })
        {
            var (before, warned, told) = (await CountAsync(_app), Logged(7202), Logged(7203));
            await take();
            await LookAsync(TimeSpan.FromMinutes(6), _app);
            await LookAsync(TimeSpan.FromMinutes(6), _app);
            Assert.Equal((before, warned + 1, told), (await CountAsync(_app), Logged(7202), Logged(7203)));
            await give();
            await LookAsync(TimeSpan.Zero, _app);
            Assert.Equal((before + 1, warned + 1, told + 1), (await CountAsync(_app), Logged(7202), Logged(7203)));
        }

        Assert.Equal(0, await _app.DbAsync(db => db.SecurityEvents.CountAsync(e => e.Reason == "scheduled-drill" && e.UserId == other.Id)));
        Assert.DoesNotContain(_app.Log.Lines, l => l.Contains(" 7202 ", StringComparison.Ordinal) && l.Contains(Account, StringComparison.Ordinal)); // no address in a log
    }

    [Fact]
    public async Task Where_none_can_begin_the_log_says_so_once_and_again_after_one_has()
    {
        for (var begun = 0; begun < 2; begun++)
        {
            await _app.DbAsync(db => db.Database.ExecuteSqlRawAsync("""CREATE TRIGGER "Full" BEFORE INSERT ON "SecurityEventLog" BEGIN SELECT RAISE(ABORT, 'full'); END"""));
            for (var i = 0; i < 3; i++) await LookAsync(TimeSpan.FromMinutes(6), _app);
            Assert.Equal((begun, begun + 1), (await CountAsync(_app), Logged(7204)));
            await _app.DbAsync(db => db.Database.ExecuteSqlRawAsync("""DROP TRIGGER "Full" """));
            await LookAsync(TimeSpan.Zero, _app);
            Assert.Equal(begun + 1, await CountAsync(_app));
        }
    }

    [Fact]
    public async Task Whose_name_it_bears_sees_nothing_of_it_and_the_events_show_each()
    {
        var before = (Audit: await _app.DbAsync(db => db.Audit.CountAsync()), Letters: await _app.DbAsync(db => db.Set<App.Mail.QueuedLetter>().CountAsync()));
        for (var i = 0; i < 4; i++) await LookAsync(TimeSpan.FromMinutes(5), _app);
        Assert.Equal(4, await CountAsync(_app));
        Assert.Equal(before, (await _app.DbAsync(db => db.Audit.CountAsync()), await _app.DbAsync(db => db.Set<App.Mail.QueuedLetter>().CountAsync())));
        // The one before the last says what came of it while the last runs.
        Assert.Equal(2, await _app.DbAsync(db => db.Sessions.CountAsync(s => s.RevokedBecause == "scheduled-drill")));
        _admin = await _app.SignInAsync(_admin);
        Assert.Equal(3, (await JsonAsync("/api/sessions")).GetArrayLength());
        Assert.Equal(["signed-in", "signed-in", "signed-in", "signed-up"], (await JsonAsync("/api/account/activity")).GetProperty("entries").EnumerateArray().Select(e => e.GetProperty("action").GetString()).Where(a => a != "role-granted"));
        var events = (await JsonAsync("/api/admin/events?type=session-revoked")).GetProperty("events").EnumerateArray().Select(e => e.GetProperty("reason").GetString());
        Assert.Equal(Enumerable.Repeat("scheduled-drill", 4), events);
        // Nobody is signed out by it, and each may be looked at like any other.
        Assert.Equal(_admin.Email, await _app.WhoAmIAsync(_admin.AccessToken));
        var id = await _app.DbAsync(db => db.SecurityEvents.Where(e => e.Reason == "scheduled-drill").OrderBy(e => e.Cursor).Select(e => e.SessionId).FirstAsync());
        Assert.True((await JsonAsync($"/api/admin/drills/{id}")).GetProperty("scheduled").GetBoolean());
    }

    [Fact]
    public async Task What_somebody_has_just_begun_goes_first()
    {
        using var manual = await _app.SendAsync(HttpMethod.Post, "/api/admin/drills", _admin.AccessToken);
        Assert.False((await manual.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("scheduled").GetBoolean());
        await LookAsync(TimeSpan.FromSeconds(9), _app);
        Assert.Equal(0, await CountAsync(_app));
        await LookAsync(TimeSpan.FromSeconds(1), _app);
        Assert.Equal(1, await CountAsync(_app));
    }

    [Theory]
    [InlineData("00:05:00", "operator@example.test", null)]
    [InlineData(null, "operator@example.test", null)]
    [InlineData("00:05:00", null, "Drill:Account isn't set, and Drill:Every is.")]
    [InlineData("00:05:00", " ", "Drill:Account isn't set, and Drill:Every is.")]
    [InlineData(null, "nobody", "Drill:Account is \"nobody\": no e-mail address.")]
    [InlineData("00:00:59", "operator@example.test", "Drill:Every is \"00:00:59\", which is out of bounds.")]
    [InlineData("1.00:00:01", "operator@example.test", "Drill:Every is \"1.00:00:01\", which is out of bounds.")]
    public void Its_settings_are_looked_at_before_anything_starts(string? every, string? account, string? fault)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["Drill:Every"] = every, ["Drill:Account"] = account }.Where(s => s.Value is not null)).Build();
        var faults = SettingsCheck.Read<DrillOptions>(configuration, "Drill").Faults;
        if (fault is null) Assert.Empty(faults);
        else Assert.StartsWith(fault, Assert.Single(faults), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("00:00:00.049")]
    [InlineData("00:01:00.001")]
    public void The_target_has_bounds(string target) => Assert.StartsWith($"Drill:Target is \"{target}\", which is out of bounds.", Assert.Single(SettingsCheck.Read<DrillOptions>(
        new ConfigurationBuilder().AddInMemoryCollection([new("Drill:Target", target)]).Build(), "Drill").Faults), StringComparison.Ordinal);

    private static TestApp Start(string? every) => TestApp.Start(Settings(every));

    private static (string, string?)[] Settings(string? every) => [.. FeedServices.Settings, ("Drill:Every", every), ("Drill:Account", Account)];

    private static async Task<TestUser> AdminAsync(TestApp app)
    {
        var admin = await app.SignUpAsync(Account);
        await app.GrantAsync(admin);
        return await app.SignInAsync(admin);
    }

    // No timer fires: each looks once, at the same time.
    private static async Task LookAsync(TimeSpan later, params TestApp[] apps)
    {
        foreach (var app in apps) app.Time.SetWall(later);
        await Task.WhenAll(apps.Select(app => app.Get<DrillOnSchedule>().RunOnceAsync(CancellationToken.None)));
    }

    private static Task<int> CountAsync(TestApp app) => app.DbAsync(db => db.SecurityEvents.CountAsync(e => e.Reason == "scheduled-drill"));

    private int Logged(int id) => _app.Log.Lines.Count(l => l.Contains($"App.Drill.DrillOnSchedule {id} ", StringComparison.Ordinal));

    private async Task<JsonElement> JsonAsync(string path)
    {
        using var answer = await _app.SendAsync(HttpMethod.Get, path, _admin.AccessToken);
        Assert.True(answer.IsSuccessStatusCode, $"{path}: {(int)answer.StatusCode}");
        return await answer.Content.ReadFromJsonAsync<JsonElement>();
    }
}
