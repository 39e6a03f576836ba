using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using App.E2E.Harness;

namespace App.E2E.Peers;

/// <summary>Keys change while people renew and call services that keep the keys: nobody notices.</summary>
[Collection("Verifiers at work")]
public sealed class RotationTests
{
    private const int Rotations = 20, Callers = 3;

    [Fact]
    public async Task Twenty_rotations_under_load_refuse_no_good_token_at_two_services_with_verifiers()
    {
        TestRun.Secrets[Peer.ClientSecret] = "a service's secret";
        await using var gatehouse = await Service.StartAsync(null, ("Services__0__Id", Peer.ClientId), ("Services__0__Secret", Peer.ClientSecret));
        await using var one = await StartAsync(gatehouse);
        await using var two = await StartAsync(gatehouse);
        ConcurrentBag<string> wrong = [];
        ConcurrentDictionary<string, int> calls = new(); // by key
        using var over = new CancellationTokenSource();
        var load = Enumerable.Range(0, Callers).Select(_ => CallAsync(gatehouse, [one, two], wrong, calls, over.Token)).ToList();

        var admin = await AdminAsync(gatehouse);

        for (var rotation = 0; rotation < Rotations; rotation++)
        {
            using var rotated = await gatehouse.Client.SendAsync(HttpMethod.Post, "/api/admin/keys/rotate", bearer: admin);
            // As far apart as it takes to be seen at work; in production it is days.
            var current = (await rotated.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonNode>())!["current"]!.GetValue<string>();
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            while (!calls.ContainsKey(current) && wrong.IsEmpty) await Task.Delay(5, limit.Token);
        }

        await over.CancelAsync();
        await Task.WhenAll(load);
        Assert.Empty(wrong.Distinct());
        Assert.Equal(Rotations + 1, calls.Count);
    }

    private static async Task CallAsync(Service gatehouse, Peer[] services, ConcurrentBag<string> wrong, ConcurrentDictionary<string, int> calls, CancellationToken over)
    {
        var person = Person.New();
        await gatehouse.Client.SignUpAsync(person);
        var grant = await gatehouse.Client.GetTokensAsync(person);
        while (!over.IsCancellationRequested)
        {
            foreach (var service in services)
            {
                using var answer = await service.Client.SendAsync(HttpMethod.Get, "/", bearer: grant.AccessToken);
                if (answer.StatusCode != HttpStatusCode.OK) wrong.Add($"{(int)answer.StatusCode} {answer.Headers.WwwAuthenticate}");
            }

            calls.AddOrUpdate(Credentials.KeyIdOf(grant.AccessToken), 1, (_, count) => count + 1);
            grant = await Api.GrantAsync(await gatehouse.Client.PostRefreshAsync(grant.RefreshToken));
            // A paced load: what it leaves of the machine is for the commands.
            await Task.Delay(10, CancellationToken.None);
        }
    }

    private static async Task<string> AdminAsync(Service gatehouse)
    {
        var person = Person.New();
        await gatehouse.Client.SignUpAsync(person);
        var (exit, output) = await Tool.TryRunAsync(await gatehouse.CommandAsync("users", "grant", person.Email, "admin"), TimeSpan.FromSeconds(30));
        Assert.True(exit == 0, output);
        return (await gatehouse.Client.GetTokensAsync(person)).AccessToken;
    }

    private static Task<Peer> StartAsync(Service gatehouse) => Peer.StartAsync("node", $"http://127.0.0.1:{gatehouse.Port}", gatehouse.Address, "gatehouse");
}
