using System.Data.Common;
using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using App.Admin;
using App.Audit;
using App.Events;
using App.Tests.Attacks;
using App.Tests.Data;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Admin;

/// <summary>The audit and the event log in an admin's hands.</summary>
public sealed class ListsTests(SharedApp shared) : IClassFixture<SharedApp>
{
    private readonly TestApp _app = shared.App;

    [Fact]
    public async Task The_audit_is_read_newest_first_by_person_and_by_action_page_by_page()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        for (var i = 0; i < 3; i++) await _app.SignInAsync(user);
        await _app.LockAsync(admin, user);
        var all = await GetAsync(admin, $"/api/admin/audit?user={user.Id}");
        Assert.Equal(["account-locked", "session-ended", "session-ended", "session-ended", "session-ended", "signed-in", "signed-in", "signed-in", "signed-in", "signed-up"], Actions(all));
        Assert.Equal(admin.Id, all.GetProperty("entries")[0].GetProperty("actor").GetGuid());

        var seen = new List<long>();
        for (var before = ""; ;)
        {
            var page = await GetAsync(admin, $"/api/admin/audit?user={user.Id}&action=signed-in&take=3{before}");
            seen.AddRange(page.GetProperty("entries").EnumerateArray().Select(e => e.GetProperty("id").GetInt64()));
            if (!page.TryGetProperty("before", out var next)) break;
            before = "&before=" + next.GetInt64();
        }

        Assert.Equal(4, seen.Count);
        Assert.Equal(seen.OrderDescending(), seen);
        Assert.Contains(user.Id, (await GetAsync(admin, "/api/admin/audit?action=account-locked")).GetProperty("entries").EnumerateArray().Select(e => e.GetProperty("user").GetGuid()));
        Assert.Empty(Actions(await GetAsync(admin, "/api/admin/audit?action=%25")));
        Assert.DoesNotContain(user.Email, all.GetRawText(), StringComparison.OrdinalIgnoreCase);
    }

    [Fact] // A rare action among very many rows: each answer is quick, and says where to go on.
    public async Task What_is_rare_is_found_over_several_pages()
    {
        await using var app = TestApp.Start();
        var admin = await app.NewAdminAsync();
        var rare = await app.DbAsync(db => db.Audit.MinAsync(a => a.Id));
        await app.DbAsync(db => db.Database.ExecuteSqlAsync($"""
            INSERT INTO "Audit" ("At", "Action") WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {Asked.MostLooked}) SELECT 0, 'signed-in' FROM n
            """));
        var first = await app.ScopedAsync((ListAudit list) => list.RunAsync(null, "signed-up", Period.Always, null, 50, CancellationToken.None));
        Assert.Empty(first.Entries);
        var second = await app.ScopedAsync((ListAudit list) => list.RunAsync(null, "signed-up", Period.Always, first.Before, 50, CancellationToken.None));
        Assert.Equal((rare, null), (Assert.Single(second.Entries).Id, second.Before));
        Assert.NotNull(admin);
    }

    [Fact]
    public async Task The_events_are_read_in_their_order_as_the_feed_tells_them()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        var from = await _app.DbAsync(db => db.EventCounter.Select(c => c.Value).SingleAsync());
        await _app.LockAsync(admin, user);
        var log = await GetAsync(admin, $"/api/admin/events?after={from}");
        Assert.Equal(["account-disabled", "session-revoked"], Types(log).Order());
        var disabled = log.GetProperty("events").EnumerateArray().Single(e => e.GetProperty("type").GetString() == "account-disabled");
        Assert.Equal((user.Id, "disabled"), (disabled.GetProperty("sub").GetGuid(), disabled.GetProperty("reason").GetString()));
        Assert.True(disabled.GetProperty("notBefore").GetInt64() > 0 && disabled.GetProperty("expires").GetInt64() > 0);
        Assert.False(disabled.TryGetProperty("set", out _) || disabled.TryGetProperty("sid", out _));

        Assert.Equal(["account-disabled"], Types(await GetAsync(admin, $"/api/admin/events?user={user.Id}&type=account-disabled")));
        var one = await GetAsync(admin, $"/api/admin/events?after={from}&take=1");
        var two = await GetAsync(admin, $"/api/admin/events?after={one.GetProperty("after").GetInt64()}&take=1");
        Assert.Equal(Types(log), [.. Types(one), .. Types(two)]);
        var end = await GetAsync(admin, $"/api/admin/events?after={two.GetProperty("after").GetInt64()}");
        Assert.Equal((0, two.GetProperty("after").GetInt64()), (Types(end).Count, end.GetProperty("after").GetInt64()));
    }

    [Fact]
    public async Task The_audit_is_exported_whole_as_far_as_the_filter_goes()
    {
        await using var app = TestApp.Start();
        var (admin, user) = (await app.NewAdminAsync(), await app.SignUpAsync());
        await app.DbAsync(db => db.Database.ExecuteSqlAsync($"""
            INSERT INTO "Audit" ("At", "Action", "Detail", "UserId") WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) SELECT 0, 'signed-in', '=1,"2"', {user.Id} FROM n
            """));
        var answer = await app.SendAsync(HttpMethod.Get, $"/api/admin/audit/export?user={user.Id}&action=signed-in", admin.AccessToken);
        Assert.Equal(("text/csv; charset=utf-8", "attachment; filename=audit-2026-01-01.csv; filename*=UTF-8''audit-2026-01-01.csv"), (answer.Content.Headers.ContentType!.ToString(), answer.Content.Headers.ContentDisposition!.ToString()));
        Assert.Equal("no-store", answer.Headers.CacheControl!.ToString());
        var lines = (await answer.Content.ReadAsStringAsync()).Split("\r\n");
        Assert.Equal(("id,at,action,user,session,address,detail,actor", 2503, ""), (lines[0], lines.Length, lines[^1]));
        Assert.EndsWith($",0001-01-01T00:00:00.0000000Z,signed-in,{user.Id},,,\"'=1,\"\"2\"\"\",", lines[1], StringComparison.Ordinal);
        Assert.Contains($",signed-in,{user.Id},{user.SessionId},", lines[^2], StringComparison.Ordinal);
        var ids = lines[1..^1].Select(l => long.Parse(l.Split(',')[0], CultureInfo.InvariantCulture)).ToList();
        Assert.Equal(ids.OrderDescending(), ids);
        Assert.DoesNotContain("@", string.Concat(lines), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, (await app.SendAsync(HttpMethod.Get, "/api/admin/audit/export", user.AccessToken)).StatusCode);
    }

    [Theory] // An empty list, or a file with names alone, would be an answer, and a wrong one.
    [InlineData("/admin/events")]
    [InlineData("/admin/audit")]
    [InlineData("/api/admin/audit/export")]
    [InlineData("/api/admin/events/export")]
    public async Task While_the_database_is_away_nothing_is_listed(string path)
    {
        await using var app = TestApp.Start();
        var admin = await app.NewAdminAsync();
        var file = Path.Combine(app.Folder, "gatehouse.db");
        Assert.Equal(HttpStatusCode.OK, (await app.SendAsync(HttpMethod.Get, path, cookies: admin.Cookies)).StatusCode);
        File.Move(file, file + ".away");
        app.CloseIdleConnections(); // what was open could still be read

        using var answer = await app.SendAsync(HttpMethod.Get, path, cookies: admin.Cookies);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, true), (answer.StatusCode, answer.Headers.RetryAfter is not null));
        Assert.Null(answer.Content.Headers.ContentDisposition);
    }

    [Theory] // all three of the second day; the clock of the tests starts with 2026
    [InlineData("from=2026-01-02&to=2026-01-02", "2 0 2 12 2 23")]
    [InlineData("from=2026-01-02T12:00:00Z&to=2026-01-02", "2 12 2 23")]
    [InlineData("from=2026-01-02T00:00:00.5%2B00:00&to=2026-01-03T00:00:00z", "2 12 2 23 3 0")] // an instant is listed itself
    [InlineData("from=2026-01-02T14:00:00+02:00&to=2026-01-02T20:00:00-03:00", "2 12 2 23")]
    [InlineData("from=2026-01-03", "3 0 4 12")]
    [InlineData("to=2026-01-01", "1 0")]
    [InlineData("from=2026-01-05", "")]
    [InlineData("to=2025-12-31", "")]
    [InlineData("from=0002-01-01&to=9998-12-31", "1 0 2 0 2 12 2 23 3 0 4 12")]
    public async Task Both_lists_and_their_exports_are_of_the_time_that_is_asked_for(string query, string found)
    {
        await using var app = TestApp.Start();
        var (admin, user) = (await app.NewAdminAsync(), await app.SignUpAsync());
        var start = app.Time.GetUtcNow();
        await app.DbAsync(async db =>
        {
            var cursor = await db.EventCounter.Select(c => c.Value).SingleAsync();
            foreach (var hours in new[] { 0, 24, 36, 47, 48, 84 })
            {
                db.Audit.Add(new AuditEntry { At = start.AddHours(hours), Action = "fire-drill", UserId = user.Id });
                db.SecurityEvents.Add(new LoggedEvent { Cursor = ++cursor, Id = Guid.NewGuid(), Type = EventTypes.AccountPurged, Reason = "deleted", OccurredAt = start.AddHours(hours), ExpiresAt = start.AddDays(9), UserId = user.Id });
                await db.SaveChangesAsync();
            }

            return true;
        });
        var audit = await app.SendAsync(HttpMethod.Get, $"/api/admin/audit?user={user.Id}&action=fire-drill&{query}", admin.AccessToken);
        var events = await app.SendAsync(HttpMethod.Get, $"/api/admin/events?user={user.Id}&{query}", admin.AccessToken);
        Assert.Equal(found, Hours((await Answers.JsonAsync(audit)).GetProperty("entries").EnumerateArray().Reverse()));
        Assert.Equal(found, Hours((await Answers.JsonAsync(events)).GetProperty("events").EnumerateArray()));
        foreach (var list in new[] { "audit", "events" })
        {
            var file = (await (await app.SendAsync(HttpMethod.Get, $"/api/admin/{list}/export?user={user.Id}&{query}", admin.AccessToken)).Content.ReadAsStringAsync()).Split("\r\n")[1..^1];
            var lines = file.Where(l => l.Contains("fire-drill", StringComparison.Ordinal) || l.Contains("account-purged", StringComparison.Ordinal)).Select(l => DateTimeOffset.Parse(l.Split(',')[1], CultureInfo.InvariantCulture)).Order();
            Assert.Equal(found, string.Join(' ', lines.Select(at => at.ToString("d H", CultureInfo.InvariantCulture))));
        }

        static string Hours(IEnumerable<JsonElement> rows) => string.Join(' ', rows.Select(r => r.GetProperty("at").GetDateTimeOffset().ToString("d H", CultureInfo.InvariantCulture)));
    }

    [Fact] // In the order of numbers, not quite of time: whoever waited for a lock is numbered late.
    public async Task What_is_numbered_a_little_late_is_found_and_pages_go_on_within_the_time()
    {
        await using var app = TestApp.Start();
        var admin = await app.NewAdminAsync();
        var start = app.Time.GetUtcNow().AddDays(1);
        await app.DbAsync(async db =>
        {
            foreach (var seconds in new[] { 0, 40, 20, 60, 90, 70, 120 })
            {
                db.Audit.Add(new AuditEntry { At = start.AddSeconds(seconds), Action = "fire-drill" });
                await db.SaveChangesAsync();
            }

            return true;
        });
        var (seen, query) = (new List<int>(), $"/api/admin/audit?take=1&from={start.AddSeconds(30):yyyy-MM-ddTHH:mm:ssZ}&to={start.AddSeconds(70):yyyy-MM-ddTHH:mm:ssZ}");
        for (var before = ""; ;)
        {
            var page = await GetAsync(app, admin, query + before);
            seen.AddRange(page.GetProperty("entries").EnumerateArray().Select(e => (int)(e.GetProperty("at").GetDateTimeOffset() - start).TotalSeconds));
            if (!page.TryGetProperty("before", out var next)) break;
            before = "&before=" + next.GetInt64();
        }

        Assert.Equal([70, 60, 40], seen);
    }

    [Fact] // Of a million rows nobody waits for all of them: what a time needs is found by the primary key.
    public async Task A_time_is_looked_for_by_halves()
    {
        await using var app = TestApp.Start(("Logging:LogLevel:Microsoft.EntityFrameworkCore.Database.Command", "Information"));
        var start = app.Time.GetUtcNow();
        await app.DbAsync(db => db.Database.ExecuteSqlAsync($"""
            INSERT INTO "Audit" ("At", "Action") WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT {start.UtcTicks} + i * {TimeSpan.TicksPerMinute}, 'signed-in' FROM n
            """));
        var told = app.Log.Lines.Count;
        var day = new Period(start.AddDays(3), start.AddDays(4));
        var page = await app.ScopedAsync((ListAudit list) => list.RunAsync(null, "signed-in", day, null, 50, CancellationToken.None));
        Assert.Equal((50, true), (page.Entries.Count, page.Entries.All(e => e.At >= day.From && e.At < day.Until)));
        await app.ScopedAsync((ListEvents list) => list.RecentAsync(null, null, null, day, 50, CancellationToken.None));
        var commands = app.Log.Lines.Skip(told).Where(l => l.Contains("Executed DbCommand", StringComparison.Ordinal) && (l.Contains("FROM \"Audit\"", StringComparison.Ordinal) || l.Contains("FROM \"SecurityEventLog\"", StringComparison.Ordinal)))
            .Select(l => l[l.IndexOf("SELECT", StringComparison.Ordinal)..].TrimEnd()).ToList();
        Assert.InRange(commands.Count(c => c.Contains("AS \"Number\"", StringComparison.Ordinal)), 20, 40);
        foreach (var command in commands.Distinct())
        {
            var plan = await app.DbAsync(db => PlanAsync(db.Database.GetDbConnection(), command));
            // The newest row of all is the end of the table; everything else is a range of its key.
            Assert.True(plan.StartsWith("SCAN", StringComparison.Ordinal) ? command.EndsWith("DESC\nLIMIT 1", StringComparison.Ordinal) && !command.Contains("WHERE", StringComparison.Ordinal) : !plan.Contains("TEMP", StringComparison.Ordinal), $"{command}\n=> {plan}");
        }
    }

    [Theory] // of spreadsheets, some of which divide cells by other characters
    [InlineData("k;=cmd|' /C calc'!A0", "\"k;'=cmd|' /C calc'!A0\"")]
    [InlineData("a;\t +1", "\"a;'\t' +1\"")]
    [InlineData("=1+1", "'=1+1")]
    [InlineData("＝1+1", "'＝1+1")]
    [InlineData("@x", "'@x")]
    [InlineData("a\"b", "\"a\"\"b\"")]
    [InlineData("plain", "plain")]
    public void No_cell_is_a_formula(string text, string cell) => Assert.Equal($"1,{cell}\r\n", ExportLists.Line(1L, text));

    [Fact]
    public async Task The_events_are_exported_in_their_order()
    {
        await using var app = TestApp.Start();
        var (admin, user) = (await app.NewAdminAsync(), await app.SignUpAsync());
        await app.LockAsync(admin, user);
        string[] lines = (await (await app.SendAsync(HttpMethod.Get, "/api/admin/events/export", admin.AccessToken)).Content.ReadAsStringAsync()).Split("\r\n");
        Assert.Equal("cursor,at,type,sub,sid,kid,notBefore,expires,reason", lines[0]);
        Assert.Equal(await app.DbAsync(db => db.SecurityEvents.OrderBy(e => e.Cursor).Select(e => e.Cursor + "," + e.Type).ToListAsync()), lines[1..^1].Select(l => l.Split(',')).Select(c => c[0] + "," + c[2]));
        lines = (await (await app.SendAsync(HttpMethod.Get, $"/api/admin/events/export?type=account-disabled&user={user.Id}", admin.AccessToken)).Content.ReadAsStringAsync()).Split("\r\n");
        Assert.Equal((3, true), (lines.Length, lines[1].Contains($"account-disabled,{user.Id},,,", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("audit/export?user=x", "user"), InlineData("audit/export?action=12345678901234567890123456789012345678901", "action"), InlineData("events/export?type=nonsense", "type"), InlineData("events/export?user=", "user")]
    [InlineData("sessions?user=x", "user"), InlineData("sessions?before=x", "before"), InlineData("sessions?before=01234567-89ab-cdef-0123-456789abcdef", "before"), InlineData("sessions?take=0", "take")]
    [InlineData("audit?user=x", "user"), InlineData("audit?before=-1", "before"), InlineData("audit?take=1000", "take"), InlineData("audit?action=12345678901234567890123456789012345678901", "action")]
    [InlineData("events?user=", "user"), InlineData("events?after=x", "after"), InlineData("events?take=0", "take"), InlineData("events?type=nonsense", "type"), InlineData("events?after=99999999999999999999", "after")]
    [InlineData("audit?from=", "from"), InlineData("audit?to=2026-02-30", "to"), InlineData("audit?from=2026-01-02T10:00:00", "from"), InlineData("audit?from=2026-01-02&to=2026-01-01", "from")]
    [InlineData("events?from=yesterday", "from"), InlineData("events?to=0001-01-01", "to"), InlineData("events?to=9999-12-31", "to"), InlineData("events?from=2026-01-01T00:00:01Z&to=2026-01-01T00:00:00Z", "from")]
    [InlineData("audit/export?to=1.1.2026", "to"), InlineData("events/export?from=0001-01-01T00:00:00%2B02:00", "from"), InlineData("events/export?from=2026-01-02&to=2026-01-01", "from")]
    public async Task What_makes_no_sense_is_refused_by_its_name(string query, string field)
    {
        var admin = await _app.NewAdminAsync();
        var problem = await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Get, "/api/admin/" + query, admin.AccessToken), 400);
        Assert.Equal(field, Assert.Single(problem.GetProperty("errors").EnumerateArray()).GetProperty("field").GetString());
    }

    internal static async Task<string> PlanAsync(DbConnection connection, string sql)
    {
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = "EXPLAIN QUERY PLAN " + sql;
        foreach (var name in Regex.Matches(sql, @"@\w+").Select(m => m.Value).Distinct()) command.Parameters.Add(new SqliteParameter(name, 5));
        await using var rows = await command.ExecuteReaderAsync();
        var plan = new List<string>();
        while (await rows.ReadAsync()) plan.Add(rows.GetString(3));
        return string.Join("; ", plan);
    }

    private Task<JsonElement> GetAsync(TestUser admin, string path) => GetAsync(_app, admin, path);

    private static async Task<JsonElement> GetAsync(TestApp app, TestUser admin, string path)
    {
        var answer = await app.SendAsync(HttpMethod.Get, path, admin.AccessToken);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return await Answers.JsonAsync(answer);
    }

    private static List<string?> Actions(JsonElement page) => [.. page.GetProperty("entries").EnumerateArray().Select(e => e.GetProperty("action").GetString())];

    private static List<string?> Types(JsonElement page) => [.. page.GetProperty("events").EnumerateArray().Select(e => e.GetProperty("type").GetString())];
}
