using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using App.Shared;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Ops;

public partial class ApiDocsTests
{
    [Fact]
    public async Task The_description_is_openapi_3_1_and_knows_the_error_format()
    {
        await using var host = await OpsHost.StartAsync(app => app.MapGet("/api/one", () => Problems.NotAuthorized()).ProducesProblem(401));
        var document = await host.Client.GetFromJsonAsync<JsonElement>("/openapi/v1.json");

        Assert.StartsWith("3.1", document.GetProperty("openapi").GetString(), StringComparison.Ordinal);
        Assert.Equal("Gatehouse API", document.GetProperty("info").GetProperty("title").GetString());
        var components = document.GetProperty("components");
        Assert.Equal("array", components.GetProperty("schemas").GetProperty("ProblemDetails").GetProperty("properties").GetProperty("errors").GetProperty("type").GetString());
        Assert.Equal("bearer", components.GetProperty("securitySchemes").GetProperty("bearer").GetProperty("scheme").GetString());
        Assert.Equal("session", components.GetProperty("securitySchemes").GetProperty("cookie").GetProperty("name").GetString());
        Assert.DoesNotContain(document.GetProperty("paths").EnumerateObject(), p => p.Name.Contains("rest", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_cookie_of_another_name_is_described_by_it()
    {
        await using var app = TestApp.Start(("Cookies:Session", "sid"));
        var document = await app.Client.GetFromJsonAsync<JsonElement>("/openapi/v1.json");

        Assert.Equal("sid", document.GetProperty("components").GetProperty("securitySchemes").GetProperty("cookie").GetProperty("name").GetString());
    }

    [Fact]
    public async Task The_description_is_made_once()
    {
        var made = 0;
        await using var host = await OpsHost.StartAsync(add: services => services.Configure<OpenApiOptions>("v1", options => options.AddDocumentTransformer((_, _, _) => Task.FromResult(++made))));
        using var first = await host.SendAsync(HttpMethod.Get, "/openapi/v1.json");
        using var second = await host.SendAsync(HttpMethod.Get, "/openapi/v1.json");

        Assert.Equal("application/json; charset=utf-8", first.Content.Headers.ContentType!.ToString());
        Assert.Equal(await first.Content.ReadAsStringAsync(), await second.Content.ReadAsStringAsync());
        Assert.Equal(1, made);
    }

    [Fact]
    public async Task The_reader_runs_no_script_but_ours()
    {
        await using var host = await OpsHost.StartAsync();
        using var first = await host.SendAsync(HttpMethod.Get, "/docs/");
        using var second = await host.SendAsync(HttpMethod.Get, "/docs/");

        var html = await first.Content.ReadAsStringAsync();
        var policy = first.Headers.GetValues("Content-Security-Policy").Single();
        var nonce = Nonce().Match(policy).Groups[1].Value;
        Assert.NotEqual(policy, second.Headers.GetValues("Content-Security-Policy").Single());
        Assert.NotEmpty(Scripts().Matches(html));
        Assert.All(Scripts().Matches(html), s => Assert.Contains($"nonce=\"{nonce}\"", s.Value, StringComparison.Ordinal));
        Assert.DoesNotContain("http://", html, StringComparison.Ordinal);
        Assert.DoesNotContain("https://", html, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await host.SendAsync(HttpMethod.Get, "/docs/scalar.js")).StatusCode);
    }

    [Theory]
    [InlineData("/docs")]
    [InlineData("/docs/scalar.js")]
    [InlineData("/openapi/v1.json")]
    public async Task Both_can_be_switched_off(string path)
    {
        await using var host = await OpsHost.StartAsync(settings: ["Docs:Enabled=false"]);

        Assert.Equal(HttpStatusCode.NotFound, (await host.SendAsync(HttpMethod.Get, path)).StatusCode);
    }

    [GeneratedRegex("'nonce-([^']+)'")]
    private static partial Regex Nonce();

    [GeneratedRegex("<script[^>]*>")]
    private static partial Regex Scripts();
}
