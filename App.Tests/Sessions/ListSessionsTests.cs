using System.Net.Http.Json;
using System.Text.Json;
using App.Sessions;
using App.Tests.Attacks;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Sessions;

public sealed class ListSessionsTests : IAsyncLifetime
{
    private const string Firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0";
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task A_session_is_shown_as_its_owner_knows_it()
    {
        var answer = await _app.SendAsync(HttpMethod.Post, "/api/users/signup", json: new { email = "list@example.test", password = TestApp.Password }, headers: ("User-Agent", Firefox));
        var user = await TestUser.ReadAsync(_app, answer, "list@example.test", TestApp.Password);
        var start = _app.Time.GetUtcNow();

        var session = Assert.Single(await ListAsync(user));
        Assert.Equal(
            ["id", "current", "browser", "os", "kind", "address", "amr", "startedAt", "lastSeenAt", "expiresAt"],
            session.EnumerateObject().Select(m => m.Name));
        Assert.Equal(user.SessionId, session.GetProperty("id").GetGuid());
        Assert.True(session.GetProperty("current").GetBoolean());
        Assert.Equal(("Firefox", "Linux", "desktop"), (Text("browser"), Text("os"), Text("kind")));
        Assert.Equal("pwd", session.GetProperty("amr")[0].GetString());
        Assert.Equal(start, session.GetProperty("startedAt").GetDateTimeOffset());
        Assert.Equal(start.AddDays(14), session.GetProperty("expiresAt").GetDateTimeOffset()); // idle before absolute

        string? Text(string name) => session.GetProperty(name).GetString();
    }

    [Fact] // ATTACKS 197
    public async Task It_shows_no_secret_of_them()
    {
        var user = await _app.SignUpAsync();
        var text = await (await _app.SendAsync(HttpMethod.Get, "/api/sessions", bearer: user.AccessToken)).Content.ReadAsStringAsync();
        Assert.All(["hash", "refresh", "token", user.RefreshToken], secret => Assert.DoesNotContain(secret, text, StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task The_asking_one_comes_first_then_the_last_seen()
    {
        var first = await _app.SignUpAsync();
        _app.Time.Advance(TimeSpan.FromSeconds(10));
        var second = await _app.SignInAsync(first);
        _app.Time.Advance(TimeSpan.FromSeconds(10));
        var third = await _app.SignInAsync(first);
        _app.Time.Advance(TimeSpan.FromSeconds(10));
        await _app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = first.RefreshToken });

        Assert.Equal([second.SessionId, first.SessionId, third.SessionId], (await ListAsync(second)).Select(s => s.GetProperty("id").GetGuid()));
    }

    [Fact]
    public async Task Ended_idle_expired_and_other_people_s_sessions_are_not_in_it()
    {
        var user = await _app.SignUpAsync();
        await _app.SignUpAsync();
        var ended = await _app.SignInAsync(user);
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: ended.Cookies);
        var now = _app.Time.GetUtcNow();
        await _app.DbAsync(db =>
        {
            db.AddRange(Row(now.AddDays(-14), now.AddDays(1)), Row(now, now), Row(now.AddDays(-14).AddTicks(1), now.AddTicks(1)));
            return db.SaveChangesAsync();
        });

        Assert.Equal(2, (await ListAsync(user)).Count); // the last row by a tick

        Session Row(DateTimeOffset seen, DateTimeOffset expires) =>
            new() { Id = Guid.NewGuid(), UserId = user.Id, StartedAt = now.AddDays(-20), LastSeenAt = seen, ExpiresAt = expires, AuthenticatedAt = now };
    }

    [Fact]
    public async Task One_can_be_looked_at_alone_also_when_it_has_ended()
    {
        var user = await _app.SignUpAsync();
        var other = await _app.SignInAsync(user);
        await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{other.SessionId}", bearer: user.AccessToken);

        var alive = await OneAsync(user.SessionId);
        var ended = await OneAsync(other.SessionId);
        Assert.False(alive.TryGetProperty("endedAt", out _));
        Assert.Equal(_app.Time.GetUtcNow(), ended.GetProperty("endedAt").GetDateTimeOffset());

        async Task<JsonElement> OneAsync(Guid id) => await (await _app.SendAsync(HttpMethod.Get, $"/api/sessions/{id}", bearer: user.AccessToken)).Content.ReadFromJsonAsync<JsonElement>();
    }

    [Fact] // ATTACKS 150
    public async Task However_many_there_are_the_list_stays_bounded()
    {
        var user = await _app.SignUpAsync();
        var now = _app.Time.GetUtcNow();
        await _app.DbAsync(db =>
        {
            db.AddRange(Enumerable.Range(0, 500).Select(i => new Session
            {
                Id = Guid.NewGuid(),
                UserId = user.Id,
                StartedAt = now,
                LastSeenAt = now.AddSeconds(i),
                ExpiresAt = now.AddDays(1),
                AuthenticatedAt = now,
            }));
            return db.SaveChangesAsync();
        });

        var list = await ListAsync(user);
        Assert.Equal(200, list.Count);
        Assert.True(list[0].GetProperty("current").GetBoolean());
        Assert.Equal(501, await _app.DbAsync(db => db.Sessions.CountAsync()));
    }

    [Fact] // ATTACKS 150
    public async Task Page_by_page_every_living_one_is_reached_once_also_where_one_ends_or_is_seen_again_meanwhile()
    {
        var user = await _app.SignUpAsync();
        var now = _app.Time.GetUtcNow();
        await _app.DbAsync(db =>
        {
            // Seven at a time were seen at the same moment.
            db.AddRange(Enumerable.Range(0, 500).Select(i => new Session { Id = Guid.NewGuid(), UserId = user.Id, StartedAt = now, LastSeenAt = now.AddSeconds(-(i / 7)), ExpiresAt = now.AddDays(1), AuthenticatedAt = now }));
            return db.SaveChangesAsync();
        });
        var seen = await ListAsync(user);
        for (var page = seen; page.Count > 0; seen.AddRange(page))
        {
            var last = page[^1].GetProperty("id").GetGuid();
            if (page == seen) Assert.Equal(System.Net.HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{last}", bearer: user.AccessToken)).StatusCode);
            page = await ListAsync(user, $"?before={last}");
            Assert.DoesNotContain(page, s => s.GetProperty("current").GetBoolean());
        }

        Assert.Equal(501, seen.Select(s => s.GetProperty("id").GetGuid()).Distinct().Count());
        Assert.Equal(501, seen.Count);
        var times = seen.Skip(1).Select(s => s.GetProperty("lastSeenAt").GetDateTimeOffset()).ToList();
        Assert.Equal(times.OrderDescending(), times);
    }

    [Fact]
    public async Task Nobody_goes_on_after_what_is_no_session_of_theirs()
    {
        var (user, other) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        foreach (var before in new[] { "", "x", Guid.NewGuid().ToString(), other.SessionId.ToString() })
        {
            var problem = await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Get, "/api/sessions?before=" + before, bearer: user.AccessToken), 400);
            Assert.Equal("before", Assert.Single(problem.GetProperty("errors").EnumerateArray()).GetProperty("field").GetString());
        }
    }

    private async Task<List<JsonElement>> ListAsync(TestUser user, string query = "") =>
        [.. (await (await _app.SendAsync(HttpMethod.Get, "/api/sessions" + query, bearer: user.AccessToken)).Content.ReadFromJsonAsync<JsonElement>()).EnumerateArray()];
}
