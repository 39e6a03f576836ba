using System.Net;
using App.Ops;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace App.Tests.Ops;

/// <summary>ATTACKS.md, group HDR: every HTML, JSON, redirect and error answer.</summary>
public sealed class SecurityHeadersTests : IAsyncLifetime
{
    private OpsHost host = null!;

    public async Task InitializeAsync() => host = await OpsHost.StartAsync(
        app =>
        {
            app.MapGet("/", () => TypedResults.Text("<p>hi</p>", "text/html"));
            app.MapGet("/api/json", () => TypedResults.Ok(1));
            app.MapGet("/api/boom", string () => throw new InvalidOperationException());
            app.MapGet("/go", () => TypedResults.LocalRedirect("/"));
            app.MapGet("/.well-known/jwks.json", (HttpContext http) =>
            {
                http.Response.Headers.CacheControl = "public, max-age=300";
                return TypedResults.Ok(1);
            });
        },
        settings: ["Proxy:TerminatesTls=true"]);

    public async Task DisposeAsync() => await host.DisposeAsync();

    [Theory]
    [InlineData("/")]
    [InlineData("/go")]
    [InlineData("/nowhere")]
    [InlineData("/api/json")]
    [InlineData("/api/nothing")]
    [InlineData("/api/boom")]
    [InlineData("/health/live")]
    [InlineData("/openapi/v1.json")]
    [InlineData("/docs/")]
    public async Task Every_answer_bears_them(string path)
    {
        using var response = await host.SendAsync(HttpMethod.Get, path);

        Assert.Equal("nosniff", Header(response, "X-Content-Type-Options"));
        Assert.Equal("same-origin", Header(response, "Referrer-Policy"));
        Assert.Equal("same-origin", Header(response, "Cross-Origin-Opener-Policy"));
        Assert.Equal("max-age=31536000; includeSubDomains", Header(response, "Strict-Transport-Security"));
        Assert.True(response.Headers.CacheControl?.NoStore);
        Assert.False(response.Headers.Contains("Server"));
        var policy = Header(response, "Content-Security-Policy");
        Assert.StartsWith("default-src 'none'", policy, StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe-inline", policy.Split(';').Single(p => p.Contains("script-src", StringComparison.Ordinal) || p.Contains("default-src", StringComparison.Ordinal) && !policy.Contains("script-src", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe-eval", policy, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_page_runs_only_what_we_serve()
    {
        using var response = await host.SendAsync(HttpMethod.Get, "/");

        Assert.Equal(SecurityHeaders.PagePolicy, Header(response, "Content-Security-Policy"));
        Assert.Equal("DENY", Header(response, "X-Frame-Options"));
        Assert.Contains("camera=()", Header(response, "Permissions-Policy"), StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", SecurityHeaders.PagePolicy, StringComparison.Ordinal);
        Assert.Contains("base-uri 'none'", SecurityHeaders.PagePolicy, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/", "same-origin")]
    [InlineData("/api/json", "same-origin")]
    [InlineData("/.well-known/jwks.json", "cross-origin")]
    [InlineData("/openapi/v1.json", "cross-origin")]
    public async Task Only_what_is_public_may_be_embedded_elsewhere(string path, string policy)
    {
        using var response = await host.SendAsync(HttpMethod.Get, path);

        Assert.Equal(policy, Header(response, "Cross-Origin-Resource-Policy"));
    }

    [Fact]
    public async Task A_route_that_may_be_cached_says_so_itself()
    {
        using var response = await host.SendAsync(HttpMethod.Get, "/.well-known/jwks.json");

        Assert.Equal("public, max-age=300", response.Headers.CacheControl?.ToString());
    }

    [Fact]
    public async Task Plain_http_asks_for_no_https()
    {
        await using var plain = await OpsHost.StartAsync();
        using var response = await plain.SendAsync(HttpMethod.Get, "/health/live");

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.False(response.Headers.Contains("Strict-Transport-Security"));
    }

    private static string Header(HttpResponseMessage response, string name) => Assert.Single(response.Headers.GetValues(name));
}
