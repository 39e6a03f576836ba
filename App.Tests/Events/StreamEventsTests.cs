using System.Diagnostics;
using System.Net;
using System.Reflection;
using System.Text;
using System.Text.Json;
using App.Data;
using App.Events;
using App.Sessions;
using App.Tokens;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace App.Tests.Events;

public sealed class StreamEventsTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start(FeedServices.Settings);

    public Task InitializeAsync() => Task.FromResult(_app.Services);

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task A_new_reader_gets_a_snapshot_then_a_heartbeat_then_each_event_as_it_happens()
    {
        var (old, expired) = (await EndedAsync(), await EndedAsync());
        await _app.DbAsync(db => db.SecurityEvents.Where(e => e.SessionId == expired).ExecuteUpdateAsync(s => s.SetProperty(e => e.ExpiresAt, _app.Time.GetUtcNow() - RevocationIndex.Slack)));
        await _app.ScopedAsync((SigningKeys keys) => keys.RotateAsync(CancellationToken.None));

        await using var feed = await Feed.OpenAsync(_app);
        var snapshot = (await feed.NextAsync())!;
        Assert.Equal(("3", "snapshot", 3), (snapshot.Id, snapshot.Event, snapshot.Cursor));
        var entry = Assert.Single(snapshot.Data.GetProperty("events").EnumerateArray());
        Assert.Equal(old, entry.GetProperty("sid").GetGuid());
        Assert.False(entry.TryGetProperty("set", out _));
        var heartbeat = (await feed.NextAsync())!;
        Assert.Equal(("3", "heartbeat", """{"cursor":3}"""), (heartbeat.Id, heartbeat.Event, heartbeat.Data.GetRawText()));

        var user = await _app.SignUpAsync();
        await EndAsync(user);
        var message = await feed.EventAsync();
        Assert.Equal(("4", "session-revoked", 4), (message.Id, message.Event, message.Cursor));
        var data = message.Data;
        Assert.Equal((user.Id, user.SessionId, "sign-out", "session-revoked"), (data.GetProperty("sub").GetGuid(), data.GetProperty("sid").GetGuid(), data.GetProperty("reason").GetString(), data.GetProperty("type").GetString()));
        Assert.True(data.GetProperty("expires").GetInt64() >= user.Claims.GetProperty("exp").GetInt64() + 30);
        Assert.Equal(["cursor", "expires", "reason", "set", "sid", "sub", "type"], data.EnumerateObject().Select(p => p.Name).Order());
    }

    [Fact] // RFC 9110 section 9.3.2: what GET would say of its answer, and then an end
    public async Task HEAD_ends_at_once()
    {
        var asked = _app.SendAsync(HttpMethod.Head, "/events", headers: ("Authorization", FeedServices.Credentials("billing")));
        using var answer = await asked.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal((HttpStatusCode.OK, "text/event-stream"), (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));
    }

    [Fact]
    public async Task Each_entry_is_a_SET_that_a_stock_library_verifies_and_that_nobody_takes_for_an_access_token()
    {
        await using var feed = await Feed.OpenAsync(_app, "orders-bound", "?cursor=0");
        await using var all = await Feed.OpenAsync(_app, query: "?cursor=0");
        var user = await _app.SignUpAsync();
        await EndAsync(user);
        var set = (await all.EventAsync()).Data.GetProperty("set").GetString()!;

        var keys = new JsonWebKeySet(await _app.Client.GetStringAsync("/.well-known/jwks.json"));
        var result = await new JsonWebTokenHandler().ValidateTokenAsync(set, new TokenValidationParameters
        {
            ValidIssuer = TestApp.Issuer,
            ValidAudience = TestApp.Audience,
            ValidTypes = ["secevent+jwt"],
            ValidAlgorithms = ["ES256"],
            IssuerSigningKeys = keys.GetSigningKeys(),
            RequireExpirationTime = false,
            ValidateLifetime = false,
        });
        Assert.True(result.IsValid, result.Exception?.Message);
        var claims = JsonDocument.Parse(Base64UrlEncoder.Decode(set.Split('.')[1])).RootElement;
        Assert.Equal(["aud", "events", "iat", "iss", "jti", "sub_id", "txn"], claims.EnumerateObject().Select(p => p.Name).Order());
        Assert.Equal("1", claims.GetProperty("txn").GetString());
        Assert.Equal(user.Id, claims.GetProperty("sub_id").GetProperty("user").GetProperty("sub").GetGuid());
        Assert.Equal(user.SessionId, claims.GetProperty("sub_id").GetProperty("session").GetProperty("id").GetGuid());
        Assert.Equal("https://schemas.openid.net/secevent/caep/event-type/session-revoked", Assert.Single(claims.GetProperty("events").EnumerateObject()).Name);
        Assert.IsType<TokenVerdict.Refused>(await _app.Get<TokenVerifier>().VerifyAsync(set));
        Assert.Null(await _app.WhoAmIAsync(bearer: set));

        // The bound service holds no token of that session; a key concerns it, under its own audience, signed by a key that lives.
        await _app.ScopedAsync((SigningKeys keys) => keys.RevokeAsync(_app.Get<SigningKeyRing>().Signing.Key.KeyId!, CancellationToken.None));
        var revoked = await feed.EventAsync();
        Assert.Equal("signing-key-changed", revoked.Event);
        var token = new JsonWebToken(revoked.Data.GetProperty("set").GetString());
        Assert.Equal(("orders-api", _app.Get<SigningKeyRing>().Signing.Key.KeyId), (token.Audiences.Single(), token.Kid));
        Assert.NotEqual(revoked.Data.GetProperty("kid").GetString(), token.Kid);
    }

    [Fact]
    public async Task Each_entry_is_signed_once_for_an_audience_however_many_read_it()
    {
        var feeds = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => Feed.OpenAsync(_app, $"s{i}", "?cursor=0")));
        await EndedAsync();
        var sets = await Task.WhenAll(feeds.Select(async f => (await f.EventAsync()).Data.GetProperty("set").GetString()));
        Assert.Single(sets.Distinct()); // ES256 signatures are random: two would differ
        foreach (var feed in feeds) await feed.DisposeAsync();
    }

    [Fact]
    public async Task Events_while_the_connection_was_cut_all_come_on_resume_in_order()
    {
        long last;
        await using (var feed = await Feed.OpenAsync(_app)) last = (await feed.NextAsync())!.Cursor;
        var missed = new List<Guid>();
        for (var i = 0; i < 150; i++) missed.Add(await EndedBySqlAsync());
        await _app.Get<FollowLog>().CatchUpAsync(CancellationToken.None);

        // The header wins over the query.
        await using var resumed = await Feed.OpenAsync(_app, query: "?cursor=77", lastEventId: last.ToString(System.Globalization.CultureInfo.InvariantCulture));
        foreach (var session in missed)
        {
            var message = await resumed.EventAsync();
            Assert.Equal((++last, session), (message.Cursor, message.Data.GetProperty("sid").GetGuid()));
        }

        var next = await EndedAsync();
        Assert.Equal(next, (await resumed.EventAsync()).Data.GetProperty("sid").GetGuid());
    }

    [Fact]
    public async Task A_reader_far_behind_is_served_from_the_database_and_then_from_memory_without_a_gap()
    {
        for (var i = 0; i < EventFeed.Kept + 300; i++) await EndedBySqlAsync();
        await _app.Get<FollowLog>().CatchUpAsync(CancellationToken.None);
        await using var feed = await Feed.OpenAsync(_app, query: "?cursor=0");
        for (var cursor = 1; cursor <= EventFeed.Kept + 300; cursor++) Assert.Equal(cursor, (await feed.EventAsync()).Cursor);
    }

    [Fact]
    public async Task Writers_and_readers_at_once_leave_every_reader_with_every_entry_in_order()
    {
        await using var replica = _app.StartReplica(FeedServices.Settings);
        var feeds = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => Feed.OpenAsync(i % 2 == 0 ? _app : replica, $"s{i}", "?cursor=0")));
        var users = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => _app.SignUpAsync()));
        var writing = Task.WhenAll(users.Select((u, i) => (i % 2 == 0 ? _app : replica).SendAsync(HttpMethod.Post, "/api/users/signout", cookies: u.Cookies)));
        foreach (var feed in feeds)
        {
            for (var cursor = 1; cursor <= 20; cursor++) Assert.Equal(cursor, (await feed.EventAsync()).Cursor);
            await feed.DisposeAsync();
        }

        await writing;
    }

    [Fact] // More than are read at a time, and none of them its own: nobody but the next event or beat would wake it.
    public async Task A_bound_reader_passes_what_concerns_others_without_waiting()
    {
        var user = await _app.SignUpAsync();
        await _app.DbAsync(async db =>
        {
            for (var i = 0; i < 1000; i++) db.Sessions.Add(new Session { Id = Guid.NewGuid(), UserId = user.Id, LastSeenAt = _app.Time.GetUtcNow(), ExpiresAt = _app.Time.GetUtcNow().AddDays(1) });
            return await db.SaveChangesAsync();
        });
        await _app.ScopedAsync((RevokeSessions revoke) => revoke.RunAsync(s => s.UserId == user.Id, Causes.EndedByAdmin, CancellationToken.None));

        await using var feed = await Feed.OpenAsync(_app, "bound", "?cursor=0");
        var first = await feed.NextAsync().WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(("heartbeat", 1001), (first!.Event, first.Cursor));
    }

    [Fact]
    public async Task The_snapshot_of_a_replica_that_lags_is_complete_and_the_heartbeat_waits_until_it_has_caught_up()
    {
        // The follower's own turn, held: it doesn't look meanwhile.
        var turn = (SemaphoreSlim)typeof(FollowLog).GetField("_one", BindingFlags.NonPublic | BindingFlags.Instance)!.GetValue(_app.Get<FollowLog>())!;
        await turn.WaitAsync();
        var missed = await EndedBySqlAsync();
        await using var feed = await Feed.OpenAsync(_app);
        var snapshot = (await feed.NextAsync())!;
        Assert.Equal(("snapshot", 1), (snapshot.Event, snapshot.Cursor));
        Assert.Equal(missed, Assert.Single(snapshot.Data.GetProperty("events").EnumerateArray()).GetProperty("sid").GetGuid());

        await using var resumed = await Feed.OpenAsync(_app, query: "?cursor=0");
        var (afterSnapshot, afterResume) = (feed.NextAsync(), resumed.NextAsync());
        _app.Get<EventFeed>().Beat();
        await Task.Delay(200);
        Assert.False(afterSnapshot.IsCompletedSuccessfully || afterResume.IsCompletedSuccessfully);
        turn.Release();
        Assert.Equal(("heartbeat", 1), ((await afterSnapshot)!.Event, (await afterSnapshot)!.Cursor));
        Assert.Equal(("session-revoked", 1), ((await afterResume)!.Event, (await afterResume)!.Cursor));
        Assert.Equal("heartbeat", (await resumed.NextAsync())!.Event);
    }

    [Theory]
    [InlineData("?cursor=1")] // before the prune point
    [InlineData("?cursor=99999")] // never given out
    [InlineData("?cursor=-1")]
    [InlineData("?cursor=nonsense")]
    public async Task A_position_that_the_log_does_not_reach_gets_a_snapshot(string query)
    {
        for (var i = 0; i < 3; i++) await EndedAsync();
        _app.Time.Advance(TimeSpan.FromHours(3));
        await _app.Get<HourlySweep>().RunOnceAsync(CancellationToken.None);
        Assert.Equal(0, await _app.DbAsync(db => db.SecurityEvents.CountAsync()));
        var session = await EndedAsync();

        await using var feed = await Feed.OpenAsync(_app, query: query);
        var snapshot = (await feed.NextAsync())!;
        Assert.Equal(("snapshot", 4), (snapshot.Event, snapshot.Cursor));
        Assert.Equal(session, Assert.Single(snapshot.Data.GetProperty("events").EnumerateArray()).GetProperty("sid").GetGuid());
        await using var atThePoint = await Feed.OpenAsync(_app, query: "?cursor=3");
        Assert.Equal(session, (await atThePoint.EventAsync()).Data.GetProperty("sid").GetGuid());
    }

    [Fact]
    public async Task The_stream_ends_promptly_when_the_process_stops()
    {
        await using var feed = await Feed.OpenAsync(_app);
        Assert.Equal("snapshot", (await feed.NextAsync())!.Event);
        _app.Get<IHostApplicationLifetime>().StopApplication();
        var clock = Stopwatch.StartNew();
        while (await feed.NextAsync() is not null) { }
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(4), $"after {clock.Elapsed}");
    }

    [Fact] // EVT-01, EVT-02
    public async Task Nothing_is_streamed_to_anybody_but_a_service()
    {
        var user = await _app.SignUpAsync();
        foreach (var authorization in new[] { null, "Bearer " + user.AccessToken, "Basic " + Convert.ToBase64String("billing:guess"u8), "Bearer nonsense" })
        {
            foreach (var path in new[] { "/events", "/events?cursor=0" })
            {
                using var answer = await Feed.GetAsync(_app, path, authorization, null, ("Cookie", user.Cookies), ("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site"));
                Assert.Contains(answer.StatusCode, new[] { HttpStatusCode.Unauthorized, HttpStatusCode.Forbidden });
                Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
            }

            foreach (var (path, json) in new (string, object)[] { ("/events/poll", new { returnImmediately = true }), ("/events/ack", new { cursor = 0 }) })
            {
                using var answer = await _app.SendAsync(HttpMethod.Post, path, json: json, headers: authorization is null ? [] : [("Authorization", authorization)]);
                Assert.Contains(answer.StatusCode, new[] { HttpStatusCode.Unauthorized, HttpStatusCode.Forbidden });
            }
        }
    }

    [Fact] // EVT-04
    public async Task Events_hold_ids_and_nothing_personal()
    {
        await using var feed = await Feed.OpenAsync(_app, query: "?cursor=0");
        for (var i = 0; i < 100; i++)
        {
            var user = await _app.SignUpAsync($"personal-{i}@example.test");
            await EndAsync(user);
            var raw = (await feed.EventAsync()).Data;
            var text = raw.GetRawText() + Encoding.UTF8.GetString(Base64UrlEncoder.DecodeBytes(raw.GetProperty("set").GetString()!.Split('.')[1]));
            foreach (var secret in new[] { "personal", "@", "127.0.0.1", user.AccessToken, user.RefreshToken, TestApp.Password, "\"id\":\"" + user.Id })
                Assert.DoesNotContain(secret, text, StringComparison.OrdinalIgnoreCase);
        }
    }

    [Theory]
    [InlineData("a b")]
    [InlineData("(poll)")]
    [InlineData("%0A")]
    public async Task An_instance_with_an_odd_name_is_refused(string instance) =>
        Assert.Equal(HttpStatusCode.BadRequest, (await Feed.GetAsync(_app, "/events?instance=" + instance, FeedServices.Credentials("billing"))).StatusCode);

    private async Task<Guid> EndedAsync()
    {
        var user = await _app.SignUpAsync();
        await EndAsync(user);
        return user.SessionId;
    }

    private Task<HttpResponseMessage> EndAsync(TestUser user) => _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies);

    // As another process writes it.
    private async Task<Guid> EndedBySqlAsync()
    {
        var session = Guid.NewGuid();
        var now = _app.Time.GetUtcNow();
        return await _app.DbAsync(async db =>
        {
            await using var transaction = await db.BeginWriteAsync(CancellationToken.None);
            await db.Database.ExecuteSqlAsync($"""
                UPDATE EventCounter SET Value = Value + 1;
                INSERT INTO SecurityEventLog (Cursor, Id, Type, OccurredAt, ExpiresAt, UserId, SessionId, Reason)
                VALUES ((SELECT Value FROM EventCounter), {Guid.NewGuid()}, 'session-revoked', {now.UtcTicks}, {now.AddMinutes(6).UtcTicks}, {Guid.NewGuid()}, {session}, 'sign-out')
                """);
            await transaction.CommitAsync(CancellationToken.None);
            return session;
        });
    }
}
