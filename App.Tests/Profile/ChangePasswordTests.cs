using System.Net;
using App.Tests.Accounts;
using App.Tests.Attacks;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Profile;

public sealed class ChangePasswordTests : IAsyncLifetime
{
    private const string NewPassword = "seven quiet harbours dreaming";
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task A_password_manager_finds_where_it_is_changed() =>
        Assert.Equal("/account/security", (await _app.SendAsync(HttpMethod.Get, "/.well-known/change-password")).Location());

    [Fact] // ATTACKS 134
    public async Task Others_end_and_this_browser_goes_on_under_a_new_session()
    {
        var user = await _app.SignUpAsync();
        var other = await _app.SignInAsync(user);
        var answer = await PostAsync(user, user.Password, NewPassword);
        Assert.Equal("/account/security#password", answer.Location());
        var lines = answer.Headers.GetValues("Set-Cookie").Where(l => l.StartsWith("session", StringComparison.Ordinal)).Select(l => l.Split(';')[0]).ToList();
        var now = string.Join("; ", lines);
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: now));
        foreach (var before in new[] { user, other })
        {
            Assert.Null(await _app.WhoAmIAsync(cookies: before.Cookies));
            Assert.Null(await _app.WhoAmIAsync(bearer: before.AccessToken));
        }

        Assert.Contains("was changed", (await _app.Mail.LastToAsync(user.Email)).Subject, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.SignInAsync(user.Email, user.Password)).StatusCode);
        Assert.Equal(HttpStatusCode.SeeOther, (await _app.SignInAsync(user.Email, NewPassword)).StatusCode);
    }

    [Fact] // The browser of who clicks twice shows the second answer, and the session that it came with has been replaced.
    public async Task A_form_that_is_sent_twice_leads_to_sign_in_and_says_what_may_have_happened()
    {
        var user = await _app.SignUpAsync();
        await PostAsync(user, user.Password, NewPassword);
        var second = await PostAsync(user, user.Password, NewPassword);
        Assert.Equal("/account/sign-in?returnUrl=%2Faccount%2Fsecurity", second.Location());
        Assert.Contains("a new password", (await _app.FollowAsync(second, user.Cookies)).QuerySelector(".notice")!.TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Others_stay_where_that_is_wished_with_new_tokens()
    {
        var user = await _app.SignUpAsync();
        var other = await _app.SignInAsync(user);
        await PostAsync(user, user.Password, NewPassword, new KeyValuePair<string, string>("keepOthers", "true"));
        Assert.Null(await _app.WhoAmIAsync(bearer: other.AccessToken));
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: other.Cookies));
    }

    [Fact] // ATTACKS 128: a stolen token alone changes nothing
    public async Task Without_the_current_password_nothing_changes_and_guesses_count()
    {
        var user = await _app.SignUpAsync();
        var before = await State.OfAsync(_app, "Audit", "sqlite_sequence");
        await Answers.AssertProblemAsync(await JsonAsync(user, "not the password of anybody", NewPassword), 400, "Invalid credentials");
        // Too long for any password: wrong without the price of a hash.
        for (var i = 1; i < 10; i++) Assert.Equal(HttpStatusCode.BadRequest, (await PostAsync(user, new string('x', 9000), NewPassword)).StatusCode);
        Assert.Equal(HttpStatusCode.TooManyRequests, (await JsonAsync(user, user.Password, NewPassword)).StatusCode);
        // But that its owner is told of the lock.
        Assert.Equal(before, await State.OfAsync(_app, "Audit", "sqlite_sequence"));
        Assert.Equal(1, await _app.DbAsync(db => db.Set<App.Audit.AuditEntry>().CountAsync(a => a.Action == "locked-out")));
        var page = await (await PostAsync(user, "not the password of anybody", NewPassword)).PageAsync();
        Assert.Contains("Too many wrong passwords", page.Faults().Single(), StringComparison.Ordinal);
    }

    [Fact] // ATTACKS 92
    public async Task A_stranger_who_locks_the_sign_in_does_not_keep_the_owner_from_it()
    {
        var user = await _app.SignUpAsync();
        for (var i = 0; i < 11; i++) await _app.SignInAsync(user.Email, new string('x', 2000));
        Assert.Equal(HttpStatusCode.TooManyRequests, (await _app.SignInAsync(user.Email, user.Password)).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await JsonAsync(user, user.Password, NewPassword)).StatusCode);
    }

    [Theory]
    [InlineData("short", "Password must be between 15 and 128 characters")]
    [InlineData(TestApp.Password, "Password is the one you have already")]
    public async Task A_new_password_is_judged_as_at_sign_up(string password, string fault)
    {
        var user = await _app.SignUpAsync();
        await Answers.AssertProblemAsync(await JsonAsync(user, user.Password, password), 400, fault + " / password");
    }

    [Fact]
    public async Task A_program_keeps_the_session_of_its_token()
    {
        var user = await _app.SignUpAsync();
        var answer = await JsonAsync(user, user.Password, NewPassword);
        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        Assert.False(answer.Headers.Contains("Set-Cookie"));
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: user.Cookies));
    }

    private Task<HttpResponseMessage> JsonAsync(TestUser user, string current, string password) =>
        _app.SendAsync(HttpMethod.Post, "/api/account/password", user.AccessToken, json: new { currentPassword = current, password });

    private Task<HttpResponseMessage> PostAsync(TestUser user, string current, string password, params KeyValuePair<string, string>[] more) =>
        _app.PostFormAsync("/account/security", "password", [new("currentPassword", current), new("password", password), .. more], user.Cookies);
}
