using System.Diagnostics;
using System.Net;
using System.Text.Json;
using App.Data;
using App.Events;
using App.Shared;
using App.Tests.Push;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.JsonWebTokens;

namespace App.Tests.Events;

public sealed class PollEventsTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start(FeedServices.Settings);

    public Task InitializeAsync() => Task.FromResult(_app.Services);

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task What_was_not_acknowledged_comes_again_and_what_was_does_not()
    {
        for (var i = 0; i < 5; i++) await EndAsync();
        var first = await Feed.PollAsync(_app, new { maxEvents = 2 });
        Assert.Equal([1, 2], Cursors(first));
        Assert.True(first.GetProperty("moreAvailable").GetBoolean());
        Assert.Equal([1, 2], Cursors(await Feed.PollAsync(_app, new { maxEvents = 2 })));
        Assert.True((await Feed.PollAsync(_app, new { maxEvents = 0 })).GetProperty("moreAvailable").GetBoolean());

        // Out of turn: the second alone, then the first with the fourth.
        Assert.Equal([1, 3, 4, 5], Cursors(await Feed.PollAsync(_app, new { ack = new[] { Jti(first, 2) } })));
        var rest = await Feed.PollAsync(_app, new { });
        Assert.Equal([3, 5], Cursors(await Feed.PollAsync(_app, new { ack = new[] { Jti(rest, 1), Jti(rest, 4) } })));
        Assert.Equal((2L, "4"), await _app.DbAsync(async db =>
        {
            var reader = await db.FeedReaders.SingleAsync();
            return (reader.Applied, reader.Ahead!);
        }));

        // maxEvents 0 only acknowledges (RFC 8936 section 2.4).
        var none = await Feed.PollAsync(_app, new { maxEvents = 0, ack = new[] { Jti(rest, 3), Jti(rest, 5) } });
        Assert.Empty(Cursors(none));
        Assert.False(none.GetProperty("moreAvailable").GetBoolean());
        Assert.Empty(Cursors(await Feed.PollAsync(_app, new { returnImmediately = true })));
    }

    [Fact]
    public async Task A_poll_waits_and_is_answered_the_moment_something_happens()
    {
        var waiting = Feed.PollAsync(_app, new { });
        await EndAsync();
        var clock = Stopwatch.StartNew();
        Assert.Equal([1], Cursors(await waiting));
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task The_key_of_each_SET_is_its_jti_and_it_is_addressed_to_the_service()
    {
        await _app.ScopedAsync((App.Tokens.SigningKeys keys) => keys.RotateAsync(CancellationToken.None));
        var answer = await Feed.PollAsync(_app, new { }, "orders-bound");
        var set = Assert.Single(answer.GetProperty("sets").EnumerateObject());
        var token = new JsonWebToken(set.Value.GetString());
        Assert.Equal((set.Name, "orders-api", "secevent+jwt"), (token.Id, token.Audiences.Single(), token.Typ));
    }

    [Fact] // EVT-03
    public async Task A_service_reaches_nothing_of_another()
    {
        for (var i = 0; i < 2; i++) await EndAsync();
        var mine = await Feed.PollAsync(_app, new { }, "billing");
        await Feed.PollAsync(_app, new { returnImmediately = true, ack = new[] { Jti(mine, 1), Jti(mine, 2) } }, "orders");
        Assert.Equal([1, 2], Cursors(await Feed.PollAsync(_app, new { returnImmediately = true }, "billing")));

        // A bound service sees nothing of others' sessions, and can't acknowledge what it wasn't told.
        await _app.DbAsync(db => db.SecurityEvents.Where(e => e.Cursor == 1).ExecuteUpdateAsync(s => s.SetProperty(e => e.Audiences, "bound-api")));
        Assert.Empty(Cursors(await Feed.PollAsync(_app, new { returnImmediately = true, ack = new[] { Jti(mine, 2) } }, "bound")));
        Assert.Equal((0L, (string?)null), await _app.DbAsync(async db => await db.FeedReaders.SingleAsync(r => r.Service == "bound") is var r ? (r.Applied, r.Ahead) : default));
        await _app.DbAsync(db => db.SecurityEvents.ExecuteUpdateAsync(s => s.SetProperty(e => e.Audiences, "other-api bound-api")));
        await using var replica = _app.StartReplica(FeedServices.Settings);
        Assert.Equal([1, 2], Cursors(await Feed.PollAsync(replica, new { returnImmediately = true }, "bound")));
    }

    [Theory] // EVT-08
    [InlineData("""{"maxEvents":-1}""")]
    [InlineData("""{"maxEvents":1e9}""")]
    [InlineData("""{"maxEvents":99999999999}""")]
    [InlineData("""{"maxEvents":"x"}""")]
    [InlineData("""{"maxEvents":1.5}""")]
    [InlineData("""{"returnImmediately":"maybe"}""")]
    [InlineData("""{"ack":"all"}""")]
    [InlineData("""{"ack":[1]}""")]
    [InlineData("""{"setErrs":[]}""")]
    [InlineData("""{"maxEvents":1,"maxEvents":2}""")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{")]
    [InlineData("")]
    public async Task Bad_parameters_are_refused(string json)
    {
        var answer = await SendAsync(json);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
    }

    [Fact] // EVT-08
    public async Task Far_too_much_is_capped_or_refused()
    {
        await EndAsync();
        Assert.Equal([1], Cursors(await Feed.PollAsync(_app, new { maxEvents = 1_000_000_000 })));
        Assert.Equal(HttpStatusCode.BadRequest, (await SendAsync(JsonSerializer.Serialize(new { ack = Enumerable.Range(0, 100_000).Select(i => i.ToString(System.Globalization.CultureInfo.InvariantCulture)) }))).StatusCode);
        Assert.Equal([1], Cursors(await Feed.PollAsync(_app, new { ack = new[] { "", "nonsense", Guid.NewGuid().ToString() } })));
    }

    [Fact]
    public async Task What_a_receiver_refused_is_logged_without_its_words_and_set_aside_until_it_is_wanted_again()
    {
        await EndAsync();
        await EndAsync();
        var sets = await Feed.PollAsync(_app, new { });
        var errors = new Dictionary<string, object> { [Jti(sets, 1)] = new { err = "invalid_audience\n", description = "secret words" } };
        Assert.Equal([2], Cursors(await Feed.PollAsync(_app, new { setErrs = errors })));
        Assert.Equal([2], Cursors(await Feed.PollAsync(_app, new { setErrs = errors })));
        Assert.Contains(_app.Log.Lines, l => l.Contains("billing refused 1 security events, the first with invalid_audience", StringComparison.Ordinal));
        Assert.DoesNotContain(_app.Log.Lines, l => l.Contains("secret words", StringComparison.Ordinal));

        // Nothing is left to spin on, an admin sees it, and it doesn't count as applied.
        Assert.Empty(Cursors(await Feed.PollAsync(_app, new { returnImmediately = true, ack = new[] { Jti(sets, 2) } })));
        var admin = await _app.AdminAsync();
        var view = await _app.PushViewAsync(admin, "billing");
        var one = Assert.Single(view.GetProperty("newest").EnumerateArray());
        Assert.Equal((1, "invalid_audience"), (one.GetProperty("cursor").GetInt64(), one.GetProperty("error").GetString()));
        Assert.False(view.TryGetProperty("url", out _));
        var refused = await _app.DbAsync(db => db.SecurityEvents.SingleAsync(e => e.Cursor == 1));
        Assert.Equal("billing", Assert.Single((await _app.ScopedAsync((Convergence c) => c.OfAsync(refused, CancellationToken.None)))!.Behind).Service);

        await AgainAsync();
        // With what is new: the making of the admin was an event, too.
        Assert.Equal([1, 3], Cursors(await Feed.PollAsync(_app, new { })));
        Assert.Equal([1], Cursors(await Feed.PollAsync(_app, new { maxEvents = 1 })));
        Assert.DoesNotContain(1, Cursors(await Feed.PollAsync(_app, new { setErrs = errors })));
        await AgainAsync();
        Assert.DoesNotContain(1, Cursors(await Feed.PollAsync(_app, new { ack = new[] { Jti(sets, 1) } })));
        Assert.Empty((await _app.ScopedAsync((Convergence c) => c.OfAsync(refused, CancellationToken.None)))!.Behind);

        async Task AgainAsync() => Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Post, "/api/admin/services/billing/push/retry", admin.AccessToken)).StatusCode);
    }

    [Fact]
    public async Task The_revocation_of_a_key_is_not_signed_with_that_key()
    {
        var (looks, revoked) = (0, _app.Get<App.Tokens.SigningKeyRing>().Signing.Key.KeyId!);
        await _app.ScopedAsync((App.Tokens.SigningKeys keys) => keys.RevokeAsync(revoked, CancellationToken.None));
        // As at a replica that has heard of the event and not yet of the next key.
        var signer = new SetSigner(_ => looks < 5 ? "with the old key" : "with the new key", () => ++looks < 5 ? revoked : "new");
        await using var scope = _app.Services.CreateAsyncScope();
        var text = new EntryText(signer, _app.Get<PublicUrl>(), _app.Get<TokenFacts>());
        var poll = ActivatorUtilities.CreateInstance<PollEvents>(scope.ServiceProvider, text);

        var answer = await PollEvents.HandleAsync(new PollRequest { ReturnImmediately = true }, new CallingService("billing", null), poll, new DefaultHttpContext(), CancellationToken.None);

        var sets = Assert.IsType<Ok<PollAnswer>>(answer.Result).Value!.Sets;
        Assert.NotEmpty(sets);
        Assert.All(sets.Values, set => Assert.Equal("with the new key", set));
    }

    [Fact]
    public async Task Two_first_polls_at_once_are_both_answered()
    {
        await using var scope = _app.Services.CreateAsyncScope();
        var twin = new Twin();
        // As where a transaction doesn't keep another from writing the same row.
        await using var db = new SqliteDb(new DbContextOptionsBuilder<SqliteDb>(scope.ServiceProvider.GetRequiredService<DbContextOptions<SqliteDb>>()).AddInterceptors(twin).Options);
        var poll = ActivatorUtilities.CreateInstance<PollEvents>(scope.ServiceProvider, (AppDb)db);
        var answer = await PollEvents.HandleAsync(new PollRequest { ReturnImmediately = true }, new CallingService("billing", null), poll, new DefaultHttpContext(), CancellationToken.None);
        Assert.IsType<Ok<PollAnswer>>(answer.Result);
        Assert.True(twin.Came);
        Assert.Equal(1, await _app.DbAsync(d => d.FeedReaders.CountAsync()));
    }

    [Fact] // Others start over with a snapshot; a poll has none, and an account that is gone is more than tokens that are refused.
    public async Task What_a_poll_has_not_acknowledged_stays_in_the_log_for_a_day()
    {
        for (var i = 0; i < 3; i++) await EndAsync();
        await Feed.PollAsync(_app, new { returnImmediately = true });
        await ExpiredAsync(TimeSpan.FromHours(2), from: 2);
        await ExpiredAsync(TimeSpan.FromHours(25), from: 1, to: 1);
        await _app.Get<HourlySweep>().RunOnceAsync(CancellationToken.None);
        Assert.Equal([2, 3], await _app.DbAsync(db => db.SecurityEvents.Select(e => e.Cursor).Order().ToListAsync()));

        Task<int> ExpiredAsync(TimeSpan ago, long from, long to = 3) => _app.DbAsync(db =>
        {
            var at = _app.Time.GetUtcNow() - ago;
            return db.SecurityEvents.Where(e => e.Cursor >= from && e.Cursor <= to).ExecuteUpdateAsync(set => set.SetProperty(e => e.ExpiresAt, at));
        });
    }

    [Fact] // And what doesn't concern it is kept for nobody.
    public async Task Neither_is_it_gone_for_one_that_hears_of_its_own_tokens_alone()
    {
        for (var i = 0; i < 4; i++) await EndAsync();
        await _app.DbAsync(db => db.SecurityEvents.Where(e => e.Cursor == 3).ExecuteUpdateAsync(set => set.SetProperty(e => e.Audiences, "bound-api")));
        await Feed.PollAsync(_app, new { returnImmediately = true }, "bound");
        await _app.DbAsync(db => db.SecurityEvents.ExecuteUpdateAsync(set => set.SetProperty(e => e.ExpiresAt, _app.Time.GetUtcNow() - TimeSpan.FromHours(2))));
        await _app.Get<HourlySweep>().RunOnceAsync(CancellationToken.None);
        Assert.Equal([3, 4], await _app.DbAsync(db => db.SecurityEvents.Select(e => e.Cursor).Order().ToListAsync()));
        Assert.Equal(2, await _app.DbAsync(db => db.FeedReaders.Select(r => r.Applied).SingleAsync()));
    }

    private sealed class Twin : SaveChangesInterceptor
    {
        public bool Came { get; private set; }

        public override async ValueTask<InterceptionResult<int>> SavingChangesAsync(DbContextEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
        {
            if (!Came) await eventData.Context!.Database.ExecuteSqlAsync($"INSERT INTO FeedReaders (Service, Instance, ContactAt, Applied, Acks) VALUES ('billing', '(poll)', 0, 0, '')", cancellationToken);
            Came = true;
            return result;
        }
    }

    private Task<HttpResponseMessage> SendAsync(string json) => _app.Client.SendAsync(new HttpRequestMessage(HttpMethod.Post, "/events/poll")
    {
        Headers = { { "Authorization", FeedServices.Credentials("billing") } },
        Content = new StringContent(json, System.Text.Encoding.UTF8, "application/json"),
    });

    private static List<long> Cursors(JsonElement answer) =>
        [.. answer.GetProperty("sets").EnumerateObject().Select(s => CursorOf(s.Value.GetString()!)).Order()];

    private static string Jti(JsonElement answer, long cursor) =>
        answer.GetProperty("sets").EnumerateObject().Single(s => CursorOf(s.Value.GetString()!) == cursor).Name;

    private static long CursorOf(string set) => long.Parse(new JsonWebToken(set).GetClaim("txn").Value, System.Globalization.CultureInfo.InvariantCulture);

    private async Task EndAsync()
    {
        var user = await _app.SignUpAsync();
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies);
    }
}
