using System.Net;
using Microsoft.AspNetCore.Builder;

namespace App.Tests.Ops;

public class CorsTests
{
    private static readonly (string, string)[] Preflight = [("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "GET"), ("Access-Control-Request-Headers", "authorization")];

    [Fact]
    public async Task Cors_is_off_until_origins_are_named()
    {
        await using var host = await OpsHost.StartAsync(app => app.MapGet("/api/me", () => 1));
        using var preflight = await host.SendAsync(HttpMethod.Options, "/api/me", null, Preflight);
        using var call = await host.SendAsync(HttpMethod.Get, "/api/me", null, Preflight[0]);

        Assert.Equal(HttpStatusCode.NotFound, preflight.StatusCode);
        Assert.DoesNotContain(preflight.Headers.Concat(call.Headers), h => h.Key.StartsWith("Access-Control", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task A_named_origin_may_call_with_a_bearer_token_and_never_with_credentials()
    {
        await using var host = await OpsHost.StartAsync(
            app =>
            {
                app.MapGet("/api/me", () => 1);
                app.MapGet("/account", () => 1);
            },
            settings: ["Cors:AllowedOrigins:0=https://app.example.com"]);
        using var preflight = await host.SendAsync(HttpMethod.Options, "/api/me", null, Preflight);
        using var call = await host.SendAsync(HttpMethod.Get, "/api/me", null, Preflight[0]);
        using var stranger = await host.SendAsync(HttpMethod.Get, "/api/me", null, ("Origin", "https://evil.example"));
        using var page = await host.SendAsync(HttpMethod.Get, "/account", null, Preflight[0]);

        Assert.Equal(HttpStatusCode.NoContent, preflight.StatusCode);
        Assert.Contains("Authorization", preflight.Headers.GetValues("Access-Control-Allow-Headers").Single(), StringComparison.Ordinal);
        Assert.Equal("https://app.example.com", call.Headers.GetValues("Access-Control-Allow-Origin").Single());
        Assert.False(call.Headers.Contains("Access-Control-Allow-Credentials"));
        Assert.False(stranger.Headers.Contains("Access-Control-Allow-Origin"));
        Assert.False(page.Headers.Contains("Access-Control-Allow-Origin"));

        // Or a cache would give a browser of the named origin what it keeps of an answer to a program.
        using var program = await host.SendAsync(HttpMethod.Get, "/api/me");
        foreach (var answer in new[] { program, stranger, call }) Assert.Single(answer.Headers.Vary, "Origin");
    }

    [Theory]
    [InlineData("*")]
    [InlineData("https://app.example.com/")]
    [InlineData("app.example.com")]
    public async Task An_origin_that_is_none_stops_the_start(string origin)
    {
        var fault = await Assert.ThrowsAsync<App.Shared.SettingsException>(() => OpsHost.StartAsync(settings: [$"Cors:AllowedOrigins:0={origin}"]));

        Assert.Contains("isn't an origin", Assert.Single(fault.Faults), StringComparison.Ordinal);
    }
}
