using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using App.Sessions;
using App.Tests.Attacks;
using App.Tests.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Sessions;

public sealed class EndSessionTests(SharedApp shared) : IClassFixture<SharedApp>
{
    private readonly TestApp _app = shared.App;

    [Fact]
    public async Task One_s_own_session_ends_and_its_cookies_go()
    {
        var user = await _app.SignUpAsync();
        var answer = await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{user.SessionId}", cookies: user.Cookies);

        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        Assert.All(answer.Headers.GetValues("Set-Cookie"), line => Assert.Contains("expires=Thu, 01 Jan 1970", line, StringComparison.Ordinal));
        Assert.Null(await _app.WhoAmIAsync(cookies: user.Cookies));
    }

    [Fact] // contract section 4: the bearer token decides; the cookies beside it are somebody's who asked for nothing
    public async Task A_program_that_ends_its_own_session_leaves_the_cookies_beside_it_alone()
    {
        var (program, browser) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        var answer = await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{program.SessionId}", bearer: program.AccessToken, cookies: browser.Cookies);

        Assert.Equal((HttpStatusCode.NoContent, 0), (answer.StatusCode, Answers.CookieLines(answer).Length));
        Assert.Equal((null, browser.Email), (await _app.WhoAmIAsync(bearer: program.AccessToken), await _app.WhoAmIAsync(cookies: browser.Cookies)));
    }

    [Fact]
    public async Task Another_session_ends_and_this_one_goes_on()
    {
        var there = await _app.SignUpAsync();
        var here = await _app.SignInAsync(there);
        var answer = await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{there.SessionId}", cookies: here.Cookies);

        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        Assert.False(answer.Headers.Contains("Set-Cookie"));
        Assert.Null(await _app.WhoAmIAsync(cookies: there.Cookies));
        Assert.NotNull(await _app.WhoAmIAsync(cookies: here.Cookies));
    }

    [Fact]
    public async Task Asking_twice_is_no_error()
    {
        var there = await _app.SignUpAsync();
        var here = await _app.SignInAsync(there);
        for (var i = 0; i < 2; i++)
            Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{there.SessionId}", bearer: here.AccessToken)).StatusCode);
    }

    [Fact] // another person's and nobody's can't be told apart
    public async Task A_session_of_somebody_else_is_as_unknown_as_one_that_never_was()
    {
        var (mallory, ada) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        var bodies = new List<string>();
        foreach (var id in new[] { ada.SessionId, Guid.NewGuid() })
        {
            foreach (var method in new[] { HttpMethod.Delete, HttpMethod.Get })
            {
                var answer = await _app.SendAsync(method, $"/api/sessions/{id}", bearer: mallory.AccessToken);
                Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
                bodies.Add((await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("errors").GetRawText());
            }
        }

        Assert.Single(bodies.Distinct());
        Assert.NotNull(await _app.WhoAmIAsync(bearer: ada.AccessToken));
    }

    [Theory]
    [InlineData("not-an-id")]
    [InlineData("00000000-0000-0000-0000-000000000000")]
    [InlineData("%27%20OR%201=1")]
    public async Task Nonsense_for_an_id_is_not_found(string id)
    {
        var user = await _app.SignUpAsync();
        Assert.Equal(HttpStatusCode.NotFound, (await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{id}", bearer: user.AccessToken)).StatusCode);
        Assert.NotNull(await _app.WhoAmIAsync(bearer: user.AccessToken));
    }

    [Fact]
    public async Task Ending_all_others_counts_them_and_leaves_this_one_and_other_people_s()
    {
        var first = await _app.SignUpAsync();
        var (second, here, stranger) = (await _app.SignInAsync(first), await _app.SignInAsync(first), await _app.SignUpAsync());

        Assert.Equal(2, await EndOthersAsync());
        Assert.Equal(0, await EndOthersAsync());
        Assert.Null(await _app.WhoAmIAsync(bearer: first.AccessToken));
        Assert.Null(await _app.WhoAmIAsync(cookies: second.Cookies));
        Assert.NotNull(await _app.WhoAmIAsync(bearer: here.AccessToken));
        Assert.NotNull(await _app.WhoAmIAsync(bearer: stranger.AccessToken));
        var letter = Assert.Single(await _app.Mail.ToAsync(first.Email), l => l.Subject.StartsWith("Your other sessions", StringComparison.Ordinal));
        Assert.Equal("/account/forgot", TestMail.LinkIn(letter));

        async Task<int> EndOthersAsync()
        {
            var answer = await _app.SendAsync(HttpMethod.Delete, "/api/sessions", bearer: here.AccessToken);
            return (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("ended").GetInt32();
        }
    }

    [Fact] // A client whose id is empty means one session, and not all of them.
    public async Task An_empty_id_is_nobodys_session()
    {
        var there = await _app.SignUpAsync();
        var here = await _app.SignInAsync(there);
        await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Delete, "/api/sessions/", bearer: here.AccessToken), 404, "Not Found");
        Assert.NotNull(await _app.WhoAmIAsync(bearer: there.AccessToken));
    }

    [Theory]
    [InlineData("GET", "/api/sessions")]
    [InlineData("DELETE", "/api/sessions")]
    [InlineData("DELETE", "/api/sessions/22222222-2222-4222-8222-222222222222")]
    public async Task A_stranger_gets_401(string method, string path) =>
        Assert.Equal(HttpStatusCode.Unauthorized, (await _app.SendAsync(new HttpMethod(method), path)).StatusCode);

    [Fact]
    public async Task The_buttons_of_the_page_do_the_same()
    {
        var first = await _app.SignUpAsync();
        var (second, here) = (await _app.SignInAsync(first), await _app.SignInAsync(first));

        var one = await _app.PostFormAsync("/account/sessions/end", "", [new("id", first.SessionId.ToString())], here.Cookies);
        Assert.Equal((HttpStatusCode.SeeOther, "/account/sessions"), (one.StatusCode, one.Headers.Location!.OriginalString));
        var others = await _app.PostFormAsync("/account/sessions/end-others", "", [], here.Cookies);
        Assert.Equal("/account/sessions", others.Headers.Location!.OriginalString);
        Assert.Null(await _app.WhoAmIAsync(bearer: first.AccessToken));
        Assert.Null(await _app.WhoAmIAsync(bearer: second.AccessToken));

        var own = await _app.PostFormAsync("/account/sessions/end", "", [new("id", here.SessionId.ToString())], here.Cookies);
        Assert.Equal("/account/sign-out", own.Headers.Location!.OriginalString);
        Assert.Null(await _app.WhoAmIAsync(cookies: here.Cookies));
    }

    [Fact]
    public async Task It_is_remembered_when_and_why()
    {
        var user = await _app.SignUpAsync();
        await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{user.SessionId}", bearer: user.AccessToken);
        var row = await _app.DbAsync(db => db.Sessions.AsNoTracking().SingleAsync(s => s.Id == user.SessionId));
        Assert.Equal((_app.Time.GetUtcNow(), "ended-by-user"), (row.RevokedAt!.Value, row.RevokedBecause));
    }
}
