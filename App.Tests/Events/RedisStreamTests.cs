using System.Net;
using System.Net.Sockets;
using App.Events;
using App.Ops;
using App.Shared;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Events;

/// <summary>What needs no Redis; with a real one: App.E2E/Processes/RedisTests.</summary>
public sealed class RedisStreamTests
{
    [Fact]
    public async Task A_start_without_the_Redis_that_is_set_works_and_is_said_once_without_its_password()
    {
        using var nobody = new TcpListener(IPAddress.Loopback, 0);
        nobody.Start();
        var port = ((IPEndPoint)nobody.LocalEndpoint).Port;
        await using var app = TestApp.Start(("Events:Redis", $"127.0.0.1:{port},password=hunter2hunter2,connectTimeout=100"));

        var ada = await app.SignUpAsync();
        for (var refused = 0; refused < 6; refused++) (await nobody.AcceptTcpClientAsync()).Dispose();
        await Tokens.SigningKeysTests.Eventually(() => Said() > 0);
        Assert.Equal(HttpStatusCode.OK, (await app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: ada.Cookies)).StatusCode);
        Assert.Null(await app.WhoAmIAsync(bearer: ada.AccessToken));
        await app.UntilReadyAsync();
        for (var refused = 0; refused < 4; refused++) (await nobody.AcceptTcpClientAsync()).Dispose();

        Assert.Equal(1, Said());
        Assert.DoesNotContain(app.Log.Lines, line => line.Contains("hunter2", StringComparison.Ordinal));

        int Said() => app.Log.Lines.Count(line => line.StartsWith("Warning App.Events.RedisStream", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("127.0.0.1:6379,password=hunter2,colour=red")]
    [InlineData("password=hunter2")]
    [InlineData("127.0.0.1:6379,connectTimeout=soon,password=hunter2")]
    [InlineData("nonsense:::")]
    [InlineData("nonsense:::,password=hunter2")]
    [InlineData("redis:port,password=hunter2")]
    [InlineData("redis:99999,password=hunter2")]
    [InlineData("re dis:6379,password=hunter2")]
    public void A_connection_string_that_cannot_work_is_told_and_never_shown(string text)
    {
        var fault = Assert.Single(FaultsOf(text));
        Assert.StartsWith("Events:Redis is set to a secret: no connection string", fault, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", fault, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("redis")]
    [InlineData("my_redis:6379")]
    [InlineData("[::1]:6379")]
    [InlineData("10.0.0.7")]
    [InlineData("redis-1:6379,redis-2:6379,password=hunter2,ssl=true,defaultDatabase=3")]
    public void One_that_can_is_taken(string text) => Assert.Empty(FaultsOf(text));

    private static IReadOnlyList<string> FaultsOf(string redis)
    {
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection([new("Events:Redis", redis)]).Build());
        using var provider = services.AddSettings<EventOptions>("Events").BuildServiceProvider();
        return SettingsCheck.Faults(provider);
    }
}
