using System.Net;
using App.Accounts;
using App.Mail;
using App.Profile;
using App.Sessions;
using App.Tests.Accounts;
using App.Tests.Attacks;
using App.Tests.Factors;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Profile;

/// <summary>Somebody has the password, or the mailbox. What they have begun ends with what they had, and the owner's way back stays open.</summary>
public sealed class ThiefTests : IAsyncLifetime
{
    private const string NewPassword = "seven quiet harbours dreaming";
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Theory] // The second may be confirmed where the clock is behind, or was set back meanwhile.
    [InlineData(60, false)]
    [InlineData(60, true)]
    [InlineData(0, false)]
    [InlineData(-9, false)] // as far as two clocks may differ
    [InlineData(-9, true)]
    public async Task A_thief_who_undoes_their_own_change_leaves_the_owner_s_undo_good_and_is_too_late_after_it(int seconds, bool tooLate)
    {
        var user = await _app.SignUpAsync();
        await ChangeAsync(user, "evil-1@example.test");
        var owners = TestMail.LinkIn(await _app.Mail.LastToAsync(user.Email));
        _app.Time.SetWall(TimeSpan.FromSeconds(seconds));
        await ChangeAsync(user with { Email = "evil-1@example.test" }, "evil-2@example.test");
        var thiefs = TestMail.LinkIn(await _app.Mail.LastToAsync("evil-1@example.test"));

        if (!tooLate) Assert.StartsWith("/account/reset?token=", (await _app.PostFormAsync(thiefs, "undo-email", [])).Location(), StringComparison.Ordinal);
        var back = (await _app.PostFormAsync(owners, "undo-email", [])).Location();
        Assert.Equal("/account/sign-in", (await _app.PostFormAsync(back, "reset", [new("password", NewPassword)])).Location());
        await _app.SignInAsync(user with { Password = NewPassword });
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.PostFormAsync(thiefs, "undo-email", [])).StatusCode);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task This_was_not_me_ends_with_the_address_it_was_sent_to(bool undone)
    {
        var user = await _app.SignUpAsync();
        var undo = "";
        if (undone)
        {
            await ChangeAsync(user, "other@example.test");
            undo = TestMail.LinkIn(await _app.Mail.LastToAsync(user.Email));
        }

        var there = undone ? user with { Email = "other@example.test" } : user;
        var notMe = await _app.NotMeLinkAsync(there);
        if (undone) await _app.PostFormAsync(undo, "undo-email", []);
        else await ChangeAsync(user, "other@example.test");
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.PostFormAsync(notMe, "not-me", [])).StatusCode);
    }

    [Theory]
    [InlineData("change", false)]
    [InlineData("change", true)]
    [InlineData("reset", false)]
    [InlineData("reset", true)]
    [InlineData("not-me", false)]
    [InlineData("not-me", true)]
    public async Task An_address_that_the_thief_asked_for_is_not_theirs_after_the_owner_has_acted(string act, bool written)
    {
        var user = await _app.SignUpAsync();
        var way = await WayBackAsync(user, act);
        Assert.Equal(HttpStatusCode.Accepted, (await AskAsync(user, "evil@example.test")).StatusCode);
        var link = written ? TestMail.LinkIn(await _app.Mail.LastToAsync("evil@example.test")) : null;
        await way();
        if (link is null) Assert.Empty(await _app.Mail.ToAsync("evil@example.test"));
        else Assert.Equal(HttpStatusCode.BadRequest, (await _app.PostFormAsync(link, "new-email", [])).StatusCode);
    }

    [Fact]
    public async Task Nor_is_it_after_the_owner_has_undone_an_earlier_change()
    {
        var user = await _app.SignUpAsync();
        await ChangeAsync(user, "evil-1@example.test");
        var undo = TestMail.LinkIn(await _app.Mail.LastToAsync(user.Email));
        await AskAsync(user, "evil-2@example.test");
        await _app.PostFormAsync(undo, "undo-email", []);
        Assert.Empty(await _app.Mail.ToAsync("evil-2@example.test"));
    }

    [Theory]
    [InlineData("change")]
    [InlineData("reset")]
    [InlineData("not-me")]
    public async Task Half_a_sign_in_is_over_when_its_password_is(string act)
    {
        var user = await _app.SignUpAsync();
        var way = await WayBackAsync(user, act);
        var ada = await _app.TurnOnTwoStepAsync(user);
        var challenge = await ada.ChallengeAsync();
        await way();
        await Answers.AssertProblemAsync(await ada.AnswerAsync(challenge, ada.Codes[0]), 401, "Invalid credentials");
    }

    [Fact] // ATTACKS 92, for a stolen session
    public async Task Whoever_guesses_in_a_stolen_session_does_not_keep_the_owner_s_device_from_changing_the_password()
    {
        var user = await _app.SignUpAsync();
        var own = string.Join("; ", Answers.CookieLines(await _app.SignInAsync(user.Email, user.Password)).Select(line => line.Split(';')[0]));
        Assert.Contains("device=", own, StringComparison.Ordinal);
        for (var i = 0; i < 10; i++) Assert.Equal(HttpStatusCode.BadRequest, (await ConfirmAsync(new string('x', 2000), user.Cookies)).StatusCode);
        Assert.Equal(HttpStatusCode.TooManyRequests, (await ConfirmAsync(user.Password, user.Cookies)).StatusCode);

        Assert.Equal(HttpStatusCode.SeeOther, (await ConfirmAsync(user.Password, own)).StatusCode);
        // No new guesses come with the cookie: ten are all, too, and a new password ends that count with the other.
        for (var i = 0; i < 9; i++) await ConfirmAsync(new string('x', 2000), own);
        var changed = await _app.SendAsync(HttpMethod.Post, "/api/account/password", cookies: own, json: new { currentPassword = user.Password, password = NewPassword });
        Assert.Equal(HttpStatusCode.NoContent, changed.StatusCode);
        // But for what was counted against the stolen session itself, which has ended.
        Assert.Equal(10, await _app.DbAsync(db => db.Set<GuessLimit>().Select(g => g.InARow).SingleAsync()));

        Task<HttpResponseMessage> ConfirmAsync(string password, string cookies) => _app.PostFormAsync("/account/confirm", "confirm", [new("password", password)], cookies);
    }

    [Theory] // Not after a reset: whoever reads the mail would get new guesses at the code with each.
    [InlineData("change", "000000", HttpStatusCode.OK)]
    [InlineData("change", "abcde-fghjk", HttpStatusCode.OK)]
    [InlineData("reset", "000000", HttpStatusCode.TooManyRequests)]
    [InlineData("reset", "abcde-fghjk", HttpStatusCode.TooManyRequests)]
    public async Task A_password_changed_in_a_session_gives_its_owner_new_guesses_at_the_code(string act, string wrong, HttpStatusCode expected)
    {
        var user = await _app.SignUpAsync();
        await _app.DbAsync(db => db.Users.ExecuteUpdateAsync(set => set.SetProperty(u => u.EmailConfirmed, true)));
        var way = await WayBackAsync(user, act);
        var ada = await _app.TurnOnTwoStepAsync(user);
        for (var i = 0; i < 10; i++) await ada.AnswerAsync(await ada.ChallengeAsync(), wrong);
        await way();
        var owner = ada with { User = user with { Password = NewPassword } };
        Assert.Equal(expected, (await owner.AnswerAsync(await owner.ChallengeAsync(), wrong == "000000" ? owner.NextCode() : owner.Codes[0])).StatusCode);
    }

    [Fact]
    public async Task A_session_disowned_on_the_activity_page_makes_its_device_a_stranger()
    {
        var user = await _app.SignUpAsync();
        await _app.NotMeLinkAsync(user);
        var letters = (await _app.Mail.ToAsync(user.Email)).Count;
        var theirs = await _app.DbAsync(db => db.Sessions.Where(s => s.UserId == user.Id && s.Id != user.SessionId).Select(s => s.Id).SingleAsync());
        Assert.Equal("/account/security", (await _app.PostFormAsync("/account/activity/end", "", [new("id", theirs.ToString())], user.Cookies)).Location());
        await _app.NotMeLinkAsync(user);
        Assert.Equal(letters + 1, (await _app.Mail.ToAsync(user.Email)).Count);
    }

    [Theory]
    [InlineData("end")]
    [InlineData("end-others")]
    public async Task Nor_does_the_profile_page_say_that_an_address_is_pending_that_a_disowned_session_asked_for(string act)
    {
        var user = await _app.SignUpAsync();
        var theirs = await _app.SignInAsync(user);
        await AskAsync(theirs, "evil@example.test");
        Assert.True(await IsPendingAsync());
        await _app.PostFormAsync("/account/activity/" + act, "", [new("id", theirs.SessionId.ToString())], user.Cookies);
        Assert.False(await IsPendingAsync());

        async Task<bool> IsPendingAsync() => (await (await _app.SendAsync(HttpMethod.Get, "/account/profile", cookies: user.Cookies)).Content.ReadAsStringAsync()).Contains("asked for another address", StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_thief_who_changed_the_address_can_t_delete_what_its_owner_can_take_back()
    {
        var user = await _app.SignUpAsync();
        await ChangeAsync(user, "evil@example.test");
        var undo = TestMail.LinkIn(await _app.Mail.LastToAsync(user.Email));
        var refused = await _app.SendAsync(HttpMethod.Post, "/api/account/delete", cookies: user.Cookies, json: new { password = user.Password });
        Assert.Equal("address_changed", (await Answers.AssertProblemAsync(refused, 409)).GetProperty("code").GetString());
        // Nobody is asked for a password first; a form from before the change leads to the same page.
        var thief = await _app.SignInAsync(user with { Email = "evil@example.test" });
        var page = await _app.FollowAsync(await _app.PostFormAsync("/account/delete", "delete", [new("password", user.Password)], thief.Cookies), thief.Cookies);
        Assert.Contains("changed within the last week", page.QuerySelector("main .notice")!.TextContent, StringComparison.Ordinal);
        Assert.Equal("2026-01-08T00:00:00Z", page.QuerySelector("main .notice time")!.GetAttribute("datetime"));
        Assert.Null(page.QuerySelector("main input[type=password]"));
        // Rounded up: whoever comes back then isn't sent away again.
        await _app.DbAsync(db => db.Set<OneTimeLink>().Where(l => l.Purpose == UndoEmail.Link).ExecuteUpdateAsync(set => set.SetProperty(l => l.ExpiresAt, _app.Time.GetUtcNow().AddDays(6.5))));
        Assert.EndsWith(": in 7 days.", (await (await _app.SendAsync(HttpMethod.Get, "/account/delete", cookies: thief.Cookies)).PageAsync()).QuerySelector("main .notice")!.TextContent.Trim(), StringComparison.Ordinal);
        var back = (await _app.PostFormAsync(undo, "undo-email", [])).Location();
        await _app.PostFormAsync(back, "reset", [new("password", NewPassword)]);
        var owner = await _app.SignInAsync(user with { Password = NewPassword });
        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Post, "/api/account/delete", owner.AccessToken, json: new { password = NewPassword })).StatusCode);
    }

    [Theory]
    [InlineData("end")]
    [InlineData("end-others")]
    public async Task Disowning_from_an_old_proof_leads_to_the_confirmation_and_says_nothing_else(string act)
    {
        var user = await _app.SignUpAsync();
        var other = await _app.SignInAsync(user);
        _app.Time.Advance(TimeSpan.FromMinutes(11));
        var answer = await _app.PostFormAsync("/account/activity/" + act, "", [new("id", other.SessionId.ToString())], user.Cookies);
        Assert.Equal("/account/confirm?returnUrl=%2Faccount%2Factivity", answer.Location());
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: other.Cookies));
    }

    // What the owner can do, prepared before the thief begins.
    private async Task<Func<Task>> WayBackAsync(TestUser user, string act)
    {
        switch (act)
        {
            case "change":
                return async () => Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(
                    HttpMethod.Post, "/api/account/password", cookies: user.Cookies, json: new { currentPassword = user.Password, password = NewPassword })).StatusCode);
            case "reset":
                await _app.PostTextAsync("/api/users/forgot", $$"""{"email":"{{user.Email}}"}""");
                var token = TestMail.TokenIn(await _app.Mail.LastToAsync(user.Email));
                return async () => Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Post, "/api/users/reset", json: new { token, password = NewPassword })).StatusCode);
            default:
                var link = await _app.NotMeLinkAsync(user);
                return async () => Assert.StartsWith("/account/reset", (await _app.PostFormAsync(link, "not-me", [])).Location(), StringComparison.Ordinal);
        }
    }

    private Task<HttpResponseMessage> AskAsync(TestUser user, string email) =>
        _app.SendAsync(HttpMethod.Post, "/api/account/email", cookies: user.Cookies, json: new { email, password = user.Password });

    private async Task ChangeAsync(TestUser user, string email)
    {
        Assert.Equal(HttpStatusCode.Accepted, (await AskAsync(user, email)).StatusCode);
        var token = TestMail.TokenIn(await _app.Mail.LastToAsync(email));
        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Post, "/api/account/email/confirm", cookies: user.Cookies, json: new { token })).StatusCode);
    }
}
