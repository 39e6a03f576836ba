using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using App.E2E.Harness;
using Xunit.Abstractions;

namespace App.E2E.Processes;

/// <summary>What was acknowledged before kill -9 is there after it, and nothing is half there.</summary>
[Collection("Crash")]
public sealed class CrashTests(ITestOutputHelper output)
{
    private const int SignUps = 500;
    private const int AtOnce = 16;

    private static readonly TimeSpan LongestRecovery = TimeSpan.FromSeconds(3);

    /// <summary>One in CI; a hundred by hand (TARGETS): <c>CRASH_ROUNDS=100</c>.</summary>
    private static int Rounds => int.TryParse(Environment.GetEnvironmentVariable("CRASH_ROUNDS"), out var rounds) ? rounds : 1;

    [Fact]
    public async Task Killed_while_500_sign_ups_and_sign_outs_are_under_way_nothing_acknowledged_is_lost()
    {
        await using var service = await Service.StartAsync();
        // A start with nothing to recover says what this machine takes for one just now.
        Assert.Equal(0, await service.StopAsync());
        var clock = Stopwatch.StartNew();
        await service.StartAsync();
        var usual = clock.Elapsed;
        output.WriteLine($"a usual start takes {usual.TotalMilliseconds:0} ms");
        // How long it took is judged when nothing was found to be lost.
        var slowest = TimeSpan.Zero;
        for (var round = 0; round < Rounds; round++)
            if (await KillAsync(service) is var recovery && recovery > slowest) slowest = recovery;
        Assert.InRange(slowest, TimeSpan.Zero, 2 * usual > LongestRecovery ? 2 * usual : LongestRecovery);
    }

    private async Task<TimeSpan> KillAsync(Service service)
    {
        var ledger = new Ledger();
        var crowd = Enumerable.Range(0, AtOnce).Select(_ => Task.Run(() => ComeAndGoAsync(service, ledger))).ToArray();
        await ledger.HalfWay.Task.WaitAsync(TimeSpan.FromMinutes(2));
        service.Kill();
        await Task.WhenAll(crowd);
        Assert.Equal("ok", await service.CheckIntegrityAsync());
        output.WriteLine($"{ledger.In.Count} signed up, {ledger.Out.Count} signed out, {ledger.AskedIn.Count} and {ledger.AskedOut.Count} under way at the kill");

        var clock = Stopwatch.StartNew();
        await service.StartAsync();
        Assert.Equal(ledger.In[0].Person.Email, await service.Client.WhoAmIAsync(bearer: ledger.In[0].Credentials.AccessToken));
        var recovery = clock.Elapsed;
        output.WriteLine($"back after {recovery.TotalMilliseconds:0} ms");

        await Parallel.ForEachAsync(ledger.In, Limit, async (entry, _) => await IsAliveAsync(service, entry));
        await Parallel.ForEachAsync(ledger.Out, Limit, async (entry, _) => await IsOverAsync(service, entry));
        await Parallel.ForEachAsync(ledger.AskedIn.Keys, Limit, async (person, _) => await service.Client.IsWholeOrAbsentAsync(person));
        await Parallel.ForEachAsync(ledger.AskedOut.Keys, Limit, async (entry, _) => await IsAliveOrOverAsync(service, entry));
        return recovery;
    }

    private static ParallelOptions Limit => new() { MaxDegreeOfParallelism = AtOnce };

    /// <summary>Every other person signs out again at once.</summary>
    private static async Task ComeAndGoAsync(Service service, Ledger ledger)
    {
        using var client = service.NewClient();
        try
        {
            for (var number = ledger.Next(); number <= SignUps; number = ledger.Next())
            {
                var person = Person.New();
                ledger.AskedIn[person] = true;
                using var come = await client.PostSignUpAsync(person);
                // A machine with more to do than it can refuses some; they are asked about afterwards like those that nobody answered.
                if (come.StatusCode == HttpStatusCode.ServiceUnavailable) continue;
                Assert.Equal(HttpStatusCode.Created, come.StatusCode);
                var entry = new Entry(person, Credentials.From(come));
                ledger.AskedIn.TryRemove(person, out var _);
                if (number % 2 == 0)
                {
                    ledger.Stays(entry);
                    continue;
                }
                ledger.AskedOut[entry] = true;
                using var gone = await client.SendAsync(HttpMethod.Post, "/api/users/signout", cookie: entry.Credentials.CookieHeader);
                if (gone.StatusCode == HttpStatusCode.ServiceUnavailable) continue;
                Assert.Equal(HttpStatusCode.OK, gone.StatusCode);
                ledger.AskedOut.TryRemove(entry, out var _);
                ledger.Leaves(entry);
            }
        }
        catch (HttpRequestException)
        {
            // The kill: what was asked and not answered stays in the ledger as such.
        }
    }

    private static async Task IsAliveAsync(Service service, Entry entry)
    {
        Assert.Equal(entry.Person.Email, await service.Client.WhoAmIAsync(bearer: entry.Credentials.AccessToken));
        using var renewed = await service.Client.PostRefreshAsync(entry.Credentials.Refresh);
        await Api.GrantAsync(renewed);
    }

    private static async Task IsOverAsync(Service service, Entry entry)
    {
        Assert.Null(await service.Client.WhoAmIAsync(cookie: entry.Credentials.CookieHeader));
        using var refused = await service.Client.PostRefreshAsync(entry.Credentials.Refresh);
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
    }

    private static async Task IsAliveOrOverAsync(Service service, Entry entry)
    {
        var alive = await service.Client.WhoAmIAsync(bearer: entry.Credentials.AccessToken) is not null;
        await (alive ? IsAliveAsync(service, entry) : IsOverAsync(service, entry));
    }

    private sealed record Entry(Person Person, Credentials Credentials);

    /// <summary>Who was told what.</summary>
    private sealed class Ledger
    {
        private readonly ConcurrentQueue<Entry> _in = new();
        private readonly ConcurrentQueue<Entry> _out = new();
        private int _next;

        public IReadOnlyList<Entry> In => [.. _in];
        public IReadOnlyList<Entry> Out => [.. _out];
        public ConcurrentDictionary<Person, bool> AskedIn { get; } = new();
        public ConcurrentDictionary<Entry, bool> AskedOut { get; } = new();
        public TaskCompletionSource HalfWay { get; } = new();

        public int Next() => Interlocked.Increment(ref _next);

        public void Stays(Entry entry) => Note(_in, entry);

        public void Leaves(Entry entry) => Note(_out, entry);

        private void Note(ConcurrentQueue<Entry> to, Entry entry)
        {
            to.Enqueue(entry);
            if (_in.Count + _out.Count >= SignUps / 2) HalfWay.TrySetResult();
        }
    }
}
