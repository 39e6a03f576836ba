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
    private readonly TestApp _app = Callers.Start();
    private TestUser _admin = null!;

    public async Task InitializeAsync()
    {
        var user = await _app.SignUpAsync();
        await using var output = new StringWriter();
        await App.Admin.UserCommands.RunAsync(_app.Services, ["grant", user.Email, "admin"], output, CancellationToken.None);
        _admin = await _app.SignInAsync(user);
    }

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
            Assert.Equal(recipe.Name, page.QuerySelector(".tabs [aria-current=page]")!.TextContent);
            var audience = recipe.Trust == TrustMode.Gateway ? "orders" : TestApp.Audience;
            var settings = new RecipeSettings(TestApp.Issuer, "<host and port of Gatehouse>", audience, "orders", "session", "session_refresh");
            for (var i = 0; i < recipe.Files.Count; i++) Assert.Equal(Recipes.Fill(recipe, recipe.Files[i], settings), page.QuerySelector($"#file-{i}")!.TextContent);
            Assert.All(page.QuerySelectorAll("[data-copy]"), b => Assert.True(b.HasAttribute("hidden") && page.GetElementById(b.GetAttribute("data-copy")!) is not null));
            Assert.Equal(!recipe.IsTested, page.Body!.TextContent.Contains("Not run by our tests. Everything", StringComparison.Ordinal));
            Assert.DoesNotContain(Callers.Secret, page.DocumentElement.OuterHtml, StringComparison.Ordinal);
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
        Assert.Contains("Seen. orders has called, and is known here. Last heard of just now", State(await LookAsync(Page)), StringComparison.Ordinal);

        await WrittenAsync("orders");
        var there = await (await replica.SendAsync(HttpMethod.Get, Page, cookies: _admin.Cookies)).PageAsync();
        Assert.Contains("Seen. orders has called", State(there), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_service_behind_a_gateway_is_seen_when_somebody_is_let_through_to_it_and_no_other_is()
    {
        await _app.PostFormAsync("/services/new", "add-service", [new("id", "shop"), new("trust", "Gateway")], _admin.Cookies);
        await _app.Client.GetAsync("/auth/verify?audience=shop");
        Assert.Contains("Waiting", State(await LookAsync("/services/shop/connect")), StringComparison.Ordinal);
        foreach (var audience in new[] { "shop", "orders" })
            Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Get, "/auth/verify?audience=" + audience, _admin.AccessToken)).StatusCode);
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
        Assert.Equal("Abgewiesen. Es ist vor 2 Minuten abgelaufen. Seine Signatur wurde nicht mehr angesehen.", token.QuerySelector("main .notice")!.TextContent);
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

        await _app.IntrospectAsync("x");
        _app.Time.Advance(TimeSpan.FromSeconds(1));
        cut.WaitForAssertion(() => Assert.Contains("Seen", cut.Markup, StringComparison.Ordinal));
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
