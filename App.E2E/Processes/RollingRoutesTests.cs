using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using App.E2E.Harness;
using App.E2E.Proxies;

namespace App.E2E.Processes;

/// <summary>The gateway's routes change again and again under requests that never pause: not one of them may notice.</summary>
[Collection("Rolling routes")]
public sealed class RollingRoutesTests : IAsyncLifetime
{
    private const int Rounds = 20, Refused = 11, Callers = 8;

    private readonly string _settings = TestRun.NewFolder("routes");
    private readonly Echo _a = new(), _b = new(), _reports = new();
    private Service _gateway = null!;
    private string _token = "";

    public async Task InitializeAsync()
    {
        Write(_a, role: null);
        _gateway = await Service.StartAsync(null, ("SECRETS_DIR", _settings));
        _token = (await _gateway.Client.SignUpAsync(Person.New())).AccessToken;
    }

    public async Task DisposeAsync()
    {
        await _gateway.DisposeAsync();
        _a.Dispose();
        _b.Dispose();
        _reports.Dispose();
    }

    [Fact]
    public async Task No_request_fails_while_destinations_and_roles_change_and_a_faulty_list_changes_nothing()
    {
        ConcurrentBag<string> failed = [];
        var passed = 0;
        using var enough = new CancellationTokenSource();
        var calling = Enumerable.Range(0, Callers).Select(_ => Task.Run(CallAsync)).ToList();

        for (var round = 1; round <= Rounds; round++)
        {
            var (to, role) = round % 2 == 1 ? (_b, "admin") : (_a, null);
            if (round == Refused) await RefuseAsync(to);
            Write(to, role);
            await _gateway.HangUpAsync();
            var before = to.Requests;
            await UntilAsync(async () => to.Requests > before && await StatusAsync("/reports") == (role is null ? HttpStatusCode.OK : HttpStatusCode.Forbidden), $"Round {round} isn't in force.");
        }

        await enough.CancelAsync();
        await Task.WhenAll(calling);
        Assert.Empty(failed);
        Assert.InRange(passed, Rounds * Callers, int.MaxValue);

        async Task CallAsync()
        {
            // A connection for each caller, kept for good.
            using var client = _gateway.NewClient();
            while (!enough.IsCancellationRequested)
            {
                try
                {
                    using var answer = await client.SendAsync(HttpMethod.Get, "/orders/1", bearer: _token);
                    if (answer.StatusCode == HttpStatusCode.OK) Interlocked.Increment(ref passed);
                    else failed.Add($"{answer.StatusCode}");
                }
                catch (HttpRequestException e)
                {
                    failed.Add(e.Message);
                }
            }
        }
    }

    // A good change and a faulty one in the same list: neither is taken.
    private async Task RefuseAsync(Echo to)
    {
        Write(to, role: "admin", faulty: true);
        var before = to.Requests;
        await _gateway.HangUpAsync();
        await UntilAsync(() => Task.FromResult(_gateway.Log.Contains("new routes are refused, the old ones stay: Gateway:Routes:1:Destinations", StringComparison.Ordinal)), "The faulty list isn't refused.");
        // In this round they would go to the other one, and this route would ask for a role.
        for (var i = 0; i < Callers; i++) Assert.Equal(HttpStatusCode.OK, await StatusAsync("/reports"));
        Assert.Equal(before, to.Requests);
    }

    private async Task<HttpStatusCode> StatusAsync(string path)
    {
        using var answer = await _gateway.Client.SendAsync(HttpMethod.Get, path, bearer: _token);
        return answer.StatusCode;
    }

    private static async Task UntilAsync(Func<Task<bool>> met, string otherwise)
    {
        var clock = Stopwatch.StartNew();
        while (!await met())
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(20), otherwise);
            await Task.Delay(5);
        }
    }

    // One file for each value, as a secrets folder has them.
    private void Write(Echo orders, string? role, bool faulty = false)
    {
        File.WriteAllText(Path.Combine(_settings, "Gateway__Routes__0__Path"), "/orders");
        File.WriteAllText(Path.Combine(_settings, "Gateway__Routes__0__Destinations__0"), "http://" + orders.Address);
        File.WriteAllText(Path.Combine(_settings, "Gateway__Routes__1__Path"), "/reports");
        File.WriteAllText(Path.Combine(_settings, "Gateway__Routes__1__Destinations__0"), faulty ? "ftp://nowhere" : "http://" + _reports.Address);
        var file = Path.Combine(_settings, "Gateway__Routes__1__Role");
        if (role is null) File.Delete(file);
        else File.WriteAllText(file, role);
    }
}
