using System.Diagnostics;
using System.Globalization;
using System.Net;
using App.E2E.Harness;
using App.E2E.Proxies;
using Xunit.Abstractions;

namespace App.E2E.Processes;

/// <summary>The gateway's routes change again and again under wrk: not one request may notice.</summary>
[Collection("Rolling routes")]
public sealed class RollingRoutesTests(ITestOutputHelper output) : IAsyncLifetime
{
    /// <summary><c>ROLLING_SECONDS=60</c> for a long look.</summary>
    private static readonly int Seconds = int.Parse(Environment.GetEnvironmentVariable("ROLLING_SECONDS") ?? "6", CultureInfo.InvariantCulture);

    /// <summary>As many requests are on their way at a time.</summary>
    private const int Callers = 32;

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
        var wrk = await Tool.FindOrInstallAsync(["wrk"], ["wrk"]);
        var start = new ProcessStartInfo(wrk, ["-t1", $"-c{Callers}", $"-d{Seconds}s", "--timeout", "20s", "-H", "Authorization: Bearer " + _token, $"http://127.0.0.1:{_gateway.Port}/orders/1"]);
        var calling = Tool.TryRunAsync(start, TimeSpan.FromSeconds(Seconds + 60));
        var (rounds, refused) = (0, 0);
        while (!calling.IsCompleted)
        {
            var (to, role) = ++rounds % 2 == 1 ? (_b, "admin") : (_a, null);
            // Never in a round that takes the role away again: what was in force before lets everybody pass.
            if (rounds % 10 == 3) await RefuseAsync(to, ++refused, calling);

            Write(to, role);
            await _gateway.HangUpAsync();
            var before = to.Requests;
            await UntilAsync(async () => (to.Requests > before || calling.IsCompleted) && await StatusAsync("/reports") == (role is null ? HttpStatusCode.OK : HttpStatusCode.Forbidden), $"Round {rounds} isn't in force.");
        }

        var (exit, told) = await calling;
        output.WriteLine($"{rounds} changes, {refused} bad ones refused\n{told}");
        Assert.Equal(0, exit);
        // wrk names neither where there is none.
        Assert.DoesNotContain("Non-2xx", told, StringComparison.Ordinal);
        Assert.DoesNotContain("Socket errors", told, StringComparison.Ordinal);
        Assert.Matches("[1-9][0-9]* requests in", told);
        Assert.InRange(rounds, Seconds / 2, int.MaxValue);
        Assert.InRange(refused, 1, int.MaxValue);
    }

    // A good change and a faulty one in the same list: neither is taken.
    private async Task RefuseAsync(Echo to, int times, Task calling)
    {
        Write(to, role: "admin", faulty: true);
        var before = to.Requests;
        await _gateway.HangUpAsync();
        await UntilAsync(() => Task.FromResult(_gateway.Log.Split("new routes are refused, the old ones stay: Gateway:Routes:1:Destinations").Length > times), "The faulty list isn't refused.");
        // In this round they would go to the other one, and this route would ask for a role.
        for (var i = 0; i < 8; i++) Assert.Equal(HttpStatusCode.OK, await StatusAsync("/reports"));
        var answered = _a.Requests + _b.Requests;
        await UntilAsync(() => Task.FromResult(_a.Requests + _b.Requests > answered + (10 * Callers) || calling.IsCompleted), "Nobody calls any more.");
        // What was on its way to this one when it was left still arrived, and nothing else.
        Assert.InRange(to.Requests - before, 0, Callers);
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
