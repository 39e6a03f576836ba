using System.Net;
using System.Net.Http.Json;
using App.Events;
using App.Sessions;
using App.Tests.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Sessions;

public sealed class StartSessionTests(SharedApp shared) : IClassFixture<SharedApp>
{
    private readonly TestApp _app = shared.App;

    [Fact]
    public async Task Its_row_says_from_where_how_and_until_when()
    {
        var agent = "curl/8.5.0 " + new string('x', 400);
        var answer = await _app.SendAsync(HttpMethod.Post, "/api/users/signup", json: new { email = "row@example.test", password = TestApp.Password }, headers: ("User-Agent", agent));
        var user = await TestUser.ReadAsync(_app, answer, "row@example.test", TestApp.Password);
        var now = _app.Time.GetUtcNow();

        var row = await RowAsync(user);
        Assert.Equal((now, now, now, now.AddDays(30)), (row.StartedAt, row.LastSeenAt, row.AuthenticatedAt, row.ExpiresAt));
        Assert.Equal(("pwd", user.Id), (row.Amr, row.UserId));
        Assert.Equal(agent[..256], row.UserAgent);
        Assert.Equal(RefreshToken.Parse(user.RefreshToken, _app.Get<RefreshKey>())!.Hash(), row.RefreshHash);
        Assert.Null(row.RevokedAt);
        Assert.Null(row.ParentHash);
    }

    [Fact] // ATTACKS 150
    public async Task Of_more_than_a_thousand_living_sessions_those_not_seen_for_the_longest_make_room()
    {
        var user = await _app.SignUpAsync();
        var now = _app.Time.GetUtcNow();
        var old = Enumerable.Range(1, StartSession.MostLiving).Select(i => new Session
        {
            Id = Guid.CreateVersion7(now),
            UserId = user.Id,
            StartedAt = now.AddDays(-1),
            LastSeenAt = now.AddMinutes(-i),
            AuthenticatedAt = now.AddDays(-1),
            ExpiresAt = now.AddDays(1),
            Amr = "pwd",
            RefreshHash = Guid.NewGuid().ToByteArray(),
        }).ToList();
        await _app.DbAsync(db =>
        {
            db.AddRange(old);
            return db.SaveChangesAsync();
        });
        await _app.SignInAsync(user);

        var ended = await _app.DbAsync(db => db.Sessions.Where(s => s.UserId == user.Id && s.RevokedAt != null).OrderByDescending(s => s.LastSeenAt).Select(s => new { s.Id, s.RevokedBecause }).ToListAsync());
        Assert.Equal(old[^2..].Select(s => s.Id), ended.Select(s => s.Id));
        Assert.All(ended, s => Assert.Equal("replaced", s.RevokedBecause));
        Assert.Equal(2, await _app.DbAsync(db => db.SecurityEvents.CountAsync(e => e.UserId == user.Id)));
    }

    [Fact] // session fixation: nobody can plant a session that a victim signs in to
    public async Task Signing_in_ends_the_session_that_the_browser_held_whoever_s_it_was()
    {
        var (attacker, victim) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        var answer = await _app.SendAsync(HttpMethod.Post, "/api/users/signin", cookies: attacker.Cookies, json: new { email = victim.Email, password = victim.Password });
        var fresh = await TestUser.ReadAsync(_app, answer, victim.Email, victim.Password);

        Assert.NotEqual(attacker.SessionId, fresh.SessionId);
        Assert.Null(await _app.WhoAmIAsync(cookies: attacker.Cookies));
        Assert.Equal(victim.Email, await _app.WhoAmIAsync(cookies: victim.Cookies)); // their other device goes on
        Assert.Equal(victim.Email, await _app.WhoAmIAsync(bearer: fresh.AccessToken));
        Assert.Equal("replaced", (await RowAsync(attacker)).RevokedBecause);
    }

    [Fact]
    public async Task A_sign_in_that_fails_ends_nothing_and_starts_nothing()
    {
        var user = await _app.SignUpAsync();
        var before = await _app.DbAsync(db => db.Sessions.CountAsync());
        var answer = await _app.SendAsync(HttpMethod.Post, "/api/users/signin", cookies: user.Cookies, json: new { email = user.Email, password = "wrong wrong wrong" });

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.False(answer.Headers.Contains("Set-Cookie"));
        Assert.Equal(before, await _app.DbAsync(db => db.Sessions.CountAsync()));
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: user.Cookies));
    }

    [Fact]
    public async Task A_program_that_asks_for_tokens_ends_nobody_s_session()
    {
        var user = await _app.SignUpAsync();
        var answer = await _app.SendAsync(HttpMethod.Post, "/api/tokens", bearer: user.AccessToken, json: new { email = user.Email, password = user.Password });
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(user.Email, await _app.WhoAmIAsync(bearer: user.AccessToken));
    }

    [Fact]
    public async Task Its_lifetimes_are_settings()
    {
        await using var app = TestApp.Start(("Sessions:AbsoluteLifetime", "02:00:00"), ("Sessions:IdleLifetime", "01:00:00"));
        var user = await app.SignUpAsync();
        Assert.Equal(app.Time.GetUtcNow().AddHours(2), await app.DbAsync(db => db.Sessions.Select(s => s.ExpiresAt).SingleAsync()));

        app.Time.AdjustTime(app.Time.GetUtcNow().AddMinutes(60));
        Assert.Equal(HttpStatusCode.Unauthorized, (await app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = user.RefreshToken })).StatusCode);
    }

    private Task<Session> RowAsync(TestUser user) => _app.DbAsync(db => db.Sessions.AsNoTracking().SingleAsync(s => s.Id == user.SessionId));
}
