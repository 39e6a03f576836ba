using System.Net;
using App.OAuth;
using App.Push;
using App.Tests.Accounts;
using App.Tests.OAuth;
using App.Tests.Push;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Services;

/// <summary>An admin gives a service a receiver; what leads inside is refused when it is saved and again when it is sent.</summary>
public sealed class ChangePushTests : IAsyncLifetime
{
    private const string Api = "/api/admin/services/stock";
    private readonly TestApp _app = Callers.Start();
    private TestUser _admin = null!;

    public async Task InitializeAsync()
    {
        _admin = await _app.AdminAsync();
        Assert.Equal(HttpStatusCode.Created, (await _app.SendAsync(HttpMethod.Post, "/api/admin/services", _admin.AccessToken, json: new { id = "stock" })).StatusCode);
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact] // 197 (KEY-03) for this secret
    public async Task A_receiver_is_given_changed_and_taken_away_and_its_secret_is_shown_nowhere()
    {
        Assert.Equal(HttpStatusCode.NoContent, await SetAsync(new { url = "https://stock.example/events", secret = PushApp.Secret }));
        var view = await _app.PushViewAsync(_admin, "stock");
        Assert.Equal(("https://stock.example/events", true, 0), (view.GetProperty("url").GetString(), view.GetProperty("hasSecret").GetBoolean(), view.GetProperty("undelivered").GetInt32()));
        foreach (var path in new[] { Api, "/api/admin/services", "/services/stock" })
            Assert.DoesNotContain(PushApp.Secret, await (await _app.SendAsync(HttpMethod.Get, path, _admin.AccessToken, _admin.Cookies)).Content.ReadAsStringAsync(), StringComparison.Ordinal);
        var client = await _app.DbAsync(db => db.OAuthClients.SingleAsync(c => c.ClientId == "stock"));
        Assert.DoesNotContain(PushApp.Secret, System.Text.Encoding.Latin1.GetString(client.PushSecret!), StringComparison.Ordinal);
        Assert.DoesNotContain(_app.Log.Lines, l => l.Contains(PushApp.Secret, StringComparison.Ordinal));

        // Kept for another path of the same host, not for another host; and taken out when it is said to be empty.
        Assert.Equal(PushApp.Secret, await SecretAsync(new { url = "https://stock.example/other" }));
        Assert.Null(await SecretAsync(new { url = "https://elsewhere.example/other" }));
        Assert.Equal(PushApp.Secret, await SecretAsync(new { url = "https://stock.example/events", secret = PushApp.Secret }));
        Assert.Null(await SecretAsync(new { url = "https://stock.example/events", secret = "" }));

        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Delete, Api + "/push", _admin.AccessToken)).StatusCode);
        foreach (var (method, path) in new[] { (HttpMethod.Delete, Api + "/push"), (HttpMethod.Post, Api + "/push/retry"), (HttpMethod.Get, Api + "x"), (HttpMethod.Put, Api + "x/push") })
            Assert.Equal(HttpStatusCode.NotFound, (await _app.SendAsync(method, path, _admin.AccessToken, json: method == HttpMethod.Put ? new { url = "https://stock.example" } : null)).StatusCode);
        Assert.Equal(6, await _app.DbAsync(db => db.Set<App.Audit.AuditEntry>().CountAsync(a => a.Action.StartsWith("service-push-"))));
    }

    [Fact] // 179 (SSRF-01), 180 (SSRF-02), 183 (SSRF-05); all spellings: PushAddressTests
    public async Task What_leads_inside_and_a_secret_that_is_no_bearer_token_are_refused_when_they_are_saved()
    {
        foreach (var url in new[] { "http://127.0.0.1:9911/", "https://localhost/", "https://2130706433", "https://[::ffff:7f00:1]", "file:///etc/passwd", "https://u:p@host.example/", "" })
        {
            Assert.Equal(HttpStatusCode.BadRequest, await SetAsync(new { url }));
            var page = await _app.PostFormAsync("/services/stock", "push", [new("url", url)], _admin.Cookies);
            Assert.Equal(HttpStatusCode.BadRequest, page.StatusCode);
            Assert.NotNull((await page.PageAsync()).QuerySelector("#field-url-error"));
        }

        foreach (var secret in new[] { "short", "with a space in the middle", "line\r\nbreak-of-twenty-chars", new string('x', 513) })
            Assert.Equal(HttpStatusCode.BadRequest, await SetAsync(new { url = "https://stock.example/", secret }));
        Assert.Null(await _app.DbAsync(db => db.OAuthClients.Where(c => c.ClientId == "stock").Select(c => c.PushUrl).SingleAsync()));
    }

    [Fact]
    public async Task What_the_settings_declare_is_changed_there_and_nobody_but_an_admin_may()
    {
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.SendAsync(HttpMethod.Put, "/api/admin/services/orders/push", _admin.AccessToken, json: new { url = "https://a.example" })).StatusCode);
        var user = await _app.SignUpAsync();
        foreach (var (method, path) in new[] { (HttpMethod.Put, "/push"), (HttpMethod.Delete, "/push"), (HttpMethod.Post, "/push/retry"), (HttpMethod.Get, "") })
            Assert.Equal(HttpStatusCode.Forbidden, (await _app.SendAsync(method, Api + path, user.AccessToken, json: method == HttpMethod.Put ? new { url = "https://a.example" } : null)).StatusCode);
    }

    [Fact]
    public async Task The_page_gives_a_receiver_and_takes_it_away_without_script()
    {
        var given = await _app.PostFormAsync("/services/stock", "push", [new("url", "https://stock.example/events"), new("secret", PushApp.Secret)], _admin.Cookies);
        Assert.Equal(HttpStatusCode.OK, given.StatusCode);
        var text = (await given.PageAsync()).Body!.TextContent;
        Assert.Contains("https://stock.example/events Its secret goes along.", System.Text.RegularExpressions.Regex.Replace(text, @"\s+", " "), StringComparison.Ordinal);
        Assert.DoesNotContain(PushApp.Secret, text, StringComparison.Ordinal);
        var page = await (await _app.SendAsync(HttpMethod.Get, "/services/stock", cookies: _admin.Cookies)).PageAsync();
        var stop = Assert.Single(page.QuerySelectorAll("dialog"));
        Assert.Equal("push-remove", stop.QuerySelector("form input[name=_handler]")!.GetAttribute("value")); // asked once
        Assert.Contains("stock", stop.QuerySelector("h2")!.TextContent, StringComparison.Ordinal);
        var taken = await _app.PostFormAsync("/services/stock", "push-remove", [], _admin.Cookies);
        Assert.Contains("Nothing is pushed any more.", (await taken.PageAsync()).Body!.TextContent, StringComparison.Ordinal);
    }

    [Fact] // 179 (SSRF-01): refused again at send, with no hit
    public async Task A_receiver_that_has_become_an_inner_one_gets_nothing()
    {
        await using var receiver = await Receiver.StartAsync();
        await using var open = TestApp.Start(("Events:Push:AllowPrivateNetworks", "true"));
        var admin = await open.AdminAsync();
        await open.SendAsync(HttpMethod.Post, "/api/admin/services", admin.AccessToken, json: new { id = "stock" });
        Assert.Equal(HttpStatusCode.NoContent, (await open.SendAsync(HttpMethod.Put, Api + "/push", admin.AccessToken, json: new { url = receiver.Url })).StatusCode);
        await receiver.UntilAsync(1);
        await open.Get<PushEvents>().StopAsync(CancellationToken.None);
        await using var closed = open.StartReplica();
        await closed.EndSessionAsync();
        await Wait.UntilAsync(async () => await closed.PlaceAsync("stock") is { LastError: "has an address that is not allowed" });
        Assert.Equal(1, receiver.Hits);
    }

    [Fact]
    public async Task A_service_that_is_removed_leaves_nothing_of_its_pushing_behind()
    {
        await SetAsync(new { url = "https://stock.example/events" });
        await Wait.UntilAsync(async () => await _app.PlaceAsync("stock") is not null);
        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Delete, Api, _admin.AccessToken)).StatusCode);
        Assert.Null(await _app.PlaceAsync("stock"));
    }

    private async Task<HttpStatusCode> SetAsync(object json) => (await _app.SendAsync(HttpMethod.Put, Api + "/push", _admin.AccessToken, json: json)).StatusCode;

    private async Task<string?> SecretAsync(object json)
    {
        Assert.Equal(HttpStatusCode.NoContent, await SetAsync(json));
        return _app.Get<PushTargets>().Of(_app.Get<ServiceRegistry>().Find("stock")!.Client)!.Secret;
    }
}
