using System.Net;
using System.Text.Json;
using App.Tests.Attacks;

namespace App.Tests.Accounts;

/// <summary>Sign-in for programs: the decision of every door, answered with tokens, never with cookies.</summary>
public sealed class IssueTokensTests(OneApp fixture) : IClassFixture<OneApp>
{
    private const string Path = "/api/tokens";
    private readonly TestApp _app = fixture.App;

    [Fact] // ATTACKS 208
    public async Task The_right_password_is_answered_with_tokens_without_cookies_and_never_stored()
    {
        var user = await _app.SignUpAsync();
        var answer = await _app.PostTextAsync(Path, Body(user.Email, user.Password));

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Empty(Answers.CookieLines(answer));
        Assert.Equal("no-store", answer.Headers.CacheControl!.ToString());
        var body = await Answers.JsonAsync(answer);
        Assert.Equal(["access_token", "token_type", "expires_in", "refresh_token", "session_id"], body.EnumerateObject().Select(m => m.Name));
        Assert.Equal(user.Email, await _app.WhoAmIAsync(bearer: body.GetProperty("access_token").GetString()));
        Assert.NotEqual(user.SessionId, body.GetProperty("session_id").GetGuid());
        // It is a session beside the others, not in their place.
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: user.Cookies));
    }

    [Fact]
    public async Task A_browsers_session_is_not_touched_when_a_program_signs_in_from_it()
    {
        var user = await _app.SignUpAsync();
        var answer = await _app.PostTextAsync(Path, Body(user.Email, user.Password), "application/json", ("Cookie", user.Cookies));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Empty(Answers.CookieLines(answer));
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: user.Cookies));
    }

    [Fact]
    public async Task A_wrong_password_and_an_unknown_address_are_401_in_the_same_words()
    {
        var user = await _app.SignUpAsync();
        var before = await State.OfAsync(_app, "Audit", "sqlite_sequence");
        foreach (var email in new[] { user.Email, "nobody@example.test" })
        {
            var answer = await _app.PostTextAsync(Path, Body(email, "not the password of anybody"));
            await Answers.AssertProblemAsync(answer, 401, "Invalid credentials");
            Assert.Empty(Answers.CookieLines(answer));
        }

        Assert.Equal(before, await State.OfAsync(_app, "Audit", "sqlite_sequence"));
    }

    [Theory] // ATTACKS 77
    [InlineData("email=a%40example.test&password=x", "application/x-www-form-urlencoded")]
    [InlineData("{}", "text/plain")]
    [InlineData("<a/>", "application/xml")]
    [InlineData("--b--", "multipart/form-data; boundary=b")]
    [InlineData("{}", null)]
    [InlineData("{}", "application/jsonx")]
    public async Task Another_content_type_is_415(string body, string? type)
    {
        foreach (var path in new[] { Path, Path + "/refresh" }) await Answers.AssertProblemAsync(await _app.PostTextAsync(path, body, type), 415, "Unsupported content type");
    }

    [Theory] // ATTACKS 61, 66, 74, 75
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("\"x\"")]
    [InlineData("{")]
    [InlineData("{}")]
    [InlineData("""{"email":1,"password":true}""")]
    [InlineData("""{"email":null,"password":null}""")]
    [InlineData("""{"email":["a@example.test"],"password":{}}""")]
    [InlineData("""{"email":"a@example.test","email":"b@example.test","password":"x"}""")]
    [InlineData("""{"email":"\ud800","password":"\udfff"}""")]
    [InlineData("""{"email":"a\ufffe@example.test","password":"\ufffe"}""")]
    [InlineData("""{"refresh_token":null}""")]
    [InlineData("""{"refresh_token":1}""")]
    [InlineData("""{"refresh_token":"\ud800"}""")]
    [InlineData("""{"refresh_token":"a","refresh_token":"b"}""")]
    public async Task Bad_input_is_400_and_changes_nothing(string body)
    {
        var before = await State.OfAsync(_app);
        foreach (var path in new[] { Path, Path + "/refresh" })
        {
            using var answer = await _app.PostTextAsync(path, body);
            var problem = await Answers.AssertProblemAsync(answer, 400);
            Assert.NotEmpty(Answers.Faults(problem));
        }

        Assert.Equal(before, await State.OfAsync(_app));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("""{"email":null,"password":null,"refresh_token":null}""")]
    [InlineData("""{"email":"","password":"","refresh_token":""}""")]
    public async Task What_is_null_is_missing(string body)
    {
        await Answers.AssertProblemAsync(await _app.PostTextAsync(Path, body), 400, "Email must be valid / email", "You must supply a password / password");
        await Answers.AssertProblemAsync(await _app.PostTextAsync(Path + "/refresh", body), 400, "You must supply a refresh token / refresh_token");
    }

    private static string Body(string email, string password) => JsonSerializer.Serialize(new { email, password });
}
