using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using App.Tests.Accounts;
using App.Tests.Attacks;

namespace App.Tests.Sessions;

public sealed class SessionHandlerTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task The_same_token_opens_both_doors()
    {
        var user = await _app.SignUpAsync();
        Assert.Equal(user.Email, await _app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: "session=" + user.SessionCookie));
    }

    [Fact] // ATTACKS 43
    public async Task The_bearer_token_decides_where_both_are_present_and_a_bad_one_never_falls_back()
    {
        var ada = await _app.SignUpAsync();
        var bob = await _app.SignUpAsync();

        Assert.Equal(ada.Email, await _app.WhoAmIAsync(bearer: ada.AccessToken, cookies: bob.Cookies));
        var refused = await _app.SendAsync(HttpMethod.Get, "/api/sessions", bearer: ada.AccessToken + "x", cookies: bob.Cookies);
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        Assert.Equal("Bearer error=\"invalid_token\"", refused.Headers.WwwAuthenticate.ToString());
    }

    [Fact] // ATTACKS 43: never the rights of one with the sessions of the other
    public async Task Of_two_people_in_one_request_the_bearer_alone_acts()
    {
        var (ada, bob) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        var there = await _app.SignInAsync(ada);
        Assert.Equal(HttpStatusCode.NotFound, await EndAsync(bob.SessionId));
        Assert.Equal(HttpStatusCode.NoContent, await EndAsync(there.SessionId));
        Assert.Equal((bob.Email, null), (await _app.WhoAmIAsync(cookies: bob.Cookies), await _app.WhoAmIAsync(cookies: there.Cookies)));
        var passed = await _app.SendAsync(HttpMethod.Get, "/auth/verify", ada.AccessToken, bob.Cookies);
        Assert.Equal([ada.Id.ToString()], passed.Headers.GetValues("X-Auth-User"));

        async Task<HttpStatusCode> EndAsync(Guid session)
        {
            var answer = await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{session}", ada.AccessToken, bob.Cookies);
            Assert.Empty(Answers.CookieLines(answer)); // nor are the other's cookies renewed or cleared
            return answer.StatusCode;
        }
    }

    [Theory] // ATTACKS 45
    [InlineData("Basic dXNlcjpwYXNz, Bearer {0}")]
    [InlineData("bearer\t{0}")]
    [InlineData("Bearer \t{0}")]
    [InlineData("Bearer   ")]
    [InlineData("Bearer")]
    [InlineData("Bearer ")]
    [InlineData("{0}")]
    public async Task A_malformed_authorization_header_is_refused(string header)
    {
        var user = await _app.SignUpAsync();
        var value = string.Format(System.Globalization.CultureInfo.InvariantCulture, header, user.AccessToken);
        Assert.Equal(401, await StatusAsync(value));
    }

    [Theory] // RFC 6750 section 2.1, RFC 9110 section 11.1
    [InlineData("Bearer  {0}")]
    [InlineData("bearer    {0}")]
    public async Task There_may_be_several_spaces_before_the_token_and_one_is_handed_on(string header)
    {
        var user = await _app.SignUpAsync();
        var value = string.Format(System.Globalization.CultureInfo.InvariantCulture, header, user.AccessToken);
        Assert.Equal(200, await StatusAsync(value));
        var verified = await _app.Server.SendAsync(http =>
        {
            http.Request.Method = "GET";
            http.Request.Path = "/auth/verify";
            http.Request.Headers.Authorization = value;
        });
        Assert.Equal("Bearer " + user.AccessToken, verified.Response.Headers.Authorization.ToString());
    }

    [Fact] // ATTACKS 45
    public async Task Two_authorization_headers_are_refused()
    {
        var user = await _app.SignUpAsync();
        Assert.Equal(401, await StatusAsync("Bearer " + user.AccessToken, "Bearer " + user.AccessToken));
        Assert.Equal(200, await StatusAsync("Bearer " + user.AccessToken));
    }

    // Straight to the server: a client library would tidy the header up.
    private async Task<int> StatusAsync(params string[] authorization) => (await _app.Server.SendAsync(http =>
    {
        http.Request.Method = "GET";
        http.Request.Path = "/api/sessions";
        http.Request.Headers.Authorization = authorization;
    })).Response.StatusCode;

    [Theory]
    [InlineData("/api/sessions")]
    [InlineData("/account")]
    public async Task An_expired_access_token_is_renewed_before_the_answer(string path)
    {
        var user = await _app.SignUpAsync();
        _app.Time.Advance(TimeSpan.FromMinutes(6));

        var answer = await _app.SendAsync(HttpMethod.Get, path, cookies: user.Cookies);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var (session, refresh) = TestUser.SetCookies(answer);
        Assert.NotEqual(user.RefreshToken, refresh);
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: "session=" + session));
        if (path == "/account") Assert.Contains(user.Email, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_lost_session_cookie_is_renewed_from_the_refresh_cookie_alone()
    {
        var user = await _app.SignUpAsync();
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: "session_refresh=" + user.RefreshToken));
    }

    [Fact]
    public async Task A_token_lives_thirty_seconds_beyond_its_expiry_and_not_longer()
    {
        var user = await _app.SignUpAsync();
        _app.Time.Advance(TimeSpan.FromSeconds(329));
        Assert.NotNull(await _app.WhoAmIAsync(bearer: user.AccessToken));
        _app.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(await _app.WhoAmIAsync(bearer: user.AccessToken));
    }

    [Fact] // ATTACKS 47, 132
    public async Task A_signed_out_session_is_refused_on_the_very_next_request_whatever_it_shows()
    {
        var user = await _app.SignUpAsync();
        Assert.NotNull(await _app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.NotNull(await _app.WhoAmIAsync(cookies: user.Cookies));

        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies);

        Assert.Null(await _app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Null(await _app.WhoAmIAsync(cookies: user.Cookies));
        Assert.Equal(HttpStatusCode.Unauthorized, (await _app.SendAsync(HttpMethod.Get, "/api/sessions", cookies: user.Cookies)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = user.RefreshToken })).StatusCode);
        var page = await _app.SendAsync(HttpMethod.Get, "/account/sessions", cookies: user.Cookies);
        Assert.Equal("/account/sign-in?returnUrl=%2Faccount%2Fsessions", page.Headers.Location!.OriginalString);
    }

    [Theory] // ATTACKS 146: Identity's own endpoints, which let a cookie be renewed for somebody else, aren't here.
    [InlineData("/refresh"), InlineData("/login"), InlineData("/manage/info")]
    public async Task Identity_s_own_endpoints_are_not_here(string path)
    {
        var user = await _app.SignUpAsync();
        Assert.Equal(HttpStatusCode.NotFound, (await _app.SendAsync(HttpMethod.Post, path, cookies: user.Cookies, json: new { refreshToken = user.RefreshToken })).StatusCode);
    }

    [Fact] // UX 9
    public async Task A_page_says_so_where_the_session_was_ended_elsewhere()
    {
        var user = await _app.SignUpAsync();
        var other = await _app.SignInAsync(user);
        await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{other.SessionId}", bearer: user.AccessToken);
        var led = await _app.SendAsync(HttpMethod.Get, "/account/profile", cookies: other.Cookies);
        Assert.Equal("/account/sign-in?returnUrl=%2Faccount%2Fprofile", led.Headers.Location!.OriginalString);
        Assert.Contains("Your session was ended", (await _app.FollowAsync(led, other.Cookies)).QuerySelector(".notice")!.TextContent, StringComparison.Ordinal);
        foreach (var cookies in new[] { "session=x; session_refresh=y", "session_refresh=" + new string('A', 60) })
            Assert.Equal("/account/sign-in?returnUrl=%2Faccount", (await _app.SendAsync(HttpMethod.Get, "/account", cookies: cookies)).Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task A_session_ended_at_one_replica_is_refused_at_the_other_within_a_look_at_the_log()
    {
        await using var replica = _app.StartReplica();
        var user = await _app.SignUpAsync();
        Assert.NotNull(await replica.WhoAmIAsync(bearer: user.AccessToken));

        await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{user.SessionId}", bearer: user.AccessToken);
        await replica.Get<App.Events.FollowLog>().CatchUpAsync(CancellationToken.None);

        Assert.Null(await replica.WhoAmIAsync(bearer: user.AccessToken));
    }

    [Fact]
    public async Task A_restart_forgets_no_revocation()
    {
        var user = await _app.SignUpAsync();
        await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{user.SessionId}", bearer: user.AccessToken);
        await using var restarted = _app.StartReplica();
        Assert.Equal(1, restarted.Get<App.Events.RevocationIndex>().Count);
        Assert.Null(await restarted.WhoAmIAsync(bearer: user.AccessToken));
    }

    [Fact] // ATTACKS 36
    public async Task A_bad_cookie_is_cleared()
    {
        var answer = await _app.SendAsync(HttpMethod.Get, "/api/sessions", cookies: "session=%%%%");
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.All(answer.Headers.GetValues("Set-Cookie"), line => Assert.Contains("expires=Thu, 01 Jan 1970", line, StringComparison.Ordinal));
    }

    [Theory] // ATTACKS 36
    [InlineData("session=%%%%")]
    [InlineData("session=")]
    [InlineData("session=;")]
    public async Task A_bad_cookie_leads_a_page_to_sign_in_and_is_cleared(string cookie)
    {
        var answer = await _app.SendAsync(HttpMethod.Get, "/account/sessions", cookies: cookie);
        Assert.Equal(HttpStatusCode.Found, answer.StatusCode);
        Assert.Equal("/account/sign-in?returnUrl=%2Faccount%2Fsessions", answer.Headers.Location!.ToString());
        Assert.All(answer.Headers.GetValues("Set-Cookie"), line => Assert.Contains("expires=Thu, 01 Jan 1970", line, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Two_different_cookies_of_one_name_count_as_none()
    {
        var ada = await _app.SignUpAsync();
        var bob = await _app.SignUpAsync();
        Assert.Null(await _app.WhoAmIAsync(cookies: $"session={ada.SessionCookie}; session={bob.SessionCookie}"));
        Assert.NotNull(await _app.WhoAmIAsync(cookies: $"session={ada.SessionCookie}; session={ada.SessionCookie}"));
    }

    [Fact]
    public async Task A_whole_set_cookie_line_may_be_echoed_as_a_cookie()
    {
        var answer = await _app.Client.PostAsJsonAsync("/api/users/signup", new { email = "echo@example.test", password = TestApp.Password });
        var lines = answer.Headers.GetValues("Set-Cookie").ToList();
        Assert.Equal("echo@example.test", await _app.WhoAmIAsync(cookies: lines[0]));
        Assert.Equal("echo@example.test", await _app.WhoAmIAsync(cookies: string.Join("; ", lines)));
        Assert.Equal("echo@example.test", await _app.WhoAmIAsync(cookies: string.Join(",", lines)));
    }

    [Fact]
    public async Task A_stranger_is_sent_to_sign_in_by_pages_and_gets_401_from_the_api()
    {
        var page = await _app.Client.GetAsync("/account?tab=1");
        Assert.Equal(HttpStatusCode.Redirect, page.StatusCode);
        Assert.Equal("/account/sign-in?returnUrl=%2Faccount%3Ftab%3D1", page.Headers.Location!.OriginalString);

        var api = await _app.Client.GetAsync("/api/sessions");
        Assert.Equal(HttpStatusCode.Unauthorized, api.StatusCode);
        Assert.Equal("Bearer", api.Headers.WwwAuthenticate.ToString());
        var body = await api.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal("Not authorized", body.GetProperty("errors")[0].GetProperty("message").GetString());
    }

    [Theory] // UX 6
    [InlineData("/account/security", "/account/security")]
    [InlineData("/account/two-step?returnUrl=%2Faccount", "/account/two-step?returnUrl=%2Faccount")]
    [InlineData("/services/orders", "/services/orders")]
    [InlineData("/account/sessions/end", "/account/sessions")]
    [InlineData("/account/sessions/end-others", "/account/sessions")]
    [InlineData("/account/activity/end", "/account/activity")]
    [InlineData("/account/activity/end-others", "/account/activity")]
    [InlineData("/account/data", "/account/profile")]
    [InlineData("/account/confirm-email/again", "/account/profile")]
    public async Task A_form_that_is_sent_after_the_session_was_ended_leads_back_to_its_page(string path, string page)
    {
        var user = await _app.SignUpAsync();
        var other = await _app.SignInAsync(user);
        await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{other.SessionId}", bearer: user.AccessToken);
        foreach (var cookies in new[] { null, other.Cookies })
            Assert.Equal("/account/sign-in?returnUrl=" + Uri.EscapeDataString(page), (await _app.PostFormAsync(path, "anything", [], cookies)).Headers.Location!.OriginalString);
    }

    [Fact] // ATTACKS 35
    public async Task A_token_of_another_installation_of_the_same_name_is_refused()
    {
        await using var other = TestApp.Start();
        var user = await other.SignUpAsync();
        Assert.Null(await _app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Null(await _app.WhoAmIAsync(cookies: user.Cookies));
    }
}
