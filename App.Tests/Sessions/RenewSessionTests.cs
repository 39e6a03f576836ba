using System.Buffers.Text;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using App.Data;
using App.Events;
using App.Sessions;
using App.Tests.Attacks;
using App.Tests.Factors;
using App.Tests.OAuth;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Sessions;

public sealed class RenewSessionTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    // A thousand, now and then: RENEWAL_ROUNDS=1000.
    private static readonly int Rounds = int.TryParse(Environment.GetEnvironmentVariable("RENEWAL_ROUNDS"), out var rounds) ? rounds : 100;

    [Fact]
    public async Task A_refresh_token_becomes_its_successor_and_a_new_access_token()
    {
        var user = await _app.SignUpAsync();
        _app.Time.Advance(TimeSpan.FromMinutes(4));

        var renewed = await RefreshAsync(_app, user.RefreshToken);

        Assert.Equal(HttpStatusCode.OK, renewed.Status);
        Assert.NotEqual(user.RefreshToken, renewed.RefreshToken);
        Assert.Equal(user.Email, await _app.WhoAmIAsync(bearer: renewed.AccessToken));
        Assert.Equal(HttpStatusCode.OK, (await RefreshAsync(_app, renewed.RefreshToken)).Status);
    }

    [Fact]
    public async Task The_answer_is_what_an_OAuth_client_expects()
    {
        var user = await _app.SignUpAsync();
        var answer = await _app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = user.RefreshToken });
        var body = await answer.Content.ReadFromJsonAsync<JsonElement>();

        Assert.Equal(["access_token", "token_type", "expires_in", "refresh_token", "session_id"], body.EnumerateObject().Select(m => m.Name));
        Assert.Equal("Bearer", body.GetProperty("token_type").GetString());
        Assert.Equal(300, body.GetProperty("expires_in").GetInt32());
        Assert.Equal(user.SessionId, body.GetProperty("session_id").GetGuid());
        Assert.True(answer.Headers.CacheControl!.NoStore);
        Assert.False(answer.Headers.Contains("Set-Cookie"));
    }

    [Fact] // contract section 4: "no cookies", as with /api/tokens
    public async Task It_is_about_the_token_in_its_body_and_leaves_the_cookies_beside_it_alone()
    {
        var (program, browser) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        _app.Time.Advance(TimeSpan.FromMinutes(6));
        foreach (var (cookies, token, status) in new[] { (browser.Cookies, program.RefreshToken, HttpStatusCode.OK), (browser.Cookies, "x", HttpStatusCode.Unauthorized), ("session=x; session_refresh=y", program.RefreshToken, HttpStatusCode.OK) })
        {
            var answer = await _app.SendAsync(HttpMethod.Post, "/api/tokens/refresh", cookies: cookies, json: new { refresh_token = token });
            Assert.Equal((status, 0), (answer.StatusCode, Answers.CookieLines(answer).Length));
        }

        _app.Time.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal(browser.Email, await _app.WhoAmIAsync(cookies: browser.Cookies));
    }

    [Fact] // ATTACKS 138
    public async Task Twenty_parallel_renewals_over_two_replicas_sign_nobody_out_and_agree_on_one_successor()
    {
        await using var replica = _app.StartReplica();
        var user = await _app.SignUpAsync();
        var token = user.RefreshToken;
        for (var round = 0; round < Rounds; round++)
        {
            var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => RefreshAsync(i % 2 == 0 ? _app : replica, token)));

            Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.Status));
            token = Assert.Single(answers.Select(a => a.RefreshToken).Distinct());
            _app.Time.Advance(TimeSpan.FromMinutes(1));
            replica.Time.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Equal(0, await _app.DbAsync(db => db.SecurityEvents.CountAsync()));
    }

    [Fact]
    public async Task A_renewal_that_has_looked_at_a_person_who_is_then_changed_says_what_they_are_now()
    {
        var user = await _app.SignUpAsync();
        var commits = _app.Get<GroupCommit>();
        await using var scope = _app.Services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        var (begun, go) = (new TaskCompletionSource(), new TaskCompletionSource());
        var before = commits.RunAsync<object>(db, async _ =>
        {
            begun.SetResult();
            await go.Task;
            return new("", null);
        });
        await begun.Task;
        var renewing = scope.ServiceProvider.GetRequiredService<RenewSession>().TryAsync(user.RefreshToken, CancellationToken.None);
        // Looks after the renewal has, and before it writes.
        var between = commits.RunAsync<object>(db, async _ => new(await _app.ScopedAsync((App.Admin.ChangeRole change) => change.RunAsync(user.Id, "clerk", granted: true, null, CancellationToken.None)), null));
        go.SetResult();

        Assert.Equal(App.Admin.ChangeRole.Outcome.Changed, await between);
        var renewed = Assert.IsType<RenewSession.Outcome.Renewed>(await renewing).Grant;
        Assert.Equal(["clerk"], renewed.User.Roles);
        Assert.Equal(user.Email, await _app.WhoAmIAsync(bearer: renewed.AccessToken));
        Assert.Equal(HttpStatusCode.OK, (await RefreshAsync(_app, renewed.RefreshToken)).Status);
        await before;
    }

    [Fact]
    public async Task The_direct_parent_gets_the_same_successor_for_ten_seconds()
    {
        var user = await _app.SignUpAsync();
        var first = await RefreshAsync(_app, user.RefreshToken);
        _app.Time.Advance(TimeSpan.FromSeconds(10));

        Assert.Equal(first.RefreshToken, (await RefreshAsync(_app, user.RefreshToken)).RefreshToken);
    }

    [Fact]
    public async Task Who_comes_later_is_told_what_is_left_of_the_token()
    {
        var user = await _app.SignUpAsync();
        _app.Time.Advance(TimeSpan.FromMinutes(4));
        await RefreshAsync(_app, user.RefreshToken);
        _app.Time.Advance(TimeSpan.FromSeconds(8));
        var answer = await (await _app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = user.RefreshToken })).Content.ReadFromJsonAsync<JsonElement>();
        var expires = (user with { AccessToken = answer.GetProperty("access_token").GetString()! }).Claims.GetProperty("exp").GetInt64();
        Assert.Equal((292, expires - _app.Time.GetUtcNow().ToUnixTimeSeconds()), (answer.GetProperty("expires_in").GetInt64(), 292L));
    }

    [Fact] // ATTACKS 137
    public async Task Reuse_after_the_grace_ends_the_session_every_time()
    {
        for (var round = 0; round < Rounds; round++)
        {
            var user = round == 0 ? await _app.SignUpAsync("reuse@example.test") : await _app.SignInAsync(new("reuse@example.test", TestApp.Password, default, "", "", ""));
            var renewed = await RefreshAsync(_app, user.RefreshToken);
            _app.Time.Advance(TimeSpan.FromSeconds(11));

            Assert.Equal(HttpStatusCode.Unauthorized, (await RefreshAsync(_app, user.RefreshToken)).Status);
            Assert.Equal(HttpStatusCode.Unauthorized, (await RefreshAsync(_app, renewed.RefreshToken)).Status);
            Assert.Null(await _app.WhoAmIAsync(bearer: renewed.AccessToken));
        }

        Assert.Equal(Rounds, await _app.DbAsync(db => db.Sessions.CountAsync(s => s.RevokedBecause == "refresh-reuse")));
    }

    [Fact]
    public async Task A_grandparent_ends_the_session_even_inside_the_grace()
    {
        var user = await _app.SignUpAsync();
        var child = await RefreshAsync(_app, user.RefreshToken);
        var grandchild = await RefreshAsync(_app, child.RefreshToken);

        Assert.Equal(HttpStatusCode.Unauthorized, (await RefreshAsync(_app, user.RefreshToken)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await RefreshAsync(_app, grandchild.RefreshToken)).Status);
    }

    [Fact]
    public async Task Nonsense_that_names_a_session_does_not_end_it()
    {
        var user = await _app.SignUpAsync();
        var bytes = System.Buffers.Text.Base64Url.DecodeFromChars(user.RefreshToken);
        bytes[20] ^= 1;
        var forged = System.Buffers.Text.Base64Url.EncodeToString(bytes);

        Assert.Equal(HttpStatusCode.Unauthorized, (await RefreshAsync(_app, forged)).Status);
        Assert.Equal(HttpStatusCode.OK, (await RefreshAsync(_app, user.RefreshToken)).Status);
    }

    [Theory] // ATTACKS 142
    [InlineData("")]
    [InlineData("x")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("access token")]
    public async Task What_is_no_refresh_token_is_refused(string text)
    {
        var user = await _app.SignUpAsync();
        var answer = await _app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = text == "access token" ? user.AccessToken : text });
        Assert.Equal(text.Length == 0 ? HttpStatusCode.BadRequest : HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
    }

    [Fact] // ATTACKS 142: whatever else we hand out, at both doors
    public async Task Nothing_else_of_ours_renews_a_session()
    {
        await using var app = TestApp.Start(Callers.Settings);
        var twice = await app.TurnOnTwoStepAsync(await app.SignUpAsync());
        var user = twice.User;
        await app.Client.PostAsJsonAsync("/api/users/forgot", new { email = user.Email });
        await app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: (await app.SignUpAsync()).Cookies);
        var poll = await Answers.JsonAsync(await app.PostTextAsync("/events/poll", """{"returnImmediately":true}""", "application/json", ("Authorization", Callers.Basic())));
        var bound = await Answers.JsonAsync(await app.PostAsync("/connect/token", Callers.Basic(), ("grant_type", "client_credentials")));
        var letters = await app.Mail.ToAsync(user.Email);
        string[] shown =
        [
            user.AccessToken, user.SessionCookie, bound.GetProperty("access_token").GetString()!, await twice.ChallengeAsync(), twice.Codes[0],
            .. poll.GetProperty("sets").EnumerateObject().Select(set => set.Value.GetString()!).Take(1), .. letters.Where(letter => letter.Text.Contains("token=", StringComparison.Ordinal)).Select(TestMail.TokenIn),
        ];
        Assert.True(shown.Length >= 7, $"{shown.Length} of them");

        foreach (var text in shown)
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = text })).StatusCode);
            using var answer = await app.SendAsync(HttpMethod.Get, "/api/sessions", cookies: "session_refresh=" + text);
            Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
            Assert.DoesNotContain(Answers.CookieLines(answer), line => !line.Contains("=; ", StringComparison.Ordinal)); // cleared at most
        }

        Assert.Equal(HttpStatusCode.OK, (await RefreshAsync(app, user.RefreshToken)).Status);
    }

    // What runs every minute isn't run for each of them: a month would take a minute of ours.
    private void Pass(TimeSpan time) => _app.Time.AdjustTime(_app.Time.GetUtcNow() + time);

    [Fact] // ATTACKS 141
    public async Task A_session_in_use_ends_at_its_absolute_limit()
    {
        var user = await _app.SignUpAsync();
        var token = user.RefreshToken;
        for (var day = 0; day < 29; day++)
        {
            Pass(TimeSpan.FromDays(1));
            token = (await RefreshAsync(_app, token)).RefreshToken;
        }

        Pass(TimeSpan.FromDays(1));
        Assert.Equal(HttpStatusCode.Unauthorized, (await RefreshAsync(_app, token)).Status);
    }

    [Fact]
    public async Task A_session_left_alone_ends_at_its_idle_limit()
    {
        var user = await _app.SignUpAsync();
        Pass(TimeSpan.FromDays(14));
        Assert.Equal(HttpStatusCode.Unauthorized, (await RefreshAsync(_app, user.RefreshToken)).Status);
    }

    [Fact]
    public async Task No_renewal_wins_against_a_revoke()
    {
        var renewed = 0;
        for (var round = 0; round < 20; round++)
        {
            var user = await _app.SignUpAsync();
            // Under way before the revoke is sent.
            var renewals = Enumerable.Range(0, 5).Select(_ => RefreshAsync(_app, user.RefreshToken)).ToList();
            var revoke = _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{user.SessionId}", bearer: user.AccessToken);
            var answers = await Task.WhenAll(renewals);
            Assert.Equal(HttpStatusCode.NoContent, (await revoke).StatusCode);

            foreach (var answer in answers.Where(a => a.Status == HttpStatusCode.OK))
            {
                renewed++;
                Assert.Null(await _app.WhoAmIAsync(bearer: answer.AccessToken));
                Assert.Equal(HttpStatusCode.Unauthorized, (await RefreshAsync(_app, answer.RefreshToken)).Status);
            }
        }

        Assert.NotEqual(0, renewed); // else nothing was shown
    }

    [Fact]
    public async Task Only_hashes_of_refresh_tokens_are_stored()
    {
        var user = await _app.SignUpAsync();
        var renewed = await RefreshAsync(_app, user.RefreshToken);
        var session = await _app.DbAsync(db => db.Sessions.SingleAsync());
        var key = _app.Get<RefreshKey>();

        Assert.Equal(RefreshToken.Parse(renewed.RefreshToken, key)!.Hash(), session.RefreshHash);
        Assert.Equal(RefreshToken.Parse(user.RefreshToken, key)!.Hash(), session.ParentHash);
        // In no other column and no other form: neither the text nor the bytes that it stands for.
        var stored = await State.TextAsync(_app);
        Assert.Contains(Convert.ToHexString(session.RefreshHash!), stored, StringComparison.Ordinal);
        foreach (var token in new[] { user.RefreshToken, renewed.RefreshToken })
        {
            Assert.DoesNotContain(token, stored, StringComparison.Ordinal);
            Assert.DoesNotContain(Convert.ToHexString(Base64Url.DecodeFromChars(token).AsSpan(16, 32)), stored, StringComparison.OrdinalIgnoreCase);
        }
    }

    private static async Task<(HttpStatusCode Status, string AccessToken, string RefreshToken)> RefreshAsync(TestApp app, string token)
    {
        var answer = await app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = token });
        if (answer.StatusCode != HttpStatusCode.OK) return (answer.StatusCode, "", "");
        var body = await answer.Content.ReadFromJsonAsync<JsonElement>();
        return (answer.StatusCode, body.GetProperty("access_token").GetString()!, body.GetProperty("refresh_token").GetString()!);
    }
}
