using System.Net;
using App.Admin;
using App.Data;
using App.Events;

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

    private static async Task GrantAsync(TestApp app, TestUser user)
    {
        await using var output = new StringWriter();
        Assert.Equal(0, await UserCommands.RunAsync(app.Services, ["grant", user.Email, "admin"], output, CancellationToken.None));
    }
}
