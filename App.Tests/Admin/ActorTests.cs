using System.Net;
using System.Text.Json;
using App.Admin;
using App.Audit;
using App.Tests.Accounts;
using App.Tests.Attacks;
using App.Tests.Data;

namespace App.Tests.Admin;

/// <summary>Which admin did something to an account is for admins to know; its owner learns that it was one.</summary>
public sealed class ActorTests(SharedApp shared) : IClassFixture<SharedApp>
{
    private readonly TestApp _app = shared.App;

    [Fact]
    public async Task Admins_read_who_it_was_and_the_owner_reads_that_it_was_an_administrator()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        var users = $"/api/admin/users/{user.Id}";
        await _app.ExpectAsync(HttpStatusCode.NoContent, admin, HttpMethod.Delete, $"/api/admin/sessions/{(await _app.SignInAsync(user)).SessionId}");
        await _app.ExpectAsync(HttpStatusCode.OK, admin, HttpMethod.Delete, users + "/sessions");
        await _app.ExpectAsync(HttpStatusCode.NoContent, admin, HttpMethod.Put, users + "/roles/clerk");
        await _app.ExpectAsync(HttpStatusCode.NoContent, admin, HttpMethod.Delete, users + "/roles/clerk");
        await _app.LockAsync(admin, user);
        await _app.LockAsync(admin, user, locked: false);
        user = await _app.SignInAsync(user);

        string[] did = ["account-unlocked", "account-locked", "role-revoked", "role-granted", "sessions-ended", "session-ended", "sessions-ended", "session-ended"];
        var audit = Entries(await GetAsync(admin, $"/api/admin/audit?user={user.Id}"));
        Assert.Equal(did, audit.Where(e => e.TryGetProperty("actor", out var actor) && actor.GetGuid() == admin.Id).Select(Action));
        Assert.Equal(["signed-in", "signed-in", "signed-in", "signed-up"], audit.Where(e => !e.TryGetProperty("actor", out _)).Select(Action));
        Assert.Equal(["clerk", "clerk"], audit.Where(e => Action(e)!.StartsWith("role-", StringComparison.Ordinal)).Select(e => e.GetProperty("detail").GetString()));
        foreach (var path in new[] { $"/admin/audit?user={user.Id}&action=account-locked", $"/admin/users/{user.Id}" })
        {
            var page = await (await _app.SendAsync(HttpMethod.Get, path, cookies: admin.Cookies)).PageAsync();
            var by = page.QuerySelectorAll(".list:last-of-type .meta span:has(a)");
            Assert.Equal($"By {admin.Email}", by[^1].TextContent);
            Assert.Equal($"/admin/users/{admin.Id}", by[^1].QuerySelector("a")!.GetAttribute("href"));
        }

        var activity = await GetAsync(user, "/api/account/activity");
        Assert.Equal(did, Entries(activity).Where(e => e.TryGetProperty("by", out var by) && by.GetString() == "administrator").Select(Action));
        var export = await (await _app.SendAsync(HttpMethod.Post, "/api/account/data", user.AccessToken, json: new { password = user.Password })).Content.ReadAsStringAsync();
        Assert.Equal(did.Reverse(), JsonDocument.Parse(export).RootElement.GetProperty("activity").EnumerateArray().Where(e => e.GetProperty("by").GetString() == "administrator").Select(Action));
        var pages = new List<string>();
        foreach (var (language, words) in new[] { ("en", "by an administrator"), ("de", "von der Verwaltung") })
        {
            var answer = await _app.SendAsync(HttpMethod.Get, "/account/activity", cookies: $"{user.Cookies}; language={language}");
            pages.Add(await answer.Content.ReadAsStringAsync());
            Assert.Equal(did.Length, (await answer.PageAsync()).QuerySelectorAll(".list b").Count(b => b.TextContent.Contains(words, StringComparison.Ordinal)));
        }

        Assert.All([activity.GetRawText(), export, .. pages], text => Assert.All([admin.Id.ToString(), admin.Email], name => Assert.DoesNotContain(name, text, StringComparison.OrdinalIgnoreCase)));
    }

    [Fact]
    public async Task What_older_rows_say_in_their_detail_stays_for_admins_and_is_left_out_for_the_owner()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        await _app.DbAsync(db =>
        {
            foreach (var (action, detail) in new[] { ("account-locked", $"by {admin.Id}"), ("role-granted", $"clerk by {admin.Id}"), ("passkey-renamed", $"key by {user.Id}") })
                db.Audit.Add(new AuditEntry { At = _app.Time.GetUtcNow(), Action = action, UserId = user.Id, Detail = detail });
            return db.SaveChangesAsync();
        });
        Assert.Equal([$"key by {user.Id}", $"clerk by {admin.Id}", $"by {admin.Id}"], Details(await GetAsync(admin, $"/api/admin/audit?user={user.Id}")).Take(3));
        Assert.Equal([$"key by {user.Id}", "clerk", null], Details(await GetAsync(user, "/api/account/activity")).Take(3));
        Assert.DoesNotContain("By the command line", await TextAsync(admin, $"/admin/audit?user={user.Id}"), StringComparison.Ordinal);

        static IEnumerable<string?> Details(JsonElement list) => Entries(list).Select(e => e.TryGetProperty("detail", out var detail) ? detail.GetString() : null);
    }

    [Fact]
    public async Task The_command_line_is_nobody_and_an_admin_who_left_is_an_id()
    {
        var (admin, user, gone) = (await _app.NewAdminAsync(), await _app.SignUpAsync(), Guid.NewGuid());
        foreach (var args in new[] { new[] { "lock", user.Email }, ["unlock", user.Email] }) Assert.Equal(0, await UserCommands.RunAsync(_app.Services, args, TextWriter.Null, CancellationToken.None));
        foreach (var path in new[] { $"/admin/audit?user={user.Id}&action=account-locked", $"/admin/users/{user.Id}" })
            Assert.Contains("By the command line", await TextAsync(admin, path), StringComparison.Ordinal);
        Assert.All(Entries(await GetAsync(admin, $"/api/admin/audit?user={user.Id}")), e => Assert.False(e.TryGetProperty("actor", out _)));
        Assert.Equal("administrator", Entries(await GetAsync(await _app.SignInAsync(user), "/api/account/activity")).First(e => Action(e) == "account-locked").GetProperty("by").GetString());

        await _app.DbAsync(db =>
        {
            db.Audit.Add(new AuditEntry { At = _app.Time.GetUtcNow(), Action = "account-locked", UserId = user.Id, ActorId = gone });
            return db.SaveChangesAsync();
        });
        Assert.Contains($"By Deleted account {gone}", await TextAsync(admin, $"/admin/audit?user={user.Id}"), StringComparison.Ordinal);
    }

    private static List<JsonElement> Entries(JsonElement list) => [.. list.GetProperty("entries").EnumerateArray()];

    private static string? Action(JsonElement entry) => entry.GetProperty("action").GetString();

    private async Task<string> TextAsync(TestUser admin, string path) => (await (await _app.SendAsync(HttpMethod.Get, path, cookies: admin.Cookies)).PageAsync()).Body!.TextContent;

    private async Task<JsonElement> GetAsync(TestUser user, string path) => await Answers.JsonAsync(await _app.SendAsync(HttpMethod.Get, path, user.AccessToken));
}
