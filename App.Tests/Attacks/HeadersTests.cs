using System.Net;
using System.Text.Json;

namespace App.Tests.Attacks;

/// <summary>The headers of real answers, one of each kind (ATTACKS 60, 205-208). On made-up routes: SecurityHeadersTests.</summary>
public sealed class HeadersTests(OneApp fixture) : IClassFixture<OneApp>
{
    private readonly TestApp _app = fixture.App;

    [Fact]
    public async Task Every_kind_of_answer_bears_the_headers()
    {
        var user = await _app.SignUpAsync();
        var wrong = JsonSerializer.Serialize(new { email = user.Email, password = "wrong for sure and long" });
        (string Name, Task<HttpResponseMessage> Answer)[] answers =
        [
            ("start page", GetAsync("/")), ("sign-in", GetAsync("/account/sign-in")), ("sign-up", GetAsync("/account/sign-up")), ("sign-out", GetAsync("/account/sign-out", user)),
            ("profile", GetAsync("/account", user)), ("sessions", GetAsync("/account/sessions", user)), ("unknown page", GetAsync("/nowhere")), ("error page", GetAsync("/error/500")),
            ("to sign-in", GetAsync("/account")), ("foreign form", _app.PostTextAsync("/account/sign-in", "a=b", "application/x-www-form-urlencoded", ("Origin", "https://evil.example"))),
            ("wrong password page", _app.PostFormAsync("/account/sign-in", "sign-in", [new("email", user.Email), new("password", "x")])),
            ("signed in by form", _app.PostFormAsync("/account/sign-in", "sign-in", [new("email", user.Email), new("password", user.Password)])),
            ("who am I", GetAsync("/api/users/currentuser", user)), ("sessions list", GetAsync("/api/sessions", user)), ("not authorized", GetAsync("/api/sessions")),
            ("unknown route", GetAsync("/api/nothing")), ("wrong password", _app.PostTextAsync("/api/users/signin", wrong)), ("wrong type", _app.PostTextAsync("/api/tokens", "x", "text/plain")),
            ("tokens", _app.PostTextAsync("/api/tokens", JsonSerializer.Serialize(new { email = user.Email, password = user.Password }))),
            ("refused origin", _app.PostTextAsync("/api/users/signout", null, null, ("Origin", "https://evil.example"))), ("sign-out", _app.PostTextAsync("/api/users/signout", null)),
            ("keys", GetAsync("/.well-known/jwks.json")), ("live", GetAsync("/health/live")), ("description", GetAsync("/openapi/v1.json")), ("reader", GetAsync("/docs")), ("style", GetAsync("/gatehouse.css")),
        ];

        foreach (var (name, pending) in answers)
        {
            using var answer = await pending;
            string One(string header) => answer.Headers.TryGetValues(header, out var values) ? string.Join(" | ", values) : $"no {header} on {name}";
            Assert.Equal("nosniff", One("X-Content-Type-Options"));                               // 207
            Assert.Equal("same-origin", One("Referrer-Policy"));
            Assert.Equal("same-origin", One("Cross-Origin-Opener-Policy"));
            Assert.Equal("max-age=31536000; includeSubDomains", One("Strict-Transport-Security")); // 206
            Assert.False(answer.Headers.Contains("Server"));                                       // 198
            Assert.False(answer.Headers.Contains("X-Powered-By"));

            var policy = One("Content-Security-Policy");                                           // 60, 205
            Assert.StartsWith("default-src 'none'", policy, StringComparison.Ordinal);
            Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
            Assert.DoesNotContain("unsafe-eval", policy, StringComparison.Ordinal);
            foreach (var directive in policy.Split(';', StringSplitOptions.TrimEntries).Where(d => d.StartsWith("script-src", StringComparison.Ordinal) || d.StartsWith("default-src", StringComparison.Ordinal)))
                Assert.DoesNotContain("unsafe-inline", directive, StringComparison.Ordinal);
            if (answer.Content.Headers.ContentType?.MediaType != "text/html") continue;
            foreach (var directive in new[] { "object-src 'none'", "base-uri 'none'", "form-action 'self'" }) Assert.Contains(directive, policy, StringComparison.Ordinal);
            Assert.Equal("DENY", One("X-Frame-Options"));
        }
    }

    [Fact] // ATTACKS 208
    public async Task What_is_personal_is_stored_nowhere()
    {
        var user = await _app.SignUpAsync();
        foreach (var path in new[] { "/", "/account", "/account/sessions", "/account/sign-out", "/account/sign-in", "/api/users/currentuser", "/api/sessions", $"/api/sessions/{user.SessionId}" })
        {
            foreach (var who in new[] { user, null })
            {
                using var answer = await GetAsync(path, who);
                Assert.True(answer.Headers.CacheControl?.NoStore, $"{path} {(who is null ? "as a stranger" : "signed in")}: {answer.Headers.CacheControl}");
            }
        }
    }

    [Fact] // no page needs a script inline: the policy would stop it
    public async Task No_page_holds_inline_script_or_style()
    {
        var user = await _app.SignUpAsync();
        foreach (var path in new[] { "/", "/account/sign-in", "/account/sign-up", "/account/sign-out", "/account", "/account/sessions", "/nowhere" })
        {
            var html = await (await GetAsync(path, user)).Content.ReadAsStringAsync();
            Assert.DoesNotMatch("<script(?![^>]* src=)[^>]*>", html);
            Assert.DoesNotMatch("<style|\\sstyle=|\\son[a-z]+=\"", html);
        }
    }

    [Theory] // ATTACKS 115
    [InlineData("Host", "evil.test")]
    [InlineData("X-Forwarded-Host", "evil.test")]
    [InlineData("Forwarded", "host=evil.test;proto=http")]
    [InlineData("X-Original-Host", "evil.test")]
    [InlineData("X-Forwarded-Prefix", "//evil.test")]
    [InlineData("X-Forwarded-Proto", "javascript")]
    public async Task Nothing_is_built_on_what_a_request_says_of_our_name(string header, string value)
    {
        var user = await _app.SignUpAsync();
        foreach (var path in new[] { "/.well-known/openid-configuration", "/openapi/v1.json", "/.well-known/jwks.json", "/account", "/account/sign-in", "/account/sessions", "/nowhere", "/docs" })
        {
            using var answer = await _app.SendAsync(HttpMethod.Get, path, headers: (header, value));
            Assert.True((int)answer.StatusCode < 500);
            Assert.DoesNotContain("evil.test", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
            Assert.DoesNotContain("evil.test", answer.Headers.ToString(), StringComparison.Ordinal);
        }

        using var configuration = await _app.SendAsync(HttpMethod.Get, "/.well-known/openid-configuration", headers: (header, value));
        var document = await Answers.JsonAsync(configuration);
        Assert.Equal(TestApp.Issuer, document.GetProperty("issuer").GetString());
        Assert.Equal(TestApp.Issuer + "/.well-known/jwks.json", document.GetProperty("jwks_uri").GetString());

        using var renewed = await _app.SendAsync(HttpMethod.Post, "/api/users/signin", json: new { email = user.Email, password = user.Password }, headers: (header, value));
        if (renewed.StatusCode == HttpStatusCode.OK)
        {
            var again = await TestUser.ReadAsync(_app, renewed, user.Email, user.Password);
            Assert.Equal(TestApp.Issuer, again.Claims.GetProperty("iss").GetString());
        }
    }

    private Task<HttpResponseMessage> GetAsync(string path, TestUser? user = null) => _app.SendAsync(HttpMethod.Get, path, cookies: user?.Cookies);
}
