using System.Net;
using App.Accounts;
using App.Audit;
using App.Factors;
using App.Sessions;
using App.Shared;
using App.Tests.Accounts;
using App.Tests.Attacks;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Factors;

/// <summary>Who was signed in a while ago proves it again before they change what protects them, or end other sessions.</summary>
public sealed class RecentProofTests : IAsyncLifetime
{
    private const string Proof = "/api/sessions/current/proof";
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    private readonly TestApp _app = TestApp.Start(("Tokens:AccessTokenLifetime", "01:00:00"));

    [Fact]
    public async Task Ending_another_session_from_an_old_proof_is_refused_and_ends_nothing()
    {
        var (here, there) = await TwoSessionsAsync();
        _app.Time.Advance(10 * Minute + TimeSpan.FromSeconds(2));
        var before = await State.OfAsync(_app);
        foreach (var path in new[] { $"/api/sessions/{there.SessionId}", "/api/sessions" })
        {
            var answer = await _app.SendAsync(HttpMethod.Delete, path, bearer: here.AccessToken);
            var problem = await Answers.AssertProblemAsync(answer, 401);
            Assert.Equal("proof_required", problem.GetProperty("code").GetString());
            Assert.Equal("""Bearer error="insufficient_user_authentication", max_age=600""", answer.Headers.WwwAuthenticate.ToString());
        }

        Assert.Equal(before, await State.OfAsync(_app));
        Assert.NotNull(await _app.WhoAmIAsync(bearer: there.AccessToken));
    }

    [Fact]
    public async Task A_proof_that_has_run_out_stays_so_when_the_clock_is_set_back()
    {
        var (here, there) = await TwoSessionsAsync();
        _app.Time.Advance(11 * Minute);
        var renewed = await Answers.JsonAsync(await _app.SendAsync(HttpMethod.Post, "/api/tokens/refresh", json: new { refresh_token = here.RefreshToken }));
        var token = renewed.GetProperty("access_token").GetString()!;
        Assert.Equal(HttpStatusCode.Unauthorized, await EndAsync());
        _app.Time.SetWall(-10 * Minute);
        Assert.NotNull(await _app.WhoAmIAsync(bearer: token));
        Assert.Equal(HttpStatusCode.Unauthorized, await EndAsync());

        // Proved by the clock as it is now.
        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Post, Proof, token, json: new { password = here.Password })).StatusCode);
        var again = await Answers.JsonAsync(await _app.SendAsync(HttpMethod.Post, "/api/tokens/refresh", json: new { refresh_token = renewed.GetProperty("refresh_token").GetString() }));
        token = again.GetProperty("access_token").GetString()!;
        Assert.Equal(HttpStatusCode.NoContent, await EndAsync());

        async Task<HttpStatusCode> EndAsync() => (await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{there.SessionId}", token)).StatusCode;
    }

    [Fact]
    public async Task A_proof_that_was_given_while_the_clock_was_ahead_is_none_that_never_runs_out()
    {
        var (here, there) = await TwoSessionsAsync();
        await _app.DbAsync(db => db.Sessions.Where(s => s.Id == here.SessionId).ExecuteUpdateAsync(set => set.SetProperty(s => s.AuthenticatedAt, _app.Time.GetUtcNow().AddHours(2))));
        var renewed = await Answers.JsonAsync(await _app.SendAsync(HttpMethod.Post, "/api/tokens/refresh", json: new { refresh_token = here.RefreshToken }));
        foreach (var token in new[] { renewed.GetProperty("access_token").GetString()!, here.AccessToken }) // by the token, and by the row
        {
            _app.Time.Advance(11 * Minute);
            await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{there.SessionId}", token), 401);
        }
    }

    [Theory] // or the code would be gone for nothing
    [InlineData(false)]
    [InlineData(true)]
    public async Task Code_and_proof_are_one_and_whose_session_has_ended_meanwhile_uses_none_up(bool byPassword)
    {
        var ada = await _app.TurnOnTwoStepAsync(await _app.SignUpAsync());
        await _app.DbAsync(db => db.Sessions.Where(s => s.UserId == ada.User.Id).ExecuteUpdateAsync(set => set.SetProperty(s => s.RevokedAt, _app.Time.GetUtcNow())));
        var now = _app.Time.GetUtcNow().ToUnixTimeSeconds();
        var user = new CurrentUser { Id = ada.User.Id, SessionId = ada.User.SessionId, TokenId = "", Email = ada.User.Email, IssuedAt = now, ExpiresAt = now + 300, AuthTime = now, KeyId = "" };
        var outcome = await _app.ScopedAsync((ProveAgain prove) => byPassword
            ? prove.ByPasswordAsync(user, ada.User.Password, new DefaultHttpContext { RequestServices = _app.Services }, CancellationToken.None)
            : prove.ByCodeAsync(user, ada.Codes[0], new DefaultHttpContext { RequestServices = _app.Services }, CancellationToken.None));
        Assert.IsNotType<ProveAgain.Outcome.Proved>(outcome);
        Assert.IsNotType<ProveAgain.Outcome.Wrong>(outcome);
        Assert.Equal(10, await _app.DbAsync(db => db.Set<RecoveryCode>().CountAsync()));
        Assert.Equal(0, await _app.DbAsync(db => db.Set<AuditEntry>().CountAsync(a => a.Action == "proved-again" || a.Action == SecondFactor.RecoveryCodeUsed)));
    }

    [Fact]
    public async Task What_was_proved_in_between_is_not_taken_back_by_a_token_that_does_not_know_of_it()
    {
        var ada = await _app.TurnOnTwoStepAsync(await _app.SignUpAsync());
        await _app.WhoAmIAsync(cookies: ada.User.Cookies);
        var session = await _app.DbAsync(db => db.Sessions.AsNoTracking().SingleAsync());
        Assert.Equal("pwd", session.Amr);
        var now = _app.Time.GetUtcNow().ToUnixTimeSeconds();
        var user = new CurrentUser { Id = ada.User.Id, SessionId = session.Id, TokenId = "", Email = ada.User.Email, IssuedAt = now, ExpiresAt = now + 300, AuthTime = now, KeyId = "", Amr = ["pwd"] };
        await _app.ScopedAsync((ProveAgain prove) => prove.ByCodeAsync(user, ada.Codes[0], new DefaultHttpContext { RequestServices = _app.Services }, CancellationToken.None));
        await _app.ScopedAsync((ProveAgain prove) => prove.ByPasswordAsync(user, ada.User.Password, new DefaultHttpContext { RequestServices = _app.Services }, CancellationToken.None));
        Assert.Equal("pwd otp mfa", await _app.DbAsync(db => db.Sessions.Select(s => s.Amr).SingleAsync()));
    }

    [Fact]
    public async Task Within_ten_minutes_no_proof_is_asked_for_and_one_s_own_session_ends_at_any_age()
    {
        var (here, there) = await TwoSessionsAsync();
        _app.Time.Advance(10 * Minute - TimeSpan.FromSeconds(2));
        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{there.SessionId}", bearer: here.AccessToken)).StatusCode);
        _app.Time.Advance(5 * Minute);
        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{here.SessionId}", bearer: here.AccessToken)).StatusCode);
    }

    [Fact]
    public async Task The_page_s_buttons_lead_to_the_confirmation_and_back()
    {
        var (here, there) = await TwoSessionsAsync();
        _app.Time.Advance(11 * Minute);
        foreach (var (path, fields) in new[] { ("/account/sessions/end", new[] { ("id", there.SessionId.ToString()) }), ("/account/sessions/end-others", []) })
        {
            var refused = await _app.PostFormAsync(path, "", fields.Select(f => KeyValuePair.Create(f.Item1, f.Item2)), here.Cookies);
            Assert.Equal("/account/confirm?returnUrl=%2Faccount%2Fsessions", refused.Location());
        }

        var page = await (await _app.SendAsync(HttpMethod.Get, "/account/confirm?returnUrl=%2Faccount%2Fsessions", cookies: here.Cookies)).PageAsync();
        Assert.Equal("/account/sessions", page.QuerySelector(".after a")!.GetAttribute("href"));

        var confirmed = await ConfirmAsync(here, here.Password);
        Assert.Equal((HttpStatusCode.SeeOther, "/account/sessions"), (confirmed.StatusCode, confirmed.Location()));
        var now = Renewed(here, confirmed);
        Assert.Equal(here.SessionId, now.SessionId);
        Assert.Equal(_app.Time.GetUtcNow().ToUnixTimeSeconds(), now.Claims.GetProperty("auth_time").GetInt64());
        var ended = await _app.PostFormAsync("/account/sessions/end", "", [new("id", there.SessionId.ToString())], now.Cookies);
        Assert.Equal("/account/sessions", ended.Location());
    }

    [Fact] // the renewal on the way in has already used the refresh token that the browser sent
    public async Task An_expired_token_is_renewed_and_confirmed_in_one_request()
    {
        var (here, _) = await TwoSessionsAsync();
        _app.Time.Advance(TimeSpan.FromHours(2));
        var confirmed = await ConfirmAsync(here, here.Password);
        var (session, refresh) = TestUser.SetCookies(confirmed);
        Assert.Equal(_app.Time.GetUtcNow().ToUnixTimeSeconds(), (here with { AccessToken = TestUser.Unwrap(session) }).Claims.GetProperty("auth_time").GetInt64());
        _app.Time.Advance(Minute);
        Assert.NotNull(await _app.WhoAmIAsync(cookies: "session_refresh=" + refresh));
    }

    [Fact] // or the answer that comes last would put back a used refresh token, and the next renewal end the session as stolen
    public async Task A_renewal_by_another_request_meanwhile_is_not_undone()
    {
        var (here, _) = await TwoSessionsAsync();
        _app.Time.Advance(11 * Minute);
        var renewed = await Answers.JsonAsync(await _app.SendAsync(HttpMethod.Post, "/api/tokens/refresh", json: new { refresh_token = here.RefreshToken }));
        var now = Renewed(here, await ConfirmAsync(here, here.Password)) with { RefreshToken = renewed.GetProperty("refresh_token").GetString()! };
        _app.Time.Advance(TimeSpan.FromHours(2));
        Assert.Equal(here.Email, await _app.WhoAmIAsync(cookies: now.Cookies));
    }

    [Fact]
    public async Task A_program_confirms_too_and_its_old_token_then_carries_the_new_proof()
    {
        var (here, there) = await TwoSessionsAsync();
        _app.Time.Advance(11 * Minute);
        Assert.Equal("/account/sessions", (await ConfirmAsync(here, here.Password)).Location());
        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{there.SessionId}", bearer: here.AccessToken)).StatusCode);
    }

    [Fact] // ATTACKS 89, for the confirmation
    public async Task Ten_wrong_passwords_lock_the_confirmation_and_leave_sign_in_alone()
    {
        var (here, _) = await TwoSessionsAsync();
        _app.Time.Advance(11 * Minute);
        for (var i = 0; i < 10; i++) Assert.Equal(HttpStatusCode.BadRequest, (await ConfirmAsync(here, "not the password at all")).StatusCode);
        var locked = await ConfirmAsync(here, here.Password);
        Assert.Equal(HttpStatusCode.TooManyRequests, locked.StatusCode);
        Assert.NotNull(locked.Headers.RetryAfter);
        await _app.SignInAsync(here);
        _app.Time.Advance(2 * Minute);
        Assert.Equal("/account/sessions", (await ConfirmAsync(here, here.Password)).Location());
    }

    [Fact]
    public async Task A_program_proves_it_again_by_password_and_by_code_over_JSON()
    {
        var (here, there) = await TwoSessionsAsync();
        _app.Time.Advance(11 * Minute);
        foreach (var body in new object[] { new { }, new { password = "", code = "" }, new { password = here.Password, code = "123456" } })
            await Answers.AssertProblemAsync(await ProveAsync(here, body), 400, "You must supply either your password or a code / password");
        await Answers.AssertProblemAsync(await ProveAsync(here, new { password = "not the password at all" }), 400, "Invalid credentials");
        await Answers.AssertProblemAsync(await ProveAsync(here, new { code = "123456" }), 400, "Invalid code / code");
        await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Post, Proof, json: new { password = here.Password }), 401, "Not authorized");
        Assert.Equal("proof_required", (await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{there.SessionId}", here.AccessToken), 401)).GetProperty("code").GetString());

        var proved = await ProveAsync(here, new { password = here.Password });
        Assert.Equal(HttpStatusCode.NoContent, proved.StatusCode);
        Assert.Empty(Answers.CookieLines(proved));
        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{there.SessionId}", here.AccessToken)).StatusCode);
    }

    [Fact]
    public async Task A_code_of_the_app_or_the_drawer_proves_it_once()
    {
        var ada = await _app.TurnOnTwoStepAsync(await _app.SignUpAsync());
        var here = await TestUser.ReadAsync(_app, await ada.AnswerAsync(await ada.ChallengeAsync(), ada.Codes[1]), ada.User.Email, ada.User.Password);
        foreach (var fromApp in new[] { true, false })
        {
            _app.Time.Advance(11 * Minute);
            await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Delete, "/api/sessions", here.AccessToken), 401);
            var code = fromApp ? ada.Code() : ada.Codes[0];
            Assert.Equal(HttpStatusCode.NoContent, (await ProveAsync(here, new { code })).StatusCode);
            await Answers.AssertProblemAsync(await ProveAsync(here, new { code }), 400, "Invalid code / code");
            Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Delete, "/api/sessions", here.AccessToken)).StatusCode);
        }

        Assert.Equal(["9", "8"], await _app.DbAsync(db => db.Set<App.Audit.AuditEntry>().Where(a => a.Action == "recovery-code-used" && a.SessionId == here.SessionId).OrderBy(a => a.Id).Select(a => a.Detail).ToListAsync()));
    }

    [Fact]
    public async Task A_browser_that_proves_it_over_JSON_gets_its_token_anew_and_only_from_our_own_origin()
    {
        var (here, _) = await TwoSessionsAsync();
        _app.Time.Advance(11 * Minute);
        var body = new { password = here.Password };
        await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Post, Proof, cookies: here.Cookies, json: body, headers: ("Origin", "https://evil.test")), 403);
        var now = Renewed(here, await _app.SendAsync(HttpMethod.Post, Proof, cookies: here.Cookies, json: body));
        Assert.Equal((here.SessionId, _app.Time.GetUtcNow().ToUnixTimeSeconds()), (now.SessionId, now.Claims.GetProperty("auth_time").GetInt64()));
    }

    [Fact] // ATTACKS 89, for both doors together
    public async Task Wrong_proofs_over_JSON_count_with_those_of_the_page()
    {
        var (here, _) = await TwoSessionsAsync();
        for (var i = 0; i < 5; i++)
        {
            await Answers.AssertProblemAsync(await ProveAsync(here, new { password = "not the password at all" }), 400, "Invalid credentials");
            Assert.Equal(HttpStatusCode.BadRequest, (await ConfirmAsync(here, "not the password at all")).StatusCode);
        }

        var locked = await ProveAsync(here, new { password = here.Password });
        await Answers.AssertProblemAsync(locked, 429);
        Assert.Equal(TimeSpan.FromMinutes(1), locked.Headers.RetryAfter!.Delta);
        for (var i = 0; i < 10; i++) await Answers.AssertProblemAsync(await ProveAsync(here, new { code = $"00000{i}" }), 400, "Invalid code / code");
        await Answers.AssertProblemAsync(await ProveAsync(here, new { code = "000000" }), 429);
    }

    [Theory] // ATTACKS 103
    [InlineData("//evil.test")]
    [InlineData("https://evil.test/")]
    [InlineData("/\\evil.test")]
    public async Task A_foreign_return_address_is_not_taken(string wanted)
    {
        var (here, _) = await TwoSessionsAsync();
        Assert.Equal("/account", (await ConfirmAsync(here, here.Password, wanted)).Location());
    }

    [Fact]
    public async Task A_stranger_is_sent_to_sign_in_and_an_ended_session_gains_nothing()
    {
        Assert.StartsWith("/account/sign-in?returnUrl=", (await _app.Client.GetAsync("/account/confirm")).Location(), StringComparison.Ordinal);
        var (here, there) = await TwoSessionsAsync();
        await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{there.SessionId}", bearer: here.AccessToken);
        Assert.StartsWith("/account/sign-in", (await ConfirmAsync(there, there.Password)).Location(), StringComparison.Ordinal);
        var row = await _app.DbAsync(db => db.Sessions.SingleAsync(s => s.Id == there.SessionId));
        Assert.Equal(row.StartedAt, row.AuthenticatedAt);
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    private async Task<(TestUser Here, TestUser There)> TwoSessionsAsync()
    {
        var here = await _app.SignUpAsync();
        return (here, await _app.SignInAsync(here));
    }

    // The access token alone: what it is renewed by stays.
    private static TestUser Renewed(TestUser user, HttpResponseMessage answer)
    {
        var session = Assert.Single(Answers.CookieLines(answer)).Split(';')[0]["session=".Length..];
        return user with { AccessToken = TestUser.Unwrap(session), SessionCookie = session };
    }

    private Task<HttpResponseMessage> ProveAsync(TestUser user, object body) => _app.SendAsync(HttpMethod.Post, Proof, user.AccessToken, json: body);

    private Task<HttpResponseMessage> ConfirmAsync(TestUser user, string password, string returnUrl = "/account/sessions") =>
        _app.PostFormAsync("/account/confirm?returnUrl=" + Uri.EscapeDataString(returnUrl), "confirm", [new("password", password)], user.Cookies);
}
