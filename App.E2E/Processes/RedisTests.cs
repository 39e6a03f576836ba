using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using App.E2E.Harness;

namespace App.E2E.Processes;

/// <summary>Two replicas with a Redis between them, which helps while it is there and is missed by nobody when it isn't.</summary>
[Collection("Redis")]
public sealed class RedisTests(RedisTests.Replicas replicas) : IClassFixture<RedisTests.Replicas>
{
    private static readonly TimeSpan WithRedis = TimeSpan.FromMilliseconds(250), Without = TimeSpan.FromSeconds(1);
    private readonly RedisServer _redis = replicas.Redis;
    private readonly Service _a = replicas.A, _b = replicas.B;

    [Fact]
    public async Task A_session_ended_at_one_replica_is_refused_at_the_other_within_a_quarter_of_a_second()
    {
        await EndAsync(_a, _b, Without);
        await StreamIsCompleteAsync();
        // The stream is whole as soon as one of them tells it; after a Redis that was away the other may not hear it yet.
        for (var clock = Stopwatch.StartNew(); await _redis.ListenersAsync() < 2; await Task.Delay(20)) Assert.True(clock.Elapsed < TimeSpan.FromSeconds(30), "Not both listen.");
        // One or two may fall into a moment in which the machine stands; a replica that only looks from time to time is late every other time.
        var late = 0;
        for (var round = 0; round < 20; round++)
            if ((await EndAsync(_a, _b, Without)).LetIn >= WithRedis) late++;
        Assert.InRange(late, 0, 2);
    }

    [Fact]
    public async Task The_stream_tells_what_the_feed_tells_each_entry_once_whoever_wrote_it()
    {
        var people = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => SignUpAsync(_a, _b)));
        await Task.WhenAll(people.Select((one, number) => SignOutAsync(number % 2 == 0 ? _a : _b, one)));
        foreach (var one in people) await RefusedAsync(_b, one, Without);
        var stream = await StreamIsCompleteAsync();

        var feed = await FeedAsync(stream.Count);
        for (var i = 0; i < stream.Count; i++)
        {
            var (fields, told) = (stream[i].Fields, feed[i]);
            Assert.Equal(["cursor", "data", "type"], fields.Keys.Order());
            Assert.Equal(told["type"]!.GetValue<string>(), fields["type"]);
            var data = JsonNode.Parse(fields["data"])!;
            // Signed by whichever replica came first; what is signed is the same.
            Assert.Equal(HeadAndClaims(told), HeadAndClaims(data));
            Assert.True(JsonNode.DeepEquals(told, data), $"{told}\n{data}");
        }
    }

    [Fact]
    public async Task Without_Redis_replicas_learn_by_the_database_and_its_return_finds_the_stream_complete()
    {
        _redis.Kill();
        for (var round = 0; round < 4; round++) await EndAsync(round % 2 == 0 ? _a : _b, round % 2 == 0 ? _b : _a, Without);
        foreach (var replica in new[] { _a, _b })
        {
            using var ready = await replica.Client.GetAsync("/health/ready");
            Assert.Equal(HttpStatusCode.OK, ready.StatusCode);
        }

        await _redis.StartAsync();
        await StreamIsCompleteAsync();
        await EndAsync(_a, _b, Without);
        await StreamIsCompleteAsync();

        await _redis.EmptyAsync();
        await EndAsync(_b, _a, Without);
        await StreamIsCompleteAsync();
    }

    [Fact]
    public async Task A_Redis_that_hangs_slows_no_sign_out_and_hides_none()
    {
        await _redis.HangAsync();
        try
        {
            for (var round = 0; round < 6; round++)
            {
                var (took, _) = await EndAsync(_a, _b, Without);
                Assert.True(took < Without, $"Round {round}: the sign-out took {took.TotalMilliseconds} ms.");
            }
        }
        finally
        {
            await _redis.GoOnAsync();
        }

        await StreamIsCompleteAsync();
    }

    [Fact]
    public async Task What_a_replica_could_not_tell_before_it_was_killed_the_other_tells()
    {
        var credentials = await SignUpAsync(_a, _b);
        _redis.Kill();
        await SignOutAsync(_a, credentials);
        _a.Kill();
        await RefusedAsync(_b, credentials, Without);

        await _redis.StartAsync();
        var stream = await StreamIsCompleteAsync();
        Assert.Equal(Credentials.Claims(credentials.AccessToken)["sid"]!.GetValue<string>(), JsonNode.Parse(stream[^1].Fields["data"])!["sid"]!.GetValue<string>());
        await _a.StartAsync();
    }

    /// <summary>Ends a session at one and waits until the other refuses it; returns how long the ending took, and how long after it somebody who asked was let in.</summary>
    private static async Task<(TimeSpan Took, TimeSpan LetIn)> EndAsync(Service at, Service other, TimeSpan limit)
    {
        var credentials = await SignUpAsync(at, other);
        var clock = Stopwatch.StartNew();
        await SignOutAsync(at, credentials);
        var took = clock.Elapsed;
        return (took, await RefusedAsync(other, credentials, limit));
    }

    private static async Task<TimeSpan> RefusedAsync(Service at, Credentials credentials, TimeSpan limit)
    {
        var (clock, letIn) = (Stopwatch.StartNew(), TimeSpan.Zero);
        // Whoever asks within the limit may be let in, however long the answer takes.
        for (var asked = clock.Elapsed; await at.Client.WhoAmIAsync(bearer: credentials.AccessToken) is not null; asked = clock.Elapsed)
        {
            Assert.True(asked < limit, $"Still accepted after {asked.TotalMilliseconds} ms.");
            letIn = asked;
            await Task.Delay(5);
        }

        return letIn;
    }

    // A token that the other has seen before is refused there by what it heard, and not by a look at the session's row.
    private static async Task<Credentials> SignUpAsync(Service at, Service other)
    {
        var credentials = await at.Client.SignUpAsync(Person.New());
        Assert.NotNull(await other.Client.WhoAmIAsync(bearer: credentials.AccessToken));
        return credentials;
    }

    private static async Task SignOutAsync(Service at, Credentials credentials)
    {
        using var ended = await at.Client.SendAsync(HttpMethod.Post, "/api/users/signout", cookie: credentials.CookieHeader);
        Assert.Equal(HttpStatusCode.OK, ended.StatusCode);
    }

    /// <summary>Waits until the stream has grown to the log's end, as B knows it, and checks that it holds every cursor from 1, once and in order.</summary>
    private async Task<List<(string Id, Dictionary<string, string> Fields)>> StreamIsCompleteAsync()
    {
        var newest = await NewestAsync();
        var clock = Stopwatch.StartNew();
        while (true)
        {
            var stream = await _redis.ReadAsync();
            Assert.Equal(Enumerable.Range(1, stream.Count).Select(cursor => $"{cursor}-0"), stream.Select(entry => entry.Id));
            Assert.Equal(stream.Select(entry => entry.Id), stream.Select(entry => entry.Fields["cursor"] + "-0"));
            if (stream.Count == newest) return stream;
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(15), $"The stream is at {stream.Count}, the log at {newest}.");
            await Task.Delay(20);
        }
    }

    // A heartbeat alone comes to a reader who has everything, so the first message says where the log ends.
    private async Task<long> NewestAsync()
    {
        await using var reader = await OpenAsync("/events");
        return (await reader.NextAsync())["cursor"]!.GetValue<long>();
    }

    private async Task<List<JsonNode>> FeedAsync(int count)
    {
        await using var reader = await OpenAsync("/events?cursor=0");
        var feed = new List<JsonNode>();
        while (feed.Count < count) feed.Add(await reader.NextAsync());
        return feed;
    }

    private async Task<FeedReader> OpenAsync(string path)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{Replicas.ClientId}:{Replicas.ClientSecret}")));
        var answer = await _b.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        return new FeedReader(answer, new StreamReader(await answer.EnsureSuccessStatusCode().Content.ReadAsStreamAsync()));
    }

    private static string HeadAndClaims(JsonNode entry)
    {
        var set = entry["set"]!.GetValue<string>();
        entry.AsObject().Remove("set");
        return set[..set.LastIndexOf('.')];
    }

    private sealed record FeedReader(HttpResponseMessage Answer, StreamReader Lines) : IAsyncDisposable
    {
        public async Task<JsonNode> NextAsync()
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            while (await Lines.ReadLineAsync(limit.Token) is { } line)
                if (line.StartsWith("data: ", StringComparison.Ordinal)) return JsonNode.Parse(line["data: ".Length..])!;
            throw new InvalidOperationException("The feed ended.");
        }

        public ValueTask DisposeAsync()
        {
            Lines.Dispose();
            Answer.Dispose();
            return ValueTask.CompletedTask;
        }
    }

    public sealed class Replicas : IAsyncLifetime
    {
        internal const string ClientId = "reader", ClientSecret = "a secret of the reader of the stream, long enough";

        internal RedisServer Redis { get; } = new();
        internal Service A { get; private set; } = null!;
        internal Service B { get; private set; } = null!;

        public async Task InitializeAsync()
        {
            await Redis.StartAsync();
            A = await Service.StartAsync(null, ("Events__Redis", Redis.ConnectionString), ("Services__0__Id", ClientId), ("Services__0__Secret", ClientSecret));
            B = await A.ReplicaAsync();
        }

        public async Task DisposeAsync()
        {
            await A.DisposeAsync();
            await B.DisposeAsync();
            await Redis.DisposeAsync();
        }
    }
}
