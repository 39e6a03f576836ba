using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json;
using App.Admin;
using App.Tests.Attacks;
using App.Tests.Data;
using App.Tests.Factors;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Admin;

/// <summary>People, as an admin finds and sees them.</summary>
public sealed class FindUsersTests(SharedApp shared) : IClassFixture<SharedApp>
{
    private const string Users = "/api/admin/users";
    private readonly TestApp _app = shared.App;

    [Fact]
    public async Task One_is_found_by_id_and_by_how_the_address_begins_whatever_its_letters()
    {
        var admin = await _app.NewAdminAsync();
        var ada = await _app.SignUpAsync("Ada.Lovelace@Find.Example");
        await _app.SignUpAsync("ada.other@find.example");
        await _app.SignUpAsync("grüße@find.example");
        Assert.Equal([ada.Id], await IdsAsync(admin, ada.Id.ToString()));
        Assert.Equal([ada.Id], await IdsAsync(admin, "ADA.love"));
        Assert.Equal([ada.Id], await IdsAsync(admin, "  ada.lovelace@FIND.ex"));
        Assert.Equal([ada.Id], await IdsAsync(admin, "ada.lovelace@find.example"));
        Assert.Equal(2, (await IdsAsync(admin, "ada.")).Count);
        Assert.Single(await IdsAsync(admin, "GRÜ"));
        // None of these is a pattern (ATTACKS 71, 157).
        foreach (var nobody in new[] { Guid.NewGuid().ToString(), "%", "*", "_da", "ada.%", "' OR 1=1--", "lovelace", "@find", "\uD800", "a\uFFFE" }) Assert.Empty(await IdsAsync(admin, nobody));

        var row = (await ListAsync(admin, "?query=ada.love")).GetProperty("users")[0];
        Assert.Equal(("Ada.Lovelace@Find.Example", false, false), (row.GetProperty("email").GetString(), row.GetProperty("locked").GetBoolean(), row.GetProperty("emailVerified").GetBoolean()));
        Assert.Equal("admin", (await ListAsync(admin, "?query=" + admin.Id)).GetProperty("users")[0].GetProperty("roles")[0].GetString());
    }

    [Fact]
    public async Task One_is_found_by_how_the_name_begins_after_those_of_that_address_and_once()
    {
        var admin = await _app.NewAdminAsync();
        var byBoth = await NamedAsync("zoe@names.example", "Zoë zoe");
        var byAddress = await NamedAsync("zoe.b@names.example", "Bob");
        var byName = new List<Guid>();
        foreach (var (email, name) in new[] { ("n3@names.example", "ZOE Adams"), ("n1@names.example", "Zoe Brown"), ("n2@names.example", "zoe brown"), ("n0@names.example", "Zoe Zz") }) byName.Add(await NamedAsync(email, name));
        var smiling = await NamedAsync("n5@names.example", "\U0001F600 Anna");
        await NamedAsync("n6@names.example", "\U0001F60E Berta");
        Assert.Equal([smiling], await IdsAsync(admin, "\U0001F600"));
        Guid[] expected = [byAddress, byBoth, .. byName];
        Assert.Equal(expected, await IdsAsync(admin, "zOe"));
        for (var take = 1; take < 7; take++)
        {
            var seen = new List<Guid>();
            for (var after = ""; ;)
            {
                var page = await ListAsync(admin, $"?query=zoe&take={take}{after}");
                seen.AddRange(Ids(page));
                if (!page.TryGetProperty("after", out var next)) break;
                after = "&after=" + next.GetString();
            }

            Assert.Equal(expected, seen);
        }

        Assert.Equal([byBoth], await IdsAsync(admin, "zoe\u0308"));
        Assert.Equal(2, (await IdsAsync(admin, "zoe b")).Count);
        Assert.Equal([byName[3]], await IdsAsync(admin, "Zoe Z"));
        foreach (var nobody in new[] { "zoe%", "zo_", "oe", "zoe@b" }) Assert.Empty(await IdsAsync(admin, nobody));

        async Task<Guid> NamedAsync(string email, string name)
        {
            var user = await _app.SignUpAsync(email);
            await _app.SendAsync(HttpMethod.Post, "/api/account/name", user.AccessToken, json: new { name });
            return user.Id;
        }
    }

    [Fact]
    public async Task Pages_follow_each_other_without_a_gap_and_end()
    {
        var admin = await _app.NewAdminAsync();
        var everybody = new List<Guid>();
        for (var i = 0; i < 5; i++) everybody.Add((await _app.SignUpAsync($"page-{i}@pages.example")).Id);
        var seen = new List<Guid>();
        for (var after = ""; ;)
        {
            var page = await ListAsync(admin, "?query=page-&take=2" + after);
            seen.AddRange(Ids(page));
            if (!page.TryGetProperty("after", out var next)) break;
            after = "&after=" + next.GetString();
        }

        Assert.Equal(everybody, seen);
        Assert.True((await IdsAsync(admin, "")).Count > 5);
    }

    [Theory]
    [InlineData("?take=0", "take"), InlineData("?take=101", "take"), InlineData("?take=x", "take"), InlineData("?take=-1", "take"), InlineData("?take=", "take")]
    [InlineData("?after=x", "after"), InlineData("?after=11111111-1111-4111-8111-111111111111", "after")]
    public async Task What_makes_no_sense_is_refused_by_its_name(string query, string field)
    {
        var admin = await _app.NewAdminAsync();
        Assert.Equal([field], await FieldsAsync(admin, Users + query));
        Assert.Equal(["query"], await FieldsAsync(admin, $"{Users}?query={new string('a', 255)}"));
    }

    [Fact]
    public async Task One_person_is_shown_with_what_they_sign_in_with_and_no_secret()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        await _app.TurnOnTwoStepAsync(user);
        await new PasskeyBrowser(_app).AddAsync(new SoftKey(), user);
        var text = await (await _app.SendAsync(HttpMethod.Get, $"{Users}/{user.Id}", admin.AccessToken)).Content.ReadAsStringAsync();
        var shown = JsonDocument.Parse(text).RootElement;
        Assert.Equal((user.Email, false), (shown.GetProperty("email").GetString(), shown.GetProperty("locked").GetBoolean()));
        Assert.Equal("""{"password":true,"secondStep":true,"app":true,"recoveryCodes":10,"passkeys":1}""", shown.GetProperty("factors").GetRawText());
        var session = Assert.Single(shown.GetProperty("sessions").EnumerateArray());
        Assert.Equal((user.SessionId, false), (session.GetProperty("id").GetGuid(), session.GetProperty("current").GetBoolean()));
        foreach (var secret in new[] { "hash", "stamp", "secret", "argon" }) Assert.DoesNotContain(secret, text, StringComparison.OrdinalIgnoreCase);
        await _app.ExpectAsync(HttpStatusCode.NotFound, admin, HttpMethod.Get, $"{Users}/{Guid.NewGuid()}");
        await _app.ExpectAsync(HttpStatusCode.NotFound, admin, HttpMethod.Get, $"{Users}/nonsense");
    }

    [Fact]
    public async Task Ended_sessions_are_over_at_once_and_the_audit_says_who_ended_them()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        var (second, third) = (await _app.SignInAsync(user), await _app.SignInAsync(user));
        for (var i = 0; i < 2; i++) await _app.ExpectAsync(HttpStatusCode.NoContent, admin, HttpMethod.Delete, $"/api/admin/sessions/{second.SessionId}");
        Assert.Null(await _app.WhoAmIAsync(cookies: second.Cookies));
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: third.Cookies));
        var all = await _app.SendAsync(HttpMethod.Delete, $"{Users}/{user.Id}/sessions", admin.AccessToken);
        Assert.Equal(2, (await Answers.JsonAsync(all)).GetProperty("ended").GetInt32());
        Assert.Null(await _app.WhoAmIAsync(cookies: third.Cookies));
        Assert.NotNull(await _app.SignInAsync(user)); // they aren't locked
        var said = await _app.DbAsync(db => db.Set<App.Audit.AuditEntry>().Where(a => a.UserId == user.Id && a.Action == "sessions-ended").OrderBy(a => a.Id).Select(a => new { a.SessionId, a.ActorId }).ToListAsync());
        Assert.Equal([new { SessionId = (Guid?)second.SessionId, ActorId = (Guid?)admin.Id }, new { SessionId = (Guid?)null, ActorId = (Guid?)admin.Id }], said);
        foreach (var path in new[] { $"/api/admin/sessions/{Guid.NewGuid()}", "/api/admin/sessions/x", $"{Users}/{Guid.NewGuid()}/sessions" }) await _app.ExpectAsync(HttpStatusCode.NotFound, admin, HttpMethod.Delete, path);
    }

    [Fact]
    public async Task A_role_is_given_and_taken_back_and_shows_in_the_next_token()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        for (var i = 0; i < 2; i++) await _app.ExpectAsync(HttpStatusCode.NoContent, admin, HttpMethod.Put, $"{Users}/{user.Id}/roles/clerk");
        Assert.Null(await _app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Equal("clerk", (await _app.SignInAsync(user)).Claims.GetProperty("roles")[0].GetString());
        for (var i = 0; i < 2; i++) await _app.ExpectAsync(HttpStatusCode.NoContent, admin, HttpMethod.Delete, $"{Users}/{user.Id}/roles/clerk");
        Assert.False((await _app.SignInAsync(user)).Claims.TryGetProperty("roles", out _));
        var said = await _app.DbAsync(db => db.Set<App.Audit.AuditEntry>().Where(a => a.UserId == user.Id && a.Action.StartsWith("role-")).OrderBy(a => a.Id).Select(a => $"{a.Action} {a.Detail} {a.ActorId}").ToListAsync());
        Assert.Equal([$"role-granted clerk {admin.Id}", $"role-revoked clerk {admin.Id}"], said);

        await _app.ExpectAsync(HttpStatusCode.NotFound, admin, HttpMethod.Put, $"{Users}/{Guid.NewGuid()}/roles/clerk");
        foreach (var name in new[] { "Admin", "ADMIN", "a b", "-", "%C3%A4", new string('a', 41) })
        {
            foreach (var method in new[] { HttpMethod.Put, HttpMethod.Delete }) Assert.Equal(["role"], await FieldsAsync(admin, $"{Users}/{user.Id}/roles/{name}", method));
        }
    }

    [Fact]
    public async Task Nobody_has_more_roles_than_fit_a_cookie()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        for (var role = 0; role < 20; role++) await _app.ExpectAsync(HttpStatusCode.NoContent, admin, HttpMethod.Put, $"{Users}/{user.Id}/roles/r{role}");
        await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Put, $"{Users}/{user.Id}/roles/r20", admin.AccessToken), 400, "Nobody has more than 20 roles / role");
        await _app.ExpectAsync(HttpStatusCode.NoContent, admin, HttpMethod.Delete, $"{Users}/{user.Id}/roles/r0");
        await _app.ExpectAsync(HttpStatusCode.NoContent, admin, HttpMethod.Put, $"{Users}/{user.Id}/roles/r20");
    }

    [Fact] // ATTACKS 158
    public async Task An_admin_keeps_the_role_by_which_they_act()
    {
        await using var app = TestApp.Start();
        var admin = await app.NewAdminAsync();
        Assert.Equal("only_admin", await CodeAsync());
        var other = await app.NewAdminAsync();
        Assert.Equal("oneself", await CodeAsync());
        await app.ExpectAsync(HttpStatusCode.NoContent, other, HttpMethod.Delete, $"{Users}/{admin.Id}/roles/admin");
        await Answers.AssertProblemAsync(await app.SendAsync(HttpMethod.Get, Users, admin.AccessToken), 401, "Not authorized");
        await Answers.AssertProblemAsync(await app.SendAsync(HttpMethod.Get, Users, cookies: admin.Cookies), 403, "Forbidden");

        async Task<string?> CodeAsync() =>
            (await Answers.AssertProblemAsync(await app.SendAsync(HttpMethod.Delete, $"{Users}/{admin.Id}/roles/admin", admin.AccessToken), 409)).GetProperty("code").GetString();
    }

    [Fact] // ATTACKS 154
    public async Task Everything_under_the_admins_path_is_for_admins()
    {
        var user = await _app.SignUpAsync();
        foreach (var id in new[] { user.Id.ToString(), Guid.NewGuid().ToString(), "nonsense" })
        {
            foreach (var (method, path) in new (HttpMethod, string)[]
            {
                (HttpMethod.Get, Users), (HttpMethod.Get, $"{Users}?take=x"), (HttpMethod.Get, $"{Users}/{id}"), (HttpMethod.Delete, $"{Users}/{id}/sessions"), (HttpMethod.Delete, $"/api/admin/sessions/{id}"),
                (HttpMethod.Put, $"{Users}/{id}/roles/admin"), (HttpMethod.Delete, $"{Users}/{id}/roles/Admin"), (HttpMethod.Get, "/api/admin/audit"), (HttpMethod.Get, "/api/admin/events?type=x"),
            })
            {
                await Answers.AssertProblemAsync(await _app.SendAsync(method, path, user.AccessToken), 403, "Forbidden");
                await Answers.AssertProblemAsync(await _app.SendAsync(method, path), 401, "Not authorized");
            }
        }
    }

    /// <summary>By hand among a million: <c>MANY_USERS=1000000 dotnet test App.Tests --filter Among_many</c> prints what a page takes.</summary>
    [Fact]
    public async Task Among_many_a_page_costs_what_it_shows()
    {
        var measured = int.TryParse(Environment.GetEnvironmentVariable("MANY_USERS"), CultureInfo.InvariantCulture, out var many);
        if (!measured) many = 5000;
        await using var app = TestApp.Start();
        await app.DbAsync(db => db.Database.ExecuteSqlAsync($"""
            INSERT INTO "AspNetUsers" ("Id", "Email", "NormalizedEmail", "UserName", "NormalizedUserName", "Name", "EmailConfirmed", "CreatedAt", "PhoneNumberConfirmed", "TwoFactorEnabled", "LockoutEnabled", "AccessFailedCount")
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {many})
            SELECT printf('%08X-0000-7000-8000-000000000000', i), 'person' || i || '@example.test', 'person' || i || '@example.test', 'p' || i, 'p' || i, 'Person ' || (i % 5000), 1, 0, 0, 0, 0, 0 FROM n
            """));
        var times = new List<string>();
        foreach (var (query, expected) in new (string?, int)[] { (null, 50), ("person", 50), ("person4999", Math.Min(50, 1 + (many / 4999 > 10 ? 50 : 0))), ("person4999@", 1), ("PERSON 12", 50), ("person 4999", Math.Min(50, many / 5000)), ("nobody", 0) })
        {
            var best = TimeSpan.MaxValue;
            for (var i = 0; i < 10; i++)
            {
                var begun = Stopwatch.GetTimestamp();
                var page = await app.ScopedAsync((FindUsers find) => find.ListAsync(query, null, 50, CancellationToken.None));
                best = TimeSpan.FromTicks(Math.Min(best.Ticks, Stopwatch.GetElapsedTime(begun).Ticks));
                Assert.Equal(expected, page!.Users.Count);
            }

            times.Add(string.Create(CultureInfo.InvariantCulture, $"{query ?? "(all)"}: {best.TotalMilliseconds:0.0} ms"));
        }

        // With another collation than the search's, the index would serve nothing.
        Assert.Contains("NOCASE", await app.DbAsync(db => db.Database.SqlQuery<string>($"""SELECT "sql" AS "Value" FROM sqlite_master WHERE "name" = 'NameIndex'""").SingleAsync()), StringComparison.Ordinal);
        if (measured) Assert.Fail($"Among {many}: {string.Join(", ", times)}");
    }

    private async Task<IReadOnlyList<Guid>> IdsAsync(TestUser admin, string query) => Ids(await ListAsync(admin, "?query=" + Escape(query)));

    // Half a surrogate pair can't be escaped as what it is.
    private static string Escape(string text) => text == "\uD800" ? "%ED%A0%80" : Uri.EscapeDataString(text);

    private static List<Guid> Ids(JsonElement page) => [.. page.GetProperty("users").EnumerateArray().Select(u => u.GetProperty("id").GetGuid())];

    private async Task<JsonElement> ListAsync(TestUser admin, string query)
    {
        var answer = await _app.SendAsync(HttpMethod.Get, Users + query, admin.AccessToken);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return await Answers.JsonAsync(answer);
    }

    private async Task<IEnumerable<string?>> FieldsAsync(TestUser admin, string path, HttpMethod? method = null) =>
        (await Answers.AssertProblemAsync(await _app.SendAsync(method ?? HttpMethod.Get, path, admin.AccessToken), 400)).GetProperty("errors").EnumerateArray().Select(e => e.GetProperty("field").GetString());
}
