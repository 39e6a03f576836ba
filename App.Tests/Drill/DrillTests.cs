using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using App.Audit;
using App.Events;
using App.Mail;
using App.Sessions;
using App.Tests.Admin;
using App.Tests.Events;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Drill;

/// <summary>A fire drill over JSON: a session ends by the real path, everybody hears of it, and it is told who has said so and when.</summary>
public sealed class DrillTests : IAsyncLifetime
{
    private const string Drills = "/api/admin/drills";

    private readonly TestApp _app = TestApp.Start(FeedServices.Settings);
    private TestUser _admin = null!;

    public async Task InitializeAsync() => _admin = await _app.NewAdminAsync();

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Each_service_and_instance_is_timed_from_the_revocation_to_its_own_word()
    {
        foreach (var (service, instance) in new[] { ("billing", null), ("orders", "a"), ("orders", "b"), ("bound", "one") }) await AckAsync(service, 1, instance);
        var answer = await BeginAsync();
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        var begun = await answer.Content.ReadFromJsonAsync<JsonElement>();
        var (id, cursor) = (begun.GetProperty("id").GetGuid(), begun.GetProperty("cursor").GetInt64());
        Assert.Equal($"{Drills}/{id}", answer.Headers.Location!.OriginalString);
        Assert.Equal(("running", 3, 0), Summary(begun));
        // Who is expected stands there from the beginning.
        Assert.Equal(["billing/ waiting", "bound/one waiting", "orders/a waiting", "orders/b waiting"], Instances(begun));

        foreach (var (after, service, instance) in new[] { (34, "orders", "a"), (6, "bound", "one"), (1160, "orders", "b") })
        {
            _app.Time.Advance(TimeSpan.FromMilliseconds(after));
            await AckAsync(service, cursor, instance);
        }

        var running = await DrillAsync(id);
        Assert.Equal(("running", 3, 2), Summary(running));
        Assert.Equal(["billing/ waiting", "bound/one applied 0.04", "orders/a applied 0.034", "orders/b applied 1.2"], Instances(running));
        Assert.Equal((0.04, 1.2), (running.GetProperty("p50Seconds").GetDouble(), running.GetProperty("maxSeconds").GetDouble()));
        Assert.Equal(1.2, running.GetProperty("services").EnumerateArray().Single(s => s.GetProperty("service").GetString() == "orders").GetProperty("seconds").GetDouble());

        _app.Time.Advance(TimeSpan.FromSeconds(70));
        Assert.Equal(("behind", 3, 2), Summary(await DrillAsync(id)));
        await AckAsync("billing", cursor);
        var over = await DrillAsync(id);
        Assert.Equal(("applied", 3, 3), Summary(over));
        Assert.Equal(71.2, over.GetProperty("maxSeconds").GetDouble());
    }

    [Fact]
    public async Task The_feed_tells_services_of_it_as_of_any_other_end_bound_ones_too()
    {
        await using var orders = await Feed.OpenAsync(_app, "orders");
        await using var bound = await Feed.OpenAsync(_app, "orders-bound");
        var id = (await DrillAsync()).GetProperty("id").GetGuid();
        foreach (var feed in new[] { orders, bound })
        {
            Feed.Message message;
            do message = await feed.EventAsync();
            while (message.Event == "snapshot");
            Assert.Equal(("session-revoked", id, "fire-drill"), (message.Event, message.Data.GetProperty("sid").GetGuid(), message.Data.GetProperty("reason").GetString()));
        }

        Assert.Contains(id.ToString(), string.Join(' ', (await Feed.PollAsync(_app, new { }, "bound")).GetProperty("sets").EnumerateObject().Select(s => Payload(s.Value.GetString()!))), StringComparison.Ordinal);
        Assert.Equal(0, await _app.DbAsync(db => db.BoundAudiences.CountAsync()));
    }

    [Fact]
    public async Task It_is_the_admins_own_and_leaves_nothing_alive_but_what_was()
    {
        var letters = await _app.DbAsync(db => db.Outbox.CountAsync());
        var id = (await DrillAsync()).GetProperty("id").GetGuid();

        Assert.Equal(_admin.Email, await _app.WhoAmIAsync(bearer: _admin.AccessToken));
        Assert.Equal(_admin.Email, await _app.WhoAmIAsync(cookies: _admin.Cookies));
        var sessions = await (await _app.SendAsync(HttpMethod.Get, "/api/sessions", _admin.AccessToken)).Content.ReadFromJsonAsync<JsonElement>();
        Assert.DoesNotContain(id, sessions.EnumerateArray().Select(s => s.GetProperty("id").GetGuid()));
        var canary = await _app.DbAsync(db => db.Sessions.AsNoTracking().SingleAsync(s => s.Id == id));
        Assert.Equal((_admin.Id, "Fire-drill", "fire-drill", canary.StartedAt), (canary.UserId, canary.UserAgent, canary.RevokedBecause, canary.RevokedAt));
        Assert.Equal(letters, await _app.DbAsync(db => db.Outbox.CountAsync()));
        Assert.Equal(
            [("fire-drill", "pwd"), ("session-ended", "fire-drill")],
            await _app.DbAsync(async db => (await db.Audit.Where(a => a.SessionId == id && a.UserId == _admin.Id && a.ActorId == null).OrderBy(a => a.Id).ToListAsync()).Select(a => (a.Action, a.Detail!))));
    }

    [Fact]
    public async Task Two_admins_at_once_at_two_replicas_begin_one_drill_and_both_are_told_of_it()
    {
        var other = await _app.NewAdminAsync();
        await using var replica = _app.StartReplica(FeedServices.Settings);
        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => (i % 2 == 0 ? _app : replica).SendAsync(HttpMethod.Post, Drills, (i % 2 == 0 ? _admin : other).AccessToken)));
        var begun = Assert.Single(answers, a => a.StatusCode == HttpStatusCode.Created);
        var id = (await begun.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetGuid();
        foreach (var refused in answers.Where(a => a != begun))
        {
            Assert.Equal(HttpStatusCode.Conflict, refused.StatusCode);
            Assert.Equal("10", Assert.Single(refused.Headers.GetValues("Retry-After")));
            var problem = await refused.Content.ReadFromJsonAsync<JsonElement>();
            Assert.Equal(("drill_under_way", id), (problem.GetProperty("code").GetString(), problem.GetProperty("drill").GetGuid()));
        }

        Assert.Equal(1, await _app.DbAsync(db => db.SecurityEvents.CountAsync(e => e.Reason == "fire-drill")));
        Assert.Equal(HttpStatusCode.OK, (await replica.SendAsync(HttpMethod.Get, $"{Drills}/{id}", other.AccessToken)).StatusCode);
        _app.Time.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal("1", Assert.Single((await BeginAsync()).Headers.GetValues("Retry-After")));
        _app.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(HttpStatusCode.Created, (await BeginAsync()).StatusCode);
    }

    [Fact]
    public async Task It_is_for_admins_whose_role_and_session_last_until_it_begins()
    {
        var id = (await DrillAsync()).GetProperty("id").GetGuid();
        _app.Time.Advance(TimeSpan.FromSeconds(20));
        var user = await _app.SignUpAsync();
        foreach (var (bearer, status) in new[] { (null, HttpStatusCode.Unauthorized), (user.AccessToken, HttpStatusCode.Forbidden) })
        {
            Assert.Equal(status, (await _app.SendAsync(HttpMethod.Post, Drills, bearer)).StatusCode);
            Assert.Equal(status, (await _app.SendAsync(HttpMethod.Get, $"{Drills}/{id}", bearer)).StatusCode);
        }

        Assert.Equal(HttpStatusCode.Forbidden, (await _app.SendAsync(HttpMethod.Post, Drills, cookies: _admin.Cookies, headers: ("Origin", "https://evil.example"))).StatusCode);
        // Overtaken: known to be an admin when the request came in, and none any more.
        Assert.IsType<App.Drill.BeginDrill.Outcome.Forbidden>(await _app.ScopedAsync((App.Drill.BeginDrill begin) => begin.TryAsync(user.AsCaller(), "", CancellationToken.None)));
        var gone = await _app.NewAdminAsync();
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", gone.AccessToken);
        Assert.IsType<App.Drill.BeginDrill.Outcome.Forbidden>(await _app.ScopedAsync((App.Drill.BeginDrill begin) => begin.TryAsync(gone.AsCaller(), "", CancellationToken.None)));
        Assert.Equal(1, await _app.DbAsync(db => db.SecurityEvents.CountAsync(e => e.Reason == "fire-drill")));
    }

    [Fact]
    public async Task Who_is_long_silent_isnt_waited_for_and_who_says_goodbye_meanwhile_neither()
    {
        await AckAsync("slow", 1, "gone"); // without a word
        await AckAsync("reader", 1, "left");
        await AckAsync("reader", 1, "left", leaving: true);
        _app.Time.Advance(TimeSpan.FromMinutes(6));
        _admin = await _app.SignInAsync(_admin);
        await AckAsync("orders", 1, "old");
        await AckAsync("orders", 1, "new");
        var drill = await DrillAsync();
        Assert.Equal(["orders/new waiting", "orders/old waiting", "slow/gone silent"], Instances(drill));
        var (id, cursor) = (drill.GetProperty("id").GetGuid(), drill.GetProperty("cursor").GetInt64());
        Assert.Contains("billing", drill.GetProperty("notFollowing").EnumerateArray().Select(s => s.GetString()));
        Assert.DoesNotContain("slow", drill.GetProperty("notFollowing").EnumerateArray().Select(s => s.GetString()));

        _app.Time.Advance(TimeSpan.FromMilliseconds(20));
        await AckAsync("orders", cursor, "new");
        await AckAsync("orders", 1, "old", leaving: true);
        drill = await DrillAsync(id);
        Assert.Equal(("applied", 1, 1), Summary(drill));
        Assert.Equal(["orders/new applied 0.02", "orders/old left", "slow/gone silent"], Instances(drill));

        // It comes back, and what it says then is true as well.
        _app.Time.Advance(TimeSpan.FromSeconds(30));
        await AckAsync("slow", cursor, "gone");
        Assert.Contains("slow/gone applied 30.02", Instances(await DrillAsync(id)));
    }

    [Fact] // whoever makes up names hides nobody else
    public async Task A_service_of_a_thousand_names_doesn_t_hide_another_that_is_behind()
    {
        await AckAsync("slow", 1, "one");
        await _app.DbAsync(async db =>
        {
            db.FeedReaders.AddRange(Enumerable.Range(0, FeedContacts.MostNames).Select(i => new FeedReader { Service = "orders", Instance = $"N{i}", ContactAt = _app.Time.GetUtcNow().AddMilliseconds(1), Applied = 1_000_000 }));
            return await db.SaveChangesAsync();
        });
        var drill = await DrillAsync();
        Assert.Equal(("running", 2, 1), Summary(drill));
    }

    [Fact]
    public async Task Who_came_after_it_was_never_behind()
    {
        await AckAsync("orders", 1, "a");
        var drill = await DrillAsync();
        var (id, cursor) = (drill.GetProperty("id").GetGuid(), drill.GetProperty("cursor").GetInt64());
        await AckAsync("orders", cursor, "a");
        _app.Time.Advance(TimeSpan.FromSeconds(10));
        await AckAsync("orders", cursor, "soon");
        _app.Time.Advance(TimeSpan.FromMinutes(4));
        await AckAsync("orders", cursor, "b");
        await AckAsync("billing", 1, "late"); // which makes nothing of the drill untrue
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", (await _app.SignUpAsync()).AccessToken);
        await AckAsync("orders", cursor + 1, "c");
        _app.Get<FeedContacts>().Began(new CallingService("slow", null), "later");
        await _app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
        drill = await DrillAsync(id);
        Assert.Equal(["orders/a applied 0", "orders/b applied", "orders/c applied", "orders/soon applied"], Instances(drill));
        Assert.Equal(0, drill.GetProperty("maxSeconds").GetDouble());
    }

    [Fact]
    public async Task Whoever_was_behind_before_it_is_as_far_behind_as_that()
    {
        await AckAsync("billing", 1);
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", (await _app.SignUpAsync()).AccessToken);
        _app.Time.Advance(TimeSpan.FromSeconds(7));
        var id = (await DrillAsync()).GetProperty("id").GetGuid();
        _app.Time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(12, (await DrillAsync(id)).GetProperty("services")[0].GetProperty("behindSeconds").GetDouble());
    }

    [Fact]
    public async Task A_poll_counts_once_it_acknowledges_and_is_no_answer_where_it_refuses()
    {
        await Feed.PollAsync(_app, new { returnImmediately = true }, "bound");
        var drill = await DrillAsync();
        var id = drill.GetProperty("id").GetGuid();
        Assert.Equal(["bound/(poll) waiting"], Instances(drill));
        var jti = (await Feed.PollAsync(_app, new { }, "bound")).GetProperty("sets").EnumerateObject().Single().Name;
        _app.Time.Advance(TimeSpan.FromMilliseconds(300));
        await Feed.PollAsync(_app, new { maxEvents = 0, setErrs = new Dictionary<string, object> { [jti] = new { err = "invalid_key" } } }, "bound");
        Assert.Equal(["bound/(poll) refused"], Instances(await DrillAsync(id)));
        await Feed.PollAsync(_app, new { maxEvents = 0, ack = new[] { jti } }, "bound");
        Assert.Equal(["bound/(poll) applied 0.3"], Instances(await DrillAsync(id)));
    }

    [Fact] // nothing may have concerned it for days: we are the ones who come
    public async Task A_receiver_that_events_are_pushed_to_is_waited_for_though_nothing_was_pushed_yet()
    {
        await using var app = TestApp.Start(("Services:0:Id", "pushed"), ("Services:0:Secret", "pushed-secret-of-at-least-32-characters"), ("Services:0:Audience", "https://pushed.example"), ("Services:0:PushUrl", "https://receiver.invalid/events"));
        var admin = await app.NewAdminAsync();
        var drill = await (await app.SendAsync(HttpMethod.Post, Drills, admin.AccessToken)).Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal(["pushed/(PUSH) waiting"], Instances(drill));
        Assert.Equal(("running", 1, 0), Summary(drill));
    }

    [Fact]
    public async Task Without_a_service_there_is_nobody_to_time_and_what_the_log_has_forgotten_is_no_drill()
    {
        Assert.Equal(("nobody", 0, 0), Summary(await DrillAsync()));
        foreach (var id in new[] { Guid.NewGuid().ToString(), _admin.SessionId.ToString(), "nonsense" })
            Assert.Equal(HttpStatusCode.NotFound, (await _app.SendAsync(HttpMethod.Get, $"{Drills}/{id}", _admin.AccessToken)).StatusCode);
    }

    private static (string?, int, int) Summary(JsonElement drill) => (drill.GetProperty("state").GetString(), drill.GetProperty("expected").GetInt32(), drill.GetProperty("applied").GetInt32());

    private static List<string> Instances(JsonElement drill) => [.. drill.GetProperty("services").EnumerateArray().SelectMany(s => s.GetProperty("instances").EnumerateArray().Select(i =>
        $"{s.GetProperty("service")}/{i.GetProperty("instance")} {i.GetProperty("state")}{(i.TryGetProperty("seconds", out var seconds) ? " " + seconds.GetRawText() : "")}"))];

    private static string Payload(string set) => System.Text.Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(set.Split('.')[1]));

    private Task<HttpResponseMessage> BeginAsync() => _app.SendAsync(HttpMethod.Post, Drills, _admin.AccessToken);

    private async Task<JsonElement> DrillAsync(Guid? id = null)
    {
        var answer = id is null ? await BeginAsync() : await _app.SendAsync(HttpMethod.Get, $"{Drills}/{id}", _admin.AccessToken);
        Assert.True(answer.IsSuccessStatusCode, $"{(int)answer.StatusCode}");
        return await answer.Content.ReadFromJsonAsync<JsonElement>();
    }

    private async Task AckAsync(string service, long cursor, string? instance = null, bool leaving = false)
    {
        Assert.Equal(HttpStatusCode.NoContent, (await Feed.PostAsync(_app, "/events/ack", new { cursor, instance, leaving }, service)).StatusCode);
        await _app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
    }
}
