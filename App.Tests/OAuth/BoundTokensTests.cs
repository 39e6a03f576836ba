using System.Diagnostics;
using System.Text.Json;
using App.Admin;
using App.Data;
using App.Events;
using App.OAuth;
using App.Sessions;
using App.Shared;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.OAuth;

/// <summary>Contract section 2: tokens that one service alone accepts.</summary>
public sealed class BoundTokensTests : IAsyncLifetime
{
    private const string Billing = "https://billing.test";

    private readonly TestApp _app = Callers.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task It_says_what_the_sessions_token_says_to_one_audience()
    {
        var user = await _app.SignUpAsync();
        var bound = Claims((await _app.BindAsync(user, Billing))!);
        Assert.Equal([Billing], bound.GetProperty("aud").EnumerateArray().Select(a => a.GetString()));
        foreach (var claim in user.Claims.EnumerateObject().Where(c => c.Name is not ("aud" or "jti")))
            Assert.Equal(claim.Value.ToString(), bound.GetProperty(claim.Name).ToString());
        Assert.NotEqual(user.Claims.GetProperty("jti").GetString(), bound.GetProperty("jti").GetString());
    }

    [Fact]
    public async Task A_service_is_named_by_its_audience_or_its_id_and_a_stranger_not_at_all()
    {
        _ = await _app.SignUpAsync();
        var tokens = _app.Get<BoundTokens>();
        Assert.Equal(("orders", Billing, Billing, TestApp.Audience), (tokens.AudienceOf("orders"), tokens.AudienceOf("billing"), tokens.AudienceOf(Billing), tokens.AudienceOf(TestApp.Audience)));
        foreach (var name in new[] { "", "nobody", "Orders", "orders ", "*", Billing + "/" }) Assert.Null(tokens.AudienceOf(name));
    }

    [Fact]
    public async Task It_is_minted_once_however_many_ask_at_once_and_is_another_for_each_service()
    {
        var user = await _app.SignUpAsync();
        var texts = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => _app.BindAsync(user, Billing)));
        Assert.NotNull(Assert.Single(texts.Distinct()));
        Assert.NotEqual(texts[0], await _app.BindAsync(user, "orders"));
        Assert.Equal(["https://billing.test", "orders"], await _app.DbAsync(db => db.BoundAudiences.Where(b => b.SessionId == user.SessionId && b.UserId == user.Id).Select(b => b.Audience).Order().ToListAsync()));
        await using var replica = _app.StartReplica(Callers.Settings);
        Assert.NotNull(await replica.BindAsync(user, Billing));
    }

    [Fact] // JWT-22
    public async Task Our_own_doors_and_other_services_refuse_it_and_its_service_learns_that_it_is_active()
    {
        var user = await _app.SignUpAsync();
        var (billing, orders) = (await _app.BindAsync(user, Billing), await _app.BindAsync(user, "orders"));
        foreach (var look in new[] { 1, 2 })
        {
            Assert.True(await _app.IsActiveAsync(billing!, Callers.Basic("billing", Callers.Other)), $"look {look}");
            Assert.True(await _app.IsActiveAsync(orders!));
            Assert.False(await _app.IsActiveAsync(billing!));
            Assert.False(await _app.IsActiveAsync(orders!, Callers.Basic("billing", Callers.Other)));
            foreach (var token in new[] { billing, orders })
            {
                Assert.Null(await _app.WhoAmIAsync(bearer: token));
                Assert.Null(await _app.WhoAmIAsync(cookies: "session=" + Convert.ToBase64String(JsonSerializer.SerializeToUtf8Bytes(new { jwt = token }))));
            }
        }

        var answer = JsonDocument.Parse(await (await _app.IntrospectAsync(billing!, Callers.Basic("billing", Callers.Other))).Content.ReadAsStringAsync()).RootElement;
        Assert.Equal((Billing, user.SessionId), (answer.GetProperty("aud")[0].GetString(), answer.GetProperty("sid").GetGuid()));
    }

    [Fact]
    public async Task It_dies_with_the_session_and_its_service_is_told()
    {
        var user = await _app.SignUpAsync();
        var token = await _app.BindAsync(user, Billing);
        await _app.BindAsync(user, "orders");
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies);
        Assert.False(await _app.IsActiveAsync(token!, Callers.Basic("billing", Callers.Other)));
        Assert.Null(await _app.BindAsync(user, Billing));

        var entry = await _app.DbAsync(db => db.SecurityEvents.SingleAsync(e => e.SessionId == user.SessionId));
        Assert.Equal(Billing + " orders", entry.Audiences);
        Assert.True(_app.Get<EntryText>().Concerns(entry, Billing));
        Assert.False(_app.Get<EntryText>().Concerns(entry, "https://other.test"));
        Assert.False(await _app.DbAsync(db => db.BoundAudiences.AnyAsync()));
    }

    [Fact]
    public async Task What_happens_to_the_user_is_told_to_the_services_of_all_their_sessions()
    {
        var first = await _app.SignUpAsync();
        var second = await _app.SignInAsync(first);
        var stranger = await _app.SignUpAsync();
        var token = (await _app.BindAsync(first, Billing))!;
        await _app.BindAsync(second, "orders");
        await _app.BindAsync(stranger, "orders");
        _app.Time.Advance(TimeSpan.FromSeconds(2));
        await _app.ScopedAsync((ChangeRole change) => change.RunAsync(first.Email, "clerk", granted: true, CancellationToken.None));

        Assert.Equal(Billing + " orders", (await _app.DbAsync(db => db.SecurityEvents.SingleAsync(e => e.UserId == first.Id))).Audiences);
        Assert.False(await _app.IsActiveAsync(token, Callers.Basic("billing", Callers.Other)));
        var renewed = await RenewAsync(first);
        var next = Claims((await _app.BindAsync(renewed, Billing))!);
        Assert.Equal("clerk", next.GetProperty("roles")[0].GetString());
        Assert.True(await _app.DbAsync(db => db.BoundAudiences.AnyAsync(b => b.UserId == first.Id)));
    }

    [Fact]
    public async Task It_is_reused_until_it_nears_its_end_and_never_outlives_the_token_it_was_got_with()
    {
        var early = await _app.SignUpAsync();
        var first = (await _app.BindAsync(early, Billing))!;
        _app.Time.Advance(TimeSpan.FromSeconds(100));
        var later = await RenewAsync(early);
        Assert.Equal(first, await _app.BindAsync(later, Billing));

        _app.Time.Advance(TimeSpan.FromSeconds(175));
        var second = (await _app.BindAsync(later, Billing))!;
        Assert.NotEqual(first, second);
        Assert.Equal(later.Claims.GetProperty("exp").GetInt64(), Claims(second).GetProperty("exp").GetInt64());

        // The older token gets one that ends with it, and the newer keeps its own.
        var own = (await _app.BindAsync(early, Billing))!;
        Assert.Equal(early.Claims.GetProperty("exp").GetInt64(), Claims(own).GetProperty("exp").GetInt64());
        Assert.Equal(second, await _app.BindAsync(later, Billing));
    }

    [Fact]
    public async Task While_nobody_can_write_all_who_ask_are_told_in_time_and_a_service_that_was_told_needs_nobody()
    {
        var early = await _app.SignUpAsync();
        var first = await _app.BindAsync(early, Billing);
        _app.Time.Advance(TimeSpan.FromSeconds(100));
        var later = await RenewAsync(early);
        _app.Time.Advance(TimeSpan.FromSeconds(175)); // the first is about to expire
        await _app.DbAsync(async db =>
        {
            await using var other = await db.BeginWriteAsync(CancellationToken.None);
            var clock = Stopwatch.StartNew();
            var asking = Enumerable.Range(0, 128).Select(i => _app.BindAsync(later, $"https://{i}.test")).ToList();
            var second = await _app.BindAsync(later, Billing);
            Assert.True(second is not null && second != first);
            // Who asked first waits for two seconds, which a busy machine may have taken to get here.
            Assert.True(!asking.Exists(a => a.IsCompleted) || clock.Elapsed >= TimeSpan.FromSeconds(2));

            foreach (var one in asking) await Assert.ThrowsAsync<DatabaseBusyException>(() => one);
            Assert.InRange(clock.Elapsed, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(8));
            return 0;
        });
        Assert.NotNull(await _app.BindAsync(later, "https://0.test"));
    }

    [Fact]
    public async Task What_ended_at_another_replica_a_moment_ago_gets_none()
    {
        var (session, user) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        Assert.NotNull(await _app.WhoAmIAsync(bearer: session.AccessToken));
        Assert.NotNull(await _app.WhoAmIAsync(bearer: user.AccessToken));
        await _app.DbAsync(db => db.Sessions.Where(s => s.Id == session.SessionId).ExecuteUpdateAsync(set => set.SetProperty(s => s.RevokedAt, _app.Time.GetUtcNow())));
        await _app.DbAsync(db => db.Users.Where(u => u.Id == user.Id).ExecuteUpdateAsync(set => set.SetProperty(u => u.TokensNotBefore, _app.Time.GetUtcNow().ToUnixTimeSeconds())));
        Assert.Null(await _app.BindAsync(session, Billing));
        Assert.Null(await _app.BindAsync(user, Billing));
        Assert.False(await _app.DbAsync(db => db.BoundAudiences.AnyAsync()));
    }

    [Fact]
    public async Task Where_the_audiences_do_not_fit_everybody_is_told()
    {
        var user = await _app.SignUpAsync();
        await _app.DbAsync(db =>
        {
            for (var i = 0; i < 12; i++) db.Add(new BoundAudience { SessionId = user.SessionId, UserId = user.Id, Audience = new string((char)('a' + i), 200) });
            return db.SaveChangesAsync();
        });
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies);
        Assert.True(_app.Get<EntryText>().Concerns(await _app.DbAsync(db => db.SecurityEvents.SingleAsync()), "https://other.test"));
    }

    private static JsonElement Claims(string token) => JsonDocument.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(token.Split('.')[1])).RootElement;

    private async Task<TestUser> RenewAsync(TestUser user)
    {
        var answer = await _app.SendAsync(HttpMethod.Post, "/api/tokens/refresh", json: new { refresh_token = user.RefreshToken });
        var body = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
        return user with { AccessToken = body.GetProperty("access_token").GetString()!, RefreshToken = body.GetProperty("refresh_token").GetString()! };
    }
}

/// <summary>Gets a bound token as a door of ours does: for a caller whose own token is in force.</summary>
internal static class Binding
{
    public static async Task<string?> BindAsync(this TestApp app, TestUser user, string audience)
    {
        await using var scope = app.Services.CreateAsyncScope();
        var http = new DefaultHttpContext { RequestServices = scope.ServiceProvider };
        if (await app.Get<CheckToken>().RunAsync(user.AccessToken.AsMemory(), Carrier.Bearer, http) is not { } good) return null;
        return (await app.Get<BoundTokens>().ForAsync(CurrentUser.From(good.Principal)!, audience, http))?.Authorization["Bearer ".Length..];
    }
}
