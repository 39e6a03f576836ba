using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using App.Connect;
using App.Gateway;
using App.OAuth;
using App.Tests.Attacks;
using App.Tests.Gateway;
using Microsoft.Extensions.Configuration;

namespace App.Tests.Connect;

/// <summary>The code that is shown, as text. That it does what it says, App.E2E shows by running it.</summary>
public sealed partial class RecipesTests
{
    private static readonly RecipeSettings Settings = new("https://id.example.com", "10.0.0.2:5080", "https://orders.example.com/a", "orders", "session", "session_refresh", "device");

    [Fact]
    public void Every_language_has_both_ways_and_every_proxy_the_third()
    {
        string[] languages = ["express", "fastify", "aspnetcore", "fastapi", "go", "spring"];
        Assert.Equal(languages, Recipes.Of(TrustMode.ChecksItself).Select(r => r.Id));
        Assert.Equal(languages, Recipes.Of(TrustMode.Asks).Select(r => r.Id));
        Assert.Equal([.. ProxyConfigurations.All.Select(p => p.Id), "built-in"], Recipes.Of(TrustMode.Gateway).Select(r => r.Id));
        Assert.Equal(Recipes.All.Count, Recipes.All.Select(r => (r.Trust, r.Name)).Distinct().Count());
    }

    [Fact]
    public void Every_snippet_belongs_to_a_recipe()
    {
        var folder = Repository.PathOf("App/Connect/Snippets");
        var files = Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(folder, f).Replace('\\', '/'));
        Assert.Equal(
            files.Order(StringComparer.Ordinal),
            Recipes.All.SelectMany(r => r.Files).Where(f => f.Contains('/', StringComparison.Ordinal)).Distinct().Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_gap_is_filled_and_no_file_holds_a_secret()
    {
        foreach (var recipe in Recipes.All)
        {
            var text = string.Join('\n', recipe.Files.Select(f => Recipes.Fill(recipe, f, Settings)));
            Assert.DoesNotMatch(Gap(), text);
            Assert.DoesNotMatch(Secret(), text);
            if (recipe.Trust != TrustMode.Gateway) Assert.Contains("https://id.example.com", text, StringComparison.Ordinal);
            if (recipe is { Trust: TrustMode.Asks }) Assert.Contains("GATEHOUSE_CLIENT_SECRET", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void What_counts_as_a_gap_is_every_gap_there_is_and_what_counts_as_a_secret_is_one_of_ours()
    {
        string[] known = ["issuer", "audience", "audience_encoded", "client_id", "client_secret", "session_cookie", "session_cookie_pattern", "refresh_cookie", "refresh_cookie_pattern", "device_cookie", "device_cookie_pattern", "upstream", "gatehouse", "listen", "folder"];
        Assert.All(known, name => Assert.Matches(Gap(), $"a {{{name}}} b"));
        Assert.Matches(Secret(), $"const secret = '{ServiceSecret.Generate().Reveal()}';");
        Assert.Matches(Secret(), "client-secret: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c");
    }

    // That they are applied to real tokens App.E2E shows by running them; Spring's it doesn't run.
    [Fact]
    public void Whoever_asks_takes_nothing_but_an_access_token_of_a_session_that_is_meant_for_this_service()
    {
        foreach (var recipe in Recipes.Of(TrustMode.Asks))
        {
            var text = string.Join('\n', recipe.Files.Select(f => Recipes.Fill(recipe, f, Settings)));
            Assert.All(["token_type", "Bearer", "sid", "aud", Settings.Audience], part => Assert.Contains(part, text, StringComparison.Ordinal));
        }

        var spring = Recipes.Of(TrustMode.ChecksItself).Single(r => r.Id == "spring");
        var checks = Recipes.Fill(spring, spring.Files[1], Settings);
        Assert.All(["hasClaim(\"sid\")", "getClaimAsString(\"id\").equals(token.getSubject())"], part => Assert.Contains(part, checks, StringComparison.Ordinal));
    }

    [Fact]
    public void What_a_proxy_takes_is_what_its_files_say()
    {
        foreach (var proxy in ProxyConfigurations.All)
        {
            var recipe = Recipes.Of(TrustMode.Gateway).Single(r => r.Id == proxy.Id);
            var text = string.Join('\n', recipe.Files.Select(f => Recipes.Fill(recipe, f, Settings)));
            Assert.Equal(!text.Contains("programs call with a bearer token", StringComparison.Ordinal), recipe.TakesCookies);
            Assert.Equal(text.Contains("mod_auth_openidc", StringComparison.Ordinal), recipe.NeedsHttps);
        }
    }

    [Theory]
    [InlineData("a'b"), InlineData("a\"b"), InlineData("a`b"), InlineData("a$b"), InlineData("a\\b"), InlineData("a;b"), InlineData("a{b}")]
    public void A_value_that_could_go_on_as_code_is_not_safe(string audience) => Assert.False((Settings with { Audience = audience }).AreSafe);

    [Fact]
    public async Task The_route_that_is_shown_for_our_own_gateway_is_taken_and_passes_the_caller_on()
    {
        await using var echo = await EchoService.StartAsync();
        var recipe = Recipes.Of(TrustMode.Gateway).Single(r => r.Id == "built-in");
        var shown = Recipes.Fill(recipe, recipe.Files[0], Settings with { Audience = "orders" }).Replace($"http://{RecipeSettings.Upstream}", echo.Address, StringComparison.Ordinal);
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(shown));
        var settings = new ConfigurationBuilder().AddJsonStream(stream).Build().AsEnumerable().Where(s => s.Value is not null).Select(s => (s.Key, s.Value!));
        await using var app = KestrelApp.Start([.. settings, ("Services:0:Id", "orders"), ("Services:0:Secret", new string('s', 40))]);

        var credentials = new { email = "ada@example.test", password = "seven brass lanterns" };
        using var made = await app.Client.PostAsJsonAsync("/api/users/signup", credentials);
        using var answer = await app.Client.PostAsJsonAsync("/api/tokens", credentials);
        var token = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("access_token").GetString()!;

        using var stranger = await app.Client.GetAsync("/svc-orders");
        Assert.Equal(HttpStatusCode.Unauthorized, stranger.StatusCode);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/svc-orders/new") { Headers = { Authorization = new("Bearer", token) } };
        using var passed = await app.Client.SendAsync(request);
        var seen = await EchoService.ReadAsync(passed);
        Assert.Equal("ada@example.test", seen.Headers["X-Auth-Email"]);
        Assert.Equal("/new", seen.Target);
    }

    [Theory] // Alone, each of these would be a path of ours, which no route may have.
    [InlineData("docs"), InlineData("ui"), InlineData("account"), InlineData("lab"), InlineData("tools"), InlineData("services"), InlineData("api"), InlineData("auth"), InlineData("connect"), InlineData("events"), InlineData("health"), InlineData("metrics")]
    public void The_route_that_is_shown_for_our_own_gateway_keeps_off_our_own_paths(string id)
    {
        var recipe = Recipes.Of(TrustMode.Gateway).Single(r => r.IsBuiltIn);
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(Recipes.Fill(recipe, recipe.Files[0], Settings with { ClientId = id, Audience = id })));
        var route = new ConfigurationBuilder().AddJsonStream(stream).Build().GetSection("Gateway:Routes").Get<GatewayRoutes>()!.Single();
        Assert.Empty(route.Validate(new System.ComponentModel.DataAnnotations.ValidationContext(route)));
    }

    [GeneratedRegex(@"\{(issuer|audience|client_id|client_secret|session_cookie|refresh_cookie|device_cookie|upstream|gatehouse|listen|folder)(_encoded|_pattern)?\}")]
    private static partial Regex Gap();

    // One of ours, or any other long run of letters and digits that is no word.
    [GeneratedRegex("gh_[A-Za-z0-9_-]{10,}|[A-Za-z0-9_+-]{44,}")]
    private static partial Regex Secret();
}
