using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using App.E2E.Harness;
using Xunit.Abstractions;

namespace App.E2E.Processes;

/// <summary>Replicas, Redis and consumers come and go at random while sessions end: nobody misses one.</summary>
[Collection("Chaos")]
public sealed class ChaosTests(ITestOutputHelper output)
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);

    /// <summary>How often a replica is dropped: a few times in CI; a hundred or more by hand (TARGETS): <c>CHAOS_ROUNDS=100</c>.</summary>
    private static int Rounds => Setting("CHAOS_ROUNDS", 3);

    /// <summary>The same seed drops the same things in the same order.</summary>
    private static int Seed => Setting("CHAOS_SEED", 7);

    [Fact]
    public async Task Whatever_is_dropped_every_consumer_is_told_each_revocation_in_order_and_without_a_gap()
    {
        (TestRun.Secrets[Peer.ClientSecret], TestRun.Secrets[Consumer.ClientSecret]) = ("a service's secret", "a reader's secret");
        await using var redis = new RedisServer();
        await redis.StartAsync();
        await using var a = await Service.StartAsync(null, ("Events__Redis", redis.ConnectionString),
            ("Services__0__Id", Consumer.ClientId), ("Services__0__Secret", Consumer.ClientSecret), ("Services__1__Id", Peer.ClientId), ("Services__1__Secret", Peer.ClientSecret));
        await using var b = await a.ReplicaAsync();
        Service[] replicas = [a, b];
        var turn = 0;
        Service Next() => replicas[Interlocked.Increment(ref turn) % 2];
        var sessions = await SignInAsync(a, 30 + (20 * Rounds));

        await using StreamConsumer one = new("one", Next), two = new("two", Next);
        await using PollConsumer poll = new("poll", Next);
        await using RedisConsumer stream = new("stream", Next, redis);
        Consumer[] consumers = [one, two, poll, stream];
        foreach (var consumer in consumers) consumer.Start();
        await using var verifier = new Restarted(() => Peer.StartAsync("node", $"http://127.0.0.1:{b.Port}", a.Address, "gatehouse"));
        await verifier.StartAsync();
        ConcurrentBag<Credentials> ended = [];
        using var over = new CancellationTokenSource();
        var ending = Enumerable.Range(0, 2).Select(_ => EndAsync(Next, sessions, ended, over.Token)).ToList();

        await Task.WhenAll(DropReplicasAsync(replicas), DropRedisAsync(redis), DropConsumersAsync(consumers), DropVerifierAsync(verifier));
        await over.CancelAsync();
        await Task.WhenAll(ending);

        var log = await LogAsync(a.DataDir);
        output.WriteLine($"seed {Seed}, {Rounds} rounds: {ended.Count} sessions ended, {log.Count} entries");
        Assert.Equal(ended.Select(SessionOf).Order(), log.Values.Order()); // each ended session once
        Assert.Equal(Enumerable.Range(1, log.Count).Select(cursor => (long)cursor), log.Keys);
        foreach (var consumer in consumers)
        {
            await UntilAsync(() => Task.FromResult(consumer.Position >= log.Count || !consumer.Wrong.IsEmpty), () => $"{consumer.GetType().Name} is at {consumer.Position}, the log at {log.Count}");
            Assert.Empty(consumer.Wrong);
            Assert.Equal(log, consumer.Applied.OrderBy(entry => entry.Key));
        }

        var peer = verifier.Peer;
        await UntilAsync(async () => (await peer.Client.GetFromJsonAsync<JsonNode>("/stats"))!["cursor"]?.GetValue<long>() == log.Count, () => "The verifier lags.");
        foreach (var session in ended) Assert.Equal(HttpStatusCode.Unauthorized, await CallAsync(peer, session.AccessToken));
        Assert.Equal(HttpStatusCode.OK, await CallAsync(peer, (await a.Client.SignUpAsync(Person.New())).AccessToken));
    }

    private static async Task DropVerifierAsync(Restarted verifier)
    {
        var random = new Random(Seed + 3);
        for (var round = 0; round < Rounds; round++)
        {
            await Task.Delay(random.Next(500, 1500));
            await verifier.DisposeAsync();
            await verifier.StartAsync();
        }
    }

    private static async Task DropReplicasAsync(Service[] replicas)
    {
        var random = new Random(Seed);
        for (var round = 0; round < Rounds; round++)
        {
            var replica = replicas[random.Next(2)];
            await Task.Delay(random.Next(100, 600));
            if (random.Next(2) == 0)
            {
                replica.Kill();
                await Task.Delay(random.Next(0, 500));
                await replica.StartAsync();
            }
            else
            {
                await replica.HangAsync();
                await Task.Delay(random.Next(100, 2000));
                await replica.GoOnAsync();
            }
        }
    }

    private static async Task DropRedisAsync(RedisServer redis)
    {
        var random = new Random(Seed + 1);
        for (var round = 0; round < Rounds; round++)
        {
            await Task.Delay(random.Next(100, 800));
            switch (random.Next(3))
            {
                case 0:
                    redis.Kill();
                    await Task.Delay(random.Next(0, 1500));
                    await redis.StartAsync();
                    break;
                case 1:
                    await redis.HangAsync();
                    await Task.Delay(random.Next(0, 1500));
                    await redis.GoOnAsync();
                    break;
                default:
                    await redis.EmptyAsync();
                    break;
            }
        }
    }

    private static async Task DropConsumersAsync(Consumer[] consumers)
    {
        var random = new Random(Seed + 2);
        for (var round = 0; round < 8 * Rounds; round++)
        {
            await Task.Delay(random.Next(50, 400));
            var consumer = consumers[random.Next(consumers.Length)];
            if (random.Next(2) == 0) consumer.Cut();
            else consumer.Crash(forgotten: random.Next(0, 20));
        }
    }

    /// <summary>Ends one session after the other, each until somebody has said that it is over.</summary>
    private static async Task EndAsync(Func<Service> next, ConcurrentQueue<Credentials> sessions, ConcurrentBag<Credentials> ended, CancellationToken over)
    {
        var random = new Random(Seed + 4);
        while (!over.IsCancellationRequested && sessions.TryDequeue(out var session))
        {
            for (var clock = Stopwatch.StartNew(); !await SignOutAsync(next(), session); await Task.Delay(20, CancellationToken.None))
                Assert.True(clock.Elapsed < LongestWait, "Nobody ends a session.");
            ended.Add(session);
            await Task.Delay(random.Next(0, 200), CancellationToken.None);
        }
    }

    private static async Task<bool> SignOutAsync(Service at, Credentials session)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/users/signout") { Headers = { { "Cookie", session.CookieHeader } } };
        try
        {
            using var answer = await at.Client.SendAsync(request, limit.Token);
            return answer.StatusCode == HttpStatusCode.OK;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            return false; // it is away, and whether it has done it nobody knows
        }
    }

    private static async Task<ConcurrentQueue<Credentials>> SignInAsync(Service at, int count)
    {
        var person = Person.New();
        await at.Client.SignUpAsync(person);
        var sessions = new ConcurrentQueue<Credentials>();
        await Parallel.ForEachAsync(Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (_, ct) =>
        {
            using var answer = await at.Client.PostSignInAsync(person);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            sessions.Enqueue(Credentials.From(answer));
        });
        return sessions;
    }

    private static string SessionOf(Credentials credentials) => Credentials.Claims(credentials.AccessToken)["sid"]!.GetValue<string>();

    /// <summary>Sessions by cursor, as the database has them.</summary>
    private static async Task<SortedDictionary<long, string>> LogAsync(string dataDir)
    {
        var python = await Tool.FindOrInstallAsync(["python3"], ["python3"]);
        const string Query = "import sqlite3\nfor row in sqlite3.connect('gatehouse.db').execute('SELECT Cursor, lower(SessionId) FROM SecurityEventLog'): print(*row)";
        var rows = (await Tool.RunAsync(python, ["-c", Query], dataDir, TimeSpan.FromMinutes(1))).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(row => row.Split(' '));
        return new(rows.ToDictionary(row => long.Parse(row[0], CultureInfo.InvariantCulture), row => row[1]));
    }

    private static async Task UntilAsync(Func<Task<bool>> holds, Func<string> otherwise)
    {
        for (var clock = Stopwatch.StartNew(); !await holds(); await Task.Delay(20)) Assert.True(clock.Elapsed < LongestWait, otherwise());
    }

    private static async Task<HttpStatusCode> CallAsync(Peer peer, string bearer)
    {
        using var answer = await peer.Client.SendAsync(HttpMethod.Get, "/", bearer);
        return answer.StatusCode;
    }

    private static int Setting(string name, int otherwise) => int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var value) ? value : otherwise;

    /// <summary>A service with its verifier, killed with -9 and started anew.</summary>
    private sealed class Restarted(Func<Task<Peer>> start) : IAsyncDisposable
    {
        public Peer Peer { get; private set; } = null!;

        public async Task StartAsync() => Peer = await start();

        public ValueTask DisposeAsync() => Peer.DisposeAsync();
    }
}
