using System.Net;
using AngleSharp.Dom;
using App.Events;
using App.Sessions;
using App.Tests.Accounts;
using App.Tests.Events;

namespace App.Tests.Sessions;

/// <summary>The sessions page where there is no script.</summary>
public sealed class SessionsPageTests
{
    [Fact]
    public async Task This_session_is_first_and_has_no_end_button()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        await app.SignInAsync(user);
        app.Time.Advance(TimeSpan.FromMinutes(1));
        await app.SignInAsync(user);
        var page = await (await app.SendAsync(HttpMethod.Get, "/account/sessions", cookies: user.Cookies)).PageAsync();
        var rows = page.QuerySelectorAll(".list > li");
        Assert.Equal(3, rows.Length);
        Assert.Equal("This device", rows[0].QuerySelector(".tag")!.TextContent);
        Assert.Null(rows[0].QuerySelector("button"));
        Assert.All(rows.Skip(1), row => Assert.StartsWith("End session: ", row.QuerySelector("form[method=post] button")!.GetAttribute("aria-label")!, StringComparison.Ordinal));
        Assert.NotNull(page.QuerySelector("form[action='/account/sessions/end-others'] button"));
        Assert.Contains(page.QuerySelectorAll("script"), s => s.GetAttribute("src")!.Contains("blazor.web", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Alone_the_page_says_what_would_be_there()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        var page = await (await app.SendAsync(HttpMethod.Get, "/account/sessions", cookies: user.Cookies)).PageAsync();
        Assert.Contains("Nowhere else", page.QuerySelector(".empty")!.TextContent, StringComparison.Ordinal);
        Assert.Null(page.QuerySelector(".list button"));
    }

    [Fact] // A token of five minutes is taken for half a minute longer, as clocks differ.
    public async Task What_it_promises_at_the_latest_is_when_the_last_token_is_refused()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        var page = await (await app.SendAsync(HttpMethod.Get, "/account/sessions", cookies: user.Cookies)).PageAsync();
        Assert.Contains("within 6 minutes at the latest", page.QuerySelector("main")!.TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ending_one_ends_that_one()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        var (other, third) = (await app.SignInAsync(user), await app.SignInAsync(user));
        var answer = await EndAsync(app, user, other.SessionId.ToString());
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        Assert.Equal("/account/sessions", answer.Location());
        Assert.Null(await app.WhoAmIAsync(bearer: other.AccessToken));
        Assert.Equal(user.Email, await app.WhoAmIAsync(bearer: third.AccessToken));
        var page = await app.FollowAsync(answer, user.Cookies);
        Assert.Equal("One session was ended.", page.QuerySelector(".notice")!.TextContent);
        Assert.Equal("Signed out", Assert.Single(page.QuerySelectorAll(".list .gone .tag")).TextContent);
        Assert.Empty((await (await app.SendAsync(HttpMethod.Get, "/account/sessions", cookies: user.Cookies)).PageAsync()).QuerySelectorAll(".gone"));
    }

    [Fact]
    public async Task The_page_that_follows_says_who_is_behind()
    {
        await using var app = TestApp.Start(FeedServices.Settings);
        app.Get<FeedContacts>().Seen(new CallingService("billing", null), "");
        await app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
        var user = await app.SignUpAsync();
        var other = await app.SignInAsync(user);
        var page = await app.FollowAsync(await EndAsync(app, user, other.SessionId.ToString()), user.Cookies);
        Assert.Equal("Signed out here; waiting for billing (0 s behind)", page.QuerySelector(".list .gone .tag")!.TextContent);
    }

    [Fact]
    public async Task Ending_all_others_keeps_this_one()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        var (other, third) = (await app.SignInAsync(user), await app.SignInAsync(user));
        var answer = await app.PostFormAsync("/account/sessions/end-others", "", [], user.Cookies);
        var page = await app.FollowAsync(answer, user.Cookies);
        Assert.Equal("2 sessions were ended.", page.QuerySelector(".notice")!.TextContent);
        Assert.Equal(2, page.QuerySelectorAll(".list .gone").Length);
        Assert.Null(await app.WhoAmIAsync(bearer: other.AccessToken));
        Assert.Null(await app.WhoAmIAsync(bearer: third.AccessToken));
        Assert.Equal(user.Email, await app.WhoAmIAsync(bearer: user.AccessToken));
    }

    [Fact]
    public async Task Somebody_elses_session_is_out_of_reach()
    {
        await using var app = TestApp.Start();
        var (user, stranger) = (await app.SignUpAsync(), await app.SignUpAsync());
        Assert.Equal("/account/sessions", (await EndAsync(app, user, stranger.SessionId.ToString())).Location());
        Assert.Equal(stranger.Email, await app.WhoAmIAsync(bearer: stranger.AccessToken));
    }

    [Fact]
    public async Task Ending_ones_own_signs_out()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        var answer = await EndAsync(app, user, user.SessionId.ToString());
        Assert.Equal("/account/sign-out", answer.Location());
        Assert.StartsWith("session=;", answer.Headers.GetValues("Set-Cookie").First(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(""), InlineData("x"), InlineData("' or 1=1")]
    public async Task Nonsense_is_a_page_with_400(string id)
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        var answer = await EndAsync(app, user, id);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.NotNull((await answer.PageAsync()).QuerySelector("h1"));
    }

    [Fact]
    public async Task A_stranger_is_led_to_sign_in()
    {
        await using var app = TestApp.Start();
        var answer = await app.PostFormAsync("/account/sessions/end-others", "", []);
        Assert.StartsWith("/account/sign-in?returnUrl=", answer.Location(), StringComparison.Ordinal);
    }

    [Fact] // ATTACKS 150
    public async Task Of_very_many_the_page_says_how_many_more_there_are_and_leads_to_them()
    {
        await using var app = TestApp.Start();
        var (user, now) = (await app.SignUpAsync(), app.Time.GetUtcNow());
        await app.DbAsync(db =>
        {
            db.AddRange(Enumerable.Range(1, 205).Select(i => new Session { Id = Guid.NewGuid(), UserId = user.Id, StartedAt = now, LastSeenAt = now.AddSeconds(-i), ExpiresAt = now.AddDays(1), AuthenticatedAt = now }));
            return db.SaveChangesAsync();
        });
        var first = await OpenAsync("/account/sessions");
        Assert.Contains("6 more sessions aren’t on this page.", first.QuerySelector("main")!.TextContent, StringComparison.Ordinal);
        Assert.Contains("A program, A program and 203 more must sign in again.", first.QuerySelector("main")!.TextContent, StringComparison.Ordinal);
        var older = Assert.Single(first.QuerySelectorAll(".after > a"));
        Assert.Equal("Show those seen before", older.TextContent);

        var last = await OpenAsync(older.GetAttribute("href")!);
        Assert.Equal("This device", last.QuerySelector(".list > li .tag")!.TextContent);
        Assert.Equal((200, 7), (first.QuerySelectorAll(".list > li").Length, last.QuerySelectorAll(".list > li").Length));
        Assert.Equal(205, first.QuerySelectorAll("input[name=id]").Concat(last.QuerySelectorAll("input[name=id]")).Select(i => i.GetAttribute("value")).Distinct().Count());
        Assert.Contains("199 more sessions aren’t on this page.", last.QuerySelector("main")!.TextContent, StringComparison.Ordinal);
        var newest = Assert.Single(last.QuerySelectorAll(".after > a"));
        Assert.Equal(("/account/sessions", "Back to the last seen"), (newest.GetAttribute("href"), newest.TextContent));
        Assert.Equal(200, (await OpenAsync($"/account/sessions?before={Guid.NewGuid()}")).QuerySelectorAll(".list > li").Length); // as if nothing had been said

        async Task<IDocument> OpenAsync(string path) => await (await app.SendAsync(HttpMethod.Get, path, cookies: user.Cookies)).PageAsync();
    }

    private static Task<HttpResponseMessage> EndAsync(TestApp app, TestUser user, string id) =>
        app.PostFormAsync("/account/sessions/end", "", [new("id", id)], user.Cookies);
}
