using System.Net;
using App.Data;
using App.Factors;
using App.Shared;
using App.Tests.Accounts;
using App.Tests.Attacks;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Factors;

/// <summary>Two-step sign-in is turned on and off, and what it leaves behind.</summary>
public sealed class TwoStepTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    [Fact]
    public async Task Nothing_counts_until_a_code_has_shown_that_it_works()
    {
        var user = await _app.SignUpAsync();
        var before = await State.OfAsync(_app);
        var (handle, secret) = await _app.BeginTwoStepAsync(user);
        Assert.Equal(before, await State.OfAsync(_app));

        var wrong = Totp.Code(secret, Totp.StepAt(_app.Time.GetUtcNow()) + 40);
        using (var answer = await _app.EnableTwoStepAsync(user, handle, wrong))
        {
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
            Assert.NotNull((await answer.PageAsync()).QuerySelector("svg.qr")); // the same key, to try again with
        }

        Assert.Equal(before, await State.OfAsync(_app));
        await _app.SignInAsync(user);
    }

    [Fact] // Nobody scans their own screen.
    public async Task On_the_phone_itself_the_key_is_handed_over_by_a_link_or_copied()
    {
        using var answer = await _app.PostFormAsync("/account/two-step", "two-step", [new("act", "begin")], (await _app.SignUpAsync()).Cookies);
        var page = await answer.PageAsync();
        var key = page.QuerySelector(".key")!;
        Assert.Contains($"secret={key.TextContent.Replace(" ", "", StringComparison.Ordinal)}&", page.QuerySelector("a[href^='otpauth://totp/']")!.GetAttribute("href"), StringComparison.Ordinal);
        Assert.Equal(key.Id, page.QuerySelector("button[data-copy]")!.GetAttribute("data-copy"));
    }

    [Fact]
    public async Task Once_on_the_page_says_so_and_counts_the_recovery_codes()
    {
        var ada = await _app.TurnOnTwoStepAsync(await _app.SignUpAsync());
        var page = await (await _app.SendAsync(HttpMethod.Get, "/account/two-step", cookies: ada.User.Cookies)).PageAsync();
        Assert.Contains("10 of 10", page.Body!.TextContent, StringComparison.Ordinal);
        Assert.DoesNotContain(ada.Codes[0], page.Body.TextContent, StringComparison.Ordinal);

        Assert.Equal(HttpStatusCode.OK, (await ada.AnswerAsync(await ada.ChallengeAsync(), ada.Codes[3].ToUpperInvariant().Replace("-", " ", StringComparison.Ordinal))).StatusCode);
        page = await (await _app.SendAsync(HttpMethod.Get, "/account/two-step", cookies: ada.User.Cookies)).PageAsync();
        Assert.Contains("9 of 10", page.Body!.TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Turning_it_on_says_so_beside_the_codes()
    {
        var user = await _app.SignUpAsync();
        var (handle, secret) = await _app.BeginTwoStepAsync(user);
        var page = await (await _app.EnableTwoStepAsync(user, handle, Totp.Code(secret, Totp.StepAt(_app.Time.GetUtcNow())))).PageAsync();
        Assert.Equal("Two-step sign-in is on from now.", page.QuerySelector("[role=status].notice")!.TextContent);
    }

    [Fact] // UX 7: nobody has seen what the first answer said
    public async Task Of_a_form_that_is_sent_twice_the_second_answer_shows_the_codes_that_are_good()
    {
        var user = await _app.SignUpAsync();
        var (handle, secret) = await _app.BeginTwoStepAsync(user);
        var (lost, shown) = (await CodesAsync(), await CodesAsync());
        Assert.Equal(10, shown.Count);
        var ada = new TwoStepUser(_app, user, secret, shown);
        await Answers.AssertProblemAsync(await ada.AnswerAsync(await ada.ChallengeAsync(), lost[0]), 401, "Invalid code / code");
        Assert.Equal(HttpStatusCode.OK, (await ada.AnswerAsync(await ada.ChallengeAsync(), shown[0])).StatusCode);
        var letters = await _app.Mail.ToAsync(user.Email);
        foreach (var subject in new[] { "Two-step sign-in is on", "You have new recovery codes" }) Assert.Single(letters, l => l.Subject == subject);

        // A double click is two at once.
        user = await _app.SignUpAsync();
        (handle, secret) = await _app.BeginTwoStepAsync(user);
        Assert.All(await Task.WhenAll(CodesAsync(), CodesAsync()), codes => Assert.Equal(10, codes.Count));
        Assert.Equal(10, await _app.DbAsync(db => db.Set<RecoveryCode>().CountAsync(c => c.UserId == user.Id)));

        async Task<List<string>> CodesAsync() => [.. (await (await _app.EnableTwoStepAsync(user, handle, Totp.Code(secret, Totp.StepAt(_app.Time.GetUtcNow())))).PageAsync())
            .QuerySelectorAll(".codes code").Select(c => c.TextContent)];
    }

    [Fact] // ATTACKS 97: hashed, shown once; and the secret is sealed
    public async Task Neither_secret_nor_codes_can_be_read_from_the_database_or_the_log()
    {
        var ada = await _app.TurnOnTwoStepAsync(await _app.SignUpAsync());
        await ada.AnswerAsync(await ada.ChallengeAsync(), ada.Codes[0]);
        var all = await State.TextAsync(_app) + string.Join('\n', _app.Log.Lines);
        foreach (var secret in ada.Codes.Append(Totp.Text(ada.Secret)).Append(Convert.ToHexString(ada.Secret)).Append(ada.Codes[1].Replace("-", "", StringComparison.Ordinal)))
            Assert.DoesNotContain(secret, all, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task New_codes_take_the_place_of_the_old_ones()
    {
        var ada = await _app.TurnOnTwoStepAsync(await _app.SignUpAsync());
        var page = await (await ada.ActAsync("codes")).PageAsync();
        var fresh = page.QuerySelectorAll(".codes code").Select(c => c.TextContent).ToList();
        Assert.Empty(fresh.Intersect(ada.Codes));
        Assert.Null(page.QuerySelector(".notice")); // it was on before
        var download = Uri.UnescapeDataString(page.QuerySelector("a[download]")!.GetAttribute("href")!);
        Assert.Equal("data:text/plain;charset=utf-8," + string.Join('\n', fresh) + "\n", download);

        await Answers.AssertProblemAsync(await ada.AnswerAsync(await ada.ChallengeAsync(), ada.Codes[0]), 401, "Invalid code / code");
        Assert.Equal(HttpStatusCode.OK, (await ada.AnswerAsync(await ada.ChallengeAsync(), fresh[0])).StatusCode);
    }

    [Fact]
    public async Task Before_old_codes_become_void_the_page_asks()
    {
        var ada = await _app.TurnOnTwoStepAsync(await _app.SignUpAsync());
        Assert.NotNull(await ButtonAsync("dialog#renew-codes"));
        await _app.DbAsync(db => db.Set<RecoveryCode>().ExecuteDeleteAsync());
        Assert.Null(await ButtonAsync("dialog#renew-codes")); // nothing is lost
        Assert.NotNull(await ButtonAsync("main"));

        async Task<AngleSharp.Dom.IElement?> ButtonAsync(string where) =>
            (await (await _app.SendAsync(HttpMethod.Get, "/account/two-step", cookies: ada.User.Cookies)).PageAsync()).QuerySelector(where + " button[value=codes]");
    }

    [Fact]
    public async Task Turned_off_a_password_is_enough_and_the_codes_are_gone()
    {
        var ada = await _app.TurnOnTwoStepAsync(await _app.SignUpAsync());
        var challenge = await ada.ChallengeAsync();
        Assert.Equal("/account/two-step", (await ada.ActAsync("off")).Location());
        await _app.SignInAsync(ada.User);
        await Answers.AssertProblemAsync(await ada.AnswerAsync(challenge, ada.Codes[0]), 401);
        Assert.Equal(0, await _app.DbAsync(db => db.Set<RecoveryCode>().CountAsync()));
        Assert.Equal("/account/two-step", (await ada.ActAsync("off")).Location()); // asking twice is no error
    }

    [Fact] // in another tab
    public async Task Codes_that_are_renewed_while_it_is_turned_off_are_none()
    {
        var ada = await _app.TurnOnTwoStepAsync(await _app.SignUpAsync());
        Task<TwoStep.Outcome> renewing;
        await using (var scope = _app.Services.CreateAsyncScope())
        {
            var db = scope.ServiceProvider.GetRequiredService<AppDb>();
            await using var transaction = await db.BeginWriteAsync(CancellationToken.None);
            renewing = Task.Run(() => _app.ScopedAsync((TwoStep step) => step.RenewCodesAsync(Caller(ada.User), "", CancellationToken.None)));
            await Task.WhenAny(renewing, Task.Delay(500)); // it waits for its turn to write
            await db.Authenticators.ExecuteDeleteAsync();
            await db.Set<RecoveryCode>().ExecuteDeleteAsync();
            await transaction.CommitAsync(CancellationToken.None);
        }

        Assert.IsType<TwoStep.Outcome.Stale>(await renewing);
        Assert.Equal(0, await _app.DbAsync(db => db.Set<RecoveryCode>().CountAsync()));
    }

    [Theory] // at another replica, a moment ago
    [InlineData("off")]
    [InlineData("passkeys")]
    public async Task Of_a_deleted_account_nothing_is_changed_and_nothing_fails(string act)
    {
        var ada = await _app.TurnOnTwoStepAsync(await _app.SignUpAsync());
        await _app.DbAsync(db => db.Users.ExecuteDeleteAsync());
        Assert.IsType<TwoStep.Outcome.Stale>(await _app.ScopedAsync((TwoStep step) => step.ActAsync(act, Caller(ada.User), null, null, "", CancellationToken.None)));
        foreach (var part in App.Profile.MyData.Own) await _app.DbAsync(async db => await part.ReadAsync!(db, ada.User.Id, CancellationToken.None));
    }

    private CurrentUser Caller(TestUser user)
    {
        var now = _app.Time.GetUtcNow().ToUnixTimeSeconds();
        return new CurrentUser { Id = user.Id, SessionId = user.SessionId, TokenId = "", Email = user.Email, IssuedAt = now, ExpiresAt = now + 300, AuthTime = now, KeyId = "" };
    }

    [Fact]
    public async Task Each_change_is_told_by_letter_with_what_to_do_if_it_was_somebody_else()
    {
        var ada = await _app.TurnOnTwoStepAsync(await _app.SignUpAsync());
        await ada.ActAsync("codes");
        await ada.ActAsync("off");
        var id = (await new PasskeyBrowser(_app).AddAsync(new SoftKey(), ada.User)).GetProperty("id").GetString();
        await _app.SendAsync(HttpMethod.Delete, "/api/passkeys/" + id, cookies: ada.User.Cookies);
        var letters = await _app.Mail.ToAsync(ada.User.Email);
        foreach (var subject in new[] { "Two-step sign-in is on", "You have new recovery codes", "Two-step sign-in is off", "A passkey was added to your account", "A passkey was removed from your account" })
            Assert.Contains("If this wasn’t you", Assert.Single(letters, l => l.Subject == subject).Text, StringComparison.Ordinal);
    }

    [Fact] // ATTACKS 255, for two-step
    public async Task Each_change_needs_a_recent_proof()
    {
        var ada = await _app.TurnOnTwoStepAsync(await _app.SignUpAsync());
        var bob = await _app.SignUpAsync();
        var (handle, secret) = await _app.BeginTwoStepAsync(bob);
        _app.Time.Advance(TimeSpan.FromMinutes(11));
        foreach (var user in new[] { ada.User, bob }) await _app.WhoAmIAsync(cookies: user.Cookies);
        var before = await State.OfAsync(_app, "Sessions");
        foreach (var act in new[] { "off", "codes" }) Assert.Equal("/account/confirm?returnUrl=%2Faccount%2Ftwo-step", (await ada.ActAsync(act)).Location());
        Assert.StartsWith("/account/confirm", (await ada.ActAsync("begin", bob.Cookies)).Location(), StringComparison.Ordinal);
        // A set-up that bob's own proof began stands for it, and for nobody else's.
        foreach (var (user, setUp) in new[] { (bob, "nonsense"), (ada.User, handle) })
            Assert.StartsWith("/account/confirm", (await _app.EnableTwoStepAsync(user, setUp, Totp.Code(secret, Totp.StepAt(_app.Time.GetUtcNow())))).Location(), StringComparison.Ordinal);
        Assert.Equal(before, await State.OfAsync(_app, "Sessions"));

        var confirmed = await _app.PostFormAsync("/account/confirm?returnUrl=%2Faccount%2Ftwo-step", "confirm-code", [new("code", ada.Code())], ada.User.Cookies);
        Assert.Equal("/account/two-step", confirmed.Location());
        Assert.Equal("/account/two-step", (await ada.ActAsync("off")).Location());
    }

    [Fact]
    public async Task A_set_up_begun_with_a_proof_may_be_finished_after_it_and_wrong_codes_don_t_make_it_last()
    {
        var user = await _app.SignUpAsync();
        var (handle, secret) = await _app.BeginTwoStepAsync(user);
        _app.Time.Advance(TimeSpan.FromMinutes(14));
        using var wrong = await _app.EnableTwoStepAsync(user, handle, Code(40));
        Assert.Equal(handle, (await wrong.PageAsync()).QuerySelector("input[name=setup]")!.GetAttribute("value"));
        Assert.Equal(HttpStatusCode.OK, (await _app.EnableTwoStepAsync(user, handle, Code())).StatusCode);

        string Code(int steps = 0) => Totp.Code(secret, Totp.StepAt(_app.Time.GetUtcNow()) + steps);
    }

    [Fact] // ATTACKS 217, for a hidden field
    public async Task A_set_up_is_good_for_its_owner_for_a_quarter_of_an_hour_and_never_twice()
    {
        var (ada, bob) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        var (handle, secret) = await _app.BeginTwoStepAsync(ada);
        string Code() => Totp.Code(secret, Totp.StepAt(_app.Time.GetUtcNow()));
        Assert.Equal("/account/two-step", (await _app.EnableTwoStepAsync(bob, handle, Code())).Location());
        Assert.Equal("/account/two-step", (await _app.EnableTwoStepAsync(ada, "nonsense", Code())).Location());
        Assert.Equal(0, await _app.DbAsync(db => db.Authenticators.CountAsync()));

        var (first, second) = (await _app.BeginTwoStepAsync(ada), await _app.BeginTwoStepAsync(ada));
        foreach (var (h, s) in new[] { first, second }) await _app.EnableTwoStepAsync(ada, h, Totp.Code(s, Totp.StepAt(_app.Time.GetUtcNow())));
        Assert.Equal(first.Secret, (await _app.DbAsync(db => db.Authenticators.SingleAsync())).Open(_app.Get<App.Data.MasterKey>()));

        (handle, secret) = await _app.BeginTwoStepAsync(bob);
        _app.Time.Advance(TimeSpan.FromMinutes(15));
        await _app.PostFormAsync("/account/confirm", "confirm", [new("password", bob.Password)], bob.Cookies);
        Assert.Equal("/account/two-step", (await _app.EnableTwoStepAsync(bob, handle, Code())).Location());
        Assert.Equal(1, await _app.DbAsync(db => db.Authenticators.CountAsync()));
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();
}
