using System.Buffers.Text;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using App.Data;
using App.Events;
using App.Sessions;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Events;

/// <summary>An event that concerns a user as a whole, down to the second in which it happens.</summary>
public sealed class NotBeforeTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start(FeedServices.Settings);
    private TestApp _replica = null!;

    public Task InitializeAsync()
    {
        _replica = _app.StartReplica(FeedServices.Settings);
        return Task.FromResult(_replica.Services);
    }

    public async Task DisposeAsync()
    {
        await _replica.DisposeAsync();
        await _app.DisposeAsync();
    }

    [Fact]
    public async Task Every_token_of_the_user_is_refused_everywhere_and_nobody_elses()
    {
        var (user, other) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        var second = await _replica.SignInAsync(user);
        _app.Time.Advance(TimeSpan.FromSeconds(7));
        await ChangeAsync(user);

        Assert.Null(await _app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Null(await _app.WhoAmIAsync(bearer: second.AccessToken));
        await _replica.Get<FollowLog>().CatchUpAsync(CancellationToken.None);
        Assert.Null(await _replica.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Equal(other.Email, await _app.WhoAmIAsync(bearer: other.AccessToken));
    }

    [Fact] // Each change takes a second of its own; a token from more than half a minute ahead would be nobody's.
    public async Task However_often_a_user_is_changed_at_once_the_next_token_is_good()
    {
        var user = await _app.SignUpAsync();
        var made = 0;
        await Assert.ThrowsAsync<TooManyChangesException>(async () =>
        {
            for (; made < 40; made++) await ChangeAsync(user);
        });

        Assert.InRange(made, 25, 31);
        Assert.Equal(made, await _app.DbAsync(db => db.SecurityEvents.CountAsync()));
        Assert.Equal(user.Email, await _app.WhoAmIAsync(bearer: (await _app.SignInAsync(user)).AccessToken));
        _app.Time.Advance(TimeSpan.FromSeconds(2));
        await ChangeAsync(user);
        Assert.Equal(user.Email, await _app.WhoAmIAsync(bearer: (await _app.SignInAsync(user)).AccessToken));
    }

    [Fact]
    public async Task A_session_begun_in_the_second_of_a_revocation_lives()
    {
        var user = await _app.SignUpAsync();
        for (var round = 0; round < 3; round++) // the clock stands: all of it in one second, at both replicas
        {
            await ChangeAsync(user);
            await _replica.Get<FollowLog>().CatchUpAsync(CancellationToken.None);
            var (here, there) = (await _app.SignInAsync(user), await _replica.SignInAsync(user));
            foreach (var app in new[] { _app, _replica })
            {
                Assert.Equal(user.Email, await app.WhoAmIAsync(bearer: here.AccessToken));
                Assert.Equal(user.Email, await app.WhoAmIAsync(bearer: there.AccessToken));
                Assert.Null(await app.WhoAmIAsync(bearer: user.AccessToken));
            }

            await ChangeAsync(user);
            await _replica.Get<FollowLog>().CatchUpAsync(CancellationToken.None);
            Assert.Null(await _app.WhoAmIAsync(bearer: here.AccessToken));
            Assert.Null(await _replica.WhoAmIAsync(bearer: there.AccessToken));
        }
    }

    [Fact]
    public async Task A_token_renewed_in_the_second_of_a_revocation_dies_if_it_was_before_and_lives_if_it_was_after()
    {
        var user = await _app.SignUpAsync();
        var before = await RenewAsync(user.RefreshToken);
        await ChangeAsync(user);
        Assert.Null(await _app.WhoAmIAsync(bearer: before.GetProperty("access_token").GetString()));
        var after = await RenewAsync(before.GetProperty("refresh_token").GetString()!);
        Assert.Equal(user.Email, await _app.WhoAmIAsync(bearer: after.GetProperty("access_token").GetString()));
    }

    [Fact]
    public async Task A_session_revoked_in_the_second_of_its_renewal_dies()
    {
        var user = await _app.SignUpAsync();
        var renewed = await RenewAsync(user.RefreshToken);
        await _app.ScopedAsync((RevokeSessions revoke) => revoke.RunAsync(s => s.Id == user.SessionId, Causes.EndedByUser, CancellationToken.None));
        Assert.Null(await _app.WhoAmIAsync(bearer: renewed.GetProperty("access_token").GetString()));
    }

    [Fact]
    public async Task The_feed_says_the_second_and_a_replica_that_starts_later_knows_it()
    {
        var user = await _app.SignUpAsync();
        await using var feed = await Feed.OpenAsync(_app, query: "?cursor=0");
        await ChangeAsync(user);
        var entry = (await feed.EventAsync()).Data;
        Assert.Equal(("credential-change", user.Id, _app.Time.GetUtcNow().ToUnixTimeSeconds()), (entry.GetProperty("type").GetString(), entry.GetProperty("sub").GetGuid(), entry.GetProperty("notBefore").GetInt64()));
        Assert.False(entry.TryGetProperty("sid", out _));
        var said = JsonDocument.Parse(Base64Url.DecodeFromChars(entry.GetProperty("set").GetString()!.Split('.')[1])).RootElement.GetProperty("events").EnumerateObject().Single().Value;
        Assert.Equal(("password", "update"), (said.GetProperty("credential_type").GetString(), said.GetProperty("change_type").GetString()));

        await using var late = _app.StartReplica(FeedServices.Settings);
        Assert.Null(await late.WhoAmIAsync(bearer: user.AccessToken));
        await using var snapshot = await Feed.OpenAsync(late);
        Assert.Equal(user.Id, Assert.Single((await snapshot.NextAsync())!.Data.GetProperty("events").EnumerateArray()).GetProperty("sub").GetGuid());
    }

    [Fact]
    public async Task What_no_token_can_outlive_is_forgotten()
    {
        var user = await _app.SignUpAsync();
        await ChangeAsync(user);
        Assert.Equal(1, _app.Get<RevocationIndex>().Count);
        _app.Time.Advance(TimeSpan.FromMinutes(22));
        await _app.Get<FollowLog>().CatchUpAsync(CancellationToken.None);
        Assert.Equal(0, _app.Get<RevocationIndex>().Count);
        Assert.NotNull(await _app.DbAsync(db => db.Users.Where(u => u.Id == user.Id).Select(u => u.TokensNotBefore).SingleAsync()));
    }

    private async Task ChangeAsync(TestUser user)
    {
        await using var scope = _app.Services.CreateAsyncScope();
        await using var transaction = await scope.ServiceProvider.GetRequiredService<AppDb>().BeginWriteAsync(CancellationToken.None);
        await scope.ServiceProvider.GetRequiredService<SecurityEventLog>().UserChangedAsync(Causes.PasswordChanged, user.Id, CancellationToken.None);
        await transaction.CommitAsync(CancellationToken.None);
    }

    private async Task<JsonElement> RenewAsync(string refreshToken)
    {
        var answer = await _app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = refreshToken });
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return await answer.Content.ReadFromJsonAsync<JsonElement>();
    }
}
