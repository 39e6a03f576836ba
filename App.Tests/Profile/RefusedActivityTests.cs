using System.Net;
using System.Text.Json;
using App.Accounts;
using App.Audit;
using App.Factors;
using App.Tests.Accounts;
using App.Tests.Admin;
using App.Tests.Attacks;
using App.Tests.Factors;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Profile;

/// <summary>UX 11: what others try at an account is among what its owner reads; and however often they try, the rows are few.</summary>
public sealed class RefusedActivityTests : IAsyncLifetime
{
    private const string Wrong = "not the password of anybody";
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact] // ATTACKS 89, 226
    public async Task Wrong_passwords_are_one_row_and_each_lock_is_one_more()
    {
        var user = await _app.SignUpAsync();
        for (var i = 0; i < 12; i++) await GuessAsync(user.Email);
        Assert.Equal(["sign-in-refused pwd|desktop|Firefox|Linux", "locked-out pwd 60|desktop|Firefox|Linux"], await RowsAsync(user.Id));
        await _app.DbAsync(db => db.Set<GuessLimit>().ExecuteUpdateAsync(set => set.SetProperty(g => g.LockedUntil, _app.Time.GetUtcNow())));
        for (var i = 0; i < 2; i++) await GuessAsync(user.Email);
        Assert.Equal("locked-out pwd 120|desktop|Firefox|Linux", (await RowsAsync(user.Id))[2..].Single());

        var entry = (await Answers.JsonAsync(await _app.SendAsync(HttpMethod.Get, "/api/account/activity", user.AccessToken))).GetProperty("entries")[0];
        Assert.Equal(("locked-out", "pwd 120", "Firefox, Linux", "desktop"), (Text("action"), Text("detail"), Text("device"), Text("kind")));
        foreach (var (language, words, device) in new[]
        {
            ("en", new[] { "Locked for 2 minutes: too many wrong passwords", "Locked for 60 seconds: too many wrong passwords", "Sign-in refused: wrong password" }, "Firefox on Linux"),
            ("de", ["Für 2 Minuten gesperrt: zu viele falsche Passwörter", "Für 60 Sekunden gesperrt: zu viele falsche Passwörter", "Anmeldung abgewiesen: falsches Passwort"], "Firefox auf Linux"),
        })
        {
            var rows = (await (await _app.SendAsync(HttpMethod.Get, "/account/activity", cookies: user.Cookies + "; language=" + language)).PageAsync()).QuerySelectorAll(".list > li").Take(3).ToList();
            Assert.Equal(words, rows.Select(r => r.QuerySelector("b")!.TextContent));
            Assert.All(rows, r => Assert.Contains(device, r.TextContent, StringComparison.Ordinal));
            Assert.All(rows, r => Assert.Null(r.QuerySelector("details"))); // no session to end
        }

        string? Text(string member) => entry.GetProperty(member).GetString();
    }

    [Fact]
    public async Task Nobody_s_address_leaves_no_row_and_a_device_s_name_is_no_text_of_its_own()
    {
        for (var i = 0; i < 11; i++) await GuessAsync("nobody@example.test");
        Assert.Equal(0, await _app.DbAsync(db => db.Audit.CountAsync()));
        var user = await _app.SignUpAsync();
        await GuessAsync(user.Email, "<b>|a|b|c</b>");
        Assert.Equal(["sign-in-refused pwd|program|A program|"], await RowsAsync(user.Id));
    }

    [Fact]
    public async Task A_quarter_of_an_hour_later_it_is_another_row()
    {
        var user = await _app.SignUpAsync();
        for (var i = 0; i < 2; i++)
        {
            for (var guess = 0; guess < 2; guess++) await GuessAsync(user.Email);
            await _app.DbAsync(async db => { foreach (var limit in await db.Set<GuessLimit>().ToListAsync()) limit.LastAt -= TimeSpan.FromMinutes(15); return await db.SaveChangesAsync(); });
        }

        Assert.Equal(2, (await RowsAsync(user.Id)).Count);
    }

    [Fact]
    public async Task A_wrong_code_after_the_right_password_and_a_used_recovery_code_are_told()
    {
        var ada = await _app.TurnOnTwoStepAsync(await _app.SignUpAsync());
        var challenge = await ada.ChallengeAsync();
        foreach (var code in new[] { "000000", "000001" }) await ada.AnswerAsync(challenge, code);
        var signedIn = await TestUser.ReadAsync(_app, await ada.AnswerAsync(challenge, ada.Codes[0]), ada.User.Email, ada.User.Password);
        Assert.Equal(["sign-in-refused pwd second-step|program|A program|", "sign-in-refused otp|program|A program|", "recovery-code-used 9"], await RowsAsync(ada.User.Id));
        Assert.Equal(signedIn.SessionId, await _app.DbAsync(db => db.Audit.Where(a => a.Action == "recovery-code-used").Select(a => a.SessionId).SingleAsync()));

        var page = await (await _app.SendAsync(HttpMethod.Get, "/account/activity", cookies: signedIn.Cookies)).PageAsync();
        Assert.Equal(["Recovery code used, 9 left", "Signed in", "Sign-in refused: right password, wrong code", "Right password on a new device, second step asked for"], page.QuerySelectorAll(".list > li b").Select(b => b.TextContent).Take(4));
    }

    [Fact] // ASVS 5.0, 6.3.5: whoever stops there has the password all the same
    public async Task The_right_password_from_elsewhere_is_told_where_a_second_step_is_due_once_in_a_while()
    {
        var ada = await _app.TurnOnTwoStepAsync(await _app.SignUpAsync());
        for (var i = 0; i < 3; i++) await ada.ChallengeAsync();
        Assert.Equal(["sign-in-refused pwd second-step|program|A program|"], await RowsAsync(ada.User.Id));
        var device = Answers.CookieLines(await ada.AnswerAsync(await ada.ChallengeAsync(), ada.Codes[0])).Single(line => line.StartsWith("device=", StringComparison.Ordinal)).Split(';')[0];
        _app.Time.Advance(TimeSpan.FromMinutes(15));
        await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Post, "/api/users/signin", cookies: device, json: new { email = ada.User.Email, password = ada.User.Password }), 401);
        Assert.DoesNotContain((await RowsAsync(ada.User.Id))[1..], row => row.StartsWith(GuessLimits.Refused, StringComparison.Ordinal)); // their own
        await ada.ChallengeAsync();
        Assert.Equal(2, (await RowsAsync(ada.User.Id)).Count(row => row.StartsWith(GuessLimits.Refused, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_passkey_or_a_second_step_tried_at_a_locked_account_is_told_as_a_password_is()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        var (browser, key) = (new PasskeyBrowser(_app), new SoftKey());
        await browser.AddAsync(key, user);
        var ada = await _app.TurnOnTwoStepAsync(await _app.SignInAsync(user));
        var challenge = await ada.ChallengeAsync();
        var (handle, options) = await browser.BeginAsync("sign-in", challenge: challenge);
        await _app.LockAsync(admin, user);

        for (var i = 0; i < 2; i++)
        {
            await Answers.AssertProblemAsync(await ada.AnswerAsync(challenge, ada.Codes[0]), 401, "Invalid credentials");
            await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Post, "/api/passkeys/sign-in/begin", json: new { challenge }), 401, "Invalid credentials");
            await Answers.AssertProblemAsync(await browser.FinishAsync("sign-in", handle, key.Get(options), challenge: challenge), 400, "Invalid credentials");
            await Answers.AssertProblemAsync(await browser.SignInAsync(key), 400, "Invalid credentials");
        }

        string[] expected = ["sign-in-refused pwd second-step|program|A program|", "sign-in-refused otp locked|program|A program|", "sign-in-refused hwk locked|program|A program|"];
        Assert.Equal(expected, await RowsAsync(user.Id));
        _app.Time.Advance(TimeSpan.FromMinutes(15));
        await Answers.AssertProblemAsync(await browser.SignInAsync(key), 400, "Invalid credentials");
        Assert.Equal([.. expected, expected[2]], await RowsAsync(user.Id));

        await _app.LockAsync(await _app.SignInAsync(admin), user, locked: false);
        var signedIn = await TestUser.ReadAsync(_app, await browser.SignInAsync(key), user.Email, user.Password);
        Assert.Equal(4, (await RowsAsync(user.Id)).Count);
        var page = await (await _app.SendAsync(HttpMethod.Get, "/account/activity", cookies: signedIn.Cookies)).PageAsync();
        Assert.Equal(3, page.QuerySelectorAll(".list b").Count(b => b.TextContent == "Sign-in refused: the account was locked"));
    }

    [Fact] // The answer is the one that a wrong password gets: whether it was right is for the owner and the admin to know.
    public async Task The_right_password_at_a_locked_account_is_not_called_wrong()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        await _app.LockAsync(admin, user);
        foreach (var password in new[] { user.Password, "wrong for sure and long" })
            await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Post, "/api/users/signin", json: new { email = user.Email, password }), 400, "Invalid credentials");
        Assert.StartsWith("sign-in-refused pwd locked|", Assert.Single(await RowsAsync(user.Id)), StringComparison.Ordinal);

        for (var i = 0; i < 8; i++) await _app.SendAsync(HttpMethod.Post, "/api/users/signin", json: new { email = user.Email, password = user.Password });
        Assert.Contains(await RowsAsync(user.Id), row => row.StartsWith("locked-out pwd 60|", StringComparison.Ordinal));
    }

    [Fact] // Whoever is signed in guesses there: the row names their session.
    public async Task Every_door_that_asks_for_the_password_again_counts_together_and_its_lock_is_told()
    {
        var user = await _app.SignUpAsync();
        foreach (var (path, body) in new (string, object)[]
        {
            ("email", new { email = "new@example.test", password = Wrong }), ("delete", new { password = Wrong }), ("data", new { password = Wrong }),
            ("password", new { currentPassword = Wrong, password = "seven quiet harbours dreaming" }), ("", new { password = Wrong }),
        })
        {
            for (var i = 0; i < 2; i++) await Answers.AssertProblemAsync(await PostAsync(path, body), 400, "Invalid credentials");
        }

        Assert.Equal(["proof-refused pwd", "locked-out pwd 60"], await RowsAsync(user.Id));
        Assert.Equal(user.SessionId, await _app.DbAsync(db => db.Audit.Where(a => a.Action == "locked-out").Select(a => a.SessionId).SingleAsync()));
        foreach (var path in new[] { "email", "delete", "data", "password", "" })
            await Answers.AssertProblemAsync(await PostAsync(path, new { email = "new@example.test", password = "seven quiet harbours dreaming", currentPassword = user.Password }), 429);

        Task<HttpResponseMessage> PostAsync(string path, object body) =>
            _app.SendAsync(HttpMethod.Post, path.Length == 0 ? "/api/sessions/current/proof" : "/api/account/" + path, user.AccessToken, json: body);
    }

    [Fact]
    public async Task A_renamed_passkey_is_told_once_under_its_new_name()
    {
        var user = await _app.SignUpAsync();
        var passkey = new Passkey { Id = Guid.NewGuid(), UserId = user.Id, Name = "Phone", CredentialHash = [1], CreatedAt = _app.Time.GetUtcNow() };
        await _app.DbAsync(db => { db.Add(passkey); return db.SaveChangesAsync(); });
        for (var i = 0; i < 2; i++)
            Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Patch, $"/api/passkeys/{passkey.Id}", user.AccessToken, json: new { name = "a|b|c|d" })).StatusCode);
        Assert.Equal(["passkey-renamed a|b|c|d"], await RowsAsync(user.Id));
        var page = await (await _app.SendAsync(HttpMethod.Get, "/account/activity", cookies: user.Cookies)).PageAsync();
        Assert.Equal("Passkey renamed to “a|b|c|d”", page.QuerySelector(".list b")!.TextContent);
    }

    private Task<HttpResponseMessage> GuessAsync(string email, string agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0") =>
        _app.PostTextAsync("/api/users/signin", JsonSerializer.Serialize(new { email, password = Wrong }), headers: ("User-Agent", agent));

    /// <summary>What isn't a sign-in or a change of factors, the oldest first.</summary>
    private Task<List<string>> RowsAsync(Guid userId) => _app.DbAsync(db => db.Audit.AsNoTracking()
        .Where(a => a.UserId == userId && (a.Action == GuessLimits.Refused || a.Action == "proof-refused" || a.Action == GuessLimits.LockedOut || a.Action == SecondFactor.RecoveryCodeUsed || a.Action == FactorChange.PasskeyRenamed))
        .OrderBy(a => a.Id).Select(a => a.Action + " " + a.Detail).ToListAsync());
}
