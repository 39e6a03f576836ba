using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using App.E2E.Harness;

namespace App.E2E.Peers;

/// <summary>Keys change while people renew and call services that keep the keys, whichever verifier they have: nobody notices.</summary>
[Collection("Verifiers at work")]
public sealed class RotationTests
{
    private const int Rotations = 20, Callers = 3;

    [Fact]
    public async Task Twenty_rotations_under_load_refuse_no_good_token_at_a_service_of_any_language_and_none_asks_about_one()
    {
        TestRun.Secrets[Peer.ClientSecret] = "a service's secret";
        await using var gatehouse = await Service.StartAsync(null, ("Services__0__Id", Peer.ClientId), ("Services__0__Secret", Peer.ClientSecret));
        await using var node = await StartAsync("node", gatehouse);
        await using var dotnet = await StartAsync("dotnet", gatehouse);
        await using var python = await StartAsync("python", gatehouse);
        await using var go = await StartAsync("go", gatehouse);
        Dictionary<string, Peer> services = new() { ["node"] = node, ["dotnet"] = dotnet, ["python"] = python, ["go"] = go };
        foreach (var service in services.Values) await UntilConnectedAsync(service);
        var admin = await AdminAsync(gatehouse);
        ConcurrentBag<string> wrong = [];
        ConcurrentDictionary<string, int> calls = new(); // by key
        using var over = new CancellationTokenSource();
        var load = Enumerable.Range(0, Callers).Select(_ => CallAsync(gatehouse, services, wrong, calls, over.Token)).ToList();

        // As far apart as it takes for each key to be seen at work, the first one too; in production it is days.
        await UntilSeenAsync(1);
        for (var rotation = 1; rotation <= Rotations; rotation++)
        {
            using var rotated = await gatehouse.Client.SendAsync(HttpMethod.Post, "/api/admin/keys/rotate", bearer: admin);
            rotated.EnsureSuccessStatusCode();
            await UntilSeenAsync(rotation + 1);
        }

        await over.CancelAsync();
        await Task.WhenAll(load);
        Assert.Empty(wrong.Distinct());
        Assert.Equal(Rotations + 1, calls.Count);
        Assert.All(await Task.WhenAll(services.Select(service => FaultOfAsync(service.Key, service.Value, admin))), Assert.Null);

        async Task UntilSeenAsync(int keys)
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            while (calls.Count < keys && wrong.IsEmpty) await Task.Delay(5, limit.Token);
        }
    }

    private static async Task CallAsync(Service gatehouse, Dictionary<string, Peer> services, ConcurrentBag<string> wrong, ConcurrentDictionary<string, int> calls, CancellationToken over)
    {
        var person = Person.New();
        await gatehouse.Client.SignUpAsync(person);
        var grant = await gatehouse.Client.GetTokensAsync(person);
        while (!over.IsCancellationRequested)
        {
            await Task.WhenAll(services.Select(async service =>
            {
                using var answer = await service.Value.Client.SendAsync(HttpMethod.Get, "/", bearer: grant.AccessToken);
                if (answer.StatusCode != HttpStatusCode.OK) wrong.Add($"{service.Key}: {(int)answer.StatusCode} {answer.Headers.WwwAuthenticate}");
            }));
            calls.AddOrUpdate(Credentials.KeyIdOf(grant.AccessToken), 1, (_, count) => count + 1);
            grant = await Api.GrantAsync(await gatehouse.Client.PostRefreshAsync(grant.RefreshToken));
            // A paced load: what it leaves of the machine is for the commands.
            await Task.Delay(10, CancellationToken.None);
        }
    }

    private static async Task UntilConnectedAsync(Peer service)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!(await StatsAsync(service))["connected"]!.GetValue<bool>()) await Task.Delay(10, limit.Token);
    }

    // From one heartbeat to the next it neither takes the feed for broken nor what it knows for too old, by its own defaults; nor has it ever.
    private static async Task<string?> FaultOfAsync(string language, Peer service, string bearer)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var beat = false; // events keep the line busy as well
        for (var age = 0.0; !beat || age < 4.7; await Task.Delay(50, limit.Token))
        {
            using var answer = await service.Client.SendAsync(HttpMethod.Get, "/", bearer);
            var stats = await StatsAsync(service);
            if (answer.StatusCode != HttpStatusCode.OK || !stats["connected"]!.GetValue<bool>() || stats["introspections"]!.GetValue<int>() != 0) return $"{language}: {(int)answer.StatusCode} {stats}";
            age = stats["feedAgeSeconds"]!.GetValue<double>();
            beat |= age < 0.5;
        }

        return null;
    }

    private static async Task<JsonNode> StatsAsync(Peer service) => (await service.Client.GetFromJsonAsync<JsonNode>("/stats"))!;

    private static async Task<string> AdminAsync(Service gatehouse)
    {
        var person = Person.New();
        await gatehouse.Client.SignUpAsync(person);
        var (exit, output) = await Tool.TryRunAsync(await gatehouse.CommandAsync("users", "grant", person.Email, "admin"), TimeSpan.FromSeconds(30));
        Assert.True(exit == 0, output);
        return (await gatehouse.Client.GetTokensAsync(person)).AccessToken;
    }

    private static Task<Peer> StartAsync(string language, Service gatehouse) => Peer.StartAsync(language, $"http://127.0.0.1:{gatehouse.Port}", gatehouse.Address, "gatehouse");
}
