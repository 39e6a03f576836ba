using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using App.E2E.Harness;

namespace App.E2E.Processes;

/// <summary>Redis is away for longer than anybody tries at first. Most of it is waiting: it runs beside others.</summary>
[Collection("Redis away")]
public sealed class RedisAwayTests
{
    private static readonly TimeSpan Away = TimeSpan.FromSeconds(20);

    /// <summary>Whoever waited twice as long after each try would come ten seconds after its return.</summary>
    private static readonly TimeSpan LongestReturn = TimeSpan.FromSeconds(8);

    [Fact]
    public async Task After_twenty_seconds_without_Redis_its_stream_is_whole_again_within_seconds()
    {
        await using var redis = new RedisServer();
        await redis.StartAsync();
        await using var service = await Service.StartAsync(null, ("Events__Redis", redis.ConnectionString));
        var ended = new List<string> { await EndAsync(service) };
        await UntilToldAsync(redis, ended, TimeSpan.FromSeconds(30));

        redis.Kill();
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < Away; await Task.Delay(1000)) ended.Add(await EndAsync(service));
        await redis.StartAsync();
        await UntilToldAsync(redis, ended, LongestReturn);
    }

    private static async Task<string> EndAsync(Service service)
    {
        var credentials = await service.Client.SignUpAsync(Person.New());
        using var ended = await service.Client.SendAsync(HttpMethod.Post, "/api/users/signout", cookie: credentials.CookieHeader);
        Assert.Equal(HttpStatusCode.OK, ended.StatusCode);
        return Credentials.Claims(credentials.AccessToken)["sid"]!.GetValue<string>();
    }

    private static async Task UntilToldAsync(RedisServer redis, List<string> ended, TimeSpan limit)
    {
        for (var clock = Stopwatch.StartNew(); ; await Task.Delay(50))
        {
            var told = (await redis.ReadAsync()).Select(entry => JsonNode.Parse(entry.Fields["data"])!["sid"]!.GetValue<string>()).ToList();
            if (told.SequenceEqual(ended)) return;
            Assert.True(clock.Elapsed < limit, $"{told.Count} of {ended.Count} after {clock.Elapsed.TotalSeconds:0.0} s.");
        }
    }
}
