using System.Net;
using App.Ops;
using App.Shared;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Ops;

public class ProxyTests
{
    private static readonly (string, string)[] Forwarded = [("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "id.example.com")];

    [Fact]
    public async Task Nobody_is_believed_unless_named() => Assert.StartsWith("http 127.0.0.1:", await SeenAsync(), StringComparison.Ordinal);

    [Fact]
    public async Task A_stranger_is_not_believed_where_others_are() =>
        Assert.StartsWith("http 127.0.0.1:", await SeenAsync("Proxy:TrustedNetworks:0=10.0.0.0/8"), StringComparison.Ordinal);

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.0/8")]
    public async Task A_named_proxy_is_believed(string network) =>
        Assert.Equal("https id.example.com 192.0.2.1", await SeenAsync($"Proxy:TrustedNetworks:0={network}"));

    [Fact]
    public async Task Where_a_proxy_ends_tls_every_request_is_https() =>
        Assert.StartsWith("https 127.0.0.1:", await SeenAsync("Proxy:TerminatesTls=true"), StringComparison.Ordinal);

    [Fact]
    public async Task The_public_url_is_where_the_server_listens_until_it_is_set()
    {
        await using var unset = await OpsHost.StartAsync();
        await using var set = await OpsHost.StartAsync(settings: ["Issuer=https://id.example.com/auth"]);

        Assert.Equal(unset.Address.GetLeftPart(UriPartial.Authority), unset.App.Services.GetRequiredService<PublicUrl>().Issuer);
        Assert.Equal("https://id.example.com/auth", set.App.Services.GetRequiredService<PublicUrl>().Issuer);
        Assert.Equal("https://id.example.com", set.App.Services.GetRequiredService<PublicUrl>().Origin);
    }

    [Fact]
    public async Task Listening_everywhere_is_known_as_localhost()
    {
        await using var host = await OpsHost.StartAsync(settings: ["urls=http://0.0.0.0:0"]);

        Assert.Matches("^http://localhost:[0-9]+$", host.App.Services.GetRequiredService<PublicUrl>().Issuer);
    }

    [Theory] // only Development may be lax, and whoever mistypes a name isn't there
    [InlineData("Production")]
    [InlineData("Staging")]
    [InlineData("Develpoment")]
    public async Task All_but_Development_name_themselves_and_keep_off_plain_http(string environment)
    {
        var faults = (await Assert.ThrowsAsync<SettingsException>(() => OpsHost.StartAsync(environment: environment))).Faults;

        Assert.Collection(faults,
            f => Assert.StartsWith("Issuer isn't set", f, StringComparison.Ordinal),
            f => Assert.Contains("Set Proxy:TerminatesTls=true", f, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(0, "Issuer=https://id.example.com", "Proxy:TerminatesTls=true")]
    [InlineData(0, "Issuer=http://localhost:5080", "Proxy:TerminatesTls=true")]
    [InlineData(1, "Issuer=http://id.example.com", "Proxy:TerminatesTls=true")]
    [InlineData(1, "Issuer=https://id.example.com")]
    [InlineData(1, "Issuer=https://id.example.com", "urls=http://localhost:5080;https://localhost:5443")]
    [InlineData(0, "Issuer=https://id.example.com", "Kestrel:Endpoints:Main:Url=https://localhost:5443")]
    [InlineData(1, "Issuer=https://id.example.com", "urls=")] // Kestrel then takes an http address of its own
    [InlineData(1, "Issuer=https://id.example.com", "urls= ; ")]
    [InlineData(0, "Issuer=https://id.example.com", "urls=", "Kestrel:Endpoints:Main:Url=https://localhost:5443")]
    public void Production_starts_with(int faults, params string[] settings)
    {
        var builder = Hosting.CreateBuilder(["--environment=Production", .. settings.Select(s => "--" + s)]);
        builder.AddOps();
        var app = builder.Build();

        Assert.Equal(faults, SettingsCheck.Faults(app.Services).Count);
    }

    [Theory]
    [InlineData(1, "Proxy:TerminatesTls", "true")]
    [InlineData(0, "Proxy:TerminatesTls", "true", "Proxy:TrustedNetworks:0", "10.0.0.7")]
    [InlineData(0)]
    public async Task A_proxy_that_is_not_named_is_warned_of_since_everybody_has_its_address(int warnings, params string[] settings)
    {
        await using var app = TestApp.Start([.. settings.Chunk(2).Select(s => (s[0], (string?)s[1]))]);
        _ = app.Services;
        Assert.Equal(warnings, app.Log.Lines.Count(line => line.StartsWith("Warning App.Ops", StringComparison.Ordinal) && line.Contains("Proxy:TrustedNetworks", StringComparison.Ordinal)));
    }

    private static async Task<string> SeenAsync(params string[] settings)
    {
        await using var host = await OpsHost.StartAsync(
            app => app.MapGet("/api/seen", (HttpContext http) => $"{http.Request.Scheme} {http.Request.Host} {http.Connection.RemoteIpAddress}"),
            settings: settings);
        using var response = await host.SendAsync(HttpMethod.Get, "/api/seen", null, Forwarded);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return await response.Content.ReadAsStringAsync();
    }
}
