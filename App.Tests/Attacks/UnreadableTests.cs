using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace App.Tests.Attacks;

/// <summary>What no reader can make sense of is refused before one tries.</summary>
public sealed class UnreadableTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Theory] // ATTACKS 77; at the course's routes it is no body at all (CourseInputTests)
    [InlineData("/api/tokens", "application/json; charset=utf-7", 415)]
    [InlineData("/api/tokens", "application/json; charset=zzz", 415)]
    [InlineData("/api/tokens/refresh", "application/json; charset=utf-7", 415)]
    [InlineData("/account/sign-in", "application/x-www-form-urlencoded; charset=utf-7", 400)]
    [InlineData("/account/sign-in", "multipart/form-data; boundary=a", 400)]
    [InlineData("/ui/theme", "application/x-www-form-urlencoded; charset=utf-7", 400)]
    public async Task A_body_in_an_unknown_charset_or_cut_short_is_refused(string path, string contentType, int status)
    {
        var content = new ByteArrayContent(Encoding.ASCII.GetBytes(contentType.StartsWith("multipart", StringComparison.Ordinal) ? "--a\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nab" : "{}"));
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        using var answer = await _app.Client.PostAsync(path, content);
        Assert.Equal(status, (int)answer.StatusCode);
    }

    [Theory] // ATTACKS 77, by other methods, at routes that have them
    [InlineData("PATCH", "/api/passkeys/x", "application/json; charset=zzz")]
    [InlineData("PUT", "/api/admin/services/x/push", "application/json; charset=utf-7")]
    [InlineData("DELETE", "/api/sessions/x", "application/json; charset=zzz")]
    public async Task Nor_by_any_other_method(string method, string path, string contentType)
    {
        var user = await _app.SignUpAsync();
        var content = new ByteArrayContent("{}"u8.ToArray());
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = content, Headers = { Authorization = new("Bearer", user.AccessToken) } };
        using var answer = await _app.Client.SendAsync(request);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, answer.StatusCode);
    }

    [Theory] // ATTACKS 77, the rest of it; the course's routes take each for no body at all (CourseInputTests)
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("multipart/form-data; boundary=b")]
    [InlineData("application/xml")]
    [InlineData("text/plain")]
    [InlineData("application/jsonx")]
    [InlineData(null)]
    public async Task What_isn_t_json_is_415_at_every_route_that_reads_json(string? type)
    {
        var user = await _app.SignUpAsync();
        foreach (var path in new[] { "/api/tokens", "/api/tokens/refresh", "/api/account/password", "/api/account/email", "/api/account/delete", "/api/sessions/current/proof", "/api/passkeys/sign-in/finish" })
        {
            using var answer = await _app.PostTextAsync(path, type?.StartsWith("multipart", StringComparison.Ordinal) == true ? "--b--\r\n" : "{}", type, ("Authorization", "Bearer " + user.AccessToken));
            Assert.Equal((path, HttpStatusCode.UnsupportedMediaType), (path, answer.StatusCode));
        }
    }

    [Theory]
    [InlineData("abc")]
    [InlineData("99999999999")]
    [InlineData("1")]
    public async Task A_page_takes_any_query_for_what_it_is(string before)
    {
        var user = await _app.SignUpAsync();
        using var answer = await _app.SendAsync(HttpMethod.Get, "/account/activity?before=" + before, cookies: user.Cookies);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/account/sign-in")]
    [InlineData("/.well-known/jwks.json")]
    [InlineData("/api/users/currentuser")]
    public async Task HEAD_is_GET_without_the_body(string path) =>
        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Head, path)).StatusCode);

    [Fact]
    public async Task A_token_stays_small_however_long_the_name()
    {
        using var answer = await _app.SendAsync(HttpMethod.Post, "/api/users/signup", json: new
        {
            email = "long@example.test",
            password = TestApp.Password,
            name = string.Concat(Enumerable.Repeat("🔐", 100)),
        });
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        Assert.InRange(TestUser.Unwrap(TestUser.SetCookies(answer).Session).Length, 1, 1024);
    }
}
