using System.Net;
using App.Accounts;
using App.Admin;
using App.Tests.Attacks;
using App.Tests.Factors;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Accounts;

/// <summary>ATTACKS 89 behind the first door: in a session that was stolen, and at the second step by who has the password.</summary>
public sealed class GuessesInSessionTests : IAsyncLifetime
{
    private const string Wrong = "not the password of anybody";
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Theory]
    [InlineData("password")]
    [InlineData("code")]
    public async Task The_hundredth_wrong_one_in_a_row_ends_the_session_it_was_made_in_and_no_other(string what)
    {
        var owner = await _app.SignUpAsync();
        var stolen = await _app.SignInAsync(owner);
        for (var day = 0; day < 3; day++)
        {
            for (var i = 0; i < 2; i++) await Answers.AssertProblemAsync(await ProveAsync(stolen, what), 400);
            await YesterdayAsync();
        }

        await CountedAsync(6, 98);
        await Answers.AssertProblemAsync(await ProveAsync(stolen, what), 400);
        await Answers.AssertProblemAsync(await ProveAsync(owner, what), 400); // one more, elsewhere
        Assert.NotNull(await _app.WhoAmIAsync(bearer: stolen.AccessToken));
        await Answers.AssertProblemAsync(await ProveAsync(stolen, what), 400);

        Assert.Null(await _app.WhoAmIAsync(bearer: stolen.AccessToken));
        Assert.NotNull(await _app.WhoAmIAsync(bearer: owner.AccessToken));
        var rows = await _app.DbAsync(db => db.Set<App.Audit.AuditEntry>().Where(a => a.UserId == owner.Id && a.SessionId == stolen.SessionId && a.Action != "signed-in").OrderBy(a => a.Id).Select(a => $"{a.Action} {a.Detail}").ToListAsync());
        Assert.Equal([$"proof-refused {(what == "password" ? "pwd" : "otp")}", "session-ended too-many-guesses"], rows);
        var page = (await (await _app.SendAsync(HttpMethod.Get, "/account/activity", cookies: owner.Cookies)).PageAsync()).QuerySelector("main")!.TextContent;
        Assert.Contains("Session ended: a hundred wrong passwords or codes in a row", page, StringComparison.Ordinal);
        Assert.Contains("Wrong password or code, by somebody signed in", page, StringComparison.Ordinal);
        var led = await (await _app.SendAsync(HttpMethod.Get, "/account/sign-in", cookies: stolen.Cookies)).PageAsync();
        Assert.Contains("Your session was ended: a hundred", led.QuerySelector("main")!.TextContent, StringComparison.Ordinal);
        await _app.SignInAsync(owner);
    }

    [Theory] // Nor are there more than a hundred where many come at once
    [InlineData("password")]
    [InlineData("code")]
    public async Task Of_ten_at_once_the_hundredth_is_the_last_that_is_judged(string what)
    {
        var stolen = await _app.SignUpAsync();
        await ProveAsync(stolen, what);
        await CountedAsync(1, 98);
        await YesterdayAsync();

        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => ProveAsync(stolen, what)));
        Assert.Equal(2, answers.Count(answer => answer.StatusCode == HttpStatusCode.BadRequest));
        Assert.All(answers, answer => Assert.Contains(answer.StatusCode, new[] { HttpStatusCode.BadRequest, HttpStatusCode.TooManyRequests, HttpStatusCode.Unauthorized }));
        Assert.Null(await _app.WhoAmIAsync(bearer: stolen.AccessToken));
        await CountedAsync(100, 100);
    }

    [Fact] // Whoever counted the hundredth was killed before they ended it: the next one does, and coming again is of no use.
    public async Task Past_the_hundredth_a_program_is_told_that_its_session_is_over_and_not_to_come_again_later()
    {
        foreach (var path in new[] { "/api/account/data", "/api/sessions/current/proof" })
        {
            var stolen = await _app.SignUpAsync();
            await ProveAsync(stolen, "password");
            await _app.DbAsync(db => db.Set<GuessLimit>().Where(g => g.InARow == 1).ExecuteUpdateAsync(set => set.SetProperty(g => g.InARow, 100)));
            await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Post, path, stolen.AccessToken, json: new { password = stolen.Password }), 401);
            Assert.Null(await _app.WhoAmIAsync(bearer: stolen.AccessToken));
        }
    }

    [Fact]
    public async Task A_right_one_begins_the_row_anew_whichever_door_took_it()
    {
        var ada = await _app.TurnOnTwoStepAsync(await _app.SignUpAsync());
        ada = ada with { User = await TestUser.ReadAsync(_app, await ada.AnswerAsync(await ada.ChallengeAsync(), ada.Codes[1]), ada.User.Email, ada.User.Password) };
        foreach (var right in new (string What, Func<Task<HttpResponseMessage>> SendAsync)[]
        {
            ("password", () => ProveAsync(ada.User, "password", ada.User.Password)),
            ("password", () => _app.SendAsync(HttpMethod.Post, "/api/account/data", ada.User.AccessToken, json: new { password = ada.User.Password })),
            ("code", () => ProveAsync(ada.User, "code", ada.NextCode())),
        })
        {
            await ProveAsync(ada.User, right.What);
            await CountedAsync(1, 99);
            Assert.True((await right.SendAsync()).IsSuccessStatusCode);
            await ProveAsync(ada.User, right.What);
            await CountedAsync(1, 1);
            Assert.NotNull(await _app.WhoAmIAsync(cookies: ada.User.Cookies));
            await _app.DbAsync(db => db.Set<GuessLimit>().ExecuteDeleteAsync());
        }
    }

    [Fact] // 864 a day, else: three good ones in a million
    public async Task The_hundredth_wrong_code_in_a_row_after_the_right_password_leaves_recovery_codes_and_the_owner_s_session()
    {
        var ada = await _app.TurnOnTwoStepAsync(await _app.SignUpAsync());
        await WrongCodesAsync(ada);
        using var page = await _app.PostFormAsync("/account/sign-in", "second-step", [new("challenge", await ada.ChallengeAsync()), new("code", ada.NextCode())]);
        Assert.Contains("Take a recovery code", (await page.PageAsync()).QuerySelector("main")!.TextContent, StringComparison.Ordinal);

        // Recovery codes are locked for a while at most.
        for (var i = 0; i < 2; i++) await Answers.AssertProblemAsync(await ada.AnswerAsync(await ada.ChallengeAsync(), "abcde-fghjk"), 401, "Invalid code / code");
        await CountedAsync(100, 100);
        Assert.Equal(HttpStatusCode.OK, (await ada.AnswerAsync(await ada.ChallengeAsync(), ada.Codes[0])).StatusCode);
        await LockedAsync(ada);

        const string Password = "seven quiet harbours dreaming";
        Assert.Equal(HttpStatusCode.SeeOther, (await _app.PostFormAsync("/account/security", "password", [new("currentPassword", ada.User.Password), new("password", Password)], ada.User.Cookies)).StatusCode);
        var now = ada with { User = ada.User with { Password = Password } };
        Assert.Equal(HttpStatusCode.OK, (await now.AnswerAsync(await now.ChallengeAsync(), now.NextCode())).StatusCode);
    }

    [Fact]
    public async Task Unlocking_the_account_lets_the_app_s_codes_in_again()
    {
        var ada = await _app.TurnOnTwoStepAsync(await _app.SignUpAsync());
        await WrongCodesAsync(ada);
        Assert.Equal(LockAccount.Outcome.Done, await _app.ScopedAsync((LockAccount account) => account.RunAsync(ada.User.Email, locked: false, CancellationToken.None)));
        Assert.Equal(HttpStatusCode.OK, (await ada.AnswerAsync(await ada.ChallengeAsync(), ada.NextCode())).StatusCode);
    }

    private async Task WrongCodesAsync(TwoStepUser ada)
    {
        await Answers.AssertProblemAsync(await ada.AnswerAsync(await ada.ChallengeAsync(), "000000"), 401, "Invalid code / code");
        await CountedAsync(1, 99);
        await YesterdayAsync();
        await Answers.AssertProblemAsync(await ada.AnswerAsync(await ada.ChallengeAsync(), "000000"), 401, "Invalid code / code");
        await YesterdayAsync();
        await LockedAsync(ada);
    }

    private static async Task LockedAsync(TwoStepUser ada) =>
        Assert.Equal(GuessLimits.ForGood, (await ada.AnswerAsync(await ada.ChallengeAsync(), ada.NextCode())).Headers.RetryAfter?.Delta);

    private Task<HttpResponseMessage> ProveAsync(TestUser user, string what, string? value = null) => _app.SendAsync(HttpMethod.Post, "/api/sessions/current/proof", user.AccessToken,
        json: new Dictionary<string, string> { [what] = value ?? (what == "code" ? "000000" : Wrong) });

    private async Task CountedAsync(int seen, int now)
    {
        Assert.Equal(seen, await _app.DbAsync(db => db.Set<GuessLimit>().Where(g => g.InARow > 0).Select(g => g.InARow).SingleAsync()));
        await _app.DbAsync(db => db.Set<GuessLimit>().Where(g => g.InARow > 0).ExecuteUpdateAsync(set => set.SetProperty(g => g.InARow, now)));
    }

    private Task<int> YesterdayAsync() => _app.DbAsync(async db =>
    {
        foreach (var limit in await db.Set<GuessLimit>().ToListAsync()) limit.LastAt -= TimeSpan.FromDays(1);
        return await db.SaveChangesAsync();
    });
}
