using System.Net;
using App.Admin;
using App.Data;
using App.Events;
using App.Sessions;
using App.Tokens;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Events;

/// <summary>What was revoked stays so while any token of it could still be alive, whatever the settings were and whatever the clocks do.</summary>
public sealed class OutlivingTokensTests
{
    private static readonly (string, string?)[] HourLong = [.. FeedServices.Settings, ("Tokens:AccessTokenLifetime", "01:00:00")];
    private static readonly (string, string?)[] FiveMinutes = [.. FeedServices.Settings, ("Tokens:AccessTokenLifetime", "00:05:00")];

    [Fact]
    public async Task A_token_of_an_earlier_longer_life_stays_refused_until_it_has_expired()
    {
        await using var before = TestApp.Start(HourLong);
        var (user, other) = (await before.SignUpAsync(), await before.SignUpAsync());
        await using var app = before.StartReplica(FiveMinutes);
        foreach (var token in new[] { user.AccessToken, other.AccessToken }) Assert.NotNull(await app.WhoAmIAsync(bearer: token));
        Assert.Equal(HttpStatusCode.OK, (await app.SendAsync(HttpMethod.Post, "/api/users/signout", user.AccessToken)).StatusCode);
        await GrantAsync(app, other);

        // Past the life that is set today, and past what the index waits for clocks.
        app.Time.Advance(TimeSpan.FromMinutes(25));
        await app.Get<FollowLog>().CatchUpAsync(CancellationToken.None);
        foreach (var token in new[] { user.AccessToken, other.AccessToken }) Assert.Null(await app.WhoAmIAsync(bearer: token));
        await using var feed = await Feed.OpenAsync(app);
        var held = (await feed.NextAsync())!.Data.GetProperty("events").EnumerateArray().ToList();
        Assert.Contains(held, e => e.TryGetProperty("sid", out var sid) && sid.GetGuid() == user.SessionId);
        Assert.Contains(held, e => e.GetProperty("sub").GetGuid() == other.Id && e.TryGetProperty("notBefore", out _));
    }

    [Theory] // clock jumps of ten minutes either way
    [InlineData(10)]
    [InlineData(-10)]
    public async Task A_process_that_starts_while_its_clock_is_wrong_refuses_what_was_revoked_once_it_is_right(int minutes)
    {
        await using var app = TestApp.Start(HourLong);
        var user = await app.SignUpAsync();
        Assert.Equal(HttpStatusCode.OK, (await app.SendAsync(HttpMethod.Post, "/api/users/signout", user.AccessToken)).StatusCode);
        // The last minutes of the token: by the wrong clock it is over.
        app.Time.Advance(TimeSpan.FromMinutes(58));
        await using var replica = app.StartReplica(TimeSpan.FromMinutes(minutes), HourLong);
        Assert.True(replica.Get<RevocationIndex>().IsRevoked(user.SessionId));
        Assert.Null(await replica.WhoAmIAsync(bearer: user.AccessToken));

        app.Time.Advance(TimeSpan.FromMinutes(10)); // its clock is ahead for one snapshot
        await using var feed = await Feed.OpenAsync(app);
        Assert.Equal(user.SessionId, Assert.Single((await feed.NextAsync())!.Data.GetProperty("events").EnumerateArray()).GetProperty("sid").GetGuid());
    }

    [Theory]
    [InlineData(10)]
    [InlineData(-10)]
    public async Task A_clock_that_jumps_and_comes_back_brings_nothing_back(int minutes)
    {
        await using var app = TestApp.Start(FiveMinutes);
        var (ended, expired, renewed) = (await app.SignUpAsync(), await app.SignUpAsync(), await app.SignUpAsync());
        Assert.Equal(HttpStatusCode.OK, (await app.SendAsync(HttpMethod.Post, "/api/users/signout", ended.AccessToken)).StatusCode);
        Assert.NotNull(await app.WhoAmIAsync(bearer: expired.AccessToken));
        Assert.Equal(HttpStatusCode.OK, await RefreshAsync(renewed));
        app.Time.Advance(TimeSpan.FromSeconds(331));
        Assert.Null(await app.WhoAmIAsync(bearer: expired.AccessToken));

        var now = app.Time.GetUtcNow();
        foreach (var time in new[] { now.AddMinutes(minutes), now, now.AddMinutes(minutes), now })
        {
            app.Time.SetWall(time - app.Time.GetUtcNow());
            app.Get<RevocationIndex>().ForgetExpired();
            await app.Get<HourlySweep>().RunOnceAsync(CancellationToken.None);
            await app.Get<FollowLog>().CatchUpAsync(CancellationToken.None);
            Assert.Null(await app.WhoAmIAsync(bearer: ended.AccessToken));
            Assert.Null(await app.WhoAmIAsync(cookies: ended.Cookies));
            Assert.Equal(HttpStatusCode.Unauthorized, await RefreshAsync(ended));
            Assert.Null(await app.WhoAmIAsync(bearer: expired.AccessToken));
        }

        // Used once, and long past its grace by any clock but a wrong one.
        Assert.Equal(HttpStatusCode.Unauthorized, await RefreshAsync(renewed));

        async Task<HttpStatusCode> RefreshAsync(TestUser user) => (await app.SendAsync(HttpMethod.Post, "/api/tokens/refresh", json: new { refresh_token = user.RefreshToken })).StatusCode;
    }

    [Fact]
    public async Task The_users_row_refuses_a_token_that_the_index_never_heard_was_revoked()
    {
        await using var app = TestApp.Start(HourLong);
        var user = await app.SignUpAsync();
        await GrantAsync(app, user);
        await using var replica = app.StartReplica(TimeSpan.FromHours(3), HourLong);
        Assert.Equal(0, replica.Get<RevocationIndex>().Count);
        Assert.Null(await replica.WhoAmIAsync(bearer: user.AccessToken));
        Assert.NotNull(await replica.WhoAmIAsync(bearer: (await replica.SignInAsync(user)).AccessToken));
    }

    [Fact] // with a stolen key, or the secret that everybody shares, a token is made that minds no setting of ours
    public async Task What_others_can_mint_counts_for_the_longest_that_is_believed()
    {
        await using var app = TestApp.Start(FiveMinutes);
        Assert.Equal(FiveMinutesOn, await EndAsync(app, await app.SignUpAsync()));
        await app.ScopedAsync<SigningKeys, SigningKeys.Outcome>(keys => keys.RevokeAsync(app.Get<SigningKeyRing>().Signing.Key.KeyId, CancellationToken.None));
        Assert.Equal(Hour, await NewestAsync(app));

        await using var shared = TestApp.Start([.. FiveMinutes, ("Tokens:SharedSecret", new string('s', 40))]);
        Assert.Equal(Hour, await EndAsync(shared, await shared.SignUpAsync()));
    }

    [Fact] // Contract section 6: until the last token it concerns has expired, and no longer.
    public async Task What_a_service_remembers_goes_with_the_life_that_is_set()
    {
        await using var app = TestApp.Start(FeedServices.Settings);
        var user = await app.SignUpAsync();
        app.Time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(HttpStatusCode.OK, (await app.SendAsync(HttpMethod.Post, "/api/users/signout", user.AccessToken)).StatusCode);
        await using var feed = await Feed.OpenAsync(app);
        var expires = Assert.Single((await feed.NextAsync())!.Data.GetProperty("events").EnumerateArray()).GetProperty("expires").GetInt64();
        Assert.Equal(app.Time.GetUtcNow().ToUnixTimeSeconds() + 300 + 60 + 1, expires);
    }

    [Fact]
    public async Task Where_a_longer_life_was_set_before_a_restart_it_counts_while_a_token_of_it_could_be_alive()
    {
        await using var app = TestApp.Start(FiveMinutes);
        await using (var before = app.StartReplica(HourLong))
        {
            var user = await before.SignUpAsync();
            Assert.Equal(Hour, await EndAsync(app, user));
        }

        // It said that it might go on for two hours, and its last token lives an hour more.
        await MoveAsync(TimeSpan.FromMinutes(180 + 1 + 14), app);
        Assert.Equal(Hour, await EndAsync(app, await app.SignUpAsync()));
        await MoveAsync(TimeSpan.FromMinutes(2), app);
        Assert.Equal(FiveMinutesOn, await EndAsync(app, await app.SignUpAsync()));
    }

    [Fact]
    public async Task While_a_replica_mints_for_longer_whatever_ends_its_tokens_is_remembered_for_as_long_by_whoever_ends_them()
    {
        await using var app = TestApp.Start(FiveMinutes);
        var first = await app.SignUpAsync();
        Assert.Equal(FiveMinutesOn, await EndAsync(app, first));
        await using var longer = app.StartReplica(HourLong);
        var user = await longer.SignUpAsync();
        Assert.Equal(Hour, await EndAsync(app, user));

        // Hours on, past what either said at its start, both still say what they mint with, each for itself, and neither forgets the other's.
        for (var i = 0; i < 5; i++) await MoveAsync(TimeSpan.FromHours(1), app, longer);
        Assert.Equal([300, 3600], await app.DbAsync(db => db.TokenLives.OrderBy(l => l.Seconds).Select(l => l.Seconds).ToListAsync()));
        var (ended, keys) = (await longer.SignUpAsync(), await longer.SignUpAsync());
        Assert.Equal(Hour, await EndAsync(app, ended));
        Assert.NotNull(await app.WhoAmIAsync(bearer: keys.AccessToken));
        await using var output = new StringWriter();
        Assert.Equal(0, await KeyCommands.RunAsync(app.Services, ["revoke", (await app.DbAsync(db => db.SigningKeys.SingleAsync(k => k.State == SigningKeyState.Current))).Id], output, CancellationToken.None));
        Assert.Equal(Hour, await NewestAsync(app));
        await GrantAsync(app, keys);
        Assert.Equal(Hour, await NewestAsync(app));

        app.Time.Advance(TimeSpan.FromMinutes(40));
        await app.Get<FollowLog>().CatchUpAsync(CancellationToken.None);
        app.Get<RevocationIndex>().ForgetExpired();
        foreach (var token in new[] { ended.AccessToken, keys.AccessToken }) Assert.Null(await app.WhoAmIAsync(bearer: token));
    }

    [Fact]
    public async Task Where_nobody_has_said_how_they_mint_the_longest_life_counts()
    {
        await using var app = TestApp.Start(FiveMinutes);
        var (user, other) = (await app.SignUpAsync(), await app.SignUpAsync());
        await app.DbAsync(db => db.TokenLives.ExecuteDeleteAsync());
        Assert.Equal(Hour, await EndAsync(app, user));

        // People, and no lives: an older version has minted here, and may go on while it is replaced.
        await using var replica = app.StartReplica(FiveMinutes);
        Assert.Equal(Hour, await EndAsync(replica, other));
        await MoveAsync(TimeSpan.FromHours(26), app);
        Assert.Equal(FiveMinutesOn, await EndAsync(app, await app.SignUpAsync()));
    }

    [Fact] // After a backup was restored: between it and now the setting may have been another.
    public async Task Everybody_is_signed_out_for_as_long_as_any_token_could_be_alive()
    {
        await using var app = TestApp.Start(FiveMinutes);
        await app.SignUpAsync();
        Assert.Equal(0, await RevokeSessions.EndAllAsync(app.Services, ["end-all"], TextWriter.Null, CancellationToken.None));
        Assert.Equal(Hour, await NewestAsync(app));
        await MoveAsync(TimeSpan.FromMinutes(77), app);
        Assert.Equal(FiveMinutesOn, await EndAsync(app, await app.SignUpAsync()));
    }

    private static readonly TimeSpan Hour = TimeSpan.FromMinutes(60 + 1);

    private static readonly TimeSpan FiveMinutesOn = TimeSpan.FromMinutes(5 + 1);

    private static async Task MoveAsync(TimeSpan time, params TestApp[] apps)
    {
        foreach (var app in apps) app.Time.Advance(time);
        foreach (var app in apps) await app.Get<HourlySweep>().RunOnceAsync(CancellationToken.None);
    }

    /// <returns>How long after it the entry expires.</returns>
    private static async Task<TimeSpan> EndAsync(TestApp app, TestUser user)
    {
        Assert.Single(await app.ScopedAsync((RevokeSessions revoke) => revoke.RunAsync(s => s.Id == user.SessionId, Causes.EndedByUser, CancellationToken.None)));
        return await NewestAsync(app);
    }

    private static Task<TimeSpan> NewestAsync(TestApp app) => app.DbAsync(async db =>
    {
        var entry = await db.SecurityEvents.OrderByDescending(e => e.Cursor).FirstAsync();
        return entry.ExpiresAt - entry.OccurredAt;
    });

    private static async Task GrantAsync(TestApp app, TestUser user)
    {
        await using var output = new StringWriter();
        Assert.Equal(0, await UserCommands.RunAsync(app.Services, ["grant", user.Email, "admin"], output, CancellationToken.None));
    }
}
