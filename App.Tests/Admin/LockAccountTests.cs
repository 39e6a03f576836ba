using System.Net;
using System.Net.Http.Json;
using App.Accounts;
using App.Admin;
using App.Events;
using App.Passwords;
using App.Sessions;
using App.Tests.Attacks;
using App.Tests.Factors;
using App.Tests.OAuth;
using App.Tests.Passwords;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Admin;

/// <summary>ATTACKS 135: an account that an admin locks is shut at every door, at once.</summary>
public sealed class LockAccountTests(OneApp fixture) : IClassFixture<OneApp>
{
    private readonly TestApp _app = fixture.App;

    [Fact] // A request may take minutes to arrive, and has been let in before.
    public async Task What_was_asked_before_the_lock_and_arrives_after_it_changes_nothing()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        await _app.LockAsync(admin, user);
        var (caller, client) = (user.AsCaller(), new Client("192.0.2.7", ""));
        var before = await State.OfAsync(_app);

        Assert.IsType<App.Profile.DeleteAccount.Outcome.Ended>(await _app.ScopedAsync((App.Profile.DeleteAccount delete) =>
            delete.TryAsync(new() { Password = user.Password }, caller, client, CancellationToken.None)));
        Assert.IsType<App.Profile.ChangeEmail.Outcome.Refused>(await _app.ScopedAsync((App.Profile.ChangeEmail change) =>
            change.TryAsync(new() { Email = "elsewhere@example.test", Password = user.Password }, caller, client, CancellationToken.None)));
        Assert.Equal(before, await State.OfAsync(_app));
    }

    [Fact]
    public async Task An_admin_who_is_none_any_more_does_nothing_and_of_two_who_lock_each_other_one_stays()
    {
        var (one, two) = (await _app.NewAdminAsync(), await _app.NewAdminAsync());
        await _app.NewAdminAsync(); // so that neither of them is the only one
        var user = await _app.SignUpAsync();
        var outcomes = await Task.WhenAll(Task.Run(() => LockAsync(one, two)), Task.Run(() => LockAsync(two, one)));
        Assert.Equal([LockAccount.Outcome.Done, LockAccount.Outcome.Forbidden], outcomes.Order());

        var gone = (outcomes[0] == LockAccount.Outcome.Done ? two : one).AsCaller();
        Assert.Equal(LockAccount.Outcome.Forbidden, await _app.ScopedAsync((LockAccount account) => account.RunAsync(user.Id, locked: false, gone, CancellationToken.None)));
        Assert.Equal(ChangeRole.Outcome.Forbidden, await _app.ScopedAsync((ChangeRole change) => change.RunAsync(user.Id, "admin", true, gone, CancellationToken.None)));
        Assert.IsType<EndTheirSessions.Outcome.Forbidden>(await _app.ScopedAsync((EndTheirSessions end) => end.AllAsync(user.Id, gone, CancellationToken.None)));
        Assert.IsType<EndTheirSessions.Outcome.Forbidden>(await _app.ScopedAsync((EndTheirSessions end) => end.OneAsync(user.SessionId, gone, CancellationToken.None)));
        Assert.IsType<App.Services.ChangeService.Outcome.Forbidden>(await _app.ScopedAsync((App.Services.ChangeService change) => change.RemoveAsync(OneApp.Declared, gone, CancellationToken.None)));
        Assert.IsType<App.Services.ChangePush.Outcome.Forbidden>(await _app.ScopedAsync((App.Services.ChangePush push) => push.RetryAsync(OneApp.Declared, gone, CancellationToken.None)));
        Assert.IsType<App.Services.ChangePush.Outcome.Forbidden>(await _app.ScopedAsync((App.Services.ChangePush push) => push.RemoveAsync(OneApp.Declared, gone, CancellationToken.None)));
        Assert.IsType<App.Services.AddService.Outcome.Forbidden>(await _app.ScopedAsync((App.Services.AddService add) => add.TryAsync(new() { Id = "late" }, gone, CancellationToken.None)));
        Assert.Equal(user.Email, await _app.WhoAmIAsync(bearer: user.AccessToken));

        Task<LockAccount.Outcome> LockAsync(TestUser admin, TestUser other) =>
            _app.ScopedAsync((LockAccount account) => account.RunAsync(other.Id, locked: true, admin.AsCaller(), CancellationToken.None));
    }

    [Fact]
    public async Task No_token_and_no_credential_opens_a_locked_account_and_all_do_again_once_it_is_unlocked()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        var service = Callers.Basic(OneApp.Declared, OneApp.Secret);
        var reset = await ResetTokenAsync(user);
        var other = await _app.SignInAsync(user);
        Assert.True((await ExchangeAsync(user)).IsSuccessStatusCode);
        var audited = await _app.DbAsync(db => db.Set<App.Audit.AuditEntry>().MaxAsync(a => a.Id));
        await _app.LockAsync(admin, user);
        await _app.LockAsync(admin, user); // asking twice is no error, and nothing new

        foreach (var session in new[] { user, other })
        {
            Assert.Null(await _app.WhoAmIAsync(bearer: session.AccessToken));
            Assert.Null(await _app.WhoAmIAsync(cookies: session.Cookies));
            Assert.False(await _app.IsActiveAsync(session.AccessToken, service));
            Assert.False(await _app.IsActiveAsync(session.RefreshToken, service));
            await Answers.AssertProblemAsync(await _app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = session.RefreshToken }), 401, "Not authorized");
            Assert.Equal("invalid_grant", (await Answers.JsonAsync(await _app.PostAsync("/connect/token", service, ("grant_type", "refresh_token"), ("refresh_token", session.RefreshToken)))).GetProperty("error").GetString());
            Assert.Equal("invalid_grant", (await Answers.JsonAsync(await ExchangeAsync(session))).GetProperty("error").GetString());
        }

        // As to a stranger: the same words, and the guess counts.
        var refused = await SignInAsync(user);
        await Answers.AssertProblemAsync(refused, 400, "Invalid credentials");
        Assert.False(refused.Headers.Contains("Set-Cookie"));
        await Answers.AssertProblemAsync(await _app.Client.PostAsJsonAsync("/api/tokens", new { email = user.Email, password = user.Password }), 401, "Invalid credentials");
        await Answers.AssertProblemAsync(await _app.Client.PostAsJsonAsync("/api/users/reset", new { token = reset, password = "seven quiet harbours dreaming" }), 400, "This link has been used or is too old");
        var letters = (await _app.Mail.ToAsync(user.Email)).Count;
        Assert.Equal(HttpStatusCode.Accepted, (await _app.Client.PostAsJsonAsync("/api/users/forgot", new { email = user.Email })).StatusCode);
        Assert.Equal(letters, (await _app.Mail.ToAsync(user.Email)).Count);

        var events = await _app.DbAsync(db => db.SecurityEvents.AsNoTracking().Where(e => e.UserId == user.Id).OrderBy(e => e.Cursor).ToListAsync());
        var disabled = Assert.Single(events, e => e.Type == EventTypes.AccountDisabled);
        Assert.Equal(("disabled", null), (disabled.Reason, disabled.SessionId));
        Assert.True(disabled.NotBefore >= user.Claims.GetProperty("iat").GetInt64());
        Assert.Equal(2, events.Count(e => e.Reason == "ended-by-admin"));
        var audit = await _app.DbAsync(db => db.Set<App.Audit.AuditEntry>().AsNoTracking().Where(a => a.Id > audited && a.UserId == user.Id).OrderBy(a => a.Id).ToListAsync());
        Assert.Equal(admin.Id, Assert.Single(audit, a => a.Action == "account-locked").ActorId);
        Assert.Equal(2, audit.Count(a => a is { Action: "session-ended", Detail: "ended-by-admin" }));
        Assert.Single(audit, a => a.Action == GuessLimits.Refused);

        await _app.LockAsync(admin, user, locked: false);
        await _app.LockAsync(admin, user, locked: false);
        Assert.Equal(HttpStatusCode.OK, (await SignInAsync(user)).StatusCode);
        Assert.Null(await _app.WhoAmIAsync(cookies: user.Cookies)); // what was ended stays so
        Assert.Equal(HttpStatusCode.OK, (await _app.Client.PostAsJsonAsync("/api/users/reset", new { token = await ResetTokenAsync(user), password = "seven quiet harbours dreaming" })).StatusCode);
        Assert.Single(await _app.DbAsync(db => db.Set<App.Audit.AuditEntry>().Where(a => a.UserId == user.Id && a.Action == "account-unlocked").ToListAsync()));
    }

    [Fact]
    public async Task The_second_step_that_was_due_is_over()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        var twoStep = await _app.TurnOnTwoStepAsync(user);
        var challenge = await twoStep.ChallengeAsync();
        await _app.LockAsync(admin, user);
        await Answers.AssertProblemAsync(await twoStep.AnswerAsync(challenge, twoStep.Code(1)), 401, "Invalid credentials");
        // Nor does anybody learn that there is one.
        await Answers.AssertProblemAsync(await SignInAsync(user), 400, "Invalid credentials");
        await Answers.AssertProblemAsync(await _app.Client.PostAsJsonAsync("/api/tokens", new { email = user.Email, password = user.Password, code = twoStep.Codes[0] }), 401, "Invalid credentials");
        await _app.LockAsync(admin, user, locked: false);
        await Answers.AssertProblemAsync(await twoStep.AnswerAsync(challenge, twoStep.Code(1)), 401, "Invalid credentials");
        // The code that was refused isn't spent.
        Assert.Equal(HttpStatusCode.OK, (await _app.Client.PostAsJsonAsync("/api/tokens", new { email = user.Email, password = user.Password, code = twoStep.Codes[0] })).StatusCode);
    }

    [Fact]
    public async Task A_passkey_opens_it_no_more_than_a_password()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        var (browser, key) = (new PasskeyBrowser(_app), new SoftKey());
        await browser.AddAsync(key, user);
        Assert.Equal(HttpStatusCode.OK, (await browser.SignInAsync(key)).StatusCode);
        await _app.LockAsync(admin, user);
        await Answers.AssertProblemAsync(await browser.SignInAsync(key), 400, "Invalid credentials");
        Assert.False(await _app.DbAsync(db => db.Sessions.AnyAsync(s => s.UserId == user.Id && s.RevokedAt == null)));
        await _app.LockAsync(admin, user, locked: false);
        Assert.Equal(HttpStatusCode.OK, (await browser.SignInAsync(key)).StatusCode);
    }

    [Theory] // The password is hashed either way, so that nothing tells a locked account from a wrong password.
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_sign_in_under_way_leaves_no_session(bool lockedMeanwhile)
    {
        await using var app = TestApp.Start(("Passwords:HashingThreads", "1"));
        using var gate = new ManualResetEventSlim();
        var (admin, user) = (await app.NewAdminAsync(), await app.SignUpAsync());
        if (!lockedMeanwhile) await app.LockAsync(admin, user);
        var busy = await app.KeepHashingAsync(gate);
        var asked = app.Client.PostAsJsonAsync("/api/users/signin", new { email = user.Email, password = user.Password });
        try
        {
            while (app.Get<HashingThreads>().Waiting == 0) await Task.Delay(5);
            if (lockedMeanwhile) await app.LockAsync(admin, user);
        }
        finally
        {
            gate.Set();
        }

        await busy;
        await Answers.AssertProblemAsync(await asked, 400, "Invalid credentials");
        Assert.False(await app.DbAsync(db => db.Sessions.AnyAsync(s => s.UserId == user.Id && s.RevokedAt == null)));
    }

    [Fact] // The last word is the session's row: whichever way leads to it, and however late.
    public async Task No_session_begins_in_a_locked_account()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        var row = await _app.DbAsync(db => db.Users.AsNoTracking().SingleAsync(u => u.Id == user.Id));
        await _app.LockAsync(admin, user);
        Assert.Null(await _app.ScopedAsync((StartSession start) => start.BeginAsync(row, ["pwd"], new Client("", ""), [], CancellationToken.None)));
    }

    [Fact]
    public async Task Renewals_and_sign_ins_that_race_with_the_lock_leave_nothing_that_works()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        var sessions = new[] { user, await _app.SignInAsync(user), await _app.SignInAsync(user) };
        var renewals = sessions.Select(s => _app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = s.RefreshToken })).ToList();
        var signIns = Enumerable.Range(0, 3).Select(_ => _app.Client.PostAsJsonAsync("/api/tokens", new { email = user.Email, password = user.Password })).ToList();
        await _app.LockAsync(admin, user);
        foreach (var answer in await Task.WhenAll([.. renewals, .. signIns]))
        {
            if (!answer.IsSuccessStatusCode) continue;
            var got = await Answers.JsonAsync(answer);
            Assert.Null(await _app.WhoAmIAsync(bearer: got.GetProperty("access_token").GetString()));
            await Answers.AssertProblemAsync(await _app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = got.GetProperty("refresh_token").GetString() }), 401, "Not authorized");
        }

        Assert.False(await _app.DbAsync(db => db.Sessions.AnyAsync(s => s.UserId == user.Id && s.RevokedAt == null)));
    }

    [Fact] // It can only take more away, and still does; the way to a new password is shut.
    public async Task A_letter_that_says_it_wasn_t_me_gives_no_new_password_to_a_locked_account()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        var notMe = await _app.NotMeLinkAsync(user);
        await _app.LockAsync(admin, user);
        var answer = await _app.PostFormAsync(notMe, "not-me", []);
        var token = answer.Headers.Location!.OriginalString.Split("token=")[1];
        await Answers.AssertProblemAsync(await _app.Client.PostAsJsonAsync("/api/users/reset", new { token, password = "seven quiet harbours dreaming" }), 400, "This link has been used or is too old");
    }

    [Fact]
    public async Task Of_those_who_lock_at_once_one_writes_the_event()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => _app.LockAsync(admin, user)));
        Assert.Equal(1, await _app.DbAsync(db => db.SecurityEvents.CountAsync(e => e.UserId == user.Id && e.Type == EventTypes.AccountDisabled)));
        Assert.Equal(1, await _app.DbAsync(db => db.Set<App.Audit.AuditEntry>().CountAsync(a => a.UserId == user.Id && a.Action == "account-locked")));
    }

    [Fact] // ATTACKS 158
    public async Task Somebody_is_left_to_look_after_the_service()
    {
        await using var app = TestApp.Start();
        var admin = await app.NewAdminAsync();
        var path = $"/api/admin/users/{admin.Id}/lock";
        Assert.Equal("only_admin", await CodeAsync(admin, path));
        var other = await app.NewAdminAsync();
        Assert.Equal("oneself", await CodeAsync(admin, path));
        await app.LockAsync(admin, other);
        // Who is locked doesn't count.
        Assert.Equal(ChangeRole.Outcome.OnlyAdmin, await app.GrantAsync(admin, granted: false));
        await using var output = new StringWriter();
        Assert.Equal(1, await UserCommands.RunAsync(app.Services, ["lock", admin.Email], output, CancellationToken.None));
        Assert.Contains("only admin", output.ToString(), StringComparison.Ordinal);
        Assert.Equal(admin.Email, await app.WhoAmIAsync(bearer: admin.AccessToken));

        async Task<string?> CodeAsync(TestUser by, string path) =>
            (await Answers.AssertProblemAsync(await app.SendAsync(HttpMethod.Post, path, by.AccessToken), 409)).GetProperty("code").GetString();
    }

    [Fact]
    public async Task The_command_line_locks_and_unlocks_too()
    {
        var user = await _app.SignUpAsync();
        Assert.Equal(0, await RunAsync("lock", user.Email.ToUpperInvariant()));
        Assert.Null(await _app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Equal(HttpStatusCode.BadRequest, (await SignInAsync(user)).StatusCode);
        Assert.Equal(0, await RunAsync("unlock", user.Email));
        Assert.Equal(HttpStatusCode.OK, (await SignInAsync(user)).StatusCode);
        Assert.Equal(1, await RunAsync("lock", "nobody@example.test"));
        Assert.Equal(2, await RunAsync("lock"));

        Task<int> RunAsync(params string[] args) => UserCommands.RunAsync(_app.Services, args, TextWriter.Null, CancellationToken.None);
    }

    [Fact] // ATTACKS 154
    public async Task Nobody_but_an_admin_locks_or_learns_who_is_there()
    {
        var (user, former) = (await _app.SignUpAsync(), await _app.NewAdminAsync());
        await _app.NewAdminAsync(); // so that the other can go
        foreach (var id in new[] { user.Id.ToString(), Guid.NewGuid().ToString(), "nonsense" })
        {
            foreach (var act in new[] { "lock", "unlock" })
            {
                await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Post, $"/api/admin/users/{id}/{act}", user.AccessToken), 403, "Forbidden");
                await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Post, $"/api/admin/users/{id}/{act}"), 401, "Not authorized");
            }
        }

        foreach (var id in new[] { Guid.NewGuid().ToString(), "nonsense" })
        {
            foreach (var act in new[] { "lock", "unlock" })
                await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Post, $"/api/admin/users/{id}/{act}", former.AccessToken), 404, "Not Found");
        }

        Assert.Equal(ChangeRole.Outcome.Changed, await _app.GrantAsync(former, granted: false));
        await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Post, $"/api/admin/users/{user.Id}/lock", former.AccessToken), 401, "Not authorized");
        await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Post, $"/api/admin/users/{user.Id}/lock", cookies: former.Cookies), 403, "Forbidden");
        Assert.Equal(user.Email, await _app.WhoAmIAsync(bearer: user.AccessToken));
    }

    private Task<HttpResponseMessage> SignInAsync(TestUser user) => _app.Client.PostAsJsonAsync("/api/users/signin", new { email = user.Email, password = user.Password });

    private async Task<string> ResetTokenAsync(TestUser user)
    {
        await _app.Client.PostAsJsonAsync("/api/users/forgot", new { email = user.Email });
        return TestMail.TokenIn(await _app.Mail.LastToAsync(user.Email));
    }

    private Task<HttpResponseMessage> ExchangeAsync(TestUser user) => _app.PostAsync("/connect/token", Callers.Basic(OneApp.Declared, OneApp.Secret),
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), ("subject_token", user.AccessToken), ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"), ("audience", OneApp.Next));
}
