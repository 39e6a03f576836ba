using System.Net;
using System.Net.Http.Json;
using App.Tests.Admin;
using App.Tests.Gateway;
using App.Tests.OAuth;

namespace App.Tests.Attacks;

/// <summary>"The refusal logged once, without secrets" (head of ATTACKS.md): one line each at the level of an ordinary run, and never more than a machine can bear.</summary>
public sealed class RefusalsTests : IAsyncLifetime
{
    private const string Refused = "Information App.Ops.Refusals 2021 Refused at ";
    private readonly TestApp _app = TestApp.Start([.. Callers.Settings, ("RateLimits:PerAddressPerMinute", "60")]);
    private readonly List<string> _secrets = [], _ids = [];

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Each_is_one_line_that_says_where_and_why()
    {
        var (user, admin) = (await SignUpAsync(), await _app.NewAdminAsync());
        _secrets.AddRange([admin.AccessToken, admin.RefreshToken, admin.Email]);

        // Tokens, whatever is answered.
        await OneAsync("api/sessions: token form", () => _app.SendAsync(HttpMethod.Get, "/api/sessions", "made-up-by-a-stranger"));
        await OneAsync("api/users/currentuser: token form", () => _app.SendAsync(HttpMethod.Get, "/api/users/currentuser", cookies: "session=made-up-by-a-stranger"));
        await OneAsync("api/users/currentuser: token signature", () => _app.SendAsync(HttpMethod.Get, "/api/users/currentuser", user.AccessToken[..^8] + "AAAAAAAA"));
        await OneAsync("account/sessions: token form", () => _app.SendAsync(HttpMethod.Get, "/account/sessions", cookies: "session=made-up-by-a-stranger"));
        await OneAsync("no route: token form", () => _app.SendAsync(HttpMethod.Get, "/made-up-by-a-stranger", "made-up-by-a-stranger"));
        await OneAsync("api/users/currentuser: refresh token", () => _app.SendAsync(HttpMethod.Get, "/api/users/currentuser", cookies: "session_refresh=made-up-by-a-stranger"));
        await OneAsync("api/tokens/refresh: refresh token", () => _app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = "made-up-by-a-stranger" }));
        await OneAsync("api/sessions: nobody", () => _app.SendAsync(HttpMethod.Get, "/api/sessions"));
        await OneAsync("auth/verify: token form", () => _app.SendAsync(HttpMethod.Get, "/auth/verify", "made-up-by-a-stranger"));
        await OneAsync("auth/verify: nobody", () => _app.SendAsync(HttpMethod.Get, "/auth/verify"));
        await OneAsync("auth/verify: forbidden", () => _app.SendAsync(HttpMethod.Get, "/auth/verify?role=made-up-by-a-stranger", user.AccessToken));
        await OneAsync("auth/verify: audience", () => _app.SendAsync(HttpMethod.Get, "/auth/verify?audience=made-up-by-a-stranger", user.AccessToken));
        await OneAsync("auth/verify: query", () => _app.SendAsync(HttpMethod.Get, "/auth/verify?made-up-by-a-stranger=x", user.AccessToken));

        // Who may not, and who comes from elsewhere.
        await OneAsync("api/admin/users: forbidden", () => _app.SendAsync(HttpMethod.Get, "/api/admin/users", user.AccessToken));
        await OneAsync("admin/users: forbidden", () => _app.SendAsync(HttpMethod.Get, "/admin/users", cookies: user.Cookies));
        await OneAsync("api/users/signout: cross-site", () => _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies, headers: ("Origin", "https://made-up-by-a-stranger.test")));
        await OneAsync("account/sign-in: cross-site", () => _app.SendAsync(HttpMethod.Post, "/account/sign-in", headers: ("Sec-Fetch-Site", "cross-site")));

        // Links of letters, by program and by page.
        foreach (var (api, page, handler) in new[] { ("api/users/reset", "account/reset", "reset"), ("api/users/confirm-email", "account/confirm-email", "confirm"), ("api/users/finish-sign-up", "account/finish-sign-up", "finish") })
        {
            await OneAsync(api + ": link", () => _app.SendAsync(HttpMethod.Post, "/" + api, json: new { token = "made-up-by-a-stranger", password = "seven quiet harbours dreaming" }));
            await OneAsync(page + ": link", () => _app.SendAsync(HttpMethod.Get, $"/{page}?token=made-up-by-a-stranger"));
        }

        await OneAsync("account/reset: link", () => _app.PostFormAsync("/account/reset?token=made-up-by-a-stranger", "reset", [new("password", "seven quiet harbours dreaming")]));
        await OneAsync("account/not-me: link", () => _app.SendAsync(HttpMethod.Get, "/account/not-me?token=made-up-by-a-stranger"));

        // Services, and what an admin may not make us call.
        await OneAsync("connect/introspect: service", () => _app.IntrospectAsync(user.AccessToken, Callers.Basic("made-up-by-a-stranger")));
        await OneAsync("events/poll: service", () => _app.PostTextAsync("/events/poll", "{}", "application/json", ("Authorization", Callers.Basic("orders", "made-up-by-a-stranger"))));
        await OneAsync("events: service", () => _app.Client.GetAsync("/events"));
        await _app.SendAsync(HttpMethod.Post, "/api/admin/services", admin.AccessToken, json: new { id = "stock" });
        await OneAsync("api/admin/services/{id}/push: receiver", () => _app.SendAsync(HttpMethod.Put, "/api/admin/services/stock/push", admin.AccessToken, json: new { url = "https://127.0.0.1/made-up-by-a-stranger" }));

        // What is over.
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies);
        await OneAsync("api/sessions: token revoked", () => _app.SendAsync(HttpMethod.Get, "/api/sessions", user.AccessToken));
        _app.Time.Advance(TimeSpan.FromSeconds(331));
        await OneAsync("api/sessions: token expired", () => _app.SendAsync(HttpMethod.Get, "/api/sessions", admin.AccessToken));

        // Too many.
        var victim = await SignUpAsync();
        for (var i = 0; i < 10; i++) await _app.Client.PostAsJsonAsync("/api/users/signin", new { email = victim.Email, password = "wrong for sure and long" });
        await OneAsync("api/users/signin: too many", () => _app.Client.PostAsJsonAsync("/api/users/signin", new { email = victim.Email, password = victim.Password }));
        await OneAsync("account/sign-in: too many", () => _app.PostFormAsync("/account/sign-in", "sign-in", [new("email", victim.Email), new("password", victim.Password)]));
        for (var i = 0; i < 100 && (await _app.Client.PostAsJsonAsync("/api/tokens", new { email = "", password = "" })).StatusCode != HttpStatusCode.TooManyRequests; i++) { }
        await OneAsync("api/tokens: address limit", () => _app.Client.PostAsJsonAsync("/api/tokens", new { email = "", password = "" }));

        var log = string.Join('\n', _app.Log.Lines);
        foreach (var secret in _secrets.Append("made-up-by-a-stranger")) Assert.DoesNotContain(secret, log, StringComparison.OrdinalIgnoreCase);
        foreach (var id in _ids) Assert.DoesNotContain(Lines(), line => line.Contains(id, StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task What_is_let_in_or_renewed_or_only_asked_who_they_are_is_none()
    {
        var user = await SignUpAsync();
        await _app.WhoAmIAsync();
        await _app.SendAsync(HttpMethod.Get, "/account/sessions"); // a stranger is asked to sign in
        await _app.SendAsync(HttpMethod.Get, "/auth/verify?redirect=true", headers: [("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate")]);
        await _app.SendAsync(HttpMethod.Get, "/nowhere");
        foreach (var bearer in new[] { user.AccessToken, null }) await _app.SendAsync(HttpMethod.Get, "/api/sessions", bearer, user.Cookies);
        _app.Time.Advance(TimeSpan.FromSeconds(331));
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: user.Cookies));
        await _app.IntrospectAsync(user.AccessToken);
        Assert.Equal([], Lines());
    }

    [Fact]
    public async Task At_the_gateway_too()
    {
        await using var echo = await EchoService.StartAsync(http => { http.Response.StatusCode = 403; return Task.CompletedTask; });
        await using var app = KestrelApp.Start(
            ("Gateway:Routes:0:Path", "/orders"), ("Gateway:Routes:0:Destinations:0", echo.Address), ("Gateway:Routes:1:Path", "/ops"), ("Gateway:Routes:1:Destinations:0", echo.Address), ("Gateway:Routes:1:Role", "admin"));
        var credentials = new { email = "gateway@example.test", password = TestApp.Password };
        (await app.Client.PostAsJsonAsync("/api/users/signup", credentials)).EnsureSuccessStatusCode();
        var token = (await Answers.JsonAsync(await app.Client.PostAsJsonAsync("/api/tokens", credentials))).GetProperty("access_token").GetString();
        await AskAsync("/orders", token); // the service's own answer is none of ours
        Assert.Equal([], Lines(app.Log));
        await AskAsync("/orders", null);
        await AskAsync("/orders", "made-up-by-a-stranger");
        await AskAsync("/ops", token);
        await AskAsync("/orders/..%2fmade-up-by-a-stranger", token);
        Assert.Equal(["nobody", "token form", "forbidden", "ambiguous address"], Lines(app.Log).Select(line => line.Split(": ")[^1].Trim()));
        Assert.Equal(1, echo.Requests);

        Task<string> AskAsync(string path, string? bearer) =>
            app.SendRawAsync($"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{(bearer is null ? "" : $"Authorization: Bearer {bearer}\r\n")}\r\n");
    }

    [Fact]
    public async Task A_flood_is_ten_lines_a_second_and_one_that_counts_the_rest()
    {
        for (var i = 0; i < 1_000; i++) await _app.SendAsync(HttpMethod.Get, "/api/users/currentuser", "flood");
        Assert.Equal(10, Lines().Count);
        _app.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Single(_app.Log.Lines, line => line.TrimEnd() == "Information App.Ops.Refusals 2022 Refused 990 more within a second");
        await _app.SendAsync(HttpMethod.Get, "/api/users/currentuser", "flood");
        Assert.Equal(11, Lines().Count);
        _app.Time.SetWall(TimeSpan.FromDays(-1)); // the machine's clock is put right: it goes on as before
        for (var i = 0; i < 20; i++) await _app.SendAsync(HttpMethod.Get, "/api/users/currentuser", "flood");
        Assert.Equal(20, Lines().Count);
        _app.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Single(_app.Log.Lines, line => line.Contains("Refused 11 more", StringComparison.Ordinal));
    }

    private async Task OneAsync(string said, Func<Task<HttpResponseMessage>> ask)
    {
        _app.Time.Advance(TimeSpan.FromSeconds(1)); // each has a second of its own
        var before = Lines().Count;
        using var answer = await ask();
        Assert.Equal([said], Lines().Skip(before).Select(line => line[Refused.Length..].Trim()));
    }

    private List<string> Lines(CapturedLog? log = null) => [.. (log ?? _app.Log).Lines.Where(line => line.StartsWith(Refused, StringComparison.Ordinal))];

    private async Task<TestUser> SignUpAsync()
    {
        var user = await _app.SignUpAsync();
        _secrets.AddRange([user.AccessToken, user.RefreshToken, user.SessionCookie, user.Email]);
        _ids.AddRange([user.Id.ToString(), user.SessionId.ToString(), "127.0.0.1"]);
        return user;
    }
}
