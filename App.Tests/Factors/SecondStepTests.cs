using System.Net;
using App.Tests.Accounts;
using App.Tests.Attacks;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Factors;

/// <summary>A password alone is not a session any more; and nothing but a good code, once, makes it one.</summary>
public sealed class SecondStepTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    [Fact]
    public async Task The_right_password_gives_a_challenge_and_neither_cookie_nor_session()
    {
        var ada = await AdaAsync();
        var sessions = await _app.DbAsync(db => db.Set<App.Sessions.Session>().CountAsync());
        foreach (var path in new[] { "/api/users/signin", "/api/tokens" })
        {
            var answer = await _app.SendAsync(HttpMethod.Post, path, json: new { email = ada.User.Email, password = ada.User.Password });
            var problem = await Answers.AssertProblemAsync(answer, 401);
            Assert.Equal("mfa_required", problem.GetProperty("code").GetString());
            Assert.Empty(Answers.CookieLines(answer));
        }

        await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Post, "/api/users/signin", json: new { email = ada.User.Email, password = "wrong wrong wrong wrong" }), 400, "Invalid credentials");
        Assert.Equal(sessions, await _app.DbAsync(db => db.Set<App.Sessions.Session>().CountAsync()));
    }

    [Fact]
    public async Task A_code_completes_it_and_the_token_says_how()
    {
        var ada = await AdaAsync();
        var answer = await ada.AnswerAsync(await ada.ChallengeAsync(), " " + ada.NextCode().Insert(3, " "));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal($$"""{"email":"{{ada.User.Email}}","id":"{{ada.User.Id}}"}""", await answer.Content.ReadAsStringAsync());
        var signedIn = await TestUser.ReadAsync(_app, answer, ada.User.Email, ada.User.Password);
        Assert.Equal(["pwd", "otp", "mfa"], signedIn.Claims.GetProperty("amr").EnumerateArray().Select(a => a.GetString()));
        Assert.Equal(ada.User.Email, await _app.WhoAmIAsync(cookies: signedIn.Cookies));
    }

    [Fact]
    public async Task A_program_gives_password_and_code_at_once()
    {
        var ada = await AdaAsync();
        Task<HttpResponseMessage> TokensAsync(string code) => _app.SendAsync(HttpMethod.Post, "/api/tokens", json: new { email = ada.User.Email, password = ada.User.Password, code });
        await Answers.AssertProblemAsync(await TokensAsync("000000"), 401, "Invalid code / code");
        // An empty field is no code: neither right nor wrong.
        Assert.Equal("mfa_required", (await Answers.AssertProblemAsync(await TokensAsync(""), 401)).GetProperty("code").GetString());
        var code = ada.NextCode();
        var answer = await TokensAsync(code);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(ada.User.Email, await _app.WhoAmIAsync(bearer: (await Answers.JsonAsync(answer)).GetProperty("access_token").GetString()));
        await Answers.AssertProblemAsync(await TokensAsync(code), 401, "Invalid code / code");
    }

    [Fact]
    public async Task The_pages_do_it_without_script()
    {
        var ada = await AdaAsync();
        var second = await _app.SignInAsync(ada.User.Email, ada.User.Password, "?returnUrl=%2Faccount%2Fsessions");
        Assert.Empty(Answers.CookieLines(second));
        var challenge = (await second.PageAsync()).Value("challenge")!;
        Task<HttpResponseMessage> CodeAsync(string code) => _app.PostFormAsync("/account/sign-in?returnUrl=%2Faccount%2Fsessions", "second-step", [new("challenge", challenge), new("code", code)]);

        var wrong = await CodeAsync("123");
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
        var page = await wrong.PageAsync();
        Assert.Single(page.Faults());
        Assert.Equal(challenge, page.Value("challenge"));
        var right = await CodeAsync(ada.Codes[0]);
        Assert.Equal("/account/sessions", right.Location());
        Assert.Equal(4, Answers.CookieLines(right).Length); // the session, its renewal, that this device is known, and what is said once
        Assert.Contains("Codes left: 9.", (await _app.FollowAsync(right)).QuerySelector("#main .notice")!.TextContent, StringComparison.Ordinal);
        var over = await CodeAsync(ada.Codes[1]);
        Assert.Equal(HttpStatusCode.BadRequest, over.StatusCode);
        Assert.Contains("has been completed", (await over.PageAsync()).QuerySelector(".notice.bad")!.TextContent, StringComparison.Ordinal); // a second click reads it
        Assert.Empty(Answers.CookieLines(over));
    }

    [Fact]
    public async Task A_passkey_is_offered_to_who_has_one()
    {
        var ada = await AdaAsync();
        Assert.Null(await OfferAsync());
        await new PasskeyBrowser(_app).AddAsync(new SoftKey(), ada.User);
        Assert.NotNull(await OfferAsync());

        async Task<AngleSharp.Dom.IElement?> OfferAsync() => (await (await _app.SignInAsync(ada.User.Email, ada.User.Password)).PageAsync()).QuerySelector("[data-passkey=sign-in][data-challenge]");
    }

    [Fact]
    public async Task A_challenge_leads_to_one_session_for_its_own_account_within_five_minutes()
    {
        var (ada, bob) = (await AdaAsync(), await AdaAsync());
        var challenge = await ada.ChallengeAsync();
        await Answers.AssertProblemAsync(await ada.AnswerAsync(challenge, bob.Codes[0]), 401, "Invalid code / code"); // moved to another account
        Assert.Equal(HttpStatusCode.OK, (await ada.AnswerAsync(challenge, ada.Codes[0])).StatusCode);
        await Answers.AssertProblemAsync(await ada.AnswerAsync(challenge, ada.Codes[1]), 401, "Invalid credentials"); // replayed
        foreach (var made in new[] { "x", new string('A', 43), challenge + "A" }) await Answers.AssertProblemAsync(await ada.AnswerAsync(made, ada.Codes[1]), 401, "Invalid credentials");

        var late = await ada.ChallengeAsync();
        _app.Time.Advance(TimeSpan.FromMinutes(5));
        await Answers.AssertProblemAsync(await ada.AnswerAsync(late, ada.Codes[1]), 401, "Invalid credentials");
        Assert.Null(await _app.WhoAmIAsync(bearer: await ada.ChallengeAsync())); // skipped
        Assert.Equal(HttpStatusCode.OK, (await ada.AnswerAsync(await ada.ChallengeAsync(), ada.Codes[1])).StatusCode); // neither failure used the code up
    }

    [Fact] // ATTACKS 93
    public async Task A_challenge_takes_five_wrong_codes_and_all_challenges_together_ten()
    {
        var ada = await AdaAsync();
        var challenge = await ada.ChallengeAsync();
        for (var i = 0; i < 5; i++) await Answers.AssertProblemAsync(await ada.AnswerAsync(challenge, $"00000{i}"), 401, "Invalid code / code");
        await Answers.AssertProblemAsync(await ada.AnswerAsync(challenge, ada.NextCode()), 401, "Invalid credentials");

        challenge = await ada.ChallengeAsync();
        for (var i = 0; i < 5; i++) await Answers.AssertProblemAsync(await ada.AnswerAsync(challenge, $"10000{i}"), 401, "Invalid code / code");
        challenge = await ada.ChallengeAsync();
        var locked = await ada.AnswerAsync(challenge, ada.NextCode());
        await Answers.AssertProblemAsync(locked, 429);
        Assert.NotNull(locked.Headers.RetryAfter);
        await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Post, "/api/tokens", json: new { email = ada.User.Email, password = ada.User.Password, code = ada.Code() }), 429);
        // Recovery codes are for such a day.
        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Post, "/api/tokens", json: new { email = ada.User.Email, password = ada.User.Password, code = ada.Codes[0] })).StatusCode);

        _app.Time.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal(HttpStatusCode.OK, (await ada.AnswerAsync(challenge, ada.NextCode())).StatusCode);
    }

    [Theory] // ATTACKS 95, 97
    [InlineData(true)]
    [InlineData(false)]
    public async Task Of_twenty_tries_with_one_code_at_two_replicas_one_succeeds(bool fromApp)
    {
        await using var replica = _app.StartReplica();
        var ada = await AdaAsync();
        var challenges = new List<string>();
        for (var i = 0; i < 20; i++) challenges.Add(await ada.ChallengeAsync());
        var code = fromApp ? ada.NextCode() : ada.Codes[0];
        replica.Time.SetUtcNow(_app.Time.GetUtcNow());

        var answers = await Task.WhenAll(challenges.Select((challenge, i) => ada.AnswerAsync(challenge, code, i % 2 == 0 ? _app : replica)));
        Assert.Single(answers, a => a.StatusCode == HttpStatusCode.OK);
        Assert.All(answers, a => Assert.True(a.StatusCode is HttpStatusCode.OK or HttpStatusCode.Unauthorized or HttpStatusCode.TooManyRequests, $"{a.StatusCode}"));
        Assert.Equal(2, await _app.DbAsync(db => db.Set<App.Sessions.Session>().CountAsync(s => s.UserId == ada.User.Id)));
    }

    [Fact]
    public async Task One_challenge_answered_twenty_times_at_once_with_different_codes_makes_one_session()
    {
        await using var replica = _app.StartReplica();
        var ada = await AdaAsync();
        var challenge = await ada.ChallengeAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => ada.AnswerAsync(challenge, ada.Codes[i % 10], i % 2 == 0 ? _app : replica)));
        Assert.Single(answers, a => a.StatusCode == HttpStatusCode.OK);
        Assert.Equal(9, await _app.DbAsync(db => db.Set<App.Factors.RecoveryCode>().CountAsync()));
    }

    [Theory] // ATTACKS 61, 66, 74
    [InlineData("", 400)]
    [InlineData("{", 400)]
    [InlineData("{}", 400)]
    [InlineData("""{"challenge":1,"code":true}""", 400)]
    [InlineData("""{"challenge":"\ud800","code":"x"}""", 400)]
    [InlineData("""{"challenge":"x","code":"\ufffe"}""", 401)]
    public async Task Bad_input_is_refused_and_changes_nothing(string body, int status)
    {
        var before = await State.OfAsync(_app);
        await Answers.AssertProblemAsync(await _app.PostTextAsync("/api/users/signin/mfa", body), status);
        Assert.Equal(before, await State.OfAsync(_app));
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    private async Task<TwoStepUser> AdaAsync() => await _app.TurnOnTwoStepAsync(await _app.SignUpAsync());
}
