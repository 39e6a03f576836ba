using System.Net;
using AngleSharp.Dom;
using App.Admin;
using App.Audit;
using App.Tests.Accounts;
using App.Tests.Attacks;
using App.Tests.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Admin;

/// <summary>An admin has somebody sent the letter for a new password.</summary>
public sealed class StartResetTests(SharedApp shared) : IClassFixture<SharedApp>
{
    private readonly TestApp _app = shared.App;

    [Fact]
    public async Task The_owner_gets_the_letter_and_the_admin_nothing_of_it()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        var answer = await _app.SendAsync(HttpMethod.Post, Path(user), admin.AccessToken);
        Assert.Equal((HttpStatusCode.Accepted, "{}"), (answer.StatusCode, await answer.Content.ReadAsStringAsync()));
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: user.Cookies)); // nothing has changed yet

        var letter = await _app.Mail.LastToAsync(user.Email);
        Assert.Contains("An administrator had this e-mail sent to you", letter.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("most likely you", letter.Text, StringComparison.Ordinal);
        Assert.StartsWith("/account/reset?token=", TestMail.LinkIn(letter), StringComparison.Ordinal);
        var reset = await _app.SendAsync(HttpMethod.Post, "/api/users/reset", json: new { token = TestMail.TokenIn(letter), password = "seven quiet harbours dreaming" });
        Assert.Equal(HttpStatusCode.OK, reset.StatusCode);
        Assert.Null(await _app.WhoAmIAsync(cookies: user.Cookies));

        Assert.Equal(admin.Id, Assert.Single(await RowsAsync(user)).ActorId);
        Assert.False(await _app.DbAsync(db => db.Audit.AnyAsync(a => a.UserId == user.Id && a.Action == "reset-asked"))); // they didn't
        var here = await _app.SignInAsync(user with { Password = "seven quiet harbours dreaming" });
        var activity = (await Answers.JsonAsync(await _app.SendAsync(HttpMethod.Get, "/api/account/activity", here.AccessToken))).GetProperty("entries").EnumerateArray();
        Assert.Equal("administrator", activity.Single(e => e.GetProperty("action").GetString() == "reset-started").GetProperty("by").GetString());
        var page = await (await _app.SendAsync(HttpMethod.Get, "/account/activity", cookies: here.Cookies)).PageAsync();
        Assert.Contains("Link for a new password sent by an administrator", page.QuerySelector(".list")!.TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_double_click_sends_one_letter_and_an_hour_has_three_whatever_others_ask_for()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        for (var i = 0; i < 4; i++) await _app.SendAsync(HttpMethod.Post, "/api/users/forgot", json: new { email = user.Email });
        var asked = (await _app.Mail.ToAsync(user.Email)).Count;
        for (var letters = 1; letters <= 3; letters++)
        {
            await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => _app.ExpectAsync(HttpStatusCode.Accepted, admin, HttpMethod.Post, Path(user))));
            Assert.Equal((asked + letters, letters), ((await _app.Mail.ToAsync(user.Email)).Count, (await RowsAsync(user)).Count));
        }

        var problem = await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Post, Path(user), admin.AccessToken), 409);
        Assert.Equal("enough_letters", problem.GetProperty("code").GetString());
        Assert.Contains("Three such e-mails", Assert.Single((await PostAsync(admin, user, HttpStatusCode.BadRequest)).Faults()), StringComparison.Ordinal);
        _app.Time.Advance(TimeSpan.FromHours(1));
        await _app.ExpectAsync(HttpStatusCode.Accepted, await _app.SignInAsync(admin), HttpMethod.Post, Path(user));
    }

    [Fact]
    public async Task A_locked_account_gets_no_letter_nor_does_one_that_is_locked_before_it_is_written()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        var before = (await _app.Mail.ToAsync(user.Email)).Count;
        await _app.ExpectAsync(HttpStatusCode.Accepted, admin, HttpMethod.Post, Path(user));
        await _app.LockAsync(admin, user);
        Assert.Equal(before, (await _app.Mail.ToAsync(user.Email)).Count);
        var problem = await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Post, Path(user), admin.AccessToken), 409);
        Assert.Equal("account_locked", problem.GetProperty("code").GetString());
        var page = await PostAsync(admin, user, HttpStatusCode.BadRequest); // from a tab that doesn't know
        Assert.Contains("Unlock it first", Assert.Single(page.Faults()), StringComparison.Ordinal);
        Assert.Null(page.QuerySelector("button[value=reset]"));
        Assert.Single(await RowsAsync(user));
    }

    [Fact]
    public async Task Only_who_still_is_an_admin_does_it_and_only_for_somebody_who_is_there()
    {
        var (admin, gone, user) = (await _app.NewAdminAsync(), await _app.NewAdminAsync(), await _app.SignUpAsync());
        await _app.GrantAsync(gone, granted: false);
        Assert.Equal(StartReset.Outcome.Forbidden, await _app.ScopedAsync((StartReset start) => start.RunAsync(user.Id, gone.AsCaller(), CancellationToken.None)));
        await _app.ExpectAsync(HttpStatusCode.NotFound, admin, HttpMethod.Post, $"/api/admin/users/{Guid.NewGuid()}/reset");
        await _app.SendAsync(HttpMethod.Post, "/api/account/delete", user.AccessToken, json: new { password = user.Password });
        await _app.ExpectAsync(HttpStatusCode.NotFound, admin, HttpMethod.Post, Path(user));
        Assert.Empty(await RowsAsync(user));
    }

    [Fact]
    public async Task The_page_says_what_its_owner_will_get_and_that_it_is_on_its_way()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        var page = await (await _app.SendAsync(HttpMethod.Get, $"/admin/users/{user.Id}", cookies: admin.Cookies)).PageAsync();
        var asks = page.QuerySelector("details:has(button[value=reset])")!.TextContent;
        Assert.All([user.Email, "only they see it", "all of their sessions end"], words => Assert.Contains(words, asks, StringComparison.Ordinal));
        page = await PostAsync(admin, user, HttpStatusCode.SeeOther);
        Assert.Contains("on its way", page.QuerySelector(".notice")!.TextContent, StringComparison.Ordinal);
        Assert.Contains("An administrator", (await _app.Mail.LastToAsync(user.Email)).Text, StringComparison.Ordinal);
    }

    private static string Path(TestUser user) => $"/api/admin/users/{user.Id}/reset";

    private Task<List<AuditEntry>> RowsAsync(TestUser user) =>
        _app.DbAsync(db => db.Audit.AsNoTracking().Where(a => a.UserId == user.Id && a.Action == "reset-started").ToListAsync());

    private async Task<IDocument> PostAsync(TestUser admin, TestUser user, HttpStatusCode expected)
    {
        var answer = await _app.PostFormAsync($"/admin/users/{user.Id}", "user", [new("act", "reset")], admin.Cookies);
        Assert.Equal(expected, answer.StatusCode);
        return expected == HttpStatusCode.SeeOther ? await _app.FollowAsync(answer, admin.Cookies) : await answer.PageAsync();
    }
}
