using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using App.Admin;
using App.Audit;
using App.Events;
using App.Tests.Accounts;
using App.Tests.OAuth;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Services;

/// <summary>Admins, and the services that they look after by endpoint and by page.</summary>
public sealed class AdminTests : IAsyncLifetime
{
    private const string Api = "/api/admin/services";
    private readonly TestApp _app = Callers.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task The_first_admin_is_made_on_the_command_line_once()
    {
        var user = await _app.SignUpAsync();
        Assert.Equal(0, await UsersAsync("grant", user.Email.ToUpperInvariant(), "admin"));
        Assert.Equal(0, await UsersAsync("grant", user.Email, "admin"));
        Assert.Equal(["admin"], (await _app.SignInAsync(user)).Claims.GetProperty("roles").EnumerateArray().Select(r => r.GetString()));
        await AdminAsync(); // the only one can't go
        Assert.Equal(0, await UsersAsync("revoke", user.Email, "admin"));
        Assert.False((await _app.SignInAsync(user)).Claims.TryGetProperty("roles", out _));
        Assert.Equal(1, await UsersAsync("grant", "nobody@example.test", "admin"));
        Assert.Equal(2, await UsersAsync("grant", user.Email, "king"));
        Assert.Equal(2, await UsersAsync());

        var entries = await _app.DbAsync(db => db.SecurityEvents.Where(e => e.UserId == user.Id).Select(e => e.Type).ToListAsync());
        Assert.Equal([EventTypes.TokenClaimsChange, EventTypes.TokenClaimsChange], entries);
        Assert.Equal(2, await _app.DbAsync(db => db.Audit.CountAsync(a => a.UserId == user.Id && a.Action.StartsWith("role-"))));
    }

    [Fact]
    public async Task A_secret_is_shown_once_replaced_without_a_pause_and_withdrawn()
    {
        var admin = await AdminAsync();
        var made = await _app.SendAsync(HttpMethod.Post, Api, admin.AccessToken, json: new { id = "stock", name = "Stock" });
        Assert.Equal(HttpStatusCode.Created, made.StatusCode);
        var first = (await made.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("client_secret").GetString()!;
        Assert.StartsWith("gh_", first, StringComparison.Ordinal);
        Assert.Equal(46, first.Length);
        var token = await _app.ServiceTokenAsync(Callers.Basic("stock", first));
        var renewal = await _app.PostAsync("/connect/token", Callers.Basic("stock", first), ("grant_type", "refresh_token"), ("refresh_token", admin.RefreshToken));
        Assert.Equal("unauthorized_client", (await renewal.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("error").GetString()); // that is granted in the settings

        // Where the answer got lost, nobody has the new one: rotating again replaces that, and never the one in use.
        var lost = await RotateAsync(admin);
        Assert.True(await AcceptsAsync(first) && await AcceptsAsync(lost));
        var second = await RotateAsync(admin);
        Assert.True(await AcceptsAsync(first) && await AcceptsAsync(second));
        Assert.False(await AcceptsAsync(lost));
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.SendAsync(HttpMethod.Post, Api + "/orders/rotate", admin.AccessToken)).StatusCode); // that is changed in the settings
        Assert.True(await _app.IsActiveAsync(token));
        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Post, Api + "/stock/withdraw", admin.AccessToken)).StatusCode);
        Assert.False(await AcceptsAsync(first));
        Assert.True(await AcceptsAsync(second));
        Assert.False(await _app.IsActiveAsync(token));

        var list = await (await _app.SendAsync(HttpMethod.Get, Api, admin.AccessToken)).Content.ReadAsStringAsync();
        Assert.Contains("\"stock\"", list, StringComparison.Ordinal);
        Assert.DoesNotContain("gh_", list, StringComparison.Ordinal);
        Assert.DoesNotContain(_app.Log.Lines, l => l.Contains(first, StringComparison.Ordinal) || l.Contains(second, StringComparison.Ordinal));
        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Delete, Api + "/stock", admin.AccessToken)).StatusCode);
        Assert.False(await AcceptsAsync(second));
        Assert.Equal(HttpStatusCode.NotFound, (await _app.SendAsync(HttpMethod.Delete, Api + "/stock", admin.AccessToken)).StatusCode);
    }

    [Theory]
    [InlineData("""{"id":"Orders"}"""), InlineData("""{"id":""}"""), InlineData("""{"id":"orders"}"""), InlineData("""{"id":"11111111-1111-4111-8111-111111111111"}""")]
    [InlineData("""{"id":"x","trust":"Blindly"}"""), InlineData("""{"id":"x","trust":"7"}"""), InlineData("""{"id":"x","redirectUris":["javascript:alert(1)"]}"""), InlineData("""{"id":"x","scopes":["a b"]}""")]
    [InlineData("""{"id":"x","audience":"https://BILLING.test"}"""), InlineData("""{"id":"x","audience":"Orders"}"""), InlineData("""{"id":"x","audience":"https://API.test"}"""), InlineData("""{"id":"x","audience":"X"}""")]
    public async Task What_is_no_service_is_refused(string json)
    {
        var admin = await AdminAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, Api) { Content = new StringContent(json, System.Text.Encoding.UTF8, "application/json") };
        request.Headers.Add("Authorization", "Bearer " + admin.AccessToken);
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.Client.SendAsync(request)).StatusCode);
    }

    [Fact]
    public async Task Null_where_a_value_belongs_is_refused()
    {
        var admin = await AdminAsync();
        Assert.Equal(HttpStatusCode.Created, (await _app.SendAsync(HttpMethod.Post, Api, admin.AccessToken, json: new { id = "stock" })).StatusCode);
        foreach (var (method, path, json, field) in new (HttpMethod, string, string, string?)[]
        {
            (HttpMethod.Post, "", """{"id":null,"name":"X"}""", null), (HttpMethod.Post, "", """{"name":"X"}""", "id"),
            (HttpMethod.Post, "", """{"id":"x","scopes":[null]}""", "scopes"), (HttpMethod.Post, "", """{"id":"x","scopes":["a",null]}""", "scopes"),
            (HttpMethod.Post, "", """{"id":"x","redirectUris":[null]}""", "redirectUris"), (HttpMethod.Put, "/stock/push", """{"url":null,"secret":"0123456789abcdef"}""", null), (HttpMethod.Put, "/stock/push", "{}", "url"),
        })
        {
            var answer = await SendAsync(method, path, json);
            Assert.True(answer.StatusCode == HttpStatusCode.BadRequest, $"{json}: {(int)answer.StatusCode}");
            var fault = (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("errors")[0];
            if (field is not null) Assert.Equal(field, fault.GetProperty("field").GetString());
        }

        foreach (var body in new[] { "null", "[null]", "" })
        {
            Assert.Equal(HttpStatusCode.BadRequest, (await SendAsync(HttpMethod.Post, "", body)).StatusCode);
            Assert.Equal(HttpStatusCode.BadRequest, (await SendAsync(HttpMethod.Put, "/stock/push", body)).StatusCode);
        }

        // What may be left out may be null.
        Assert.Equal(HttpStatusCode.Created, (await SendAsync(HttpMethod.Post, "", """{"id":"x","name":null,"trust":null,"audience":null,"scopes":null,"redirectUris":null}""")).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await SendAsync(HttpMethod.Put, "/stock/push", """{"url":"https://stock.example","secret":null}""")).StatusCode);

        async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string json)
        {
            using var request = new HttpRequestMessage(method, Api + path) { Content = new StringContent(json, System.Text.Encoding.UTF8, "application/json") };
            request.Headers.Add("Authorization", "Bearer " + admin.AccessToken);
            return await _app.Client.SendAsync(request);
        }
    }

    [Fact]
    public async Task Nobody_but_an_admin_gets_in()
    {
        var user = await _app.SignUpAsync();
        Assert.Equal(HttpStatusCode.Unauthorized, (await _app.SendAsync(HttpMethod.Get, Api)).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await _app.SendAsync(HttpMethod.Get, Api, user.AccessToken)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _app.SendAsync(HttpMethod.Get, Api, await _app.ServiceTokenAsync())).StatusCode);
        foreach (var path in new[] { "/services", "/services/new", "/services/orders", "/services/orders/connect" })
        {
            Assert.StartsWith("/account/sign-in?returnUrl=", (await _app.Client.GetAsync(path)).Location(), StringComparison.Ordinal);
            var page = await _app.SendAsync(HttpMethod.Get, path, cookies: user.Cookies);
            Assert.Equal(HttpStatusCode.Forbidden, page.StatusCode);
            Assert.Equal("This page is for admins", (await page.PageAsync()).QuerySelector("h1")!.TextContent);
        }
    }

    [Fact] // ATTACKS 136
    public async Task A_role_that_was_taken_back_opens_nothing_from_the_next_request_on()
    {
        var admin = await AdminAsync();
        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Get, Api, admin.AccessToken)).StatusCode);
        await AdminAsync(); // the only one can't go
        Assert.Equal(0, await UsersAsync("revoke", admin.Email, "admin"));
        await _app.Get<FollowLog>().CatchUpAsync(CancellationToken.None); // the command is another process
        Assert.Equal(HttpStatusCode.Unauthorized, (await _app.SendAsync(HttpMethod.Get, Api, admin.AccessToken)).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await _app.SendAsync(HttpMethod.Get, Api, cookies: admin.Cookies)).StatusCode);
    }

    [Fact]
    public async Task The_pages_lead_from_a_new_service_to_its_removal_without_script()
    {
        var admin = await AdminAsync();
        var wrong = await _app.PostFormAsync("/services/new", "add-service", [new("id", "Bad Id")], admin.Cookies);
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
        Assert.Equal("Bad Id", (await wrong.PageAsync()).QuerySelector("#field-id")!.GetAttribute("value"));

        var empty = await (await _app.PostFormAsync("/services/new", "add-service", [new("id", ""), new("name", "")], admin.Cookies)).PageAsync();
        Assert.Equal(["field-id"], empty.QuerySelectorAll("[aria-invalid=true]").Select(field => field.Id!));

        var made = await _app.PostFormAsync("/services/new", "add-service", [new("id", "stock"), new("name", "Stock"), new("trust", "Asks")], admin.Cookies);
        Assert.Equal(HttpStatusCode.OK, made.StatusCode);
        Assert.Contains("no-store", made.Headers.CacheControl!.ToString(), StringComparison.Ordinal);
        var secret = (await made.PageAsync()).QuerySelectorAll(".facts code")[1].TextContent;
        Assert.True(await AcceptsAsync(secret));

        var page = await GetAsync("/services/stock");
        Assert.Contains("It asks us", page.Body!.TextContent, StringComparison.Ordinal);
        Assert.DoesNotContain(secret, page.Body.TextContent, StringComparison.Ordinal);
        Assert.All(page.QuerySelectorAll("script"), s => Assert.DoesNotContain("blazor", s.GetAttribute("src")!, StringComparison.Ordinal));
        KeyValuePair<string, string> shown = new("shown", page.QuerySelector("input[name=shown]")!.GetAttribute("value")!);
        _app.Time.Advance(TimeSpan.FromSeconds(1));
        var rotated = await (await _app.PostFormAsync("/services/stock", "rotate", [shown], admin.Cookies)).PageAsync();
        var second = rotated.QuerySelectorAll(".facts code")[1].TextContent;
        // Reloaded, or pressed twice: the form of before makes no third, which would have taken the second's place unseen.
        var again = await _app.PostFormAsync("/services/stock", "rotate", [shown], admin.Cookies);
        Assert.Equal(HttpStatusCode.BadRequest, again.StatusCode);
        Assert.DoesNotContain("gh_", (await again.PageAsync()).Body!.TextContent, StringComparison.Ordinal);
        Assert.Equal(["Replace the new secret of stock", "Withdraw the old secret of stock"], rotated.QuerySelectorAll("details form button").Select(b => b.TextContent).Take(2));
        await _app.PostFormAsync("/services/stock", "withdraw", [], admin.Cookies);
        Assert.False(await AcceptsAsync(secret));
        Assert.True(await AcceptsAsync(second));

        Assert.Contains((await GetAsync("/services/stock")).QuerySelectorAll("button"), b => b.TextContent == "Remove stock for good");
        var gone = await _app.PostFormAsync("/services/stock", "remove", [], admin.Cookies);
        Assert.Equal("/services", gone.Location());
        Assert.StartsWith("“Stock” is removed.", (await _app.FollowAsync(gone, admin.Cookies)).QuerySelector(".notice")!.TextContent, StringComparison.Ordinal);
        Assert.DoesNotContain("Stock", (await GetAsync("/services")).QuerySelector(".list")!.TextContent, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, (await _app.SendAsync(HttpMethod.Get, "/services/stock", cookies: admin.Cookies)).StatusCode);
        Assert.Contains("/services/orders/connect", (await GetAsync("/services/orders")).Body!.InnerHtml, StringComparison.Ordinal);
        Assert.DoesNotContain((await GetAsync("/services/orders")).QuerySelectorAll("button"), b => b.TextContent.Contains("Remove", StringComparison.Ordinal));

        async Task<AngleSharp.Dom.IDocument> GetAsync(string path) => await (await _app.SendAsync(HttpMethod.Get, path, cookies: admin.Cookies)).PageAsync();
    }

    [Fact] // Nobody has seen the secret that the first answer showed.
    public async Task A_registration_that_is_sent_twice_leads_to_the_service_where_another_secret_is_made()
    {
        var (admin, other) = (await AdminAsync(), await AdminAsync());
        Assert.Equal(HttpStatusCode.OK, (await RegisterAsync(admin)).StatusCode);
        var again = await RegisterAsync(admin);
        Assert.Equal("/services/stock", again.Headers.Location?.OriginalString);
        var page = await _app.FollowAsync(again, admin.Cookies);
        Assert.Contains("is registered", page.QuerySelector(".notice")!.TextContent, StringComparison.Ordinal);
        Assert.Contains(page.QuerySelectorAll("button"), b => b.TextContent == "Make a new secret for stock");

        // For a program, for somebody else and later on, the id is taken.
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.SendAsync(HttpMethod.Post, Api, admin.AccessToken, json: new { id = "stock" })).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await RegisterAsync(other)).StatusCode);
        _app.Time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(HttpStatusCode.BadRequest, (await RegisterAsync(admin)).StatusCode);

        Task<HttpResponseMessage> RegisterAsync(TestUser by) => _app.PostFormAsync("/services/new", "add-service", [new("id", "stock"), new("name", "Stock")], by.Cookies);
    }

    [Fact] // A second click, a second tab, another admin.
    public async Task A_button_that_was_overtaken_leads_to_what_is_so()
    {
        var admin = await AdminAsync();
        await _app.SendAsync(HttpMethod.Post, Api, admin.AccessToken, json: new { id = "stock" });
        foreach (var form in new[] { "withdraw", "push-remove", "push-retry" }) await LeadsAsync("/services/stock", form);
        await LeadsAsync("/services", "remove");
        foreach (var form in new[] { "remove", "rotate", "withdraw", "push", "push-remove", "push-retry" }) await LeadsAsync("/services", form);

        async Task LeadsAsync(string expected, string form)
        {
            var answer = await _app.PostFormAsync("/services/stock", form, [new("url", "https://stock.example/events")], admin.Cookies);
            Assert.True(answer.StatusCode == HttpStatusCode.SeeOther && answer.Location() == expected, $"{form}: {(int)answer.StatusCode} {answer.Headers.Location}");
        }
    }

    [Fact]
    public async Task An_admin_sees_how_far_each_instance_of_a_service_has_come_and_how_long_it_took()
    {
        var admin = await AdminAsync();
        Assert.False((await ViewAsync()).TryGetProperty("feed", out _));
        await EndAsync();
        await AckAsync("a", 2);
        await AckAsync("b", 2);
        await EndAsync();
        _app.Time.Advance(TimeSpan.FromSeconds(1));
        await AckAsync("a", 3);

        var waiting = (await ViewAsync()).GetProperty("feed");
        Assert.Equal((3, 1.0, 1.0), (waiting.GetProperty("newest").GetInt64(), waiting.GetProperty("p50Seconds").GetDouble(), waiting.GetProperty("p99Seconds").GetDouble()));
        Assert.Equal([("a", 3, 0, 0.0), ("b", 2, 1, 1.0)], Instances(waiting));

        _app.Time.Advance(TimeSpan.FromSeconds(2));
        await AckAsync("b", 3);
        var feed = (await ViewAsync()).GetProperty("feed");
        Assert.Equal((3, 1.0, 3.0), (feed.GetProperty("newest").GetInt64(), feed.GetProperty("p50Seconds").GetDouble(), feed.GetProperty("p99Seconds").GetDouble()));
        Assert.Equal([("a", 3, 0, 0.0), ("b", 3, 0, 0.0)], Instances(feed));
        Assert.Equal(_app.Time.GetUtcNow(), feed.GetProperty("instances")[1].GetProperty("contactAt").GetDateTimeOffset());

        await EndAsync();
        _app.Time.Advance(TimeSpan.FromSeconds(7));
        var page = (await (await _app.SendAsync(HttpMethod.Get, "/services/orders", cookies: admin.Cookies)).PageAsync()).QuerySelectorAll(".card").Single(c => c.QuerySelector("h2")!.TextContent == "How it keeps up with events");
        Assert.Equal("The newest event is 4. Half of the last ones were applied within 1.0 s, 99 of 100 within 3.0 s.", Line(page.QuerySelector("p")!));
        Assert.Equal(["a Applied up to 3 1 event behind, for 7.0 s Last heard from just now", "b Applied up to 3 1 event behind, for 7.0 s Last heard from just now"], page.QuerySelectorAll("li").Select(Line));

        async Task<JsonElement> ViewAsync() => await (await _app.SendAsync(HttpMethod.Get, Api + "/orders", admin.AccessToken)).Content.ReadFromJsonAsync<JsonElement>();

        async Task EndAsync() => await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: (await _app.SignUpAsync()).Cookies);

        async Task AckAsync(string instance, long cursor)
        {
            var answer = await _app.SendAsync(HttpMethod.Post, "/events/ack", json: new { cursor, instance }, headers: ("Authorization", Callers.Basic()));
            Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
            await _app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
        }

        static IEnumerable<(string?, long, int, double)> Instances(JsonElement feed) => feed.GetProperty("instances").EnumerateArray()
            .Select(i => (i.GetProperty("instance").GetString(), i.GetProperty("applied").GetInt64(), i.GetProperty("behind").GetInt32(), i.GetProperty("behindSeconds").GetDouble()));

        static string Line(AngleSharp.Dom.IElement element) => string.Join(' ', element.TextContent.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }

    private async Task<TestUser> AdminAsync()
    {
        var user = await _app.SignUpAsync();
        await UsersAsync("grant", user.Email, "admin");
        return await _app.SignInAsync(user);
    }

    private async Task<string> RotateAsync(TestUser admin) =>
        (await (await _app.SendAsync(HttpMethod.Post, Api + "/stock/rotate", admin.AccessToken)).Content.ReadFromJsonAsync<JsonElement>()).GetProperty("client_secret").GetString()!;

    private async Task<bool> AcceptsAsync(string secret) => (await _app.IntrospectAsync("x", Callers.Basic("stock", secret))).StatusCode == HttpStatusCode.OK;

    private async Task<int> UsersAsync(params string[] args)
    {
        await using var output = new StringWriter();
        return await UserCommands.RunAsync(_app.Services, args, output, CancellationToken.None);
    }
}
