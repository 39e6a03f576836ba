using System.Net;
using System.Text;
using System.Text.Json;
using App.Sessions;
using App.Tests.Attacks;
using App.Tests.Tokens;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Accounts;

/// <summary>The course API when all goes well, byte for byte: answers, cookies, sign-out, and who is calling (contract sections 3 and 4).</summary>
public sealed class CourseCookieTests(OneApp fixture) : IClassFixture<OneApp>
{
    private const string Cleared = "session=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT; httponly";
    private const string ClearedOverHttps = "session=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT; secure; httponly";
    private readonly TestApp _app = fixture.App;

    [Theory]
    [InlineData("/api/users/signup", 201)]
    [InlineData("/api/users/signin", 200)]
    public async Task The_answer_is_exactly_email_and_id_in_this_order(string path, int status)
    {
        var user = path.EndsWith("signin", StringComparison.Ordinal) ? await _app.SignUpAsync() : null;
        var email = user?.Email ?? $"Exact.{Guid.NewGuid():N}@Example.test";
        var answer = await _app.PostTextAsync(path, JsonSerializer.Serialize(new { email, password = TestApp.Password }));

        Assert.Equal((HttpStatusCode)status, answer.StatusCode);
        Assert.Equal("application/json", answer.Content.Headers.ContentType!.MediaType);
        var body = await answer.Content.ReadAsStringAsync();
        var id = JsonDocument.Parse(body).RootElement.GetProperty("id").GetString();
        Assert.Equal($$"""{"email":"{{email}}","id":"{{id}}"}""", body);
        Assert.True(Guid.TryParse(id, out _));
        Assert.False(answer.Headers.Contains("Location"));
        Assert.True(answer.Headers.CacheControl!.NoStore); // ATTACKS 208
    }

    [Theory] // ATTACKS 42
    [InlineData("https://auth.test", true)]
    [InlineData("http://auth.test", false)]
    public async Task Both_cookies_are_set_the_session_first_and_the_devices_after_them_and_no_script_reads_them(string origin, bool secure)
    {
        foreach (var path in new[] { "/api/users/signup", "/api/users/signin" })
        {
            var email = $"flags-{secure}@example.test".ToLowerInvariant();
            var answer = await _app.PostTextAsync(origin + path, JsonSerializer.Serialize(new { email, password = TestApp.Password }));
            var lines = Answers.CookieLines(answer);

            Assert.Equal(3, lines.Length);
            Assert.Matches("^session=[A-Za-z0-9+/]+={0,2}; path=/; samesite=lax" + (secure ? "; secure" : "") + "; httponly$", lines[0]);
            Assert.Matches("^session_refresh=[A-Za-z0-9_-]+; path=/; expires=[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT; samesite=lax" + (secure ? "; secure" : "") + "; httponly$", lines[1]);
            // As the pages do: by this one the owner gets in while strangers guess. Nobody reads the session from it.
            Assert.Matches("^device=[A-Za-z0-9_-]+; max-age=34560000; path=/" + (secure ? "; secure" : "") + "; samesite=lax; httponly$", lines[2]);
        }
    }

    [Fact]
    public async Task The_cookie_is_the_base64_of_the_token_in_json_and_nothing_else()
    {
        var user = await _app.SignUpAsync();
        var json = Encoding.UTF8.GetString(Convert.FromBase64String(user.SessionCookie));
        Assert.Equal($$"""{"jwt":"{{user.AccessToken}}"}""", json);
        Assert.Equal(user.SessionCookie, Convert.ToBase64String(Encoding.UTF8.GetBytes(json)));
        Assert.DoesNotContain('%', user.SessionCookie);
        Assert.Equal(0, user.SessionCookie.Length % 4);
    }

    [Fact] // ATTACKS 39
    public async Task The_largest_account_still_fits_into_a_browsers_cookie()
    {
        // The longest of everything that a person chooses, in the characters that JSON and base64 blow up most.
        var email = string.Concat(Enumerable.Repeat("字", 21)) + "@" + string.Join('.', Enumerable.Repeat(new string('字', 8), 6)) + ".test";
        var answer = await _app.PostTextAsync("/api/users/signup", JsonSerializer.Serialize(new { email, password = TestApp.Password, name = new string('\u5b57', 200) }));
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        Assert.All(Answers.CookieLines(answer), line => Assert.InRange(line[..line.IndexOf(';', StringComparison.Ordinal)].Length, 1, 4096));
        Assert.Equal(email, await _app.WhoAmIAsync(cookies: string.Join("; ", Answers.CookieLines(answer))));
    }

    [Theory]
    [InlineData("http://auth.test", Cleared)]
    [InlineData("https://auth.test", ClearedOverHttps)]
    public async Task Sign_out_clears_in_the_courses_bytes_with_a_cookie_and_without_and_again(string origin, string first)
    {
        var user = await _app.SignUpAsync();
        foreach (var cookies in new[] { user.Cookies, user.Cookies, "session=" + user.SessionCookie, "session=nonsense", "other=1", null })
        {
            var answer = await _app.SendAsync(HttpMethod.Post, origin + "/api/users/signout", cookies: cookies);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal("{}", await answer.Content.ReadAsStringAsync());
            Assert.Equal("application/json", answer.Content.Headers.ContentType!.MediaType);
            Assert.Equal([first, first.Replace("session=", "session_refresh=", StringComparison.Ordinal)], Answers.CookieLines(answer));
        }

        Assert.Null(await _app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Equal("sign-out", await EndAsync(user));
        Assert.Equal(1, await _app.DbAsync(db => db.Set<App.Events.LoggedEvent>().CountAsync(e => e.SessionId == user.SessionId)));
    }

    [Theory]
    [InlineData("{}", "application/json")]
    [InlineData("{", "application/json")]
    [InlineData("a=b", "application/x-www-form-urlencoded")]
    [InlineData("x", "text/plain")]
    public async Task Sign_out_does_not_care_what_is_sent_along(string body, string type)
    {
        var answer = await _app.PostTextAsync("/api/users/signout", body, type);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task Sign_out_by_bearer_ends_that_session_and_not_the_one_of_the_cookie()
    {
        var (ada, bob) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Post, "/api/users/signout", ada.AccessToken, bob.Cookies)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Post, "/api/users/signout", "nonsense", bob.Cookies)).StatusCode);
        Assert.Equal("sign-out", await EndAsync(ada));
        Assert.Null(await EndAsync(bob));
        Assert.Equal(bob.Email, await _app.WhoAmIAsync(cookies: bob.Cookies));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Sign_out_after_the_access_token_has_expired_still_ends_the_session_and_leaves_no_cookie(bool refreshOnly)
    {
        await using var later = _app.StartReplica();
        var user = await later.SignUpAsync();
        later.Time.Advance(TimeSpan.FromHours(2));
        var answer = await later.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: refreshOnly ? "session_refresh=" + user.RefreshToken : user.Cookies);
        Assert.Equal(ClearedOverHttps, Answers.CookieLines(answer)[0]);
        Assert.Equal(2, Answers.CookieLines(answer).Length);
        Assert.Equal("sign-out", await EndAsync(user));
    }

    [Fact]
    public async Task The_current_user_has_the_members_that_the_course_reads()
    {
        var user = await _app.SignUpAsync();
        var body = await Answers.JsonAsync(await _app.SendAsync(HttpMethod.Get, "/api/users/currentuser", cookies: user.Cookies));
        Assert.Equal(["currentUser"], body.EnumerateObject().Select(m => m.Name));
        var me = body.GetProperty("currentUser");
        Assert.Equal((user.Id, user.Email), (me.GetProperty("id").GetGuid(), me.GetProperty("email").GetString()));
        Assert.Equal(JsonValueKind.Number, me.GetProperty("iat").ValueKind);
    }

    [Theory]
    [InlineData("text/html")]
    [InlineData("text/html,application/xhtml+xml,*/*;q=0.1")]
    [InlineData("application/xml")]
    [InlineData("image/*")]
    [InlineData("nonsense")]
    [InlineData("")]
    public async Task The_current_user_is_json_whatever_is_accepted(string accept)
    {
        foreach (var path in new[] { "/api/users/currentuser", "/api/users/nothing" })
        {
            var answer = await _app.SendAsync(HttpMethod.Get, path, headers: ("Accept", accept));
            Assert.Contains("json", answer.Content.Headers.ContentType!.MediaType, StringComparison.Ordinal);
            Assert.True(answer.Headers.CacheControl!.NoStore);
            if (answer.StatusCode == HttpStatusCode.OK) Assert.Equal("""{"currentUser":null}""", await answer.Content.ReadAsStringAsync());
        }
    }

    [Fact] // ATTACKS 36-38: every bad cookie of the vectors is nobody's, though the key that its token is signed with is in force
    public async Task A_bad_cookie_is_null_and_never_an_error()
    {
        await using var app = TestApp.Start(("Sessions:AbsoluteLifetime", "365.00:00:00"));
        await VectorKey.InstallAsync(app);
        foreach (var vector in Vectors.Cookies())
        {
            var somebody = await app.WhoAmIAsync(cookies: vector.Header);
            if (vector.Expect == "accept") Assert.Equal((vector.Id, "vector@example.test"), (vector.Id, somebody));
            else if (vector.Expect == "reject") Assert.Equal((vector.Id, null), (vector.Id, somebody));
            else Assert.Contains(somebody, (string?[])[null, "vector@example.test"]);
        }
    }

    [Theory] // ATTACKS 80
    [InlineData("GET", "/api/users/signup")]
    [InlineData("GET", "/api/users/signin")]
    [InlineData("GET", "/api/users/signout")]
    [InlineData("POST", "/api/users/currentuser")]
    [InlineData("PUT", "/api/users/signin")]
    [InlineData("PATCH", "/api/users/currentuser")]
    [InlineData("DELETE", "/api/users/signup")]
    [InlineData("OPTIONS", "/api/users/signup")]
    [InlineData("PROPFIND", "/api/users/signup")]
    [InlineData("TRACE", "/api/users/currentuser")]
    [InlineData("GET", "/api/users")]
    [InlineData("GET", "/api/users/")]
    [InlineData("POST", "/api/users/nothing")]
    [InlineData("GET", "/api/nothing")]
    [InlineData("GET", "/api")]
    [InlineData("PUT", "/api/sessions")]
    [InlineData("GET", "/api/tokens")]
    [InlineData("PUT", "/api/tokens/refresh")]
    public async Task An_unknown_path_or_method_is_404_and_never_405(string method, string path)
    {
        var answer = await _app.SendAsync(new HttpMethod(method), path);
        await Answers.AssertProblemAsync(answer, 404, "Not Found");
        Assert.False(answer.Content.Headers.Contains("Allow"));
    }

    [Theory]
    [InlineData("GET", "/api/sessions")]
    [InlineData("DELETE", "/api/sessions")]
    [InlineData("DELETE", "/api/sessions/11111111-1111-4111-8111-111111111111")]
    public async Task A_route_that_needs_a_user_is_401_not_authorized(string method, string path) =>
        await Answers.AssertProblemAsync(await _app.SendAsync(new HttpMethod(method), path), 401, "Not authorized");

    [Theory]
    [InlineData("GET", "/api/sessions/not-a-guid")]
    [InlineData("DELETE", "/api/sessions/not-a-guid")]
    [InlineData("PATCH", "/api/passkeys/not-a-guid")]
    [InlineData("DELETE", "/api/passkeys/not-a-guid")]
    public async Task What_is_no_id_is_404_for_somebody_and_401_for_nobody(string method, string path)
    {
        var user = await _app.SignUpAsync();
        await Answers.AssertProblemAsync(await _app.SendAsync(new HttpMethod(method), path, json: new { name = "Mine" }), 401, "Not authorized");
        await Answers.AssertProblemAsync(await _app.SendAsync(new HttpMethod(method), path, user.AccessToken, json: new { name = "Mine" }), 404, "Not Found");
    }

    [Fact] // ATTACKS 41
    public async Task Signing_in_with_a_session_of_before_makes_everything_new_and_ends_the_old_one()
    {
        var (attacker, victim) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        foreach (var path in new[] { "/api/users/signin", "/api/users/signup" })
        {
            var planted = await _app.SignInAsync(attacker);
            var email = path.EndsWith("signin", StringComparison.Ordinal) ? victim.Email : $"new-{Guid.NewGuid():N}@example.test";
            var answer = await _app.PostTextAsync(path, JsonSerializer.Serialize(new { email, password = TestApp.Password }), "application/json", ("Cookie", planted.Cookies));
            var signedIn = await TestUser.ReadAsync(_app, answer, email, TestApp.Password);

            Assert.NotEqual(planted.SessionId, signedIn.SessionId);
            Assert.NotEqual(planted.SessionCookie, signedIn.SessionCookie);
            Assert.NotEqual(planted.RefreshToken, signedIn.RefreshToken);
            Assert.Equal(email, await _app.WhoAmIAsync(cookies: signedIn.Cookies));
            Assert.Null(await _app.WhoAmIAsync(cookies: planted.Cookies));
            Assert.Null(await _app.WhoAmIAsync(bearer: planted.AccessToken));
            Assert.Equal("replaced", await EndAsync(planted));
        }
    }

    private Task<string?> EndAsync(TestUser user) => _app.DbAsync(db => db.Sessions.Where(s => s.Id == user.SessionId).Select(s => s.RevokedBecause).SingleAsync());
}
