using System.Net;
using App.Audit;
using App.Mail;
using App.Sessions;
using App.Tests.Accounts;
using App.Tests.Admin;
using App.Tests.Attacks;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Profile;

/// <summary>ATTACKS 128 and 130: another address, and the way back from it.</summary>
public sealed partial class ChangeEmailTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact] // ATTACKS 128
    public async Task The_new_address_confirms_the_old_is_told_and_tokens_say_the_new()
    {
        var user = await _app.SignUpAsync();
        Assert.Equal(HttpStatusCode.Accepted, (await AskAsync(user, "new@example.test")).StatusCode);
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: user.Cookies));
        var link = TestMail.LinkIn(await _app.Mail.LastToAsync("new@example.test"));
        Assert.Contains("<b>new@example.test</b>", await (await _app.SendAsync(HttpMethod.Get, link, cookies: user.Cookies)).Content.ReadAsStringAsync(), StringComparison.Ordinal);
        var told = await _app.FollowAsync(await _app.PostFormAsync(link, "new-email", [], user.Cookies), user.Cookies);
        Assert.Contains("is changed", told.QuerySelector("main [role=status]")!.TextContent, StringComparison.Ordinal);
        Assert.EndsWith("new@example.test", told.QuerySelector(".who")!.TextContent, StringComparison.Ordinal);

        Assert.Null(await _app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Equal("new@example.test", await _app.WhoAmIAsync(cookies: user.Cookies));
        Assert.Contains("has another address", (await _app.Mail.LastToAsync(user.Email)).Text, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.SignInAsync(user.Email, user.Password)).StatusCode);
        Assert.Equal(HttpStatusCode.SeeOther, (await _app.SignInAsync("new@example.test", user.Password)).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.PostFormAsync(link, "new-email", [])).StatusCode);
    }

    [Fact]
    public async Task The_old_address_takes_the_account_back_from_a_thief()
    {
        var user = await _app.SignUpAsync();
        var thief = await _app.SignInAsync(user);
        await ChangeAsync(thief, "thief@example.test");
        var undo = TestMail.LinkIn(await _app.Mail.LastToAsync(user.Email));
        // The thief moves on, asks for a reset, and wants the old address for themselves.
        thief = await _app.SignInAsync(thief with { Email = "thief@example.test" });
        await ChangeAsync(thief, "thief-2@example.test");
        await _app.PostTextAsync("/api/users/forgot", """{"email":"thief-2@example.test"}""");
        var reset = TestMail.TokenIn(await _app.Mail.LastToAsync("thief-2@example.test"));
        await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Post, "/api/users/signup", json: new { email = user.Email, password = TestApp.Password }), 400, "Email in use");

        var theirs = (await _app.Mail.ToAsync("thief@example.test")).Where(l => l.Text.Contains("/undo-email", StringComparison.Ordinal));
        for (var i = 0; i < 2; i++) Assert.Contains(user.Email, await _app.Client.GetStringAsync(undo), StringComparison.Ordinal);
        var answer = await _app.PostFormAsync(undo, "undo-email", []);
        Assert.StartsWith("/account/reset?token=", answer.Location(), StringComparison.Ordinal);
        Assert.Null(await _app.WhoAmIAsync(cookies: thief.Cookies));
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.SignInAsync(user.Email, user.Password)).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.SendAsync(HttpMethod.Post, "/api/users/reset", json: new { token = reset, password = "the thief's own new password" })).StatusCode);
        // Nor is there a way back for the thief.
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.PostFormAsync(TestMail.LinkIn(theirs.Single()), "undo-email", [])).StatusCode);

        await _app.PostFormAsync(answer.Location(), "reset", [new("password", "seven quiet harbours dreaming")]);
        Assert.Equal(HttpStatusCode.SeeOther, (await _app.SignInAsync(user.Email, "seven quiet harbours dreaming")).StatusCode);
    }

    [Fact]
    public async Task After_a_week_the_change_stands_and_the_old_address_is_free()
    {
        var user = await _app.SignUpAsync();
        await ChangeAsync(user, "new@example.test");
        var undo = TestMail.LinkIn(await _app.Mail.LastToAsync(user.Email));
        var kept = await (await PageForms.SignUpAsync(_app, user.Email, TestApp.Password)).PageAsync();
        Assert.Contains("its owner can have it back for a week after the change", kept.Faults().Single(), StringComparison.Ordinal);
        // Seven days of ticks would take most of a minute: the link is aged instead of the clock.
        Assert.Equal(_app.Time.GetUtcNow().AddDays(7), await _app.DbAsync(db => db.Set<OneTimeLink>().Where(l => l.Holds != null).Select(l => l.ExpiresAt).SingleAsync()));
        await _app.DbAsync(db => db.Set<OneTimeLink>().ExecuteUpdateAsync(set => set.SetProperty(l => l.ExpiresAt, _app.Time.GetUtcNow())));
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.PostFormAsync(undo, "undo-email", [])).StatusCode);
        await _app.SignUpAsync(user.Email);
    }

    [Fact] // ATTACKS 130
    public async Task An_address_in_use_is_answered_like_a_free_one_and_nothing_changes()
    {
        var (ada, bob) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        var (taken, free) = (await AskAsync(ada, bob.Email), await AskAsync(ada, "free@example.test"));
        Assert.Equal((free.StatusCode, await free.Content.ReadAsStringAsync()), (taken.StatusCode, await taken.Content.ReadAsStringAsync()));
        Assert.Single(await _app.Mail.ToAsync(bob.Email)); // of their own sign-up
        Assert.Single(await _app.Mail.ToAsync("free@example.test"));
    }

    [Fact] // ATTACKS 130, for the page
    public async Task The_page_too_answers_for_a_taken_address_as_for_a_free_one()
    {
        var (ada, bob) = (await _app.SignUpAsync(), await _app.SignUpAsync("taken@example.test"));
        var answers = new List<string>();
        foreach (var email in new[] { bob.Email, "zzfree@example.test" })
        {
            var answer = await _app.PostFormAsync("/account/profile", "email", [new("email", email), new("emailPassword", ada.Password)], ada.Cookies);
            answers.Add($"{(int)answer.StatusCode} {answer.Headers} {Sealed().Replace(await answer.Content.ReadAsStringAsync(), "")}".Replace(email, "it", StringComparison.Ordinal));
        }

        Assert.Contains("on its way to it", answers[0], StringComparison.Ordinal);
        Assert.Equal(answers[1], answers[0]);
    }

    [Theory] // ATTACKS 130: nor does the page afterwards say which of the two it was
    [InlineData(true)]
    [InlineData(false)]
    public async Task Until_the_letter_is_answered_or_too_old_the_page_says_that_a_change_was_asked_for(bool taken)
    {
        var ada = await _app.SignUpAsync();
        var wanted = taken ? (await _app.SignUpAsync()).Email : "free@example.test";
        Assert.False(await SaysAsync());
        await AskAsync(ada, wanted);
        Assert.True(await SaysAsync());
        if (!taken)
        {
            var undone = await _app.SignUpAsync();
            await ChangeAsync(undone, "changed@example.test");
            Assert.DoesNotContain("asked for another address", await ProfileAsync(undone), StringComparison.Ordinal);
        }

        await _app.DbAsync(db => db.Audit.Where(a => a.Action == "email-change-asked").ExecuteUpdateAsync(set => set.SetProperty(a => a.At, _app.Time.GetUtcNow().AddDays(-1))));
        Assert.False(await SaysAsync());

        async Task<bool> SaysAsync() => (await ProfileAsync(ada)).Contains("asked for another address", StringComparison.Ordinal);
    }

    [Theory] // ATTACKS 130: nor what it is answered when they think better of it
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_was_asked_for_is_withdrawn_and_its_link_leads_nowhere(bool page)
    {
        var (ada, bob) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        var answers = new List<string>();
        foreach (var wanted in new[] { "free@example.test", bob.Email })
        {
            await AskAsync(ada, wanted);
            if (wanted != bob.Email) await _app.Mail.LastToAsync(wanted);
            answers.Add(await WithdrawAsync(ada));
            Assert.DoesNotContain("asked for another address", await ProfileAsync(ada), StringComparison.Ordinal);
        }

        Assert.Equal(answers[0], answers[1]);
        Assert.StartsWith(page ? "200" : "204", answers[0], StringComparison.Ordinal);
        var link = TestMail.LinkIn(await _app.Mail.LastToAsync("free@example.test"));
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.PostFormAsync(link, "new-email", [], ada.Cookies)).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.SendAsync(HttpMethod.Post, "/api/account/email/confirm", ada.AccessToken, json: new { token = TestMail.TokenIn(await _app.Mail.LastToAsync("free@example.test")) })).StatusCode);
        Assert.Equal(ada.Email, await _app.WhoAmIAsync(cookies: ada.Cookies));
        Assert.Equal(2, await CountAsync());
        Assert.StartsWith(page ? "200" : "204", await WithdrawAsync(ada), StringComparison.Ordinal); // nothing is pending
        Assert.Equal(2, await CountAsync());

        async Task<string> WithdrawAsync(TestUser user)
        {
            var answer = page ? await _app.PostFormAsync("/account/profile", "withdraw", [], user.Cookies) : await _app.SendAsync(HttpMethod.Delete, "/api/account/email", user.AccessToken);
            return $"{(int)answer.StatusCode} {Sealed().Replace(await answer.Content.ReadAsStringAsync(), "")}";
        }

        Task<int> CountAsync() => _app.DbAsync(db => db.Audit.CountAsync(a => a.Action == "email-change-withdrawn" && a.UserId == ada.Id && a.SessionId == ada.SessionId));
    }

    [Fact]
    public async Task A_letter_that_is_not_written_yet_never_is_and_others_stay_as_they_are()
    {
        var (ada, bob) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        await AskAsync(bob, "bob@example.test");
        await AskAsync(ada, "ada@example.test");
        Assert.Contains("Withdraw</button>", await ProfileAsync(ada), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Delete, "/api/account/email", ada.AccessToken)).StatusCode);
        Assert.Empty(await _app.Mail.ToAsync("ada@example.test"));
        var link = TestMail.LinkIn(await _app.Mail.LastToAsync("bob@example.test"));
        Assert.Equal(HttpStatusCode.SeeOther, (await _app.PostFormAsync(link, "new-email", [], bob.Cookies)).StatusCode);
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: ada.Cookies);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _app.SendAsync(HttpMethod.Delete, "/api/account/email", ada.AccessToken)).StatusCode);
        // As a request that came in before that, and takes its time.
        Assert.False(await _app.ScopedAsync((App.Profile.ChangeEmail change) => change.WithdrawAsync(ada.AsCaller(), new Client("127.0.0.1", ""), CancellationToken.None)));
    }

    [Fact] // One account an address: taken between the letter and its answer.
    public async Task An_address_that_somebody_took_meanwhile_stays_theirs()
    {
        var ada = await _app.SignUpAsync();
        await AskAsync(ada, "both@example.test");
        var link = TestMail.LinkIn(await _app.Mail.LastToAsync("both@example.test"));
        var bob = await _app.SignUpAsync("both@example.test");
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.PostFormAsync(link, "new-email", [], ada.Cookies)).StatusCode);
        Assert.Equal(ada.Email, await _app.WhoAmIAsync(cookies: ada.Cookies));
        Assert.Equal("both@example.test", await _app.WhoAmIAsync(cookies: bob.Cookies));
    }

    [Fact] // Who reads the letter has the address, and not for that the account which wants it.
    public async Task A_letter_that_a_stranger_had_sent_gives_their_account_nobody_s_address()
    {
        var stranger = await _app.SignUpAsync();
        await AskAsync(stranger, "victim@example.test");
        var link = TestMail.LinkIn(await _app.Mail.LastToAsync("victim@example.test"));
        foreach (var cookies in new[] { null, (await _app.SignUpAsync()).Cookies })
        {
            Assert.Contains("Sign in to the account first", await (await _app.SendAsync(HttpMethod.Get, link, cookies: cookies)).Content.ReadAsStringAsync(), StringComparison.Ordinal);
            Assert.Equal(HttpStatusCode.Forbidden, (await _app.PostFormAsync(link, "new-email", [], cookies)).StatusCode);
            Assert.Equal(HttpStatusCode.Unauthorized, (await _app.SendAsync(HttpMethod.Post, "/api/account/email/confirm", cookies: cookies, json: new { token = link.Split('=')[1] })).StatusCode);
        }

        Assert.Equal(stranger.Email, await _app.WhoAmIAsync(cookies: stranger.Cookies));
    }

    [Fact] // ATTACKS 128: a stolen token alone changes nothing
    public async Task Without_the_password_nothing_changes()
    {
        var user = await _app.SignUpAsync();
        var before = await State.OfAsync(_app, "Audit", "sqlite_sequence");
        await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Post, "/api/account/email", user.AccessToken, json: new { email = "new@example.test", password = "not the password of anybody" }), 400, "Invalid credentials");
        await _app.PostFormAsync("/account/profile", "email", [new("email", "new@example.test"), new("emailPassword", "not the password of anybody")], user.Cookies);
        Assert.Equal(before, await State.OfAsync(_app, "Audit", "sqlite_sequence"));
    }

    [Fact]
    public async Task At_most_three_letters_an_hour_leave_for_other_addresses()
    {
        var user = await _app.SignUpAsync();
        for (var i = 0; i < 6; i++) await AskAsync(user, $"other-{i}@example.test");
        Assert.Equal(3, (await _app.Mail.AllAsync()).Count(l => l.To.StartsWith("other-", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task At_most_three_letters_an_hour_reach_one_address_whoever_asks()
    {
        for (var i = 0; i < 5; i++) await AskAsync(await _app.SignUpAsync(), "victim@example.test");
        Assert.Equal(3, (await _app.Mail.ToAsync("victim@example.test")).Count);
    }

    // Ciphertext of the framework's, new for each answer.
    [System.Text.RegularExpressions.GeneratedRegex("Blazor-Server-Component-State:[A-Za-z0-9+/=_-]*")]
    private static partial System.Text.RegularExpressions.Regex Sealed();

    private async Task<string> ProfileAsync(TestUser user) => await (await _app.SendAsync(HttpMethod.Get, "/account/profile", cookies: user.Cookies)).Content.ReadAsStringAsync();

    private Task<HttpResponseMessage> AskAsync(TestUser user, string email) =>
        _app.SendAsync(HttpMethod.Post, "/api/account/email", cookies: user.Cookies, json: new { email, password = user.Password });

    private async Task ChangeAsync(TestUser user, string email)
    {
        Assert.Equal(HttpStatusCode.Accepted, (await AskAsync(user, email)).StatusCode);
        var token = TestMail.TokenIn(await _app.Mail.LastToAsync(email));
        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Post, "/api/account/email/confirm", cookies: user.Cookies, json: new { token })).StatusCode);
    }
}
