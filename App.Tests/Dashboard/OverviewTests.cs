using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using App.Dashboard;
using App.Events;
using App.Tests.Accounts;
using App.Tests.Admin;
using App.Tests.Attacks;
using App.Tests.Events;
using App.Tokens;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Dashboard;

/// <summary>Whether all is well, as a program asks and as the first HTML says.</summary>
public sealed class OverviewTests : IAsyncLifetime
{
    private const string Json = "/api/admin/overview";
    private readonly TestApp _app = TestApp.Start(FeedServices.Settings);
    private TestUser _admin = null!;
    private long _applied;

    public async Task InitializeAsync()
    {
        await _app.UntilReadyAsync(); // until then its database counts as away
        _admin = await _app.NewAdminAsync();
        await _app.Get<FollowLog>().CatchUpAsync(CancellationToken.None); // what made them one is in the log
        _applied = _app.Get<EventFeed>().Newest;
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task It_is_for_admins_alone()
    {
        var user = await _app.SignUpAsync();
        Assert.Equal(HttpStatusCode.Unauthorized, (await _app.SendAsync(HttpMethod.Get, Json)).StatusCode);
        foreach (var path in new[] { Json, "/admin" }) Assert.Equal(HttpStatusCode.Forbidden, (await _app.SendAsync(HttpMethod.Get, path, cookies: user.Cookies)).StatusCode);
        Assert.Equal("/account/sign-in?returnUrl=%2Fadmin", (await _app.SendAsync(HttpMethod.Get, "/admin")).Location());
        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Get, "/admin", cookies: _admin.Cookies)).StatusCode);
    }

    [Fact]
    public async Task What_people_do_shows_in_the_figures_and_what_the_reader_does_too()
    {
        var user = await _app.SignUpAsync();
        var before = await LastHourAsync();
        await _app.SignInAsync(user);
        await _app.Client.PostAsJsonAsync("/api/users/signin", new { email = user.Email, password = "wrong for sure and long" });
        await _app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = user.RefreshToken });
        await _app.SendAsync(HttpMethod.Get, "/auth/verify", "nonsense");
        var after = await LastHourAsync();

        Assert.Equal((1, 1, 0), (Rise("signIns", "ok"), Rise("signIns", "wrong"), Rise("signIns", "limited")));
        Assert.Equal(1, Rise("renewals", "renewed"));
        Assert.Equal(1, after.GetProperty("tokensRefusedByReason").GetProperty("form").GetInt64());
        Assert.Equal(2, Rise("tokenChecks")); // forward-auth's, and that of whoever asks for this
        Assert.Equal(5, Rise("requests"));
        Assert.True(after.GetProperty("requestP99Milliseconds").GetDouble() >= after.GetProperty("requestP50Milliseconds").GetDouble());

        long Rise(params string[] name) => name.Aggregate(after, (e, n) => e.GetProperty(n)).GetInt64() - name.Aggregate(before, (e, n) => e.GetProperty(n)).GetInt64();
    }

    [Fact]
    public async Task Who_waits_by_design_is_no_slow_request()
    {
        await using var feed = await Feed.OpenAsync(_app);
        await Feed.PollAsync(_app, new { returnImmediately = true });
        var before = (await LastHourAsync()).GetProperty("requests").GetInt64();
        await Feed.PollAsync(_app, new { returnImmediately = true });
        Assert.Equal(before + 1, (await LastHourAsync()).GetProperty("requests").GetInt64()); // the question itself
    }

    [Fact]
    public async Task Sessions_are_counted_while_they_live()
    {
        var user = await _app.SignUpAsync();
        var before = (await OverviewAsync()).GetProperty("activeSessions").GetInt64();
        await _app.SignInAsync(user);
        Assert.Equal(before, (await OverviewAsync(TimeSpan.Zero)).GetProperty("activeSessions").GetInt64()); // one look serves all
        Assert.Equal(before + 1, (await OverviewAsync()).GetProperty("activeSessions").GetInt64());
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies);
        Assert.Equal(before, (await OverviewAsync()).GetProperty("activeSessions").GetInt64());
    }

    [Fact]
    public async Task A_service_that_is_behind_comes_first_and_all_is_well_once_it_has_caught_up()
    {
        var billing = new CallingService("billing", null);
        await SeenAsync(billing);
        Assert.Contains("One service heard the last sign-out within", await PageAsync(), StringComparison.Ordinal);

        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: (await _app.SignUpAsync()).Cookies);
        Assert.Empty(await ProblemsAsync(TimeSpan.FromSeconds(2))); // under way
        await SeenAsync(billing);
        // As a command does it beside a service that runs on an older copy: what is in memory stays what it is.
        await _app.DbAsync(db => db.EventCounter.ExecuteUpdateAsync(set => set.SetProperty(c => c.Value, c => c.Value + EventFeed.Leap)));
        await _app.Get<FollowLog>().CatchUpAsync(CancellationToken.None);
        Assert.Equal((string[])["service_behind billing 20"], await ProblemsAsync(TimeSpan.FromSeconds(18)));
        var html = await PageAsync();
        Assert.Contains("One thing needs a look", html, StringComparison.Ordinal);
        Assert.Matches("<p class=\"notice bad\">.*<a href=\"/services/billing\">billing</a> is 22\u00a0s behind", html);

        _app.Get<FeedContacts>().Applied(billing, "", _app.Get<EventFeed>().Newest);
        await _app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
        Assert.Empty(await ProblemsAsync());
        html = await PageAsync();
        Assert.Contains("All is well", html, StringComparison.Ordinal);
        Assert.Contains("One service heard the last sign-out within 22\u00a0s.", html, StringComparison.Ordinal);
        var last = (await OverviewAsync()).GetProperty("lastRevocation");
        Assert.Equal((1, 1), (last.GetProperty("applied").GetInt32(), last.GetProperty("services").GetInt32()));
        Assert.Equal(2, (await LastHourAsync()).GetProperty("eventsApplied").GetInt64());
    }

    [Fact]
    public async Task A_service_that_falls_silent_is_told_and_one_that_has_said_goodbye_is_not()
    {
        var (billing, orders) = (new CallingService("billing", null), new CallingService("orders", null));
        await SeenAsync(billing, orders);
        _app.Get<FeedContacts>().Began(orders, "a");
        await _app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
        foreach (var instance in new[] { "", "a" }) _app.Get<FeedContacts>().Left(orders, instance);
        await _app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
        Assert.Empty(await ProblemsAsync());
        Assert.Equal((string[])["service_silent billing 62"], await ProblemsAsync(TimeSpan.FromMinutes(1)));
        Assert.Empty(await ProblemsAsync(TimeSpan.FromDays(1)));
    }

    [Fact]
    public async Task What_else_needs_somebody_is_named_the_worst_first()
    {
        await _app.DbAsync(async db =>
        {
            var now = _app.Time.GetUtcNow();
            for (var cursor = 1; cursor <= 2; cursor++)
                db.UndeliveredEvents.Add(new UndeliveredEvent { Service = "orders", Cursor = cursor, Type = "session-revoked", Error = "invalid_request", Payload = "{}", OccurredAt = now, SetAsideAt = now });
            await db.SaveChangesAsync();
            await db.SigningKeys.Where(k => k.State == SigningKeyState.Current).ExecuteUpdateAsync(set => set.SetProperty(k => k.ActivatedAt, now - TimeSpan.FromDays(32)));
            return 0;
        });
        Assert.Equal((string[])["undelivered orders 2", "rotation_overdue  172802"], await ProblemsAsync());
        var html = await PageAsync();
        Assert.Contains("2 things need a look", html, StringComparison.Ordinal);
        Assert.Contains("didn’t take 2 events", html, StringComparison.Ordinal);
        Assert.Contains("The signing key is 2\u00a0days overdue for rotation. See <a href=\"/admin/keys\">keys</a>.", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Letters_that_wait_are_told_where_somebody_is_to_get_them()
    {
        await using var app = TestApp.Start(("environment", "Staging"));
        await app.UntilReadyAsync();
        var admin = await app.NewAdminAsync(); // whose first letter waits
        app.Time.Advance(TimeSpan.FromMinutes(4));
        admin = await app.SignInAsync(admin);
        Assert.DoesNotContain("Mail:Host", await PageOf(app, admin), StringComparison.Ordinal);
        app.Time.Advance(TimeSpan.FromMinutes(2));
        Assert.Contains("because no mail server is set (Mail:Host)", await PageOf(app, admin), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_its_database_it_says_so_and_goes_on_showing_what_this_process_counts()
    {
        await OverviewAsync();
        var file = Path.Combine(_app.Folder, "gatehouse.db");
        File.Move(file, file + ".away");
        try
        {
            await _app.Client.PostAsJsonAsync("/api/users/signup", new { email = "late@example.test", password = TestApp.Password });
            Assert.Equal((string[])["database_away  ", "unavailable  1"], await ProblemsAsync());
            Assert.Contains("The database can’t be reached", await PageAsync(), StringComparison.Ordinal);
        }
        finally
        {
            File.Move(file + ".away", file);
        }

        Assert.Equal((string[])["unavailable  1"], await ProblemsAsync());
        Assert.Empty(await ProblemsAsync(TimeSpan.FromMinutes(1)));
    }

    [Fact]
    public async Task The_first_html_is_complete_and_inviting_on_a_fresh_start()
    {
        await using var app = TestApp.Start();
        await app.UntilReadyAsync();
        var html = await PageOf(app, await app.NewAdminAsync());
        foreach (var part in new[] { "All is well", "No service yet", "href=\"/services/new\"", "Sign-ins refused as wrong", "of a request, p99", "aria-hidden=\"true\"" })
            Assert.Contains(part, html, StringComparison.Ordinal);
        Assert.DoesNotContain(" style=", html, StringComparison.Ordinal);
        Assert.Contains("<script src=\"/_framework/blazor.web", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_looks_at_the_same_time_shares_one_look()
    {
        var around = _app.Get<LookAround>();
        var (one, other) = (around.LookAsync(CancellationToken.None), around.LookAsync(CancellationToken.None));
        Assert.Same(await one, await other);
        Assert.Same(await one, await around.LookAsync(CancellationToken.None));
        _app.Time.Advance(LookAround.Pace);
        Assert.NotSame(await one, await around.LookAsync(CancellationToken.None));
    }

    private async Task SeenAsync(params CallingService[] services)
    {
        foreach (var service in services) _app.Get<FeedContacts>().Applied(service, "", _applied);
        await _app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
    }

    // What was seen before is too old to be shown again.
    private async Task<JsonElement> OverviewAsync(TimeSpan? later = null)
    {
        _app.Time.Advance(later ?? LookAround.Pace);
        var answer = await _app.SendAsync(HttpMethod.Get, Json, (await FreshAsync()).AccessToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return await Answers.JsonAsync(answer);
    }

    private async Task<JsonElement> LastHourAsync() => (await OverviewAsync()).GetProperty("thisProcess").GetProperty("lastHour");

    private async Task<string[]> ProblemsAsync(TimeSpan? later = null) => [.. (await OverviewAsync(later ?? LookAround.Pace)).GetProperty("problems").EnumerateArray()
        .Select(p => $"{p.GetProperty("kind")} {Of(p, "service")} {Of(p, "count")}{Of(p, "seconds")}")];

    private static string Of(JsonElement problem, string name) => problem.TryGetProperty(name, out var value) ? value.ToString() : "";

    private async Task<string> PageAsync()
    {
        _app.Time.Advance(LookAround.Pace);
        return await PageOf(_app, await FreshAsync());
    }

    // Some tests outlast a token.
    private async Task<TestUser> FreshAsync()
    {
        if (_app.Time.GetUtcNow().ToUnixTimeSeconds() >= _admin.Claims.GetProperty("exp").GetInt64()) _admin = await _app.SignInAsync(_admin);
        return _admin;
    }

    private static async Task<string> PageOf(TestApp app, TestUser admin) =>
        WebUtility.HtmlDecode(await (await app.SendAsync(HttpMethod.Get, "/admin", cookies: admin.Cookies)).Content.ReadAsStringAsync());
}
