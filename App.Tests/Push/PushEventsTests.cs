using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using App.Events;
using App.Push;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Push;

/// <summary>Pushing (RFC 8935) to a real receiver: in order, once in the quiet case, and through whatever the receiver or we go through.</summary>
public sealed class PushEventsTests : IAsyncLifetime
{
    private Receiver _receiver = null!;
    private TestApp _app = null!;

    public async Task InitializeAsync()
    {
        _receiver = await Receiver.StartAsync();
        _app = TestApp.Start(PushApp.Settings(("orders", null, _receiver.Url)));
    }

    public async Task DisposeAsync()
    {
        await _app.DisposeAsync();
        await _receiver.DisposeAsync();
    }

    [Fact]
    public async Task Two_replicas_push_each_event_once_and_in_order_and_it_counts_as_applied()
    {
        await using var replica = _app.StartReplica(PushApp.Settings(("orders", null, _receiver.Url)));
        for (var i = 1; i <= 3; i++) await _app.EndSessionAsync();
        await _receiver.UntilAsync(1, 2, 3);
        await replica.EndSessionAsync();
        await _receiver.UntilAsync(1, 2, 3, 4);
        await _app.EndSessionAsync();
        await _receiver.UntilAsync(1, 2, 3, 4, 5);

        var first = _receiver.Got[0];
        Assert.Equal(("application/secevent+jwt", "Bearer " + PushApp.Secret), (first.ContentType, first.Authorization));
        Assert.Equal(("secevent+jwt", TestApp.Issuer, TestApp.Audience), (first.Set.Typ, first.Set.Issuer, first.Set.Audiences.Single()));
        // One connection for each of the two, used again and again.
        Assert.InRange(_receiver.Got.Select(p => p.Connection).Distinct().Count(), 1, 2);
        await Wait.UntilAsync(async () => await _app.DbAsync(db => db.FeedReaders.AnyAsync(r => r.Service == "orders" && r.Instance == FeedReader.Push && r.Applied == 5)));
        await Wait.UntilAsync(async () => await _app.PlaceAsync() is { Cursor: 5, Attempts: 0 });
        var says = await _app.Client.GetFromJsonAsync<JsonElement>("/.well-known/ssf-configuration");
        Assert.Equal(["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"], says.GetProperty("delivery_methods_supported").EnumerateArray().Select(m => m.GetString()));
    }

    [Fact]
    public async Task A_receiver_that_was_down_gets_everything_in_order_once_it_is_up_also_from_another_process()
    {
        var port = _receiver.Port;
        await _receiver.DisposeAsync();
        using (new SilentPort(port))
        {
            for (var i = 1; i <= 3; i++) await _app.EndSessionAsync();
            await _app.FailsAsync(2);
            await _app.Get<PushEvents>().StopAsync(CancellationToken.None);
        }

        _receiver = await Receiver.StartAsync(port);
        await using var restarted = _app.StartReplica(PushApp.Settings(("orders", null, _receiver.Url)));
        restarted.Time.Advance(TimeSpan.FromMinutes(1));
        await _receiver.UntilAsync(1, 2, 3);
        await Wait.UntilAsync(async () => await restarted.PlaceAsync() is { Cursor: 3, Attempts: 0, FailingSince: null, LastError: null });
    }

    [Fact]
    public async Task The_turn_of_a_sender_that_died_passes_on()
    {
        await using var other = await Receiver.StartAsync();
        await using var app = TestApp.Start(PushApp.Settings(("orders", null, _receiver.Url), ("billing", null, other.Url)));
        await Wait.UntilAsync(async () => await app.PlaceAsync() is { HeldUntil: var until } && until == DateTimeOffset.UnixEpoch);
        var (dead, until) = (Guid.NewGuid(), app.Time.GetUtcNow() + PushTurn.Length);
        await app.DbAsync(db => db.PushPositions.Where(p => p.Service == "orders").ExecuteUpdateAsync(set => set.SetProperty(p => p.Holder, dead).SetProperty(p => p.HeldUntil, until)));
        // The other one gets the first, and then the next: by then the first would have come here, too.
        await app.EndSessionAsync();
        await other.UntilAsync(1);
        await app.EndSessionAsync();
        await other.UntilAsync(1, 2);
        Assert.Equal(0, _receiver.Hits);
        app.Time.Advance(PushTurn.Length);
        await _receiver.UntilAsync(1, 2);
    }

    [Fact]
    public async Task After_a_clock_that_was_ahead_is_set_right_neither_a_pause_nor_a_turn_of_its_time_is_waited_for()
    {
        _receiver.Answer = (http, _) => Receiver.Status(http, 500);
        _app.Time.SetWall(TimeSpan.FromMinutes(10));
        await _app.EndSessionAsync();
        await _app.FailsAsync();
        _receiver.Answer = (http, _) => Receiver.Status(http, 202);
        _app.Time.SetWall(-TimeSpan.FromMinutes(10));
        await _receiver.UntilAsync(1);
        await Wait.UntilAsync(async () => await _app.PlaceAsync() is { Attempts: 0 } place && place.HeldUntil == DateTimeOffset.UnixEpoch);

        var (dead, until) = (Guid.NewGuid(), _app.Time.GetUtcNow() + TimeSpan.FromMinutes(10));
        await _app.DbAsync(db => db.PushPositions.ExecuteUpdateAsync(set => set.SetProperty(p => p.Holder, dead).SetProperty(p => p.HeldUntil, until)));
        await _app.EndSessionAsync();
        await _receiver.UntilAsync(1, 2);
    }

    [Fact]
    public async Task A_turn_during_which_the_clock_is_set_right_lasts_no_longer_than_any_other()
    {
        await Wait.UntilAsync(async () => await _app.PlaceAsync() is not null);
        var (before, held) = (_app.Time.GetUtcNow(), default(DateTimeOffset?));
        _receiver.Answer = async (http, pushed) =>
        {
            if (pushed.Cursor == 1) _app.Time.SetWall(-TimeSpan.FromMinutes(10));
            else held = (await _app.PlaceAsync())?.HeldUntil;
            await Receiver.Status(http, 202);
        };
        await _app.DbAsync(db => db.PushPositions.ExecuteUpdateAsync(set => set.SetProperty(p => p.NextAttemptAt, before + TimeSpan.FromMinutes(1))));
        await _app.EndSessionAsync();
        await _app.EndSessionAsync();
        _app.Time.SetWall(TimeSpan.FromMinutes(10));
        await _receiver.UntilAsync(1, 2);
        Assert.Equal(before + PushTurn.Length, held);
    }

    [Theory]
    [InlineData("500", "401", "302", "204")]
    [InlineData("""400 {"err":"invalid_key"}""", """400 {"err":"access_denied"}""")]
    [InlineData("400", """400 {"err":7}""", "400 not json", """400 {"err":"authentication_failed"}""")]
    public async Task Whatever_is_no_yes_and_no_refusal_is_tried_again_before_what_comes_after_it(params string[] answers)
    {
        var next = -1;
        _receiver.Answer = (http, _) =>
        {
            http.Response.Headers.Location = "/elsewhere"; // followed, it would be a hit more than there are attempts
            var answer = answers.ElementAtOrDefault(Interlocked.Increment(ref next)) ?? "200";
            return Receiver.Status(http, int.Parse(answer[..3], CultureInfo.InvariantCulture), answer.Length > 4 ? answer[4..] : null);
        };
        await _app.EndSessionAsync();
        await _app.EndSessionAsync();
        await Wait.UntilAsync(() =>
        {
            _app.Time.Advance(TimeSpan.FromSeconds(1));
            return _receiver.Got.Count == 2;
        });
        Assert.Equal([1, 2], _receiver.Cursors);
        Assert.Equal(answers.Length + 2, _receiver.Hits);
        Assert.Equal(0, await _app.DbAsync(db => db.UndeliveredEvents.CountAsync()));
    }

    [Fact]
    public async Task An_event_that_is_refused_is_set_aside_and_the_others_go_on()
    {
        _receiver.Answer = (http, pushed) => pushed.Cursor == 2
            ? Receiver.Status(http, 400, """{"err":"invalid_request","description":"<script>"}""")
            : Receiver.Status(http, 202);
        for (var i = 1; i <= 3; i++) await _app.EndSessionAsync();
        await _receiver.UntilAsync(1, 3);

        var admin = await _app.AdminAsync();
        var view = await _app.PushViewAsync(admin);
        var one = Assert.Single(view.GetProperty("newest").EnumerateArray());
        Assert.Equal((2, "invalid_request", "session-revoked"), (one.GetProperty("cursor").GetInt64(), one.GetProperty("error").GetString(), one.GetProperty("type").GetString()));
        // Though it has applied what came later, it is behind with this one.
        await Wait.UntilAsync(async () => await _app.DbAsync(db => db.FeedReaders.AnyAsync(r => r.Service == "orders" && r.Applied >= 3)));
        Assert.Equal((0, 1), await ConvergedAsync(2));
        Assert.Equal((1, 1), await ConvergedAsync(1));

        _receiver.Answer = (http, _) => Receiver.Status(http, 202);
        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Post, "/api/admin/services/orders/push/retry", admin.AccessToken)).StatusCode);
        await Wait.UntilAsync(async () => await _app.DbAsync(db => db.UndeliveredEvents.CountAsync()) == 0);
        Assert.Contains(2, _receiver.Cursors);
        Assert.Equal((1, 1), await ConvergedAsync(2));
    }

    [Fact]
    public async Task An_event_that_was_refused_by_poll_and_by_push_is_set_aside_once_and_the_others_go_on()
    {
        _receiver.Answer = (http, _) => Receiver.Status(http, 500);
        await _app.EndSessionAsync();
        await _app.FailsAsync();
        var set = Assert.Single((await PollAsync(new { returnImmediately = true })).GetProperty("sets").EnumerateObject());
        await PollAsync(new { maxEvents = 0, setErrs = new Dictionary<string, object> { [set.Name] = new { err = "by_poll" } } });
        Assert.Equal("by_poll", (await _app.DbAsync(db => db.UndeliveredEvents.SingleAsync())).Error);

        _receiver.Answer = (http, pushed) => pushed.Cursor == 1 ? Receiver.Status(http, 400, """{"err":"invalid_request"}""") : Receiver.Status(http, 202);
        await _app.EndSessionAsync();
        _app.Time.Advance(TimeSpan.FromMinutes(1));
        await _receiver.UntilAsync(2);
        Assert.Equal("invalid_request", (await _app.DbAsync(db => db.UndeliveredEvents.SingleAsync())).Error);

        async Task<JsonElement> PollAsync(object json)
        {
            var basic = Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes("orders:" + new string('s', 40)));
            var answer = await _app.SendAsync(HttpMethod.Post, "/events/poll", json: json, headers: ("Authorization", "Basic " + basic));
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            return await answer.Content.ReadFromJsonAsync<JsonElement>();
        }
    }

    [Fact]
    public async Task What_a_receiver_does_not_take_within_the_bound_is_set_aside_and_can_be_sent_again()
    {
        _receiver.Answer = (http, _) => Receiver.Status(http, 500);
        await _app.EndSessionAsync();
        await _app.EndSessionAsync();
        await _app.FailsAsync();
        _app.Time.Advance(TimeSpan.FromMinutes(34)); // less than the hour, whatever the wait below adds to it: a second a look
        await _app.FailsAsync(2);
        await _app.EndSessionAsync();
        Assert.Equal(0, await _app.DbAsync(db => db.UndeliveredEvents.CountAsync()));
        _app.Time.Advance(TimeSpan.FromMinutes(26));
        await Wait.UntilAsync(async () => await _app.DbAsync(db => db.UndeliveredEvents.CountAsync()) == 2);

        _receiver.Answer = (http, _) => Receiver.Status(http, 202);
        _app.Time.Advance(TimeSpan.FromMinutes(1));
        await _receiver.UntilAsync(3);

        var admin = await _app.AdminAsync();
        Assert.Equal(2, (await _app.PushViewAsync(admin)).GetProperty("undelivered").GetInt32());
        var page = await _app.PostFormAsync("/services/orders", "push-retry", [], admin.Cookies);
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        // The role of the admin was an event too.
        await Wait.UntilAsync(() => _receiver.Got.Count == 4);
        Assert.Equal([1, 2], _receiver.Cursors.Where(c => c < 3));
        await Wait.UntilAsync(async () => await _app.DbAsync(db => db.UndeliveredEvents.CountAsync()) == 0);
    }

    [Fact] // 185 (SSRF-07)
    public async Task A_receiver_that_hangs_drips_or_never_ends_is_left_after_ten_seconds_and_delays_nobody()
    {
        await using var other = await Receiver.StartAsync();
        (string, string?)[] settings = PushApp.Settings(("orders", null, _receiver.Url), ("billing", null, other.Url));
        await using var app = TestApp.Start(settings);
        var arrived = 0;
        Func<HttpContext, Pushed, Task> hang = async (http, _) =>
        {
            Interlocked.Increment(ref arrived);
            await Task.Delay(Timeout.Infinite, http.RequestAborted);
        };
        Func<HttpContext, Pushed, Task> drip = async (http, _) =>
        {
            http.Response.StatusCode = 400;
            await http.Response.WriteAsync("{");
            await http.Response.Body.FlushAsync();
            await hang(http, null!);
        };
        foreach (var (answer, attempts) in new[] { (hang, 1), (drip, 2) })
        {
            _receiver.Answer = answer;
            if (attempts == 1) await app.EndSessionAsync();
            else app.Time.Advance(TimeSpan.FromSeconds(2));
            await other.UntilAsync(1);
            await Wait.UntilAsync(() => arrived == attempts);
            app.Time.Advance(TimeSpan.FromSeconds(10));
            await Wait.UntilAsync(async () => await app.PlaceAsync() is { LastError: "did not answer in time" } place && place.Attempts == attempts);
        }

        // A gigabyte as the answer to an event: neither read nor waited for.
        _receiver.Answer = async (http, _) =>
        {
            http.Response.StatusCode = 202;
            http.Response.ContentLength = 1 << 30;
            var block = new byte[1 << 16];
            while (!http.RequestAborted.IsCancellationRequested) await http.Response.Body.WriteAsync(block);
        };
        app.Time.Advance(TimeSpan.FromSeconds(4));
        await Wait.UntilAsync(async () => await app.PlaceAsync() is { Cursor: 1, Attempts: 0 });
    }

    [Fact]
    public async Task A_receiver_hears_what_concerns_its_audience_and_a_new_one_begins_with_what_is_still_in_force()
    {
        await _app.EndSessionAsync();
        await _app.ScopedAsync((App.Tokens.SigningKeys keys) => keys.RotateAsync(CancellationToken.None));
        await using var bound = await Receiver.StartAsync();
        await using var late = await Receiver.StartAsync();
        await using var replica = _app.StartReplica(PushApp.Settings(("orders", null, _receiver.Url), ("bound", "bound-api", bound.Url), ("late", null, late.Url)));
        await bound.UntilAsync(2);
        await late.UntilAsync(1, 2);
        Assert.Equal("bound-api", bound.Got[0].Set.Audiences.Single());
        await _app.EndSessionAsync();
        await _app.ScopedAsync((App.Tokens.SigningKeys keys) => keys.RotateAsync(CancellationToken.None));
        await bound.UntilAsync(2, 4);
        await _receiver.UntilAsync(1, 2, 3, 4);
    }

    private async Task<(int Applied, int Services)> ConvergedAsync(long cursor)
    {
        var entry = await _app.DbAsync(db => db.SecurityEvents.AsNoTracking().SingleAsync(e => e.Cursor == cursor));
        var view = await _app.ScopedAsync((Convergence c) => c.OfAsync(entry, CancellationToken.None));
        return (view!.Applied, view.Services);
    }
}
