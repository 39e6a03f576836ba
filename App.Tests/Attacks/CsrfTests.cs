using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using App.Admin;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Attacks;

/// <summary>
/// What another site makes a browser send, at every state-changing door with a living session (ATTACKS 49-60). The rule itself, header by header:
/// CrossSiteGuardTests. 57 (mail scanners): ResetTests and its like.
/// </summary>
public sealed partial class CsrfTests(OneApp fixture) : IClassFixture<OneApp>
{
    private readonly TestApp _app = fixture.App;

    public static TheoryData<string, string> Strangers => new()
    {
        { "Origin", "https://evil.example" },                    // 49
        { "Sec-Fetch-Site", "cross-site" },                      // 49
        { "Origin", "null" },                                    // 52
        { "Sec-Fetch-Site", "same-site" },                       // 53
        { "Origin", "https://app.auth.test" },                   // 53
        { "Origin", "http://auth.test" },                        // 53: the same host without TLS is another origin
        { "Origin", "https://auth.test:8443" },
        { "Origin", "https://auth.test.evil.example" },
    };

    [Theory]
    [MemberData(nameof(Strangers))]
    public async Task Another_site_changes_nothing_at_any_door_with_any_content_type(string header, string value)
    {
        var user = await _app.SignUpAsync();
        var other = await _app.SignInAsync(user);
        var before = await State.OfAsync(_app);
        var credentials = JsonSerializer.Serialize(new { email = user.Email, password = user.Password });
        var form = $"email={Uri.EscapeDataString(user.Email)}&password={Uri.EscapeDataString(user.Password)}&id={other.SessionId}&theme=dark&_handler=";
        foreach (var (method, path, body, type) in new (string, string, string?, string?)[]
        {
            ("POST", "/api/users/signout", null, null),
            ("POST", "/api/users/signout", "a=b", "application/x-www-form-urlencoded"),
            ("POST", "/api/users/signin", credentials, "application/json"),
            ("POST", "/api/users/signin", credentials, "text/plain;charset=UTF-8"), // 50
            ("POST", "/api/users/signin", form, "application/x-www-form-urlencoded"), // 55
            ("POST", "/api/users/signup", """{"email":"planted@example.test","password":"correct horse battery staple"}""", "text/plain"),
            ("POST", "/api/tokens", credentials, "application/json"),
            ("POST", "/api/tokens/refresh", JsonSerializer.Serialize(new { refresh_token = user.RefreshToken }), "application/json"),
            ("DELETE", "/api/sessions", null, null),
            ("DELETE", $"/api/sessions/{other.SessionId}", null, null),
            ("POST", "/account/sign-in", form + "sign-in", "application/x-www-form-urlencoded"), // 55
            ("POST", "/account/sign-up", form + "sign-up", "application/x-www-form-urlencoded"),
            ("POST", "/account/sign-out", "_handler=sign-out", "application/x-www-form-urlencoded"),
            ("POST", "/account/sessions/end", form, "application/x-www-form-urlencoded"),
            ("POST", "/account/sessions/end-others", form, "application/x-www-form-urlencoded"),
            ("POST", "/ui/theme", form, "application/x-www-form-urlencoded"),
            ("POST", "/ui/language", form, "application/x-www-form-urlencoded"),
            ("POST", "/ui/password-strength", form, "application/x-www-form-urlencoded"),
        })
        {
            var request = new HttpRequestMessage(new HttpMethod(method), path);
            if (body is not null)
            {
                request.Content = new ByteArrayContent(System.Text.Encoding.UTF8.GetBytes(body));
                request.Content.Headers.TryAddWithoutValidation("Content-Type", type);
            }

            request.Headers.Add("Cookie", user.Cookies);
            request.Headers.TryAddWithoutValidation(header, value);
            using var answer = await _app.Client.SendAsync(request);
            Assert.True(answer.StatusCode == HttpStatusCode.Forbidden, $"{method} {path} {type}: {(int)answer.StatusCode}");
            Assert.Empty(Answers.CookieLines(answer));
            if (path.StartsWith("/api", StringComparison.Ordinal)) await Answers.AssertProblemAsync(answer, 403, "Cross-origin request refused");
        }

        Assert.Equal(before, await State.OfAsync(_app));
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: user.Cookies));
    }

    // Doors that another site may knock at, each with its reason.
    private static readonly Dictionary<string, string> Exempt = new()
    {
        ["/auth/verify"] = "a proxy asks it about another request, whose origin that is; it changes nothing",
    };

    [Theory] // ATTACKS 49, 50: every door there is, those too that are built after this was written
    [InlineData("Origin", "https://evil.example")]
    [InlineData("Sec-Fetch-Site", "cross-site")]
    public async Task No_door_that_could_change_something_opens_for_another_site(string header, string value)
    {
        var user = await _app.SignUpAsync();
        Assert.Equal(0, await UserCommands.RunAsync(_app.Services, ["grant", user.Email, "admin"], TextWriter.Null, CancellationToken.None));
        user = await _app.SignInAsync(user); // as an admin, lest the refusal be the role's
        var other = await _app.SignInAsync(user);
        var doors = _app.Services.GetServices<EndpointDataSource>().SelectMany(s => s.Endpoints).OfType<RouteEndpoint>()
            .SelectMany(e => (e.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods is { Count: > 0 } named ? named : ["POST"]).Select(method => (Method: method, Path: "/" + e.RoutePattern.RawText!.Trim('/'))))
            .Where(door => door.Method is not ("GET" or "HEAD" or "OPTIONS" or "TRACE") && !Exempt.ContainsKey(door.Path)).Distinct().ToList();
        foreach (var known in new[] { ("POST", "/api/users/signout"), ("POST", "/api/account/password"), ("DELETE", "/api/passkeys/{id}"), ("POST", "/api/admin/keys/rotate"), ("POST", "/account/sign-in"), ("POST", "/account/security") })
            Assert.Contains(known, doors);

        var fields = new Dictionary<string, string>
        {
            ["email"] = "evil@example.test",
            ["password"] = user.Password,
            ["currentPassword"] = user.Password,
            ["newPassword"] = "planted by another site",
            ["name"] = "Eve",
            ["id"] = other.SessionId.ToString(),
            ["refresh_token"] = user.RefreshToken,
            ["token"] = user.AccessToken,
            ["theme"] = "dark",
            ["language"] = "de",
        };
        var before = await State.OfAsync(_app);
        var open = new List<string>();
        foreach (var (method, pattern) in doors)
        {
            var path = Parameter().Replace(pattern, p => pattern is "/api/sessions/{id}" or "/api/passkeys/{id}" ? other.SessionId.ToString() : p.Value.Contains(":int", StringComparison.Ordinal) ? "404" : OneApp.Declared);
            foreach (var content in new HttpContent[] { new FormUrlEncodedContent(fields), new StringContent(JsonSerializer.Serialize(fields), System.Text.Encoding.UTF8, "application/json"), new StringContent(JsonSerializer.Serialize(fields)) })
            {
                using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = content };
                request.Headers.Add("Cookie", user.Cookies);
                request.Headers.TryAddWithoutValidation(header, value);
                using var answer = await _app.Client.SendAsync(request);
                if (answer.StatusCode != HttpStatusCode.Forbidden || Answers.CookieLines(answer).Length > 0) open.Add($"{method} {path} {content.Headers.ContentType}: {(int)answer.StatusCode}");
            }
        }

        Assert.Empty(open);
        Assert.Equal(before, await State.OfAsync(_app));
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: user.Cookies));
    }

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex Parameter();

    [Fact] // ATTACKS 55: without a cookie too, or a victim would sign in to the attacker's account
    public async Task Nobody_is_signed_in_by_another_site()
    {
        var attacker = await _app.SignUpAsync();
        using var answer = await _app.PostFormAsync("/account/sign-in", "sign-in", [new("email", attacker.Email), new("password", attacker.Password)]);
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        using var forged = await _app.PostTextAsync("/account/sign-in", $"_handler=sign-in&email={attacker.Email}&password={Uri.EscapeDataString(attacker.Password)}", "application/x-www-form-urlencoded", ("Sec-Fetch-Site", "cross-site"));
        Assert.Equal(HttpStatusCode.Forbidden, forged.StatusCode);
        Assert.Empty(Answers.CookieLines(forged));
    }

    [Fact] // ATTACKS 51: with neither header it is no browser's (contract section 4)
    public async Task A_program_with_a_cookie_and_no_origin_passes()
    {
        var user = await _app.SignUpAsync();
        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies)).StatusCode);
        Assert.Null(await _app.WhoAmIAsync(cookies: user.Cookies));
    }

    [Fact]
    public async Task Our_own_pages_pass_by_either_header()
    {
        foreach (var header in new[] { ("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "none"), ("Origin", TestApp.Issuer) })
        {
            var user = await _app.SignUpAsync();
            Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies, headers: header)).StatusCode);
        }
    }

    [Fact]
    public async Task A_bearer_token_carries_no_ambient_authority_and_is_exempt()
    {
        var user = await _app.SignUpAsync();
        var answer = await _app.SendAsync(HttpMethod.Delete, "/api/sessions", user.AccessToken, headers: [("Origin", "https://spa.example"), ("Sec-Fetch-Site", "cross-site")]);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact] // a made-up bearer is no way around the rule for the cookie beside it: the header alone decides who asks
    public async Task A_bad_bearer_beside_the_cookie_gets_past_the_rule_and_nowhere_else()
    {
        var user = await _app.SignUpAsync();
        var before = await State.OfAsync(_app);
        foreach (var (method, path) in new[] { (HttpMethod.Delete, "/api/sessions"), (HttpMethod.Post, "/api/users/signout"), (HttpMethod.Delete, $"/api/sessions/{user.SessionId}") })
            await _app.SendAsync(method, path, "made-up", user.Cookies, headers: ("Origin", "https://evil.example"));
        Assert.Equal(before, await State.OfAsync(_app));
    }

    [Theory] // ATTACKS 58
    [InlineData("/api/users/currentuser")]
    [InlineData("/.well-known/jwks.json")]
    [InlineData("/.well-known/openid-configuration")]
    [InlineData("/api/tokens")]
    [InlineData("/account")]
    public async Task No_foreign_origin_is_let_in(string path)
    {
        var user = await _app.SignUpAsync();
        foreach (var method in new[] { HttpMethod.Get, HttpMethod.Post, HttpMethod.Options })
        {
            var answer = await _app.SendAsync(method, path, cookies: user.Cookies, headers: [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "authorization")]);
            Assert.DoesNotContain(answer.Headers, h => h.Key.StartsWith("Access-Control", StringComparison.OrdinalIgnoreCase));
        }
    }
}
