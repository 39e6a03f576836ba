using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
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
    public async Task A_session_ended_at_one_replica_is_refused_at_the_other_within_a_second_and_introspected_as_over()
    {
        var secret = await (await Admin.NewAsync(_a)).AddServiceAsync("billing", "Asks");
        for (var round = 0; round < 10; round++)
        {
            var ada = Person.New();
            var credentials = await _a.Client.SignUpAsync(ada);
            Assert.Equal(ada.Email, await _b.Client.WhoAmIAsync(bearer: credentials.AccessToken));
            await UntilAsync(() => IsActiveAsync(credentials.AccessToken)); // the service may be new here

            using var ended = await _a.Client.SendAsync(HttpMethod.Post, "/api/users/signout", cookie: credentials.CookieHeader);
            Assert.Equal(HttpStatusCode.OK, ended.StatusCode);
            var clock = Stopwatch.StartNew();
            Assert.Null(await _a.Client.WhoAmIAsync(bearer: credentials.AccessToken));
            // Whoever asks within the second may be let in, however long the answer takes.
            for (var asked = clock.Elapsed; await _b.Client.WhoAmIAsync(bearer: credentials.AccessToken) is not null || await IsActiveAsync(credentials.AccessToken); asked = clock.Elapsed)
            {
                Assert.True(asked < TimeSpan.FromSeconds(1), $"Round {round}: still accepted after {asked.TotalMilliseconds} ms.");
                await Task.Delay(10);
            }
        }

        async Task<bool> IsActiveAsync(string token)
        {
            using var form = new FormUrlEncodedContent([new("token", token), new("client_id", "billing"), new("client_secret", secret)]);
            using var answer = await _b.Client.PostAsync("/connect/introspect", form);
            return answer.IsSuccessStatusCode && (await answer.Content.ReadFromJsonAsync<JsonNode>())!["active"]!.GetValue<bool>();
        }
    }

    [Fact]
    public async Task A_key_revoked_at_one_replica_is_refused_at_the_other_and_by_a_verifier_within_a_second_and_the_next_keys_tokens_live()
    {
        var admin = await Admin.NewAsync(_a);
        await using var peer = await Peer.StartAsync("node", $"http://127.0.0.1:{_b.Port}", _a.Address, "gatehouse", ("GATEHOUSE_CLIENT_SECRET", await admin.AddServiceAsync(Peer.ClientId, "ChecksItself")));
        var ada = Person.New();
        var before = (await _a.Client.SignUpAsync(ada)).AccessToken;
        Assert.Equal(ada.Email, await _b.Client.WhoAmIAsync(bearer: before));
        // By its own knowledge: the verifier has the feed, not just an answer from introspection.
        await UntilAsync(async () => (await peer.Client.GetFromJsonAsync<JsonNode>("/stats"))!["connected"]!.GetValue<bool>());
        Assert.Equal(HttpStatusCode.OK, await CallAsync(peer, before));

        using var revoked = await _a.Client.SendAsync(HttpMethod.Post, $"/api/admin/keys/{Credentials.KeyIdOf(before)}/revoke", bearer: admin.Credentials.AccessToken);
        Assert.Equal(HttpStatusCode.OK, revoked.StatusCode);
        var clock = Stopwatch.StartNew();
        Assert.Null(await _a.Client.WhoAmIAsync(bearer: before));
        for (var asked = clock.Elapsed; await _b.Client.WhoAmIAsync(bearer: before) is not null || await CallAsync(peer, before) != HttpStatusCode.Unauthorized; asked = clock.Elapsed)
        {
            Assert.True(asked < TimeSpan.FromSeconds(1), $"Still accepted after {asked.TotalMilliseconds} ms.");
            await Task.Delay(10);
        }

        var after = (await _a.Client.GetTokensAsync(ada)).AccessToken;
        Assert.NotEqual(Credentials.KeyIdOf(before), Credentials.KeyIdOf(after));
        foreach (var replica in new[] { _a, _b }) Assert.Equal(ada.Email, await replica.Client.WhoAmIAsync(bearer: after));
        Assert.Equal(HttpStatusCode.OK, await CallAsync(peer, after));
        var stats = (await peer.Client.GetFromJsonAsync<JsonNode>("/stats"))!;
        // By the event, or because the key is no longer among those that are published: whichever it asks first.
        Assert.All(stats["refusals"]!.AsObject(), refusal => Assert.Contains(refusal.Key, new[] { "key_revoked", "unknown_key" }));
        Assert.Equal(0, stats["introspections"]!.GetValue<int>());
    }

    [Fact]
    public async Task Twenty_renewals_at_once_over_two_replicas_all_succeed_with_one_live_successor()
    {
        var ada = Person.New();
        await _a.Client.SignUpAsync(ada);
        var grant = await _a.Client.GetTokensAsync(ada);
        for (var round = 0; round < 5; round++)
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

    private static async Task UntilAsync(Func<Task<bool>> holds)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (!await holds()) await Task.Delay(10, limit.Token);
    }

    private static async Task<HttpStatusCode> CallAsync(Peer peer, string bearer)
    {
        using var answer = await peer.Client.SendAsync(HttpMethod.Get, "/", bearer);
        return answer.StatusCode;
    }
}
