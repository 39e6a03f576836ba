using System.Diagnostics;
using System.Net;
using App.E2E.Harness;

namespace App.E2E.Processes;

/// <summary>Several processes on one database are one service.</summary>
[Collection("Replicas")]
public sealed class ReplicaTests : IAsyncLifetime
{
    private Service _a = null!;
    private Service _b = null!;

    public async Task InitializeAsync()
    {
        _a = await Service.StartAsync();
        _b = await _a.ReplicaAsync();
    }

    public async Task DisposeAsync()
    {
        await _a.DisposeAsync();
        await _b.DisposeAsync();
    }

    [Fact]
    public async Task A_session_ended_at_one_replica_is_refused_at_the_other_within_a_second()
    {
        for (var round = 0; round < 10; round++)
        {
            var ada = Person.New();
            var credentials = await _a.Client.SignUpAsync(ada);
            Assert.Equal(ada.Email, await _b.Client.WhoAmIAsync(bearer: credentials.AccessToken));

            using var ended = await _a.Client.SendAsync(HttpMethod.Post, "/api/users/signout", cookie: credentials.CookieHeader);
            Assert.Equal(HttpStatusCode.OK, ended.StatusCode);
            var clock = Stopwatch.StartNew();
            Assert.Null(await _a.Client.WhoAmIAsync(bearer: credentials.AccessToken));
            while (await _b.Client.WhoAmIAsync(bearer: credentials.AccessToken) is not null)
            {
                Assert.True(clock.Elapsed < TimeSpan.FromSeconds(1), $"Round {round}: still accepted after {clock.ElapsedMilliseconds} ms.");
                await Task.Delay(10);
            }
        }
    }

    [Fact]
    public async Task Twenty_renewals_at_once_over_two_replicas_all_succeed_with_one_live_successor()
    {
        var ada = Person.New();
        await _a.Client.SignUpAsync(ada);
        var grant = await _a.Client.GetTokensAsync(ada);
        for (var round = 0; round < 25; round++)
        {
            var current = grant.RefreshToken;
            var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(number => (number % 2 == 0 ? _a : _b).Client.PostRefreshAsync(current)));
            var grants = await Task.WhenAll(answers.Select(Api.GrantAsync));
            Assert.Single(grants.Select(each => each.RefreshToken).Distinct());
            Assert.Equal(grant.SessionId, Assert.Single(grants.Select(each => each.SessionId).Distinct()));
            Assert.NotEqual(current, grants[0].RefreshToken);
            grant = grants[round % 20];
        }
        Assert.Equal(ada.Email, await _a.Client.WhoAmIAsync(bearer: grant.AccessToken));
        Assert.Equal(ada.Email, await _b.Client.WhoAmIAsync(bearer: grant.AccessToken));
    }

    [Fact]
    public async Task A_sign_out_at_one_replica_beats_the_renewals_that_race_it_at_the_other()
    {
        for (var round = 0; round < 10; round++)
        {
            var credentials = await _a.Client.SignUpAsync(Person.New());
            var renewals = Enumerable.Range(0, 8).Select(_ => _b.Client.PostRefreshAsync(credentials.Refresh)).ToArray();
            using var ended = await _a.Client.SendAsync(HttpMethod.Post, "/api/users/signout", cookie: credentials.CookieHeader);
            Assert.Equal(HttpStatusCode.OK, ended.StatusCode);

            foreach (var answer in await Task.WhenAll(renewals))
            {
                if (answer.StatusCode == HttpStatusCode.Unauthorized) continue;
                var grant = await Api.GrantAsync(answer);
                Assert.Null(await _a.Client.WhoAmIAsync(bearer: grant.AccessToken));
                using var refused = await _b.Client.PostRefreshAsync(grant.RefreshToken);
                Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
            }
        }
    }

    [Fact]
    public async Task Three_processes_that_start_at_once_on_an_empty_folder_all_get_ready_and_share_their_keys()
    {
        var folder = TestRun.NewFolder("data");
        var issuer = ("Issuer", "http://localhost:5080");
        var services = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Service.StartAsync(folder, issuer)));
        try
        {
            var ada = Person.New();
            var token = (await services[0].Client.SignUpAsync(ada)).AccessToken;
            foreach (var service in services) Assert.Equal(ada.Email, await service.Client.WhoAmIAsync(bearer: token));
            var keys = await Task.WhenAll(services.Select(service => service.Client.GetStringAsync("/.well-known/jwks.json")));
            Assert.Single(keys.Distinct());
        }
        finally
        {
            foreach (var service in services) await service.DisposeAsync();
        }
    }
}
