using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using App.Drill;
using App.Events;
using App.Sessions;
using App.Tests.Admin;
using App.Tests.Events;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Drill;

/// <summary>What the overview and the page of the drill say about drills that begin by themselves.</summary>
public sealed class DrillTroublesTests : IAsyncLifetime
{
    private const string Account = "operator@example.test";

    // By hand: no timer begins one.
    private readonly TestApp _app = TestApp.Start([.. FeedServices.Settings, ("Drill:Account", Account)]);
    private TestUser _admin = null!;

    public async Task InitializeAsync()
    {
        await _app.GrantAsync(await _app.SignUpAsync(Account));
        _admin = await _app.NewAdminAsync();
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_drill_that_wasnt_within_the_target_is_a_problem_until_one_is(bool scheduled)
    {
        if (scheduled) _app.Get<DrillOptions>().Every = TimeSpan.FromMinutes(10);
        await BeginAsync(scheduled, ("within", null));
        Assert.Empty(await ProblemsAsync());
        await BeginAsync(scheduled, ("late", "billing"), ("late", "orders"));
        Assert.Equal((string[])["drill_late orders 2 3.5"], await ProblemsAsync());
        Assert.Equal((string[])["drill_late orders 2 3.5"], await OverviewAsync());
        Assert.Contains("In the last <a href=\"/admin/drill\">fire drill</a>, 2 services took longer than the target to refuse the session; <a href=\"/services/orders\">orders</a> took 3.5\u00a0s.", await PageAsync("/admin"), StringComparison.Ordinal);

        // While the next one runs what is known is said.
        var running = await BeginAsync(scheduled);
        Assert.Equal((string[])["drill_late orders 2 3.5"], await ProblemsAsync());
        await EndAsync(running, ("behind", "billing"));
        Assert.Equal((string[])["drill_behind billing 1 60.5"], await ProblemsAsync());
        await BeginAsync(scheduled, ("within", null));
        Assert.Empty(await ProblemsAsync());
    }

    [Fact]
    public async Task It_is_one_for_an_hour_or_two_intervals()
    {
        await BeginAsync(false, ("behind", "billing"));
        Assert.Matches("<p class=\"notice bad\">In the last <a href=\"/admin/drill\">fire drill</a>, <a href=\"/services/billing\">billing</a> hadn’t refused the session after 6[01]\u00a0s.", await PageAsync("/admin"));
        _app.Time.SetWall(TimeSpan.FromMinutes(59));
        Assert.Single(await ProblemsAsync());
        _app.Time.SetWall(TimeSpan.FromMinutes(2));
        Assert.Empty(await ProblemsAsync());
        _app.Get<DrillOptions>().Every = TimeSpan.FromHours(3);
        await BeginAsync(true, ("late", "billing"));
        _app.Time.SetWall(TimeSpan.FromHours(5));
        Assert.Single(await ProblemsAsync());
        _app.Time.SetWall(TimeSpan.FromHours(2));
        Assert.Empty(await ProblemsAsync());
    }

    [Fact]
    public async Task An_account_that_is_no_admins_is_one_too_and_the_page_says_when_the_next_begins()
    {
        Assert.Contains("With the settings Drill:Every and Drill:Account, one begins by itself as often as you like.", await PageAsync("/admin/drill"), StringComparison.Ordinal);
        _app.Get<DrillOptions>().Every = TimeSpan.FromMinutes(10);
        Assert.Empty(await ProblemsAsync());
        Assert.Matches("The next one begins by itself <time [^>]*>in a moment</time>.", await PageAsync("/admin/drill"));
        await BeginAsync(true);
        var page = await PageAsync("/admin/drill");
        Assert.Matches("The next one begins by itself <time [^>]*>in 10 minutes</time>.", page);
        Assert.Contains("<span>by itself</span>", page, StringComparison.Ordinal);

        await _app.DbAsync(db => db.Users.Where(u => u.Email == Account).ExecuteUpdateAsync(set => set.SetProperty(u => u.LockoutEnd, DateTimeOffset.MaxValue)));
        Assert.Equal((string[])["drill_account   "], await ProblemsAsync());
        Assert.Contains("No <a href=\"/admin/drill\">fire drill</a> begins by itself: Drill:Account doesn’t belong to an admin, or is locked.", await PageAsync("/admin"), StringComparison.Ordinal);
        Assert.Contains("None begins by itself at the moment: Drill:Account doesn’t belong to an admin, or is locked.", await PageAsync("/admin/drill"), StringComparison.Ordinal);
    }

    private async Task<Guid> BeginAsync(bool scheduled, params (string Word, string? Service)[] ends)
    {
        _app.Time.SetWall(scheduled ? TimeSpan.FromMinutes(10) : BeginDrill.Pause);
        await FreshAsync();
        if (scheduled) await _app.Get<DrillOnSchedule>().RunOnceAsync(CancellationToken.None);
        else Assert.Equal(HttpStatusCode.Created, (await _app.SendAsync(HttpMethod.Post, "/api/admin/drills", _admin.AccessToken)).StatusCode);
        var id = await _app.DbAsync(db => db.SecurityEvents.OrderByDescending(e => e.Cursor).Select(e => e.SessionId!.Value).FirstAsync());
        await EndAsync(id, ends);
        return id;
    }

    // As whoever watches it writes down.
    private async Task EndAsync(Guid id, params (string Word, string? Service)[] ends)
    {
        if (ends is not [.., var (word, service)]) return;
        var outcome = new DrillOutcome(word, word switch { "within" => 0.1, "late" => 3.5, _ => 60.5 }, word == "within" ? 0 : ends.Length, service);
        Assert.Equal(1, await _app.DbAsync(db => db.Sessions.Where(s => s.Id == id).ExecuteUpdateAsync(set => set.SetProperty(s => s.UserAgent, outcome.Write()))));
    }

    private Task<string[]> ProblemsAsync() =>
        _app.ScopedAsync(async (DrillTroubles troubles) => (await troubles.FindAsync(CancellationToken.None)).Select(t => FormattableString.Invariant($"{t.Kind} {t.Service} {t.Count} {t.Seconds}")).ToArray());

    // The first look alone: the clock that counts ticks stands still, so that no watcher of a drill wakes up.
    private async Task<string[]> OverviewAsync()
    {
        await FreshAsync();
        var answer = await _app.SendAsync(HttpMethod.Get, "/api/admin/overview", _admin.AccessToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return [.. (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("problems").EnumerateArray().Select(p => $"{p.GetProperty("kind")} {Of(p, "service")} {Of(p, "count")} {Of(p, "seconds")}")];
    }

    private static string Of(JsonElement problem, string name) => problem.TryGetProperty(name, out var value) ? value.ToString() : "";

    private async Task<string> PageAsync(string path)
    {
        await FreshAsync();
        return WebUtility.HtmlDecode(await (await _app.SendAsync(HttpMethod.Get, path, cookies: _admin.Cookies)).Content.ReadAsStringAsync());
    }

    private async Task FreshAsync()
    {
        if (_app.Time.GetUtcNow().ToUnixTimeSeconds() >= _admin.Claims.GetProperty("exp").GetInt64()) _admin = await _app.SignInAsync(_admin);
    }
}
