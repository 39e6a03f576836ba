using System.Globalization;
using System.Net;
using System.Text.Json;
using App.Sessions;
using App.Tests.Attacks;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Admin;

/// <summary>Who is signed in, in an admin's hands.</summary>
public sealed class ListTheirSessionsTests : IAsyncLifetime
{
    private const string All = "/api/admin/sessions";
    private readonly TestApp _app = TestApp.Start(("Logging:LogLevel:Microsoft.EntityFrameworkCore.Database.Command", "Information"));
    private TestUser _admin = null!;

    public async Task InitializeAsync() => _admin = await _app.NewAdminAsync();

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Theory] // the row of the contract's section 4
    [InlineData("users"), InlineData("sessions"), InlineData("services"), InlineData("keys"), InlineData("events"), InlineData("audit")]
    public async Task What_an_admin_may_list_is_theirs_alone(string name)
    {
        var user = await _app.SignUpAsync();
        foreach (var (bearer, status) in new[] { (null, HttpStatusCode.Unauthorized), (user.AccessToken, HttpStatusCode.Forbidden), (_admin.AccessToken, HttpStatusCode.OK) })
            Assert.Equal(status, (await _app.SendAsync(HttpMethod.Get, "/api/admin/" + name, bearer)).StatusCode);
    }

    [Fact]
    public async Task Every_living_session_is_found_with_its_owner_the_newest_first_page_by_page()
    {
        var people = new List<TestUser>();
        for (var i = 0; i < 7; i++)
        {
            if (i % 2 == 0) _app.Time.Advance(TimeSpan.FromSeconds(1)); // and two at a time
            people.Add(await _app.SignUpAsync());
        }

        var ended = await _app.SignInAsync(people[0]);
        await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{ended.SessionId}", ended.AccessToken);

        var seen = new List<JsonElement>();
        for (var before = ""; ;)
        {
            var page = await GetAsync($"{All}?take=3{before}");
            seen.AddRange(page.GetProperty("sessions").EnumerateArray());
            if (!page.TryGetProperty("before", out var next)) break;
            Assert.Equal(0, seen.Count % 3);
            before = $"&before={next.GetGuid()}";
        }

        Assert.Equal(9, seen.Count); // two of the admin's
        Assert.Equal(seen.Select(Started).OrderDescending(), seen.Select(Started));
        foreach (var person in people) Assert.Equal(person.Id, Assert.Single(seen, s => s.GetProperty("id").GetGuid() == person.SessionId).GetProperty("user").GetGuid());
        Assert.True(Assert.Single(seen, s => s.GetProperty("id").GetGuid() == _admin.SessionId).GetProperty("current").GetBoolean());
        Assert.DoesNotContain(people[0].Email, string.Concat(seen), StringComparison.OrdinalIgnoreCase);

        static DateTimeOffset Started(JsonElement session) => session.GetProperty("startedAt").GetDateTimeOffset();
    }

    [Fact] // also beyond what a person's own page shows at once
    public async Task All_of_one_persons_are_found()
    {
        var (user, now) = (await _app.SignUpAsync(), _app.Time.GetUtcNow());
        await _app.SignUpAsync();
        await _app.DbAsync(db =>
        {
            db.AddRange(Enumerable.Range(0, 250).Select(i => new Session { Id = Guid.NewGuid(), UserId = user.Id, StartedAt = now.AddSeconds(-i), LastSeenAt = now, AuthenticatedAt = now, ExpiresAt = now.AddDays(1).AddSeconds(-i) }));
            return db.SaveChangesAsync();
        });
        var found = new HashSet<Guid>();
        for (var before = ""; ;)
        {
            var page = await GetAsync($"{All}?user={user.Id}&take=100{before}");
            foreach (var session in page.GetProperty("sessions").EnumerateArray())
            {
                Assert.Equal(user.Id, session.GetProperty("user").GetGuid());
                Assert.True(found.Add(session.GetProperty("id").GetGuid()));
            }

            if (!page.TryGetProperty("before", out var next)) break;
            before = $"&before={next.GetGuid()}";
        }

        Assert.Equal(251, found.Count);
        Assert.Empty((await GetAsync($"{All}?user={Guid.NewGuid()}")).GetProperty("sessions").EnumerateArray());
    }

    [Fact]
    public async Task Of_a_million_sessions_a_page_is_a_range_of_an_index()
    {
        await _app.SignUpAsync();
        var first = await GetAsync(All + "?take=1");
        var told = _app.Log.Lines.Count;
        await GetAsync($"{All}?take=1&before={first.GetProperty("before").GetGuid().ToString("D", CultureInfo.InvariantCulture)}");
        var command = Assert.Single(_app.Log.Lines.Skip(told), l => l.Contains("Executed DbCommand", StringComparison.Ordinal) && l.Contains("ORDER BY \"s\".\"ExpiresAt\" DESC", StringComparison.Ordinal));
        var plan = await _app.DbAsync(db => ListsTests.PlanAsync(db.Database.GetDbConnection(), command[command.IndexOf("SELECT", StringComparison.Ordinal)..].TrimEnd()));
        Assert.StartsWith("SEARCH s USING INDEX IX_Sessions_ExpiresAt (ExpiresAt>? AND ExpiresAt<?)", plan, StringComparison.Ordinal);
    }

    private async Task<JsonElement> GetAsync(string path)
    {
        var answer = await _app.SendAsync(HttpMethod.Get, path, _admin.AccessToken);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return await Answers.JsonAsync(answer);
    }
}
