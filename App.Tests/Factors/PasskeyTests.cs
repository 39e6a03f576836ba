using System.Buffers.Text;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using App.Data;
using App.Factors;
using App.Sessions;
using App.Shared;
using App.Tests.Accounts;
using App.Tests.Attacks;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Factors;

/// <summary>Passkeys over HTTP, with an authenticator in software: what works, and each thing that must not.</summary>
public sealed class PasskeyTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();
    private readonly PasskeyBrowser _browser;

    public PasskeyTests() => _browser = new PasskeyBrowser(_app);

    [Fact]
    public async Task A_passkey_is_made_used_listed_renamed_and_removed()
    {
        var ada = await _app.SignUpAsync();
        var key = new SoftKey { Aaguid = Guid.Parse("d548826e-79b4-db40-a3d8-11116f7e8349"), Flags = SoftKey.Present | SoftKey.Verified | SoftKey.Eligible | SoftKey.BackedUp };
        var made = await _browser.AddAsync(key, ada);
        Assert.Equal(("Bitwarden", true), (made.GetProperty("name").GetString(), made.GetProperty("synced").GetBoolean()));
        Assert.False(made.TryGetProperty("lastUsedAt", out _));

        _app.Time.Advance(TimeSpan.FromMinutes(1));
        var answer = await _browser.SignInAsync(key);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var there = await TestUser.ReadAsync(_app, answer, ada.Email, ada.Password);
        Assert.Equal(ada.Id, there.Id);
        Assert.Equal(["swk", "mfa"], there.Claims.GetProperty("amr").EnumerateArray().Select(a => a.GetString()));

        var one = $"/api/passkeys/{made.GetProperty("id").GetGuid()}";
        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Patch, one, there.AccessToken, json: new { name = " Grandma’s 🔑 " })).StatusCode);
        var listed = Assert.Single((await Answers.JsonAsync(await _app.SendAsync(HttpMethod.Get, "/api/passkeys", there.AccessToken))).EnumerateArray());
        Assert.Equal(("Grandma’s 🔑", _app.Time.GetUtcNow()), (listed.GetProperty("name").GetString(), listed.GetProperty("lastUsedAt").GetDateTimeOffset()));

        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Delete, one, there.AccessToken)).StatusCode);
        Assert.Equal((0, 0), (await _app.DbAsync(db => db.Passkeys.CountAsync()), await _app.DbAsync(db => db.UserPasskeys.CountAsync())));
        await Answers.AssertProblemAsync(await _browser.SignInAsync(key), 400, "Invalid credentials");
    }

    [Fact]
    public async Task Several_live_side_by_side_and_the_same_one_is_not_added_twice()
    {
        var ada = await _app.SignUpAsync();
        var (one, two) = (new SoftKey(), new SoftKey());
        await _browser.AddAsync(one, ada);
        await _browser.AddAsync(two, ada);
        foreach (var key in new[] { one, two }) Assert.Equal(HttpStatusCode.OK, (await _browser.SignInAsync(key)).StatusCode);

        var (handle, options) = await _browser.BeginAsync("add", ada);
        Assert.Equal(2, options.GetProperty("excludeCredentials").GetArrayLength());
        Assert.Equal(("Gatehouse", "auth.test"), (options.GetProperty("rp").GetProperty("name").GetString(), options.GetProperty("rp").GetProperty("id").GetString()));
        await Answers.AssertProblemAsync(await _browser.FinishAsync("add", handle, one.Create(options), ada), 400);
    }

    [Theory] // SQL Server's keys have no more bytes, whose index would refuse the rest.
    [InlineData(AddPasskey.LongestId, HttpStatusCode.Created)]
    [InlineData(AddPasskey.LongestId + 1, HttpStatusCode.BadRequest)]
    public async Task A_passkey_whose_id_is_longer_than_a_key_of_the_database_is_refused(int length, HttpStatusCode expected)
    {
        var ada = await _app.SignUpAsync();
        var key = new SoftKey { Id = RandomNumberGenerator.GetBytes(length) };
        var (handle, options) = await _browser.BeginAsync("add", ada);
        Assert.Equal(expected, (await _browser.FinishAsync("add", handle, key.Create(options), ada)).StatusCode);
    }

    [Theory] // ATTACKS 247
    [InlineData("https://evil.test")]
    [InlineData("http://auth.test")]
    [InlineData("https://auth.test:8443")]
    [InlineData("https://sub.auth.test")]
    [InlineData("https://auth.test.evil.test")]
    [InlineData("null")]
    public async Task Another_origin_is_refused_at_both_ceremonies(string origin) => await RefusedAsync(key => key.Origin = origin);

    [Theory] // ATTACKS 248
    [InlineData("evil.test")]
    [InlineData("test")]
    public async Task Another_relying_party_is_refused(string rpId) => await RefusedAsync(key => key.RpId = rpId);

    [Theory] // ATTACKS 252
    [InlineData(SoftKey.Verified)]
    [InlineData(SoftKey.Present)]
    [InlineData(0)]
    [InlineData(SoftKey.Present | SoftKey.Verified | SoftKey.BackedUp)]
    [InlineData(SoftKey.Present | SoftKey.Verified | SoftKey.Extensions)]
    public async Task Flags_that_say_too_little_or_contradict_are_refused(byte flags) => await RefusedAsync(key => key.Flags = flags);

    [Fact] // ATTACKS 252
    public async Task Attested_data_that_is_promised_and_missing_is_refused()
    {
        var (ada, key) = await AdaAsync();
        key.Flags |= SoftKey.Attested;
        await Answers.AssertProblemAsync(await _browser.SignInAsync(key), 400, "Invalid credentials");
        Assert.NotNull(ada);
    }

    [Fact] // ATTACKS 252
    public async Task Trailing_bytes_are_refused() => await RefusedAsync(key => key.Trailing = [0]);

    [Fact] // ATTACKS 249: again, at once, at another replica, in another browser, late
    public async Task An_answer_counts_once()
    {
        await using var replica = _app.StartReplica();
        var (_, key) = await AdaAsync();
        var (handle, options) = await _browser.BeginAsync("sign-in");
        var credential = key.Get(options);
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => _browser.FinishAsync("sign-in", handle, credential, at: i % 2 == 0 ? _app : replica)));
        Assert.Single(answers, a => a.StatusCode == HttpStatusCode.OK);
        foreach (var refused in answers.Where(a => a.StatusCode != HttpStatusCode.OK)) await Answers.AssertProblemAsync(refused, 400, "Invalid credentials");

        (handle, options) = await _browser.BeginAsync("sign-in");
        var stolen = new PasskeyBrowser(_app) { Cookie = "passkey_browser=" + new string('A', 43) };
        foreach (var thief in new[] { stolen, new PasskeyBrowser(_app) }) await Answers.AssertProblemAsync(await thief.FinishAsync("sign-in", handle, key.Get(options)), 400);
        _app.Time.Advance(TimeSpan.FromMinutes(5));
        await Answers.AssertProblemAsync(await _browser.FinishAsync("sign-in", handle, key.Get(options)), 400);
    }

    [Fact] // ATTACKS 249
    public async Task An_answer_that_was_given_is_not_good_again_once_the_clock_is_set_back()
    {
        var (_, key) = await AdaAsync();
        var (handle, options) = await _browser.BeginAsync("sign-in");
        var credential = key.Get(options);
        Assert.Equal(HttpStatusCode.OK, (await _browser.FinishAsync("sign-in", handle, credential)).StatusCode);
        _app.Time.SetWall(TimeSpan.FromMinutes(6));
        await _app.Get<HourlySweep>().RunOnceAsync(CancellationToken.None);
        _app.Time.SetWall(-TimeSpan.FromMinutes(3));
        await Answers.AssertProblemAsync(await _browser.FinishAsync("sign-in", handle, credential), 400, "Invalid credentials");
    }

    [Fact] // the authenticator has made it by then, and would offer it ever after
    public async Task A_passkey_that_was_begun_with_a_proof_is_added_within_its_five_minutes()
    {
        var ada = await _app.SignUpAsync();
        _app.Time.Advance(TimeSpan.FromSeconds(590));
        var renewed = TestUser.SetCookies(await _app.SendAsync(HttpMethod.Get, "/account/passkeys", cookies: ada.Cookies));
        ada = ada with { RefreshToken = renewed.Refresh, SessionCookie = renewed.Session };
        var (handle, options) = await _browser.BeginAsync("add", ada);
        _app.Time.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal(HttpStatusCode.Created, (await _browser.FinishAsync("add", handle, new SoftKey().Create(options), ada)).StatusCode);
    }

    [Fact] // ATTACKS 250
    public async Task A_challenge_serves_its_own_ceremony_alone()
    {
        var (ada, key) = await AdaAsync();
        var add = await _browser.BeginAsync("add", ada);
        var signIn = await _browser.BeginAsync("sign-in");
        var confirm = await _browser.BeginAsync("confirm", ada);
        await Answers.AssertProblemAsync(await _browser.FinishAsync("sign-in", add.Handle, key.Get(add.Options)), 400);
        await Answers.AssertProblemAsync(await _browser.FinishAsync("sign-in", confirm.Handle, key.Get(confirm.Options)), 400);
        await Answers.AssertProblemAsync(await _browser.FinishAsync("confirm", signIn.Handle, key.Get(signIn.Options), ada), 400);
        await Answers.AssertProblemAsync(await _browser.FinishAsync("sign-in", signIn.Handle, key.Get(signIn.Options, "webauthn.create")), 400);
        foreach (var own in new[] { "", "AAAA", add.Options.GetProperty("challenge").GetString()! })
        {
            key.Challenge = own;
            await Answers.AssertProblemAsync(await _browser.FinishAsync("sign-in", signIn.Handle, key.Get(signIn.Options)), 400);
        }

        key.Challenge = null;
        Assert.Equal(HttpStatusCode.OK, (await _browser.FinishAsync("sign-in", signIn.Handle, key.Get(signIn.Options))).StatusCode); // no refusal used it up
    }

    [Fact] // ATTACKS 253
    public async Task A_counter_that_stands_still_or_goes_back_is_a_copy_s()
    {
        var (_, key) = await AdaAsync();
        key.Count = 7;
        Assert.Equal(HttpStatusCode.OK, (await _browser.SignInAsync(key)).StatusCode);
        foreach (var count in new uint[] { 7, 6, 0 })
        {
            key.Count = count;
            await Answers.AssertProblemAsync(await _browser.SignInAsync(key), 400);
        }

        key.Count = 8;
        Assert.Equal(HttpStatusCode.OK, (await _browser.SignInAsync(key)).StatusCode);
    }

    [Fact] // ATTACKS 255
    public async Task Adding_and_removing_need_a_recent_proof()
    {
        var (user, key) = await AdaAsync();
        var ada = await _app.SignInAsync(user);
        var (handle, options) = await _browser.BeginAsync("add", ada);
        var id = await _app.DbAsync(db => db.Passkeys.Select(p => p.Id).SingleAsync());
        _app.Time.Advance(TimeSpan.FromMinutes(11));
        foreach (var (method, path) in new[] { (HttpMethod.Post, "/add/begin"), (HttpMethod.Delete, $"/{id}") })
        {
            var problem = await Answers.AssertProblemAsync(await _app.SendAsync(method, "/api/passkeys" + path, cookies: ada.Cookies), 401);
            Assert.Equal("proof_required", problem.GetProperty("code").GetString());
        }

        await Answers.AssertProblemAsync(await _browser.FinishAsync("add", handle, new SoftKey().Create(options), ada), 400); // too late for what was begun with one
        Assert.StartsWith("/account/confirm", (await RemoveOnPageAsync(ada, id)).Location(), StringComparison.Ordinal);
        Assert.Equal(1, await _app.DbAsync(db => db.Passkeys.CountAsync()));

        (handle, options) = await _browser.BeginAsync("confirm", ada);
        Assert.Equal(Base64Url.EncodeToString(key.Id), Assert.Single(options.GetProperty("allowCredentials").EnumerateArray()).GetProperty("id").GetString());
        var confirmed = await _browser.FinishAsync("confirm", handle, key.Get(options), ada);
        Assert.Equal(HttpStatusCode.NoContent, confirmed.StatusCode);
        var now = ada with { RefreshToken = TestUser.SetCookies(confirmed).Refresh, SessionCookie = TestUser.SetCookies(confirmed).Session };
        Assert.Equal("/account/passkeys", (await RemoveOnPageAsync(now, id)).Location());
        Assert.Equal(0, await _app.DbAsync(db => db.Passkeys.CountAsync()));
    }

    [Fact] // By password and by code it is the same: to begin again would be for nothing.
    public async Task Whose_session_has_ended_meanwhile_is_told_so_and_not_that_the_passkey_is_wrong()
    {
        var (ada, key) = await AdaAsync();
        var (handle, options) = await _browser.BeginAsync("confirm", ada);
        var request = new PasskeyAnswerRequest { Handle = handle, Credential = JsonSerializer.SerializeToElement(key.Get(options)) };
        await _app.DbAsync(db => db.Sessions.ExecuteUpdateAsync(set => set.SetProperty(s => s.RevokedAt, _app.Time.GetUtcNow())));
        var now = _app.Time.GetUtcNow().ToUnixTimeSeconds();
        var user = new CurrentUser { Id = ada.Id, SessionId = ada.SessionId, TokenId = "", Email = ada.Email, IssuedAt = now, ExpiresAt = now + 300, AuthTime = now, KeyId = "" };
        var http = new DefaultHttpContext { RequestServices = _app.Services, Request = { Headers = { Cookie = _browser.Cookie } } };
        var answer = await _app.ScopedAsync((UsePasskey use) => UsePasskey.FinishConfirmAsync(request, user, use, http, CancellationToken.None));
        Assert.Equal(401, Assert.IsType<ProblemHttpResult>(answer.Result).StatusCode);
    }

    [Fact] // Identity doesn't compare them
    public async Task A_passkey_that_was_made_for_somebody_else_is_not_added()
    {
        var (ada, bob) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        var (handle, options) = await _browser.BeginAsync("add", ada);
        await Answers.AssertProblemAsync(await _browser.FinishAsync("add", handle, new SoftKey().Create(options), bob), 400);
        Assert.Equal(0, await _app.DbAsync(db => db.UserPasskeys.CountAsync()));
    }

    [Fact] // ATTACKS 151, for passkeys
    public async Task Another_person_s_passkey_is_as_unknown_as_one_that_never_was()
    {
        var (ada, key) = await AdaAsync();
        var mallory = await _app.SignUpAsync();
        var id = await _app.DbAsync(db => db.Passkeys.Select(p => p.Id).SingleAsync());
        foreach (var unknown in new[] { id, Guid.NewGuid() })
        {
            await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Delete, $"/api/passkeys/{unknown}", mallory.AccessToken), 404, "Not Found");
            await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Patch, $"/api/passkeys/{unknown}", mallory.AccessToken, json: new { name = "mine" }), 404, "Not Found");
        }

        // Nor does somebody else's key confirm that it's me, or sign in as whom it names.
        await _browser.AddAsync(new SoftKey(), mallory);
        var (handle, options) = await _browser.BeginAsync("confirm", mallory);
        await Answers.AssertProblemAsync(await _browser.FinishAsync("confirm", handle, key.Get(options), mallory), 400);
        var forged = new SoftKey();
        await _browser.AddAsync(forged, mallory);
        forged.UserHandle = key.UserHandle;
        await Answers.AssertProblemAsync(await _browser.SignInAsync(forged), 400);
        Assert.NotNull(ada);
    }

    [Fact] // ATTACKS 81, for passkeys
    public async Task The_options_of_a_sign_in_name_nobody()
    {
        await AdaAsync();
        var (_, options) = await _browser.BeginAsync("sign-in");
        Assert.Equal(0, options.GetProperty("allowCredentials").GetArrayLength());
        Assert.Equal("required", options.GetProperty("userVerification").GetString());
        await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Post, "/api/passkeys/sign-in/begin", json: new { challenge = "made up" }), 401, "Invalid credentials");
    }

    [Fact]
    public async Task After_the_password_a_passkey_of_the_same_person_is_the_second_step()
    {
        var (user, key) = await AdaAsync();
        var ada = await _app.TurnOnTwoStepAsync(user);
        var mallory = await _app.SignUpAsync();
        var hers = new SoftKey();
        await _browser.AddAsync(hers, mallory);

        var challenge = await ada.ChallengeAsync();
        var (handle, options) = await _browser.BeginAsync("sign-in", challenge: challenge);
        Assert.Equal(1, options.GetProperty("allowCredentials").GetArrayLength());
        await Answers.AssertProblemAsync(await _browser.FinishAsync("sign-in", handle, hers.Get(options), challenge: challenge), 400);
        await Answers.AssertProblemAsync(await _browser.FinishAsync("sign-in", handle, key.Get(options)), 400); // without its challenge
        var answer = await _browser.FinishAsync("sign-in", handle, key.Get(options), challenge: challenge);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(["pwd", "hwk", "mfa"], (await TestUser.ReadAsync(_app, answer, user.Email, user.Password)).Claims.GetProperty("amr").EnumerateArray().Select(a => a.GetString()));
        await Answers.AssertProblemAsync(await ada.AnswerAsync(challenge, ada.Codes[0]), 401); // the challenge is over
    }

    [Fact]
    public async Task Passkeys_alone_can_be_the_second_step()
    {
        var (user, key) = await AdaAsync();
        var ada = await AskForPasskeysAsync(user);
        Assert.Equal(10, ada.Codes.Count);

        var challenge = await ada.ChallengeAsync();
        await Answers.AssertProblemAsync(await ada.AnswerAsync(challenge, "000000"), 401, "Invalid code / code"); // there is no app whose code could be right
        var answer = await _browser.SignInAsync(key, challenge);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(["pwd", "hwk", "mfa"], (await TestUser.ReadAsync(_app, answer, user.Email, user.Password)).Claims.GetProperty("amr").EnumerateArray().Select(a => a.GetString()));
        Assert.Equal(HttpStatusCode.OK, (await ada.AnswerAsync(await ada.ChallengeAsync(), ada.Codes[0])).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await _browser.SignInAsync(key)).StatusCode); // the whole sign-in, as before

        // Sent twice, the second answer shows codes that are good: nobody has seen those of the first. Later on it is no error either.
        Assert.Equal(10, (await AskForPasskeysAsync(user)).Codes.Except(ada.Codes).Count());
        _app.Time.Advance(TimeSpan.FromMinutes(1));
        var later = await TestUser.ReadAsync(_app, await _browser.SignInAsync(key), user.Email, user.Password); // the page has renewed the session of before
        Assert.Equal("/account/two-step", (await ada.ActAsync("passkeys", later.Cookies)).Location());
    }

    [Fact]
    public async Task Without_a_passkey_there_is_nothing_to_ask_for()
    {
        var user = await _app.SignUpAsync();
        var before = await State.OfAsync(_app);
        Assert.Equal("/account/two-step", (await new TwoStepUser(_app, user, [], []).ActAsync("passkeys")).Location());
        Assert.Equal(before, await State.OfAsync(_app));
        await _app.SignInAsync(user);
    }

    [Fact]
    public async Task With_the_last_passkey_a_second_step_by_passkeys_ends_and_its_owner_is_told()
    {
        var (user, _) = await AdaAsync();
        var id = (await _browser.AddAsync(new SoftKey(), user)).GetProperty("id").GetString();
        var ada = await AskForPasskeysAsync(user);
        await RemoveAsync(id!);
        await ada.ChallengeAsync(); // one is left
        await RemoveAsync((await Answers.JsonAsync(await _app.SendAsync(HttpMethod.Get, "/api/passkeys", cookies: user.Cookies)))[0].GetProperty("id").GetString()!);
        await _app.SignInAsync(user);
        Assert.Single(await _app.Mail.ToAsync(user.Email), l => l.Subject == "Two-step sign-in is off");
        Assert.Equal(0, await _app.DbAsync(db => db.Set<RecoveryCode>().CountAsync()));

        async Task RemoveAsync(string passkey) => Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Delete, "/api/passkeys/" + passkey, cookies: user.Cookies)).StatusCode);
    }

    [Fact]
    public async Task Before_one_is_removed_the_page_asks_and_says_what_the_last_one_takes_along()
    {
        var user = await _app.SignUpAsync();
        await new PasskeyBrowser(_app).AddAsync(new SoftKey(), user);
        Assert.DoesNotContain("turns two-step sign-in off", await AskedAsync(), StringComparison.Ordinal);
        await new TwoStepUser(_app, user, [], []).ActAsync("passkeys");
        Assert.Contains("turns two-step sign-in off and voids the recovery codes", await AskedAsync(), StringComparison.Ordinal);
        await _app.TurnOnTwoStepAsync(user);
        Assert.DoesNotContain("turns two-step sign-in off", await AskedAsync(), StringComparison.Ordinal);

        async Task<string> AskedAsync()
        {
            var page = await (await _app.SendAsync(HttpMethod.Get, "/account/passkeys", cookies: user.Cookies)).PageAsync();
            return page.QuerySelectorAll("button[value=remove]").Single().Closest("dialog")!.TextContent;
        }
    }

    [Fact]
    public async Task The_page_says_what_was_added_within_a_minute_and_what_was_removed_once()
    {
        var user = await _app.SignUpAsync();
        var id = (await _browser.AddAsync(new SoftKey(), user)).GetProperty("id").GetGuid();
        var name = await _app.DbAsync(db => db.Passkeys.Where(p => p.Id == id).Select(p => p.Name).SingleAsync());
        Assert.Equal($"“{name}” is added. You can sign in with it from now on.", await NoticeAsync($"?added={id}"));
        foreach (var other in new[] { "", "?added=", "?added=x", $"?added={Guid.NewGuid()}" }) Assert.Null(await NoticeAsync(other));
        Assert.Null(await NoticeAsync($"?added={id}", await _app.SignUpAsync()));
        _app.Time.Advance(TimeSpan.FromMinutes(1));
        user = await _app.SignInAsync(user); // the page has renewed the session of before
        Assert.Null(await NoticeAsync($"?added={id}"));

        var told = Answers.CookieLines(await RemoveOnPageAsync(user, id)).Single(line => line.StartsWith("told=", StringComparison.Ordinal)).Split(';')[0];
        Assert.Equal($"“{name}” is removed. Nobody can sign in with it any more.", await NoticeAsync("", user, told));
        Assert.DoesNotContain(Answers.CookieLines(await RemoveOnPageAsync(user, id)), line => line.StartsWith("told=", StringComparison.Ordinal));

        async Task<string?> NoticeAsync(string query, TestUser? who = null, string? cookie = null)
        {
            var page = await (await _app.SendAsync(HttpMethod.Get, "/account/passkeys" + query, cookies: $"{(who ?? user).Cookies}; {cookie}")).PageAsync();
            return page.QuerySelector("main .notice")?.TextContent;
        }
    }

    [Fact] // UX 2
    public async Task A_name_that_won_t_do_is_kept_and_the_fault_stands_beside_its_field()
    {
        var (user, _) = await AdaAsync();
        var id = (await _browser.AddAsync(new SoftKey(), user)).GetProperty("id").GetString()!;
        var name = new string('x', Passkey.LongestName + 1);
        var page = await (await _app.PostFormAsync("/account/passkeys", "passkeys", [new("act", "rename"), new("id", id), new("name", name)], user.Cookies)).PageAsync();
        var field = Assert.Single(page.QuerySelectorAll("input[name=name][aria-invalid=true]"));
        Assert.Equal(name, field.GetAttribute("value"));
        Assert.Equal("#" + field.Id, page.QuerySelector("#errors a")!.GetAttribute("href"));
        Assert.Equal(page.Faults().Single(), page.GetElementById(field.GetAttribute("aria-describedby")!)!.TextContent);
        Assert.True(field.Closest("details")!.HasAttribute("open"));
        Assert.Equal(id, field.Closest("form")!.QuerySelector("input[name=id]")!.GetAttribute("value"));
        Assert.Single(page.QuerySelectorAll("li details[open]"));
        Assert.Equal(2, page.QuerySelectorAll("input[name=name]").Select(input => input.Id).Distinct().Count());
    }

    [Fact]
    public async Task To_passkeys_as_the_second_step_an_app_can_be_added()
    {
        var (user, key) = await AdaAsync();
        await AskForPasskeysAsync(user);
        var ada = await _app.TurnOnTwoStepAsync(user);
        Assert.Equal(HttpStatusCode.OK, (await ada.AnswerAsync(await ada.ChallengeAsync(), ada.NextCode())).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await _browser.SignInAsync(key, await ada.ChallengeAsync())).StatusCode);
    }

    private async Task<TwoStepUser> AskForPasskeysAsync(TestUser user)
    {
        using var answer = await new TwoStepUser(_app, user, [], []).ActAsync("passkeys");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return new TwoStepUser(_app, user, [], [.. (await answer.PageAsync()).QuerySelectorAll(".codes code").Select(c => c.TextContent)]);
    }

    [Fact]
    public async Task A_sign_in_from_a_new_device_is_told_to_the_owner_and_remembered()
    {
        var (ada, key) = await AdaAsync();
        _app.Client.DefaultRequestHeaders.TryAddWithoutValidation("User-Agent", "another browser");
        var device = Assert.Single(Answers.CookieLines(await _browser.SignInAsync(key)), l => l.StartsWith("device=", StringComparison.Ordinal)).Split(';')[0];
        Assert.StartsWith("/account/not-me?token=", TestMail.LinkIn(await _app.Mail.LastToAsync(ada.Email)), StringComparison.Ordinal);
        var letters = (await _app.Mail.ToAsync(ada.Email)).Count;

        _app.Client.DefaultRequestHeaders.Remove("User-Agent");
        _app.Client.DefaultRequestHeaders.TryAddWithoutValidation("User-Agent", "the same, updated");
        var (handle, options) = await _browser.BeginAsync("sign-in");
        _browser.Cookie += "; " + device;
        Assert.Equal(HttpStatusCode.OK, (await _browser.FinishAsync("sign-in", handle, key.Get(options))).StatusCode);
        Assert.Equal(letters, (await _app.Mail.ToAsync(ada.Email)).Count);
    }

    [Fact] // ATTACKS 92
    public async Task A_stranger_who_locks_the_password_doesn_t_lock_the_passkey()
    {
        var (ada, key) = await AdaAsync();
        for (var i = 0; i < 11; i++) await _app.SendAsync(HttpMethod.Post, "/api/users/signin", json: new { email = ada.Email, password = "wrong wrong wrong wrong" });
        await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Post, "/api/users/signin", json: new { email = ada.Email, password = ada.Password }), 429);
        Assert.Equal(HttpStatusCode.OK, (await _browser.SignInAsync(key)).StatusCode);
    }

    [Theory] // ATTACKS 61, 66, 74
    [InlineData("""{}""")]
    [InlineData("""{"handle":"x","credential":{}}""")]
    [InlineData("""{"handle":"x"}""")]
    [InlineData("""{"handle":null,"credential":[]}""")]
    [InlineData("""{"handle":1,"credential":"\ud800"}""")]
    public async Task Bad_input_is_400_and_changes_nothing(string body)
    {
        var ada = await _app.SignUpAsync();
        var before = await State.OfAsync(_app);
        foreach (var kind in new[] { "sign-in", "confirm", "add" })
            await Answers.AssertProblemAsync(await _app.PostTextAsync($"/api/passkeys/{kind}/finish", body, "application/json", ("Authorization", "Bearer " + ada.AccessToken)), 400);
        Assert.Equal(before, await State.OfAsync(_app));
    }

    [Fact]
    public async Task Credentials_of_any_shape_are_400()
    {
        var ada = await _app.SignUpAsync();
        foreach (var shape in new[] { "{}", """{"id":1}""", """{"id":"AA","rawId":"AA","type":"public-key","response":{}}""", """{"id":"AA","rawId":"AA","type":"public-key","clientExtensionResults":{},"response":{"clientDataJSON":"AA","authenticatorData":"AA","signature":"AA","attestationObject":"oA"}}""" })
        {
            foreach (var kind in new[] { "sign-in", "confirm", "add" })
            {
                var (handle, _) = await _browser.BeginAsync(kind, kind == "sign-in" ? null : ada);
                await Answers.AssertProblemAsync(await _browser.FinishAsync(kind, handle, JsonNode.Parse(shape)!, kind == "sign-in" ? null : ada), 400);
            }
        }
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Theory] // UX: what is destructive names its object, to the ear as well
    [InlineData("en", "Rename: Home, New name for Home, Rename: Home, Remove: Home")]
    [InlineData("de", "Umbenennen: Home, Neuer Name für Home, Umbenennen: Home, Entfernen: Home")]
    public async Task Whoever_hears_the_list_knows_which_passkey_a_button_is_about(string language, string heard)
    {
        var (ada, _) = await AdaAsync();
        await _browser.AddAsync(new SoftKey(), ada);
        var listed = await Answers.JsonAsync(await _app.SendAsync(HttpMethod.Get, "/api/passkeys", cookies: ada.Cookies));
        foreach (var (passkey, name) in listed.EnumerateArray().Zip(["Work", "Home"])) await _app.SendAsync(HttpMethod.Patch, $"/api/passkeys/{passkey.GetProperty("id").GetGuid()}", cookies: ada.Cookies, json: new { name });
        var page = await (await _app.SendAsync(HttpMethod.Get, "/account/passkeys", cookies: $"{ada.Cookies}; language={language}")).PageAsync();
        var controls = page.QuerySelector("main .list")!.Controls();
        Assert.Equal(8, controls.Count);
        Assert.Equal(heard, string.Join(", ", controls.Where(name => name.Contains("Home", StringComparison.Ordinal))));
    }

    private async Task<(TestUser User, SoftKey Key)> AdaAsync()
    {
        var (ada, key) = (await _app.SignUpAsync(), new SoftKey());
        await _browser.AddAsync(key, ada);
        return (ada, key);
    }

    private Task<HttpResponseMessage> RemoveOnPageAsync(TestUser user, Guid id) =>
        _app.PostFormAsync("/account/passkeys", "passkeys", [new("act", "remove"), new("id", id.ToString())], user.Cookies);

    // At registration, and at sign-in with a key that was registered in good order.
    private async Task RefusedAsync(Action<SoftKey> spoil)
    {
        var (ada, key) = await AdaAsync();
        var before = await State.OfAsync(_app, "Sessions");
        var bad = new SoftKey();
        spoil(bad);
        var (handle, options) = await _browser.BeginAsync("add", ada);
        await Answers.AssertProblemAsync(await _browser.FinishAsync("add", handle, bad.Create(options), ada), 400);
        spoil(key);
        var refused = await _browser.SignInAsync(key);
        await Answers.AssertProblemAsync(refused, 400, "Invalid credentials");
        Assert.Empty(Answers.CookieLines(refused));
        Assert.Equal(before, await State.OfAsync(_app, "Sessions"));
    }
}
