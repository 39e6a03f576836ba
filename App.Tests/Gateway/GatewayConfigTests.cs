using System.Net;
using System.Text;
using App.Gateway;
using App.Tests.Attacks;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting.Internal;

namespace App.Tests.Gateway;

/// <summary>Routes come and go without a restart; a faulty list is refused whole.</summary>
public sealed class GatewayConfigTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gatehouse-").FullName;
    private EchoService _echo = null!;
    private KestrelApp _app = null!;

    public async Task InitializeAsync()
    {
        _echo = await EchoService.StartAsync();
        Write(Public("/one"));
        _app = KestrelApp.Start(("SECRETS_DIR", _folder));
    }

    public async Task DisposeAsync()
    {
        await _app.DisposeAsync();
        await _echo.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task New_routes_take_the_place_of_the_old_ones()
    {
        Assert.Equal(HttpStatusCode.OK, await StatusAsync("/one"));
        Write(Public("/two"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync("/two"));

        Assert.Equal(new GatewayConfig.Outcome.Taken(1), await _app.Services.GetRequiredService<GatewayConfig>().ReloadAsync());

        Assert.Equal(HttpStatusCode.OK, await StatusAsync("/two"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync("/one"));
    }

    [Fact]
    public async Task A_host_that_is_given_away_is_no_longer_ours_and_comes_back_with_the_routes_that_leave_it()
    {
        Assert.Equal(HttpStatusCode.OK, await StatusAsync("/api/users/currentuser", "shop.example.test"));
        Write($$"""{"Path":"/cart","Host":"shop.example.test","Destinations":["{{_echo.Address}}"],"Public":true}""");
        await _app.Services.GetRequiredService<GatewayConfig>().ReloadAsync();
        Assert.Equal(HttpStatusCode.OK, await StatusAsync("/cart", "shop.example.test"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync("/api/users/currentuser", "shop.example.test"));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync("/api/users/currentuser", "localhost"));

        Write(Public("/one"));
        await _app.Services.GetRequiredService<GatewayConfig>().ReloadAsync();
        Assert.Equal(HttpStatusCode.OK, await StatusAsync("/api/users/currentuser", "shop.example.test"));
    }

    [Fact]
    public async Task A_settings_file_that_changes_has_them_read_anew()
    {
        // A mounted file is often a link, which is turned around to the next one.
        var folder = Directory.CreateDirectory(Path.Combine(_folder, "watched")).FullName;
        foreach (var (name, written) in new[] { ("before", new DateTime(2026, 1, 1)), ("after", new DateTime(2026, 1, 2)) })
        {
            await File.WriteAllTextAsync(Path.Combine(folder, name), "{}");
            File.SetLastWriteTimeUtc(Path.Combine(folder, name), written);
        }

        var (file, next) = (Path.Combine(folder, "appsettings.json"), Path.Combine(folder, "next"));
        File.CreateSymbolicLink(file, Path.Combine(folder, "before"));
        using var follow = new FollowSettings(_app.Services.GetRequiredService<GatewayConfig>(), new HostingEnvironment { ContentRootPath = folder });
        await follow.StartAsync(default);
        Write(Public("/two"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync("/two"));

        File.CreateSymbolicLink(next, Path.Combine(folder, "after"));
        File.Move(next, file, overwrite: true);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (await StatusAsync("/two") != HttpStatusCode.OK) await Task.Delay(100, limit.Token);
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync("/one"));
    }

    [Fact]
    public async Task A_fault_anywhere_leaves_all_as_it_was_and_says_why()
    {
        Write(Public("/two") + """,{"Path":"/three","Destinations":["ftp://x"]}""");
        var refused = Assert.IsType<GatewayConfig.Outcome.Refused>(await _app.Services.GetRequiredService<GatewayConfig>().ReloadAsync());
        Assert.Contains("Gateway:Routes:1:Destinations has \"ftp://x\"", Assert.Single(refused.Faults), StringComparison.Ordinal);

        Assert.Equal(HttpStatusCode.OK, await StatusAsync("/one"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync("/two"));
    }

    [Theory]
    [InlineData("""{"Path":"/"}""", "takes everything")]
    [InlineData("""{"Path":"orders"}""", "isn't a path")]
    [InlineData("""{"Path":"/a/../b"}""", "isn't a path")]
    [InlineData("""{"Path":"/a/{id}"}""", "isn't a path")]
    [InlineData("""{"Path":"/API/x"}""", "one of our own")]
    [InlineData("""{"Path":"/account"}""", "one of our own")]
    [InlineData("""{"Path":"/_blazor"}""", "one of our own")]
    [InlineData("""{"Path":"/x","Destinations":[]}""", "is empty")]
    [InlineData("""{"Path":"/x","Destinations":["http://user:pw@x"]}""", "without user")]
    [InlineData("""{"Path":"/x","Public":true,"Role":"admin"}""", "a stranger has no role")]
    [InlineData("""{"Path":"/x","Timeout":"00:00:00"}""", "out of bounds")]
    [InlineData("""{"Path":"/x","Retries":9}""", "out of bounds")]
    [InlineData("""{"Path":"/x","HealthPath":"health"}""", "isn't a path")]
    [InlineData("""{"Path":"/x","Host":"http://x"}""", "isn't a host name")]
    [InlineData("""{"Path":"/x","Host":"xn--bcher-kva.example"}""", "in Punycode")]
    [InlineData("""{"Path":"/x","Pubic":true}""", "Did you mean")]
    [InlineData("""{"Path":"/x"},{"Path":"/X/"}""", "2 times")]
    [InlineData("""{"Path":"/","Host":"127.0.0.1"}""", "where people sign in")]
    public async Task Each_fault_is_named(string routes, string fault)
    {
        var text = routes.Replace("\"Path\":\"/x\"", $"\"Path\":\"/x\"{(routes.Contains("Destinations", StringComparison.Ordinal) ? "" : ",\"Destinations\":[\"http://x\"]")}", StringComparison.Ordinal)
            .Replace("\"Path\":\"/X/\"", "\"Path\":\"/X/\",\"Destinations\":[\"http://x\"]", StringComparison.Ordinal)
            .Replace("{\"Path\":\"/\"", "{\"Destinations\":[\"http://x\"],\"Path\":\"/\"", StringComparison.Ordinal);
        Write(text);
        var refused = Assert.IsType<GatewayConfig.Outcome.Refused>(await _app.Services.GetRequiredService<GatewayConfig>().ReloadAsync());
        Assert.Contains(refused.Faults, f => f.Contains(fault, StringComparison.Ordinal));
    }

    private async Task<HttpStatusCode> StatusAsync(string path, string? host = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path) { Headers = { Host = host } };
        using var answer = await _app.Client.SendAsync(request);
        return answer.StatusCode;
    }

    private string Public(string path) => $$"""{"Path":"{{path}}","Destinations":["{{_echo.Address}}"],"Public":true}""";

    // One file for each value, as the secrets folder has them.
    private void Write(string routes)
    {
        foreach (var file in Directory.GetFiles(_folder)) File.Delete(file);
        using var json = new MemoryStream(Encoding.UTF8.GetBytes("{\"Gateway\":{\"Routes\":[" + routes + "]}}"));
        foreach (var (key, value) in new ConfigurationBuilder().AddJsonStream(json).Build().AsEnumerable())
            if (value is not null) File.WriteAllText(Path.Combine(_folder, key.Replace(":", "__", StringComparison.Ordinal)), value);
    }
}
