using System.Net;
using AngleSharp.Dom;
using App.Connect;
using App.OAuth;
using App.Services;
using App.Tests.Accounts;
using App.Tests.OAuth;
using Bunit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Connect;

/// <summary>From a registered service to its code and its first call.</summary>
public sealed class ConnectPageTests : IAsyncLifetime
{
    private const string Page = "/services/orders/connect";
    private const string Proxy = "192.0.2.80";
    private readonly TestApp _app = TestApp.Start([.. Callers.Settings, ("Proxy:TrustedNetworks:0", Proxy)]);
    private TestUser _admin = null!;

    public async Task InitializeAsync() => _admin = await AdminOfAsync(_app);

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task It_is_open_to_admins_alone_and_knows_no_other_service()
    {
        Assert.StartsWith("/account/sign-in?returnUrl=", (await _app.Client.GetAsync(Page)).Location(), StringComparison.Ordinal);
        var other = await _app.SignUpAsync();
        Assert.Equal(HttpStatusCode.Forbidden, (await _app.SendAsync(HttpMethod.Get, Page, cookies: other.Cookies)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await _app.SendAsync(HttpMethod.Get, "/services/nobody/connect", cookies: _admin.Cookies)).StatusCode);
    }

    [Fact]
    public async Task Every_recipe_is_shown_with_its_very_text_selectable_without_script_and_without_any_secret()
    {
        foreach (var recipe in Recipes.All)
        {
            var page = await LookAsync($"{Page}?trust={recipe.Trust}&code={recipe.Id}");
            Assert.Equal(recipe.IsBuiltIn ? "Gatehouse itself" : recipe.Name, page.QuerySelector(".tabs [aria-current=page]")!.TextContent);
            var audience = recipe.Trust == TrustMode.Gateway ? "orders" : TestApp.Audience;
            var settings = new RecipeSettings(TestApp.Issuer, "<host and port of Gatehouse>", audience, "orders", "session", "session_refresh", "device");
            for (var i = 0; i < recipe.Files.Count; i++) Assert.Equal(Recipes.Fill(recipe, recipe.Files[i], settings), page.QuerySelector($"#file-{i}")!.TextContent);
            Assert.All(page.QuerySelectorAll("[data-copy]"), b => Assert.True(b.HasAttribute("hidden") && page.GetElementById(b.GetAttribute("data-copy")!) is not null));
            Assert.Equal(recipe.NoticesOnlyAtExpiry, page.Body!.TextContent.Contains("after 6 minutes at most", StringComparison.Ordinal));
            Assert.Equal(!recipe.IsTested, page.Body!.TextContent.Contains("Our tests don’t run this.", StringComparison.Ordinal));
            // The built-in gateway alone looks again while an answer is under way.
            Assert.Equal(recipe.Trust == TrustMode.Gateway && !recipe.IsBuiltIn, page.Body.TextContent.Contains("outlives the session unless orders ends it", StringComparison.Ordinal));
            // Our cookies don't reach a proxy on the developer's own machine from here.
            Assert.Equal(!recipe.IsBuiltIn, page.QuerySelector("#hello") is not null);
            Assert.DoesNotContain("Apache asks by https alone", page.Body.TextContent, StringComparison.Ordinal);
            Assert.DoesNotContain(Callers.Secret, page.DocumentElement.OuterHtml, StringComparison.Ordinal);
        }
    }

    [Fact] // UX 18
    public async Task Each_way_says_what_it_costs_in_latency_staleness_and_dependence()
    {
        foreach (var (language, labels, cost) in new[] { ("en", "Latency, Staleness, Dependence", "about 0.1 ms"), ("de", "Latenz, Alter, Abhängigkeit", "0,1 ms") })
        {
            foreach (var path in new[] { Page, "/services/new" })
            {
                var page = await (await _app.SendAsync(HttpMethod.Get, path, cookies: $"{_admin.Cookies}; language={language}")).PageAsync();
                var ways = page.QuerySelectorAll(path == Page ? "button.pick" : "label:has(input[name=trust])");
                Assert.Equal(3, ways.Length);
                Assert.All(ways, way => Assert.Equal(labels, string.Join(", ", way.QuerySelectorAll(".price i").Select(i => i.TextContent))));
                // Three ways, three prices each, and no two alike.
                var prices = ways.SelectMany(way => way.QuerySelectorAll(".price")).Select(p => p.TextContent[p.QuerySelector("i")!.TextContent.Length..].Trim()).ToList();
                Assert.Equal((9, 9), (prices.Distinct().Count(), prices.Count(p => p.Length > 10)));
                Assert.Contains(cost, prices[0], StringComparison.Ordinal);
                Assert.Contains("1 ms", prices[3], StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public async Task On_one_machine_each_proxy_is_greeted_in_the_way_that_it_takes()
    {
        await using var app = TestApp.Start([.. Callers.Settings, ("Issuer", "http://localhost:5080")]);
        var admin = await AdminOfAsync(app);
        foreach (var recipe in Recipes.Of(TrustMode.Gateway))
        {
            var page = await (await app.SendAsync(HttpMethod.Get, $"{Page}?trust=Gateway&code={recipe.Id}", cookies: admin.Cookies)).PageAsync();
            var text = page.Body!.TextContent;
            Assert.Equal(recipe.TakesCookies, text.Contains("in this browser", StringComparison.Ordinal));
            Assert.Equal(!recipe.TakesCookies, page.QuerySelector("#hello")?.TextContent.Contains("http://localhost:5080/auth/verify?audience=orders", StringComparison.Ordinal) == true);
            Assert.Equal(recipe is { TakesCookies: true, IsBuiltIn: false }, page.QuerySelector("#settings") is not null);
            Assert.Equal(recipe.TakesCookies, text.Contains("X-Auth-Roles", StringComparison.Ordinal));
            Assert.Equal(recipe.Id.StartsWith("apache", StringComparison.Ordinal), text.Contains("Apache asks by https alone", StringComparison.Ordinal));
            // Where localhost is ::1 too, a proxy that used the name would be none that is trusted.
            Assert.DoesNotContain("localhost:5080/auth/verify", string.Concat(page.QuerySelectorAll("[id^=file-]").Select(f => f.TextContent)), StringComparison.Ordinal);
            if (recipe.Id is "nginx" or "caddy" or "traefik") Assert.Contains("127.0.0.1:5080", page.QuerySelector("#file-0")!.TextContent, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Another_way_is_chosen_with_one_press_and_kept_but_for_a_service_of_the_settings()
    {
        await _app.PostFormAsync("/services/new", "add-service", [new("id", "stock")], _admin.Cookies);
        Assert.Equal("ChecksItself", Pressed(await LookAsync("/services/stock/connect")));

        var chosen = await _app.PostFormAsync("/services/stock/connect", "trust", [new("trust", "Asks")], _admin.Cookies);
        Assert.Equal((HttpStatusCode.SeeOther, "/services/stock/connect"), (chosen.StatusCode, chosen.Location()));
        Assert.Equal("Asks", Pressed(await LookAsync("/services/stock/connect")));
        var told = await _app.SendAsync(HttpMethod.Get, "/services/stock/connect", cookies: $"{_admin.Cookies}; {Attacks.Answers.CookieLines(chosen).Single().Split(';')[0]}");
        Assert.StartsWith("Saved: It asks us.", (await told.PageAsync()).QuerySelector("main .notice[role=status]")!.TextContent, StringComparison.Ordinal);
        foreach (var nonsense in new[] { "", "7", "Blindly" }) await _app.PostFormAsync("/services/stock/connect", "trust", [new("trust", nonsense)], _admin.Cookies);
        Assert.Equal("Asks", Pressed(await LookAsync("/services/stock/connect")));

        Assert.Equal("get", (await LookAsync(Page)).QuerySelector(".choice")!.ParentElement!.GetAttribute("method"));
        Assert.Equal("Gateway", Pressed(await LookAsync(Page + "?trust=Gateway")));
        Assert.Equal(HttpStatusCode.NotFound, (await _app.SendAsync(HttpMethod.Get, "/services/nobody/connect?trust=Asks", cookies: _admin.Cookies)).StatusCode);
        Assert.Equal("ChecksItself", Pressed(await LookAsync(Page)));
    }

    [Fact]
    public async Task A_first_call_is_seen_here_and_at_another_replica()
    {
        await using var replica = _app.StartReplica(Callers.Settings);
        Assert.Contains("Waiting for the first call from orders", State(await LookAsync(Page)), StringComparison.Ordinal);
        await _app.IntrospectAsync("x");
        Assert.Contains("Seen. orders has called, and is known here. Last heard from just now", State(await LookAsync(Page)), StringComparison.Ordinal);

        await WrittenAsync("orders");
        var there = await (await replica.SendAsync(HttpMethod.Get, Page, cookies: _admin.Cookies)).PageAsync();
        Assert.Contains("Seen. orders has called", State(there), StringComparison.Ordinal);
        // The list says the same.
        var list = await (await replica.SendAsync(HttpMethod.Get, "/services", cookies: _admin.Cookies)).PageAsync();
        Assert.Contains("Last heard from just now", Of("orders"), StringComparison.Ordinal);
        Assert.DoesNotContain("Last heard from", Of("billing"), StringComparison.Ordinal);

        string Of(string id) => list.QuerySelector($".list a[href='/services/{id}']")!.Closest("li")!.TextContent.Trim();
    }

    [Fact]
    public async Task A_service_behind_a_gateway_is_seen_when_somebody_is_let_through_to_it_and_no_other_is()
    {
        await _app.PostFormAsync("/services/new", "add-service", [new("id", "shop"), new("trust", "Gateway")], _admin.Cookies);
        await AskAsync("shop", HttpStatusCode.Unauthorized, proxy: true, bearer: null);
        await AskAsync("shop&role=pilot", HttpStatusCode.Forbidden, proxy: true, _admin.AccessToken);
        await AskAsync("shop", HttpStatusCode.OK, proxy: false, _admin.AccessToken); // a person who types the address
        await AskAsync("shop", HttpStatusCode.OK, proxy: true, _admin.AccessToken, asked: false); // and one whom a trusted proxy brings here
        Assert.Contains("Waiting", State(await LookAsync("/services/shop/connect")), StringComparison.Ordinal);
        foreach (var audience in new[] { "shop", "orders" }) await AskAsync(audience, HttpStatusCode.OK, proxy: true, _admin.AccessToken);
        Assert.Contains("Seen", State(await LookAsync("/services/shop/connect")), StringComparison.Ordinal);
        Assert.Contains("Waiting", State(await LookAsync(Page)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_audience_that_could_go_on_as_code_gets_no_code()
    {
        await _app.PostFormAsync("/services/new", "add-service", [new("id", "odd"), new("audience", "a');process.exit('")], _admin.Cookies);
        var page = await LookAsync("/services/odd/connect");
        Assert.Null(page.QuerySelector("#file-0"));
        Assert.Contains("holds a character", page.Body!.TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_German_reader_meets_no_English_sentence_on_the_way()
    {
        var cookies = _admin.Cookies + "; language=de";
        var refused = await (await _app.PostFormAsync("/services/new", "add-service", [new("id", "Bad Id"), new("audience", "a b")], cookies)).PageAsync();
        Assert.Equal(["Eine Kennung hat 1 bis 64 Kleinbuchstaben, Ziffern und Bindestriche.", "Eine Audience hat 1 bis 200 druckbare Zeichen ohne Leerzeichen."], refused.Faults());
        var taken = await (await _app.PostFormAsync("/services/new", "add-service", [new("id", "orders")], cookies)).PageAsync();
        Assert.Equal(["Es gibt schon einen Dienst mit dieser Kennung."], taken.Faults());

        var page = await (await _app.SendAsync(HttpMethod.Get, Page, cookies: cookies)).PageAsync();
        Assert.Equal("Orders verbinden", page.QuerySelector("h1")!.TextContent);
        Assert.Contains("Wir warten auf den ersten Aufruf von orders", State(page), StringComparison.Ordinal);
        _app.Time.Advance(TimeSpan.FromMinutes(7.5));
        var token = await (await _app.PostFormAsync("/tools/token", "inspect", [new("token", _admin.AccessToken)], "language=de")).PageAsync();
        Assert.Equal("Abgewiesen. Es ist vor 2 Minuten abgelaufen. Seine Signatur wurde nicht geprüft.", token.QuerySelector("main .notice")!.TextContent);
    }

    [Theory] // UX: the brand is a setting. What is to be copied keeps the names that the files have.
    [InlineData("en", "Acme itself")]
    [InlineData("de", "Acme selbst")]
    public async Task Under_another_name_its_sentences_name_us_by_that(string language, string itself)
    {
        await using var app = TestApp.Start([.. Callers.Settings, ("Issuer", "http://localhost:5080"), ("Brand:Name", "Acme")]);
        var admin = await AdminOfAsync(app);
        foreach (var recipe in Recipes.All)
        {
            var page = await (await app.SendAsync(HttpMethod.Get, $"{Page}?trust={recipe.Trust}&code={recipe.Id}", cookies: $"{admin.Cookies}; language={language}")).PageAsync();
            foreach (var code in page.QuerySelectorAll("pre, code").ToList()) code.Remove();
            Assert.DoesNotContain("Gatehouse", page.Body!.TextContent, StringComparison.Ordinal);
            Assert.Equal(recipe.Trust == TrustMode.Gateway, page.QuerySelectorAll(".tabs a").Any(a => a.TextContent == itself));
        }
    }

    [Fact]
    public async Task The_open_page_turns_to_seen_by_itself()
    {
        await using var circuit = new BunitContext();
        circuit.Services.AddSingleton<TimeProvider>(_app.Time);
        circuit.Services.AddScoped(_ => _app.Services.CreateScope());
        circuit.Services.AddScoped(sp => sp.GetRequiredService<IServiceScope>().ServiceProvider.GetRequiredService<ShowService>());
        circuit.Renderer.SetRendererInfo(new Microsoft.AspNetCore.Components.RendererInfo("Server", true));
        var cut = circuit.Render<FirstCall>(p => p.Add(c => c.Id, "orders"));
        cut.WaitForAssertion(() => Assert.Contains("Waiting", cut.Markup, StringComparison.Ordinal));
        var status = Assert.Single(cut.FindComponents<App.Ui.Notice>()).Instance;

        await _app.IntrospectAsync("x");
        // Again and again: the first tick may come before the page has begun to wait for one.
        for (var look = 0; look < 300 && !cut.Markup.Contains("Seen", StringComparison.Ordinal); look++)
        {
            _app.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(50);
        }

        Assert.Contains("Seen", cut.Markup, StringComparison.Ordinal);
        // A screen reader reads out what changes in an element that was there.
        Assert.Same(status, Assert.Single(cut.FindComponents<App.Ui.Notice>()).Instance);
    }

    private static async Task<TestUser> AdminOfAsync(TestApp app)
    {
        var user = await app.SignUpAsync();
        await using var output = new StringWriter();
        await App.Admin.UserCommands.RunAsync(app.Services, ["grant", user.Email, "admin"], output, CancellationToken.None);
        return await app.SignInAsync(user);
    }

    private async Task AskAsync(string audience, HttpStatusCode answer, bool proxy, string? bearer, bool asked = true)
    {
        var context = await _app.Server.SendAsync(http =>
        {
            (http.Request.Method, http.Request.Scheme, http.Request.Host) = ("GET", "https", new("auth.test"));
            (http.Request.Path, http.Request.QueryString) = ("/auth/verify", new("?audience=" + audience));
            http.Connection.RemoteIpAddress = IPAddress.Parse(proxy ? Proxy : "198.51.100.7");
            if (asked) http.Request.Headers["X-Forwarded-Uri"] = "/orders";
            if (bearer is not null) http.Request.Headers.Authorization = "Bearer " + bearer;
        });
        Assert.Equal((int)answer, context.Response.StatusCode);
    }

    private async Task WrittenAsync(string service)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (await _app.DbAsync(db => db.OAuthClients.AnyAsync(c => c.ClientId == service && c.LastContactAt == null))) await Task.Delay(20, limit.Token);
    }

    private async Task<IDocument> LookAsync(string path)
    {
        var answer = await _app.SendAsync(HttpMethod.Get, path, cookies: _admin.Cookies);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var page = await answer.PageAsync();
        Assert.DoesNotContain("{0}", page.Body!.TextContent, StringComparison.Ordinal);
        return page;
    }

    private static string? Pressed(IDocument page) => page.QuerySelector(".pick[aria-pressed=true]")!.GetAttribute("value");

    private static string State(IDocument page) => page.QuerySelectorAll(".steps > li")[^1].TextContent;
}
