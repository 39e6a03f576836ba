using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using App.E2E.Harness;

namespace App.E2E.Peers;

/// <summary>A service with its verifier beside a published Gatehouse that starts, stops and starts anew. What each language does day by day is in <see cref="CopiedCodeTests"/>.</summary>
[Collection("Verifiers at work")]
public sealed class VerifierTests : IAsyncLifetime
{
    private Service _service = null!;

    public async Task InitializeAsync()
    {
        TestRun.Secrets[Peer.ClientSecret] = "a service's secret";
        _service = await Service.StartAsync(null, ("Services__0__Id", Peer.ClientId), ("Services__0__Secret", Peer.ClientSecret));
    }

    public async Task DisposeAsync() => await _service.DisposeAsync();

    [Fact]
    public async Task A_service_that_was_down_refuses_the_first_token_it_sees()
    {
        var credentials = await _service.Client.SignUpAsync(Person.New());
        using (var ended = await _service.Client.SendAsync(HttpMethod.Post, "/api/users/signout", bearer: credentials.AccessToken)) Assert.Equal(HttpStatusCode.OK, ended.StatusCode);

        await using var peer = await StartAsync("node");

        Assert.Null(await WhoAsync(peer, credentials.AccessToken));
    }

    [Fact]
    public async Task When_Gatehouse_starts_anew_the_feed_is_resumed_and_the_next_end_of_a_session_arrives()
    {
        await using var peer = await StartAsync("node");
        var credentials = await _service.Client.SignUpAsync(Person.New());
        Assert.NotNull(await WhoAsync(peer, credentials.AccessToken));

        _service.Kill();
        Assert.NotNull(await WhoAsync(peer, credentials.AccessToken));
        await _service.StartAsync();
        using (var ended = await _service.Client.SendAsync(HttpMethod.Post, "/api/users/signout", bearer: credentials.AccessToken)) Assert.Equal(HttpStatusCode.OK, ended.StatusCode);

        await RefusedAsync(peer, credentials.AccessToken);
    }

    // It knows what the feed has told it and nothing else: one that asked about each token, once it has lost the feed for good, would refuse as well.
    private Task<Peer> StartAsync(string language) => Peer.StartAsync(language, $"http://127.0.0.1:{_service.Port}", _service.Address, "gatehouse", ("WHEN_STALE", "accept"));

    private static async Task RefusedAsync(Peer peer, string bearer)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (await WhoAsync(peer, bearer) is not null) await Task.Delay(5, limit.Token);
    }

    private static async Task<string?> WhoAsync(Peer peer, string bearer)
    {
        using var answer = await peer.Client.SendAsync(HttpMethod.Get, "/", bearer);
        return answer.StatusCode == HttpStatusCode.Unauthorized ? null : (await answer.Content.ReadFromJsonAsync<JsonNode>())!["email"]!.GetValue<string>();
    }
}
