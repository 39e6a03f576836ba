using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using App.Admin;
using App.Events;

namespace App.Tests.Events;

/// <summary>A change of a user reaches the tokens that a replica whose clock is ahead has minted, though they seem to be from after it.</summary>
public sealed class ClockSkewTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();
    private TestApp _ahead = null!;
    private int _changes;

    public Task InitializeAsync()
    {
        _ahead = _app.StartReplica();
        _ahead.Time.Advance(TimeSpan.FromSeconds(8));
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await _ahead.DisposeAsync();
        await _app.DisposeAsync();
    }

    [Theory]
    [InlineData("sign-up"), InlineData("sign-in"), InlineData("renewal"), InlineData("late renewal"), InlineData("confirmation")]
    public async Task A_token_of_a_clock_that_is_ahead_dies_with_a_change_after_it(string how)
    {
        var user = await _app.SignUpAsync();
        var (token, refresh) = (user.AccessToken, user.RefreshToken);
        switch (how)
        {
            case "sign-up":
                user = await _ahead.SignUpAsync();
                (token, refresh) = (user.AccessToken, user.RefreshToken);
                break;
            case "sign-in":
                var again = await _ahead.SignInAsync(user);
                (token, refresh) = (again.AccessToken, again.RefreshToken);
                break;
            case "renewal":
                (token, refresh) = await RenewAsync(_ahead, refresh);
                break;
            case "late renewal":
                await RenewAsync(_app, refresh);
                (token, refresh) = await RenewAsync(_ahead, refresh);
                break;
            default:
                var confirmed = await _ahead.PostFormAsync("/account/confirm", "confirm", [new("password", user.Password)], user.Cookies);
                token = TestUser.Unwrap(confirmed.Headers.GetValues("Set-Cookie").Single(line => line.StartsWith("session=", StringComparison.Ordinal))["session=".Length..].Split(';')[0]);
                Assert.NotEqual(user.AccessToken, token);
                break;
        }

        Assert.NotNull(await _app.WhoAmIAsync(bearer: token));
        await ChangeAsync(user);

        foreach (var app in new[] { _app, _ahead }) Assert.Null(await app.WhoAmIAsync(bearer: token));
        (token, refresh) = await RenewAsync(_app, refresh);
        await AssertGoodAsync(user, token);
        await AssertGoodAsync(user, (await RenewAsync(_ahead, refresh)).Token);
        await AssertGoodAsync(user, (await _app.SignInAsync(user)).AccessToken);

        await ChangeAsync(user);
        Assert.Null(await _app.WhoAmIAsync(bearer: token));
    }

    [Fact]
    public async Task Nobody_is_shut_out_because_a_clock_was_far_ahead()
    {
        _ahead.Time.Advance(TimeSpan.FromHours(1));
        var user = await _app.SignUpAsync();
        await _ahead.SignInAsync(user);
        await ChangeAsync(user);
        await AssertGoodAsync(user, (await RenewAsync(_app, user.RefreshToken)).Token, here: true);
    }

    private async Task ChangeAsync(TestUser user)
    {
        var role = $"clerk-{++_changes}";
        Assert.Equal(ChangeRole.Outcome.Changed, await _app.ScopedAsync((ChangeRole change) => change.RunAsync(user.Email, role, granted: true, CancellationToken.None)));
        await _ahead.Get<FollowLog>().CatchUpAsync(CancellationToken.None);
    }

    private async Task AssertGoodAsync(TestUser user, string token, bool here = false)
    {
        foreach (var app in here ? [_app] : new[] { _app, _ahead }) Assert.Equal(user.Email, await app.WhoAmIAsync(bearer: token));
        Assert.InRange((user with { AccessToken = token }).Claims.GetProperty("iat").GetInt64(), 0, _app.Time.GetUtcNow().AddSeconds(30).ToUnixTimeSeconds());
    }

    private static async Task<(string Token, string Refresh)> RenewAsync(TestApp app, string refreshToken)
    {
        var answer = await app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = refreshToken });
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var grant = await answer.Content.ReadFromJsonAsync<JsonElement>();
        return (grant.GetProperty("access_token").GetString()!, grant.GetProperty("refresh_token").GetString()!);
    }
}
