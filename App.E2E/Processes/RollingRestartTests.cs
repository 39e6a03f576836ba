using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Text;
using App.E2E.Harness;
using App.E2E.Proxies;
using Xunit.Abstractions;

namespace App.E2E.Processes;

/// <summary>Two replicas are restarted one after the other, as for a new version, behind nginx and HAProxy and under load: nobody notices.</summary>
[Collection("Rolling restart")]
public sealed class RollingRestartTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const string Id = "orders", Secret = "orders-secret-of-at-least-32-characters";

    /// <summary>One in CI; more by hand: <c>ROLLING_ROUNDS=20</c>.</summary>
    private static readonly int Rounds = int.TryParse(Environment.GetEnvironmentVariable("ROLLING_ROUNDS"), out var rounds) ? rounds : 1;

    private readonly CancellationTokenSource _enough = new();
    private readonly ConcurrentQueue<string> _failed = new();
    private readonly ConcurrentQueue<string> _ended = new();
    private Service _a = null!, _b = null!;
    private Balancer[] _balancers = [];
    private int _renewed, _signedIn;

    public async Task InitializeAsync()
    {
        _a = await Service.StartAsync(null, ("Shutdown__Drain", "00:00:01.5"), ("Services__0__Id", Id), ("Services__0__Secret", Secret));
        _b = await _a.ReplicaAsync();
        _balancers = await Task.WhenAll(new[] { "haproxy", "nginx" }.Select(id => Balancer.StartAsync(id, _a.Port, _b.Port)));
    }

    public async Task DisposeAsync()
    {
        foreach (var balancer in _balancers) await balancer.DisposeAsync();
        await _a.DisposeAsync();
        await _b.DisposeAsync();
        _enough.Dispose();
    }

    [Fact]
    public async Task No_read_renewal_or_sign_in_fails_and_no_event_is_missed_while_the_replicas_restart()
    {
        var regulars = await Task.WhenAll(_balancers.Select(balancer => Regulars.StartAsync(_a, 2, balancer.NewClient)));
        var readers = _balancers.Select(balancer => new Reader(balancer.NewClient(), _failed)).ToList();
        using var read = new CancellationTokenSource();
        var reading = readers.Select(reader => Task.Run(() => reader.ReadAsync(read.Token))).ToList();
        List<Task> busy = [];
        foreach (var balancer in _balancers)
        {
            foreach (var renew in new[] { true, true, false })
            {
                var client = balancer.NewClient();
                var person = Person.New();
                await client.SignUpAsync(person);
                busy.Add(Task.Run(() => renew ? RenewAsync(client, person) : ComeAndGoAsync(client, person)));
            }
        }

        for (var round = 0; round < Rounds; round++)
        {
            foreach (var replica in new[] { _a, _b })
            {
                var clock = Stopwatch.StartNew();
                Assert.Equal(0, await replica.StopAsync());
                var stopped = clock.Elapsed;
                await replica.StartAsync();
                output.WriteLine($"stopped in {stopped.TotalMilliseconds:0} ms, ready again after {clock.ElapsedMilliseconds} ms");
                // As a roll-out waits until whoever is in front has found the new one.
                await Task.Delay(TimeSpan.FromSeconds(2));
            }
        }

        await _enough.CancelAsync();
        await Task.WhenAll([.. busy, .. regulars.Select(each => each.StopAsync())]).WaitAsync(TimeSpan.FromSeconds(30));
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < TimeSpan.FromSeconds(5) && readers.Exists(reader => _ended.Except(reader.Seen).Any());) await Task.Delay(20);
        await read.CancelAsync();
        await Task.WhenAll(reading).WaitAsync(TimeSpan.FromSeconds(30));
        output.WriteLine($"{regulars.Sum(each => each.Passed)} reads, {_renewed} renewals, {_signedIn} sign-ins, {_ended.Count} sessions ended; streams opened: {string.Join(", ", readers.Select(reader => reader.Opened))}");
        Assert.Empty(regulars.SelectMany(each => each.Failed));
        // nginx doesn't ask who is about to stop: what it posts while the last connections are closed may meet nobody who reads it, and it may not post it again.
        var unread = _failed.Where(failed => failed.Contains(": 502 ", StringComparison.Ordinal) && failed.Contains("nginx", StringComparison.Ordinal)).ToList();
        Assert.Empty(_failed.Except(unread));
        Assert.InRange(unread.Count, 0, Rounds);
        Assert.All<long>([.. regulars.Select(each => each.Passed), _renewed, _signedIn, _ended.Count], times => Assert.NotEqual(0, times));
        foreach (var reader in readers)
        {
            Assert.Empty(_ended.Except(reader.Seen));
            Assert.InRange(reader.Opened, 2, int.MaxValue);
        }
    }

    private async Task RenewAsync(HttpClient client, Person person)
    {
        using var mine = client;
        var refresh = (await client.GetTokensAsync(person)).RefreshToken;
        while (!_enough.IsCancellationRequested)
        {
            using var answer = await AskAsync("refresh", () => client.PostRefreshAsync(refresh));
            if (answer is null) continue;
            refresh = (await Api.GrantAsync(answer)).RefreshToken;
            Interlocked.Increment(ref _renewed);
            await Task.Delay(5);
        }
    }

    private async Task ComeAndGoAsync(HttpClient client, Person person)
    {
        using var mine = client;
        while (!_enough.IsCancellationRequested)
        {
            using var answer = await AskAsync("sign-in", () => client.PostSignInAsync(person));
            if (answer is null) continue;
            Interlocked.Increment(ref _signedIn);
            var credentials = Credentials.From(answer);
            using var left = await AskAsync("sign-out", () => client.SendAsync(HttpMethod.Post, "/api/users/signout", cookie: credentials.CookieHeader));
            if (left is not null) _ended.Enqueue(Credentials.Claims(credentials.AccessToken)["sid"]!.GetValue<string>());
        }
    }

    private async Task<HttpResponseMessage?> AskAsync(string what, Func<Task<HttpResponseMessage>> ask)
    {
        try
        {
            var answer = await ask();
            if (answer.StatusCode == HttpStatusCode.OK) return answer;
            _failed.Enqueue($"{what}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
            answer.Dispose();
        }
        catch (HttpRequestException e)
        {
            _failed.Enqueue($"{what}: {e.Message}");
        }

        return null;
    }

    /// <summary>A service on the feed, which resumes where it stood. A stream that breaks off instead of ending is a fault.</summary>
    private sealed class Reader(HttpClient client, ConcurrentQueue<string> failed)
    {
        private string? _last;

        public ConcurrentBag<string> Seen { get; } = [];
        public int Opened { get; private set; }

        public async Task ReadAsync(CancellationToken until)
        {
            using (client)
            {
                while (!until.IsCancellationRequested)
                {
                    try
                    {
                        await ReadOnceAsync(until);
                    }
                    catch (OperationCanceledException) when (until.IsCancellationRequested)
                    {
                        return;
                    }
                    catch (Exception e) when (e is HttpRequestException or IOException)
                    {
                        failed.Enqueue($"feed: {e.Message}");
                    }

                    await Task.Delay(50, CancellationToken.None);
                }
            }
        }

        private async Task ReadOnceAsync(CancellationToken until)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/events") { Headers = { Authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{Id}:{Secret}"))) } };
            if (_last is not null) request.Headers.Add("Last-Event-ID", _last);
            using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, until);
            // A replica that is stopping sends its readers on; what is in front may not know yet.
            if (answer is { StatusCode: HttpStatusCode.ServiceUnavailable, Headers.RetryAfter: not null }) return;
            if (answer.StatusCode != HttpStatusCode.OK || answer.Content.Headers.ContentType?.MediaType != "text/event-stream") throw new HttpRequestException($"{(int)answer.StatusCode} {answer.Content.Headers.ContentType}");
            Opened++;
            using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync(until));
            var id = _last;
            while (await lines.ReadLineAsync(until) is { } line)
            {
                if (line.StartsWith("id: ", StringComparison.Ordinal)) id = line["id: ".Length..];
                if (line.Length == 0) _last = id;
                foreach (System.Text.RegularExpressions.Match sid in System.Text.RegularExpressions.Regex.Matches(line, "\"sid\":\"([^\"]+)\"")) Seen.Add(sid.Groups[1].Value);
            }
        }
    }
}
