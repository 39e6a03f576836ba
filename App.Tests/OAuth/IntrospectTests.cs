using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using App.Data;
using App.Events;
using App.OAuth;
using App.Tests.Attacks;
using App.Tests.Tokens;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.OAuth;

/// <summary>RFC 7662 and RFC 7009. ATTACKS SES-17, SES-18.</summary>
public sealed class IntrospectTests : IAsyncLifetime
{
    // When a service was last heard of is written there.
    private const string WhenHeardOf = "OpenIddictApplications";

    private readonly TestApp _app = Callers.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task A_good_token_is_active_and_described()
    {
        var user = await _app.SignUpAsync();
        var answer = await _app.IntrospectAsync(user.AccessToken);
        var body = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal((true, user.Id, user.SessionId), (body.GetProperty("active").GetBoolean(), body.GetProperty("sub").GetGuid(), body.GetProperty("sid").GetGuid()));
        Assert.Equal("no-store", answer.Headers.CacheControl!.ToString());
        Assert.True(await _app.IsActiveAsync(user.RefreshToken));
        Assert.True(await _app.IsActiveAsync(await _app.ServiceTokenAsync()));
        Assert.True(await _app.IsActiveAsync(user.AccessToken, "Bearer " + await _app.ServiceTokenAsync()));
        Assert.True(await _app.IsActiveAsync(user.AccessToken, "bearer   " + await _app.ServiceTokenAsync()));
        Assert.Equal(HttpStatusCode.OK, (await _app.PostAsync("/connect/introspect", null, ("token", "x"), ("client_id", "orders"), ("client_secret", Callers.Secret))).StatusCode);
    }

    [Fact]
    public async Task A_refresh_token_is_active_for_as_long_as_it_would_be_renewed()
    {
        var user = await _app.SignUpAsync();
        Assert.Equal(HttpStatusCode.OK, (await _app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = user.RefreshToken })).StatusCode);
        _app.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.True(await _app.IsActiveAsync(user.RefreshToken));
        _app.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(await _app.IsActiveAsync(user.RefreshToken));
    }

    [Fact]
    public async Task What_is_over_is_inactive_at_once()
    {
        var user = await _app.SignUpAsync();
        Assert.True(await _app.IsActiveAsync(user.AccessToken));
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies);
        Assert.False(await _app.IsActiveAsync(user.AccessToken));
        Assert.False(await _app.IsActiveAsync(user.RefreshToken));

        var other = await _app.SignUpAsync();
        var token = await _app.ServiceTokenAsync();
        _app.Time.Advance(TimeSpan.FromSeconds(331));
        Assert.False(await _app.IsActiveAsync(other.AccessToken));
        Assert.False(await _app.IsActiveAsync(token));
    }

    [Theory] // SES-17
    [InlineData(null), InlineData("Basic"), InlineData("Basic !!!"), InlineData("Basic b3JkZXJz"), InlineData("Bearer x"), InlineData("Digest a")]
    public async Task Nobody_unknown_learns_anything(string? authorization)
    {
        var user = await _app.SignUpAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/connect/introspect") { Content = new FormUrlEncodedContent([KeyValuePair.Create("token", user.AccessToken)]) };
        if (authorization is not null) request.Headers.TryAddWithoutValidation("Authorization", authorization);
        await AssertRefusedAsync(await _app.Client.SendAsync(request));
    }

    [Fact] // SES-17, OAU-11
    public async Task Neither_wrong_secrets_nor_people_pass_for_services()
    {
        var user = await _app.SignUpAsync();
        foreach (var authorization in new[] { Callers.Basic("orders", "wrong"), Callers.Basic("nobody"), Callers.Basic("orders", ""), Callers.Basic("billing"), "Bearer " + user.AccessToken })
            await AssertRefusedAsync(await _app.IntrospectAsync(user.AccessToken, authorization));
        await AssertRefusedAsync(await _app.SendAsync(HttpMethod.Post, "/connect/introspect", cookies: user.Cookies));
        Assert.Equal(HttpStatusCode.NotFound, (await _app.SendAsync(HttpMethod.Get, "/connect/introspect")).StatusCode);
    }

    [Fact] // SES-17
    public async Task Anything_else_is_exactly_inactive()
    {
        foreach (var token in new[] { "", "x", "a.b.c", new string('a', 1_000_000), new string('a', 9000), "\0", "é" })
            Assert.False(await _app.IsActiveAsync(token));
        // Bound to an audience of its own, a service is told nothing of others' tokens.
        Assert.False(await _app.IsActiveAsync((await _app.SignUpAsync()).AccessToken, Callers.Basic("billing", Callers.Other)));
    }

    [Theory] // RFC 7662 section 2.1, RFC 7009 section 2.1: a request without what it can't do without is invalid_request (RFC 6749 section 5.2)
    [InlineData("", "application/x-www-form-urlencoded")]
    [InlineData("tokens=x", "application/x-www-form-urlencoded")]
    [InlineData("token=x&token=y", "application/x-www-form-urlencoded")]
    [InlineData("token=x", "text/plain")]
    [InlineData("{\"token\":\"x\"}", "application/json")]
    [InlineData(null, null)]
    public async Task Without_a_token_there_is_no_question(string? body, string? type)
    {
        foreach (var path in new[] { "/connect/introspect", "/connect/revoke" })
        {
            var problem = await Answers.AssertProblemAsync(await _app.PostTextAsync(path, body, type, ("Authorization", Callers.Basic())), 400, "You must supply a token / token");
            Assert.Equal("invalid_request", problem.GetProperty("error").GetString());
        }
    }

    [Fact]
    public async Task A_form_of_more_than_the_usual_is_read_like_any_other()
    {
        var user = await _app.SignUpAsync();
        (string, string)[] more = [.. Enumerable.Range(0, 30).Select(i => ($"f{i}", "x")), ("token", user.AccessToken)];
        Assert.True((await Answers.JsonAsync(await _app.PostAsync("/connect/introspect", Callers.Basic(), more))).GetProperty("active").GetBoolean());
        Assert.Equal(HttpStatusCode.OK, (await _app.PostAsync("/connect/token", Callers.Basic(), [.. more, ("grant_type", "client_credentials")])).StatusCode);
    }

    [Fact] // ATTACKS 1-35 at this door; 30 and 32: each in a tenth of a second
    public async Task No_vector_gets_a_wrong_answer()
    {
        await VectorKey.InstallAsync(_app);
        var before = await State.OfAsync(_app, WhenHeardOf);
        var wrong = new List<string>();
        foreach (var vector in Vectors.Tokens())
        {
            var (answer, quickest) = await Vectors.QuickestAsync(() => _app.IntrospectAsync(vector.Token));
            if (quickest > Vectors.Longest) wrong.Add($"{vector.Id}: takes {quickest.TotalMilliseconds} ms");
            var body = await answer.Content.ReadAsStringAsync();
            // Nothing but this is a refusal: an error isn't one, nor is a word more.
            var right = vector.Expect == "accept" ? body.StartsWith("""{"active":true,""", StringComparison.Ordinal) : body == """{"active":false}""";
            if (answer.StatusCode != HttpStatusCode.OK || !right) wrong.Add($"{vector.Id}: {vector.Expect}, but {(int)answer.StatusCode} {body}");
        }

        Assert.Empty(wrong);
        Assert.Equal(before, await State.OfAsync(_app, WhenHeardOf));
    }

    [Theory]
    [InlineData(true, true), InlineData(true, false), InlineData(false, true), InlineData(false, false)]
    public async Task Revoking_a_token_ends_its_session_with_one_event(bool access, bool byService)
    {
        var user = await _app.SignUpAsync();
        for (var i = 0; i < 3; i++)
        {
            var answer = await _app.PostAsync("/connect/revoke", byService ? Callers.Basic() : null, ("token", access ? user.AccessToken : user.RefreshToken));
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }

        Assert.Null(await _app.WhoAmIAsync(bearer: user.AccessToken));
        var entry = Assert.Single(await _app.DbAsync(db => db.SecurityEvents.Where(e => e.SessionId == user.SessionId).ToListAsync()));
        Assert.Equal((EventTypes.SessionRevoked, "token-revoked"), (entry.Type, entry.Reason));
    }

    [Fact]
    public async Task The_holder_may_show_the_token_in_the_header_too()
    {
        var user = await _app.SignUpAsync();
        Assert.Equal(HttpStatusCode.OK, (await _app.PostAsync("/connect/revoke", "Bearer " + user.AccessToken, ("token", user.RefreshToken))).StatusCode);
        Assert.Null(await _app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Equal(HttpStatusCode.Unauthorized, (await _app.PostAsync("/connect/revoke", "Bearer " + user.AccessToken, ("token", user.RefreshToken))).StatusCode);
    }

    [Fact] // SES-18
    public async Task What_is_not_the_callers_stays_alive_and_the_unknown_is_no_error()
    {
        var (user, token) = (await _app.SignUpAsync(), await _app.ServiceTokenAsync());
        var billing = Callers.Basic("billing", Callers.Other);
        Assert.Equal(HttpStatusCode.OK, (await _app.PostAsync("/connect/revoke", billing, ("token", "unknown"))).StatusCode);
        foreach (var text in new[] { user.AccessToken, user.RefreshToken, token })
            Assert.Equal(HttpStatusCode.BadRequest, (await _app.PostAsync("/connect/revoke", billing, ("token", text))).StatusCode);
        Assert.True(await _app.IsActiveAsync(user.AccessToken));
        Assert.True(await _app.IsActiveAsync(token));

        Assert.Equal(HttpStatusCode.OK, (await _app.PostAsync("/connect/revoke", null, ("token", "unknown"))).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _app.PostAsync("/connect/revoke", Callers.Basic("orders", "wrong"), ("token", token))).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.PostAsync("/connect/revoke", null)).StatusCode);
        Assert.True(await _app.IsActiveAsync(token));
        Assert.Equal(HttpStatusCode.OK, (await _app.PostAsync("/connect/revoke", Callers.Basic(), ("token", token))).StatusCode);
        Assert.False(await _app.IsActiveAsync(token));
    }

    [Fact] // a clock that jumps ahead, and is set right
    public async Task A_revoked_token_of_a_service_stays_so_however_the_clock_jumps()
    {
        var (token, other) = (await _app.ServiceTokenAsync(), await _app.ServiceTokenAsync());
        await _app.PostAsync("/connect/revoke", Callers.Basic(), ("token", token));
        _app.Time.SetWall(TimeSpan.FromMinutes(10));
        await _app.Get<HourlySweep>().RunOnceAsync(CancellationToken.None);
        await _app.DbAsync(db => db.RegistryVersion.ExecuteUpdateAsync(set => set.SetProperty(v => v.Version, v => v.Version + 1)));
        await _app.Get<ServiceRegistry>().CatchUpAsync(CancellationToken.None);
        _app.Time.SetWall(TimeSpan.FromMinutes(-10));
        Assert.False(await _app.IsActiveAsync(token));
        Assert.True(await _app.IsActiveAsync(other));
    }

    [Fact] // another replica may have ended the session meanwhile: this one alone would never hear of it
    public async Task Nobody_is_told_that_a_token_is_good_while_the_log_cannot_be_read()
    {
        var user = await _app.SignUpAsync();
        Assert.True(await _app.IsActiveAsync(user.AccessToken));
        await ExecuteAsync("ALTER TABLE SecurityEventLog RENAME TO Away");
        Assert.True(await _app.IsActiveAsync(user.AccessToken)); // a hiccup

        _app.Time.Advance(TimeSpan.FromSeconds(3));
        foreach (var token in new[] { user.AccessToken, user.RefreshToken, "x" })
        {
            using var answer = await _app.IntrospectAsync(token);
            await Answers.AssertProblemAsync(answer, 503, "The service is busy. Try again in a moment.");
            Assert.Equal("2", answer.Headers.RetryAfter!.ToString());
        }

        await AssertRefusedAsync(await _app.IntrospectAsync(user.AccessToken, Callers.Basic("orders", "wrong")));
        Assert.Equal(user.Email, await _app.WhoAmIAsync(bearer: user.AccessToken)); // at our own doors, from memory
        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Get, "/auth/verify", user.AccessToken)).StatusCode);

        await ExecuteAsync("ALTER TABLE Away RENAME TO SecurityEventLog");
        await _app.Get<FollowLog>().CatchUpAsync(CancellationToken.None);
        Assert.True(await _app.IsActiveAsync(user.AccessToken));
    }

    [Fact] // the follower reads, and neither ends nor fails
    public async Task Nobody_is_told_that_a_token_is_good_while_a_look_at_the_log_hangs()
    {
        var user = await _app.SignUpAsync();
        Assert.True(await _app.IsActiveAsync(user.AccessToken));
        using ManualResetEventSlim hangs = new(), goesOn = new();
        _app.Get<RevocationIndex>().Applied += _ =>
        {
            hangs.Set();
            goesOn.Wait();
        };
        await EndElsewhereAsync(Guid.NewGuid());
        await SigningKeysTests.Eventually(() => hangs.IsSet);

        _app.Time.Advance(TimeSpan.FromSeconds(3));
        var together = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => RefusedAsync()));
        Assert.InRange(together.Min(), TimeSpan.Zero, TimeSpan.FromSeconds(1.9)); // a second for the first
        Assert.InRange(together.Max(), TimeSpan.Zero, TimeSpan.FromSeconds(8)); // which the others don't wait for one after the other
        // And none for who comes after: the quickest of three, as a busy machine makes one slow.
        Assert.InRange(new[] { await RefusedAsync(), await RefusedAsync(), await RefusedAsync() }.Min(), TimeSpan.Zero, TimeSpan.FromSeconds(0.9));

        goesOn.Set();
        await _app.Get<FollowLog>().CatchUpAsync(CancellationToken.None);
        Assert.True(await _app.IsActiveAsync(user.AccessToken));

        async Task<TimeSpan> RefusedAsync()
        {
            var clock = Stopwatch.StartNew();
            using var answer = await _app.IntrospectAsync(user.AccessToken);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            return clock.Elapsed;
        }
    }

    [Theory] // the machine slept, or its clock was set: what counts ticks hears of neither
    [InlineData(60), InlineData(-60)]
    public async Task The_first_question_after_a_sleep_is_answered_by_what_is_in_the_log_now(int seconds)
    {
        var (user, other) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        Assert.True(await _app.IsActiveAsync(user.AccessToken));
        await EndElsewhereAsync(user.SessionId);
        _app.Time.SetWall(TimeSpan.FromSeconds(seconds));
        Assert.False(await _app.IsActiveAsync(user.AccessToken));

        await ExecuteAsync("ALTER TABLE SecurityEventLog RENAME TO Away");
        _app.Time.SetWall(TimeSpan.FromSeconds(seconds));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await _app.IntrospectAsync(other.AccessToken)).StatusCode);
    }

    // By SQL, as a process does that this one knows nothing of.
    private Task<int> EndElsewhereAsync(Guid session) => ExecuteAsync($"""
        UPDATE EventCounter SET Value = Value + 1;
        INSERT INTO SecurityEventLog (Cursor, Id, Type, OccurredAt, ExpiresAt, UserId, SessionId, KeyId, Reason)
        VALUES ((SELECT Value FROM EventCounter), '{Guid.NewGuid()}', '{EventTypes.SessionRevoked}', {_app.Time.GetUtcNow().UtcTicks}, {_app.Time.GetUtcNow().AddMinutes(6).UtcTicks}, '{Guid.NewGuid()}', '{session.ToString().ToUpperInvariant()}', NULL, 'sign-out')
        """);

    private Task<int> ExecuteAsync(string sql) => _app.DbAsync(db => db.Database.ExecuteSqlRawAsync(sql));

    private static async Task AssertRefusedAsync(HttpResponseMessage answer)
    {
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Contains("Basic", answer.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal("Not authorized", problem.GetProperty("errors")[0].GetProperty("message").GetString());
        Assert.StartsWith("invalid_", problem.GetProperty("error").GetString(), StringComparison.Ordinal); // RFC 7662 section 2.3
    }
}
