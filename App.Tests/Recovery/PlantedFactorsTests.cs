using System.Net;
using App.Data;
using App.Factors;
using App.Mail;
using App.Recovery;
using App.Sessions;
using App.Tests.Accounts;
using App.Tests.Attacks;
using App.Tests.Factors;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Recovery;

/// <summary>Whoever had the account for a while leaves no way back in; the owner's own factors stay.</summary>
public sealed class PlantedFactorsTests : IAsyncLifetime
{
    private const string NewPassword = "seven quiet harbours dreaming";
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task What_a_disowned_session_added_goes_with_it()
    {
        var user = await ConfirmedAsync();
        var (own, planted) = (new SoftKey(), new SoftKey());
        await new PasskeyBrowser(_app).AddAsync(own, user);
        var signedIn = await _app.SendAsync(HttpMethod.Post, "/api/users/signin", json: new { email = user.Email, password = user.Password }, headers: ("User-Agent", "another browser"));
        var thief = await TestUser.ReadAsync(_app, signedIn, user.Email, user.Password);
        var notMe = TestMail.LinkIn(await _app.Mail.LastToAsync(user.Email));
        await new PasskeyBrowser(_app).AddAsync(planted, thief);
        await _app.TurnOnTwoStepAsync(thief);

        await NotMeAsync(notMe);
        await Answers.AssertProblemAsync(await new PasskeyBrowser(_app).SignInAsync(planted), 400, "Invalid credentials");
        Assert.Equal(HttpStatusCode.OK, (await new PasskeyBrowser(_app).SignInAsync(own)).StatusCode);
        await _app.SignInAsync(user with { Password = NewPassword }); // and no second step is asked for
        Assert.Equal(0, await _app.DbAsync(db => db.Set<RecoveryCode>().CountAsync()));
        var subjects = (await _app.Mail.ToAsync(user.Email)).Select(l => l.Subject).ToList();
        foreach (var subject in new[] { "A passkey was removed from your account", "Two-step sign-in is off" }) Assert.Single(subjects, subject);
    }

    [Fact]
    public async Task Nor_does_what_a_later_session_of_the_same_browser_added_stay()
    {
        var user = await ConfirmedAsync();
        var (own, planted) = (new SoftKey(), new SoftKey());
        await new PasskeyBrowser(_app).AddAsync(own, user);
        await SignInElsewhereAsync(user);
        var notMe = TestMail.LinkIn(await _app.Mail.LastToAsync(user.Email));
        var again = await SignInElsewhereAsync(user); // of which no letter tells
        await new PasskeyBrowser(_app).AddAsync(planted, again);
        await _app.TurnOnTwoStepAsync(again);

        await NotMeAsync(notMe);
        await Answers.AssertProblemAsync(await new PasskeyBrowser(_app).SignInAsync(planted), 400, "Invalid credentials");
        Assert.Equal(HttpStatusCode.OK, (await new PasskeyBrowser(_app).SignInAsync(own)).StatusCode);
        await _app.SignInAsync(user with { Password = NewPassword });
    }

    [Theory]
    [InlineData("/account/activity/end")]
    [InlineData("/account/activity/end-others")]
    public async Task The_activity_page_takes_away_what_was_added_too(string form)
    {
        var user = await ConfirmedAsync();
        var (own, planted) = (new SoftKey(), new SoftKey());
        var thief = await SignInElsewhereAsync(user);
        await new PasskeyBrowser(_app).AddAsync(planted, thief);
        var here = await _app.SignInAsync(user);
        await new PasskeyBrowser(_app).AddAsync(own, here);

        Assert.Equal("/account/security", (await _app.PostFormAsync(form, "", [new("id", thief.SessionId.ToString())], here.Cookies)).Location());
        Assert.Null(await _app.WhoAmIAsync(cookies: thief.Cookies));
        await Answers.AssertProblemAsync(await new PasskeyBrowser(_app).SignInAsync(planted), 400, "Invalid credentials");
        Assert.Equal(HttpStatusCode.OK, (await new PasskeyBrowser(_app).SignInAsync(own)).StatusCode);
    }

    [Fact]
    public async Task An_app_added_to_the_owners_passkeys_goes_and_the_step_by_passkeys_stays()
    {
        var user = await ConfirmedAsync();
        var own = new SoftKey();
        await new PasskeyBrowser(_app).AddAsync(own, user);
        Assert.Equal(HttpStatusCode.OK, (await new TwoStepUser(_app, user, [], []).ActAsync("passkeys")).StatusCode);
        var owner = new TwoStepUser(_app, user, [], []);
        var challenge = await owner.ChallengeAsync();
        var thief = await TestUser.ReadAsync(_app, await new PasskeyBrowser(_app).SignInAsync(own, challenge), user.Email, user.Password); // an open browser, say
        var app = await _app.TurnOnTwoStepAsync(thief);
        Assert.Equal("/account/security", (await _app.PostFormAsync("/account/activity/end", "", [new("id", thief.SessionId.ToString())], user.Cookies)).Location());

        await Answers.AssertProblemAsync(await app.AnswerAsync(await app.ChallengeAsync(), app.NextCode()), 401, "Invalid code / code");
        Assert.Equal(HttpStatusCode.OK, (await new PasskeyBrowser(_app).SignInAsync(own, await owner.ChallengeAsync())).StatusCode);
    }

    [Fact]
    public async Task Recovery_codes_that_it_made_are_void_and_the_owner_s_app_stays()
    {
        var ada = await _app.TurnOnTwoStepAsync(await ConfirmedAsync());
        var challenge = await ada.ChallengeAsync();
        var signedIn = await _app.SendAsync(HttpMethod.Post, "/api/users/signin/mfa", json: new { challenge, code = ada.Codes[0] }, headers: ("User-Agent", "another browser"));
        var thief = await TestUser.ReadAsync(_app, signedIn, ada.User.Email, ada.User.Password);
        var notMe = TestMail.LinkIn(await _app.Mail.LastToAsync(ada.User.Email));
        Assert.Equal(HttpStatusCode.OK, (await ada.ActAsync("codes", thief.Cookies)).StatusCode);

        await NotMeAsync(notMe);
        Assert.Equal((0, 1), (await _app.DbAsync(db => db.Set<RecoveryCode>().CountAsync()), await _app.DbAsync(db => db.Authenticators.CountAsync())));
        Assert.Contains("are void", (await _app.Mail.ToAsync(ada.User.Email))[^2].Subject, StringComparison.Ordinal);
        var owner = ada with { User = ada.User with { Password = NewPassword } };
        Assert.Equal(HttpStatusCode.OK, (await owner.AnswerAsync(await owner.ChallengeAsync(), owner.NextCode())).StatusCode);
    }

    [Theory] // The change of the address withdraws "this wasn't me"; taking the address back does its work.
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_the_session_that_changed_the_address_added_goes_when_that_is_undone(bool twice)
    {
        var user = await ConfirmedAsync();
        var (own, planted) = (new SoftKey(), new SoftKey());
        await new PasskeyBrowser(_app).AddAsync(own, user);
        var thief = await SignInElsewhereAsync(user);
        await _app.Mail.AllAsync(); // the letter with "this wasn't me" is written
        await new PasskeyBrowser(_app).AddAsync(planted, thief);
        if (twice) thief = await SignInElsewhereAsync(user); // what an earlier session added goes too
        await _app.TurnOnTwoStepAsync(thief);
        Assert.Equal(HttpStatusCode.Accepted, (await _app.SendAsync(HttpMethod.Post, "/api/account/email", cookies: thief.Cookies, json: new { email = "evil@example.test", password = user.Password })).StatusCode);
        var confirm = TestMail.TokenIn(await _app.Mail.LastToAsync("evil@example.test"));
        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Post, "/api/account/email/confirm", cookies: thief.Cookies, json: new { token = confirm })).StatusCode);

        var reset = (await _app.PostFormAsync(TestMail.LinkIn(await _app.Mail.LastToAsync(user.Email)), "undo-email", [])).Location();
        Assert.Equal("/account/sign-in", (await _app.PostFormAsync(reset, "reset", [new("password", NewPassword)])).Location());
        await Answers.AssertProblemAsync(await new PasskeyBrowser(_app).SignInAsync(planted), 400, "Invalid credentials");
        Assert.Equal(HttpStatusCode.OK, (await new PasskeyBrowser(_app).SignInAsync(own)).StatusCode);
        await _app.SignInAsync(user with { Password = NewPassword }); // and no second step is asked for
    }

    [Theory] // Whoever reads along in the mailbox that its owner leaves gets past no second step by that.
    [InlineData(false)]
    [InlineData(true)] // An older release's link doesn't say whether the address had been confirmed.
    public async Task What_the_owner_added_stays_when_the_change_of_their_address_is_undone(bool older)
    {
        var user = await ConfirmedAsync();
        await _app.TurnOnTwoStepAsync(user);
        await ChangeAsync(user, "new@example.test");
        if (older) await _app.DbAsync(db => db.Set<OneTimeLink>().Where(l => l.Holds != null).ExecuteUpdateAsync(set => set.SetProperty(l => l.Details, l => l.Details!.Replace(",\"Confirmed\":true", ""))));

        var reset = (await _app.PostFormAsync(TestMail.LinkIn(await _app.Mail.LastToAsync(user.Email)), "undo-email", [])).Location();
        Assert.DoesNotContain("removeTwoStep", await _app.Client.GetStringAsync(reset), StringComparison.Ordinal);
        Assert.Equal(1, await _app.DbAsync(db => db.Authenticators.CountAsync()));
    }

    [Theory] // Somebody signs up with an address that isn't theirs, moves on to one that is, and waits for its owner to take it back.
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_was_planted_before_the_address_was_confirmed_goes_after_a_change_of_it_is_undone(bool twice)
    {
        var stranger = await _app.SignUpAsync();
        var planted = new SoftKey();
        await new PasskeyBrowser(_app).AddAsync(planted, stranger);
        await _app.TurnOnTwoStepAsync(stranger);
        await ChangeAsync(stranger, "evil-1@example.test");
        var undo = TestMail.LinkIn(await _app.Mail.LastToAsync(stranger.Email));
        if (twice) await ChangeAsync(stranger, "evil-2@example.test");

        var reset = (await _app.PostFormAsync(undo, "undo-email", [])).Location();
        Assert.Contains("removeTwoStep", await _app.Client.GetStringAsync(reset), StringComparison.Ordinal);
        Assert.Equal("/account/sign-in", (await _app.PostFormAsync(reset, "reset", [new("password", NewPassword), new("removeTwoStep", "true")])).Location());
        await Answers.AssertProblemAsync(await new PasskeyBrowser(_app).SignInAsync(planted), 400, "Invalid credentials");
        await _app.SignInAsync(stranger with { Password = NewPassword });
    }

    [Fact]
    public async Task An_address_that_was_confirmed_since_stays_so_when_an_older_change_is_undone()
    {
        var user = await _app.SignUpAsync();
        await ChangeAsync(user, "other@example.test");
        var undo = TestMail.LinkIn(await _app.Mail.LastToAsync(user.Email));
        await ChangeAsync(user, user.Email);
        Assert.NotNull((await _app.PostFormAsync(undo, "undo-email", [])).Location());
        Assert.True(await _app.DbAsync(db => db.Users.Where(u => u.Id == user.Id).Select(u => u.EmailConfirmed).SingleAsync()));
    }

    [Fact]
    public async Task Who_confirms_the_address_while_a_reset_hashes_the_password_keeps_their_passkeys()
    {
        var user = await _app.SignUpAsync();
        var (own, confirm) = (new SoftKey(), TestMail.LinkIn(await _app.Mail.LastToAsync(user.Email)));
        await new PasskeyBrowser(_app).AddAsync(own, user);
        await _app.PostTextAsync("/api/users/forgot", $$"""{"email":"{{user.Email}}"}""");
        var token = TestMail.TokenIn(await _app.Mail.LastToAsync(user.Email));
        var outcome = await _app.ScopedAsync<IServiceProvider, ResetPassword.Outcome>(async services =>
        {
            await services.GetRequiredService<AppDb>().Users.SingleAsync(u => u.Id == user.Id); // what the reset has read
            await _app.PostFormAsync(confirm, "confirm-email", [], user.Cookies);
            return await services.GetRequiredService<ResetPassword>().TryAsync(new ResetRequest { Token = token, Password = NewPassword }, new Client("127.0.0.1", ""), CancellationToken.None);
        });
        Assert.IsType<ResetPassword.Outcome.Done>(outcome);
        Assert.Equal(HttpStatusCode.OK, (await new PasskeyBrowser(_app).SignInAsync(own)).StatusCode);
    }

    [Theory] // ATTACKS 124, and somebody who signs up with an address that isn't theirs, and waits for its owner.
    [InlineData(false, false, true, false)]
    [InlineData(false, true, false, true)]
    [InlineData(true, true, true, true)]
    public async Task A_reset_never_skips_the_second_step_but_one_planted_before_the_address_was_confirmed_can_be_taken_away(bool confirmed, bool remove, bool asked, bool confirmedThen)
    {
        var user = confirmed ? await ConfirmedAsync() : await _app.SignUpAsync();
        var key = new SoftKey();
        await new PasskeyBrowser(_app).AddAsync(key, user);
        await _app.TurnOnTwoStepAsync(user);
        await _app.PostTextAsync("/api/users/forgot", $$"""{"email":"{{user.Email}}"}""");
        var token = TestMail.TokenIn(await _app.Mail.LastToAsync(user.Email));
        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Post, "/api/users/reset", json: new { token, password = NewPassword, removeTwoStep = remove })).StatusCode);

        Assert.Equal(confirmed ? HttpStatusCode.OK : HttpStatusCode.BadRequest, (await new PasskeyBrowser(_app).SignInAsync(key)).StatusCode);
        var signedIn = await _app.SendAsync(HttpMethod.Post, "/api/users/signin", json: new { email = user.Email, password = NewPassword });
        Assert.Equal(asked ? HttpStatusCode.Unauthorized : HttpStatusCode.OK, signedIn.StatusCode);
        Assert.Equal(confirmedThen, await _app.DbAsync(db => db.Users.Where(u => u.Id == user.Id).Select(u => u.EmailConfirmed).SingleAsync()));
    }

    [Fact] // Whoever didn't see the tick the first time finds it in the next letter.
    public async Task The_page_offers_to_take_a_planted_step_away_until_somebody_has_confirmed_the_address()
    {
        var user = await _app.SignUpAsync();
        await _app.TurnOnTwoStepAsync(user);
        Assert.Equal("/account/sign-in", (await ResetAsync()).Location());
        Assert.Equal(HttpStatusCode.Unauthorized, (await _app.SendAsync(HttpMethod.Post, "/api/users/signin", json: new { email = user.Email, password = NewPassword })).StatusCode);

        _app.Time.Advance(TimeSpan.FromHours(2)); // as many letters as in the hour before
        Assert.Equal("/account/sign-in", (await ResetAsync(new KeyValuePair<string, string>("removeTwoStep", "true"))).Location());
        var owner = await _app.SignInAsync(user with { Password = NewPassword });
        await _app.TurnOnTwoStepAsync(owner);
        Assert.DoesNotContain("removeTwoStep", await _app.Client.GetStringAsync(await LinkAsync()), StringComparison.Ordinal);

        async Task<HttpResponseMessage> ResetAsync(params KeyValuePair<string, string>[] more)
        {
            var link = await LinkAsync();
            Assert.Contains("removeTwoStep", await _app.Client.GetStringAsync(link), StringComparison.Ordinal);
            return await _app.PostFormAsync(link, "reset", [new("password", NewPassword), .. more]);
        }

        async Task<string> LinkAsync()
        {
            await _app.PostTextAsync("/api/users/forgot", $$"""{"email":"{{user.Email}}"}""");
            return TestMail.LinkIn(await _app.Mail.LastToAsync(user.Email));
        }
    }

    [Theory]
    [InlineData(false, "15 to 128", HttpStatusCode.BadRequest)]
    [InlineData(true, "8 to 128", HttpStatusCode.OK)]
    public async Task Whoever_has_a_second_factor_may_choose_a_shorter_password(bool twoStep, string bounds, HttpStatusCode status)
    {
        const string shorter = "vq7#ktzw!m";
        var user = await ConfirmedAsync();
        if (twoStep) await _app.TurnOnTwoStepAsync(user);
        await _app.PostTextAsync("/api/users/forgot", $$"""{"email":"{{user.Email}}"}""");
        var link = TestMail.LinkIn(await _app.Mail.LastToAsync(user.Email));

        var security = await (await _app.SendAsync(HttpMethod.Get, "/account/security", cookies: user.Cookies)).Content.ReadAsStringAsync();
        var changed = await _app.SendAsync(HttpMethod.Post, "/api/account/password", cookies: user.Cookies, json: new { currentPassword = user.Password, password = shorter });
        Assert.Equal(twoStep ? HttpStatusCode.NoContent : HttpStatusCode.BadRequest, changed.StatusCode);
        if (twoStep)
        {
            await _app.PostTextAsync("/api/users/forgot", $$"""{"email":"{{user.Email}}"}""");
            link = TestMail.LinkIn(await _app.Mail.LastToAsync(user.Email));
        }

        var reset = await _app.Client.GetStringAsync(link);
        Assert.Equal(status, (await _app.SendAsync(HttpMethod.Post, "/api/users/reset", json: new { token = link.Split("token=")[1], password = shorter + "x" })).StatusCode);
        foreach (var page in new[] { security, reset })
        {
            Assert.Contains($">{bounds} characters", page, StringComparison.Ordinal);
            // UX 1: a password manager learns whose password it keeps.
            Assert.Matches($"<input hidden[^>]* name=\"username\"[^>]* value=\"{user.Email}\"[^>]* autocomplete=\"username\"", page);
        }
    }

    [Fact]
    public async Task A_short_password_that_stands_alone_again_is_asked_about_and_signs_in()
    {
        const string shorter = "vq7#ktzw!m";
        var ada = await _app.TurnOnTwoStepAsync(await ConfirmedAsync());
        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Post, "/api/account/password", cookies: ada.User.Cookies, json: new { currentPassword = ada.User.Password, password = shorter })).StatusCode);
        ada = ada with { User = ada.User with { Password = shorter } };
        ada = ada with { User = await TestUser.ReadAsync(_app, await ada.AnswerAsync(await ada.ChallengeAsync(), ada.NextCode()), ada.User.Email, shorter) };
        var page = await (await _app.SendAsync(HttpMethod.Get, "/account/two-step", cookies: ada.User.Cookies)).PageAsync();
        Assert.Contains("fewer than 15 characters", page.QuerySelector("dialog#turn-off")!.TextContent, StringComparison.Ordinal);
        Assert.Equal("/account/two-step", (await ada.ActAsync("off")).Location());

        var signedIn = await _app.SignInAsync(ada.User.Email, shorter, "?returnUrl=%2Faccount%2Fsessions");
        const string security = "/account/security?returnUrl=%2Faccount%2Fsessions";
        Assert.Equal(security, signedIn.Location());
        Assert.Contains("; path=/account/security; secure; samesite=lax; httponly", Answers.CookieLines(signedIn).Single(line => line.StartsWith("short_password=", StringComparison.Ordinal)), StringComparison.Ordinal);
        var cookies = Cookies(signedIn);
        page = await PageAsync(security, cookies);
        Assert.Contains("fewer than 15 characters", page.QuerySelector(".notice")!.TextContent, StringComparison.Ordinal);
        Assert.Equal(["/account/two-step?returnUrl=%2Faccount%2Fsessions", "/account/sessions"], page.QuerySelectorAll(".notice a").Select(a => a.GetAttribute("href")));

        // Neither an address nor a cookie of another session can say it.
        var note = cookies.Split("; ").Single(c => c.StartsWith("short_password=", StringComparison.Ordinal));
        foreach (var other in new[] { (await _app.SignInAsync(ada.User)).Cookies, $"{(await _app.SignInAsync(ada.User)).Cookies}; {note}", cookies.Replace(note, "short_password=" + ada.User.SessionId, StringComparison.Ordinal) })
            Assert.Null((await PageAsync("/account/security?short=1", other)).QuerySelector(".notice"));

        // Whoever does as it says gets to where they were going, by a longer password or by a second step.
        page = await PageAsync("/account/two-step?returnUrl=%2Faccount%2Fsessions", cookies);
        Assert.Equal("/account/two-step?returnUrl=%2Faccount%2Fsessions", page.QuerySelector("main .card form")!.GetAttribute("action"));
        var changed = await _app.PostFormAsync((await PageAsync(security, cookies)).QuerySelector("#password form")!.GetAttribute("action")!, "password", [new("currentPassword", shorter), new("password", NewPassword)], cookies);
        Assert.Equal(security + "#password", changed.Location());
        page = await PageAsync(changed.Location(), Cookies(changed) + "; " + note);
        Assert.Equal(["/account/sessions"], page.QuerySelectorAll(".notice a").Select(a => a.GetAttribute("href")));

        string Cookies(HttpResponseMessage answer) => string.Join("; ", Answers.CookieLines(answer).Select(line => line.Split(';')[0]));
        async Task<AngleSharp.Dom.IDocument> PageAsync(string path, string cookies) => await (await _app.SendAsync(HttpMethod.Get, path, cookies: cookies)).PageAsync();
    }

    private async Task<TestUser> ConfirmedAsync()
    {
        var user = await _app.SignUpAsync();
        Assert.Equal(HttpStatusCode.OK, (await _app.PostFormAsync(TestMail.LinkIn(await _app.Mail.LastToAsync(user.Email)), "confirm-email", [], user.Cookies)).StatusCode);
        return user;
    }

    private async Task ChangeAsync(TestUser user, string email)
    {
        Assert.Equal(HttpStatusCode.Accepted, (await _app.SendAsync(HttpMethod.Post, "/api/account/email", cookies: user.Cookies, json: new { email, password = user.Password })).StatusCode);
        var token = TestMail.TokenIn(await _app.Mail.LastToAsync(email));
        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Post, "/api/account/email/confirm", cookies: user.Cookies, json: new { token })).StatusCode);
    }

    private async Task<TestUser> SignInElsewhereAsync(TestUser user) => await TestUser.ReadAsync(_app,
        await _app.SendAsync(HttpMethod.Post, "/api/users/signin", json: new { email = user.Email, password = user.Password }, headers: ("User-Agent", "another browser")), user.Email, user.Password);

    private async Task NotMeAsync(string link)
    {
        var reset = (await _app.PostFormAsync(link, "not-me", [])).Location();
        Assert.Equal("/account/sign-in", (await _app.PostFormAsync(reset, "reset", [new("password", NewPassword)])).Location());
    }
}
