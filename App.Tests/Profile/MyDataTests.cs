using System.Net;
using System.Text.Json;
using App.Audit;
using App.Tests.Accounts;
using App.Tests.Attacks;
using App.Tests.Factors;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Profile;

/// <summary>UX 11 and 16: what happened, everything that is held, and the end of it.</summary>
public sealed class MyDataTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task My_data_is_all_there_is_about_me_and_no_secret()
    {
        var (user, other) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        await _app.SendAsync(HttpMethod.Post, "/api/account/name", user.AccessToken, json: new { name = "Ada Łovelace" });
        var answer = await _app.PostFormAsync("/account/data", "", [new("password", user.Password)], user.Cookies);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, string.Join('\n', _app.Log.Lines.Where(l => l.StartsWith("Error", StringComparison.Ordinal))));
        Assert.Equal(("attachment", "my-data.json"), (answer.Content.Headers.ContentDisposition!.DispositionType, answer.Content.Headers.ContentDisposition.FileName)); // whatever the brand
        var text = await answer.Content.ReadAsStringAsync();
        var data = JsonDocument.Parse(text).RootElement;
        Assert.Equal((user.Email, "Ada Łovelace"), (data.GetProperty("account").GetProperty("email").GetString(), data.GetProperty("account").GetProperty("name").GetString()));
        Assert.Equal(user.SessionId, Assert.Single(data.GetProperty("sessions").EnumerateArray()).GetProperty("id").GetGuid());
        Assert.Contains("signed-up", data.GetProperty("activity").EnumerateArray().Select(a => a.GetProperty("action").GetString()));
        var row = await _app.DbAsync(db => db.Users.AsNoTracking().SingleAsync(u => u.Id == user.Id));
        foreach (var secret in new[] { row.PasswordHash!, row.SecurityStamp!, user.RefreshToken, "hash", other.Email, other.Id.ToString() })
            Assert.DoesNotContain(secret, text, StringComparison.OrdinalIgnoreCase);
    }

    [Fact] // UX 2 and 5
    public async Task My_data_without_the_password_is_refused_beside_its_field_and_a_lock_says_how_long()
    {
        var user = await _app.SignUpAsync();
        await SaysAsync("not the password of anybody", "That isn’t your current password. Check it and try again.");
        for (var i = 1; i < 10; i++) await _app.PostFormAsync("/account/data", "", [new("password", new string('x', 9000))], user.Cookies);
        await SaysAsync(user.Password, "Too many wrong passwords. You can try again in 60 seconds.");

        async Task SaysAsync(string password, string fault)
        {
            var answer = await _app.PostFormAsync("/account/data", "", [new("password", password)], user.Cookies);
            Assert.Equal("/account/profile", answer.Location()); // no place of it: the summary takes the focus
            var page = await _app.FollowAsync(answer, user.Cookies);
            Assert.Equal(fault, Assert.Single(page.Faults()));
            Assert.Equal("#field-password", page.QuerySelector("#errors a")!.GetAttribute("href"));
            Assert.Equal(fault, page.GetElementById(page.QuerySelector("#field-password[aria-invalid=true]")!.GetAttribute("aria-describedby")!)!.TextContent);
        }
    }

    [Fact]
    public async Task My_data_tells_of_passkeys_and_of_two_step_sign_in()
    {
        var user = await _app.SignUpAsync();
        await new PasskeyBrowser(_app).AddAsync(new SoftKey(), user);
        var ada = await _app.TurnOnTwoStepAsync(user);
        var answer = await _app.PostFormAsync("/account/data", "", [new("password", user.Password)], user.Cookies);
        var text = await answer.Content.ReadAsStringAsync();
        var data = JsonDocument.Parse(text).RootElement;
        var passkey = Assert.Single(data.GetProperty("passkeys").EnumerateArray());
        Assert.Equal(["name", "createdAt", "lastUsedAt", "synced"], passkey.EnumerateObject().Select(p => p.Name));
        var twoStep = data.GetProperty("twoStep");
        Assert.Equal((true, _app.Time.GetUtcNow(), 10), (twoStep.GetProperty("on").GetBoolean(), twoStep.GetProperty("since").GetDateTimeOffset(), twoStep.GetProperty("recoveryCodesLeft").GetInt32()));
        Assert.False(data.GetProperty("account").TryGetProperty("twoFactorEnabled", out _));
        foreach (var secret in ada.Codes) Assert.DoesNotContain(secret, text, StringComparison.Ordinal);
    }

    [Fact] // A table that is new here fails until it is told, or it is said why not.
    public async Task Every_table_about_somebody_is_told()
    {
        Dictionary<string, string?> toldAs = new()
        {
            ["Sessions"] = "sessions",
            ["Audit"] = "activity",
            ["Outbox"] = "letters",
            ["OneTimeLinks"] = "linksInLetters",
            ["AspNetUserRoles"] = "roles",
            ["Passkeys"] = "passkeys",
            ["Authenticators"] = "twoStep",
            ["RecoveryCodes"] = "twoStep",
            ["BoundAudiences"] = "tokensForServices",
            ["SecurityEventLog"] = null, // what services were told, which the activity says in words
            ["SecondSteps"] = null, // minutes of a sign-in under way
            ["AspNetUserClaims"] = null,
            ["AspNetUserLogins"] = null,
            ["AspNetUserTokens"] = null,
            ["AspNetUserPasskeys"] = null, // Identity's, and always empty
        };
        var user = await _app.SignUpAsync();
        await _app.DbAsync(async db =>
        {
            db.Add(new App.Events.BoundAudience { SessionId = user.SessionId, UserId = user.Id, Audience = "orders-of-ada" });
            return await db.SaveChangesAsync();
        });
        var tables = await _app.DbAsync(db => Task.FromResult(db.Model.GetEntityTypes().Where(t => t.FindProperty("UserId") is not null).Select(t => t.GetTableName()!).ToList()));
        Assert.Equal(toldAs.Keys.Order(), tables.Order());
        var data = JsonDocument.Parse(await (await _app.PostFormAsync("/account/data", "", [new("password", user.Password)], user.Cookies)).Content.ReadAsStringAsync()).RootElement;
        Assert.All(toldAs.Values.OfType<string>(), part => Assert.True(data.TryGetProperty(part, out _), part));
        Assert.Equal("orders-of-ada", data.GetProperty("tokensForServices").EnumerateArray().Single().GetProperty("audience").GetString());
    }

    [Fact] // ATTACKS 135, for a deleted user. Every table that names a person is told, erased, or cascades: a new one that does neither fails here.
    public async Task A_deleted_account_leaves_nothing_but_the_event_that_says_so()
    {
        var (user, other) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        await _app.SignInAsync(user);
        await _app.PostTextAsync("/api/users/forgot", JsonSerializer.Serialize(new { email = user.Email }));
        await _app.Mail.AllAsync();
        await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Post, "/api/account/delete", user.AccessToken, json: new { password = "not the password of anybody" }), 400, "Invalid credentials");
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: user.Cookies));

        var ask = await (await _app.SendAsync(HttpMethod.Get, "/account/delete", cookies: user.Cookies)).PageAsync();
        Assert.Contains(user.Email, ask.QuerySelector("main button.risk")!.TextContent, StringComparison.Ordinal);
        var answer = await _app.PostFormAsync("/account/delete", "delete", [new("password", user.Password)], user.Cookies);
        Assert.Equal("/account/deleted", answer.Location());
        Assert.Equal("/account", (await _app.SendAsync(HttpMethod.Get, "/account/deleted", cookies: (await _app.SignUpAsync()).Cookies)).Location()); // whose isn't

        Assert.Null(await _app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Null(await _app.WhoAmIAsync(cookies: user.Cookies));
        var tables = await TablesWithAsync(user.Email, user.Id.ToString());
        Assert.Equal(["SecurityEventLog"], tables);
        Assert.Equal(["SecurityEventLog"], (await TablesWithAsync(user.SessionId.ToString())).Except(["Sessions"]));
        Assert.Contains("is deleted", (await _app.Mail.LastToAsync(user.Email)).Subject, StringComparison.Ordinal);
        Assert.Equal(other.Email, await _app.WhoAmIAsync(cookies: other.Cookies));
        await _app.SignUpAsync(user.Email);
    }

    [Fact] // contract section 4: the bearer token decides; the cookies beside it are somebody's who asked for nothing
    public async Task A_program_that_deletes_its_account_leaves_the_cookies_beside_it_alone()
    {
        var (program, browser) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        var answer = await _app.SendAsync(HttpMethod.Post, "/api/account/delete", program.AccessToken, browser.Cookies, json: new { password = program.Password });
        Assert.Equal((HttpStatusCode.NoContent, 0), (answer.StatusCode, Answers.CookieLines(answer).Length));
        Assert.Equal(browser.Email, await _app.WhoAmIAsync(cookies: browser.Cookies));
    }

    [Fact] // ATTACKS 158
    public async Task The_only_admin_stays()
    {
        var (ada, bob) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        await GrantAsync(ada);
        var refused = await DeleteAsync();
        Assert.Equal("only_admin", (await Answers.AssertProblemAsync(refused, 409)).GetProperty("code").GetString());
        var page = await _app.PostFormAsync("/account/delete", "delete", [new("password", ada.Password)], (await _app.SignInAsync(ada)).Cookies);
        Assert.Equal(HttpStatusCode.Conflict, page.StatusCode);
        Assert.Contains("only admin", (await page.PageAsync()).Faults().Single(), StringComparison.Ordinal);

        await GrantAsync(bob);
        Assert.Equal(HttpStatusCode.NoContent, (await DeleteAsync()).StatusCode);

        async Task<HttpResponseMessage> DeleteAsync() =>
            await _app.SendAsync(HttpMethod.Post, "/api/account/delete", (await _app.SignInAsync(ada)).AccessToken, json: new { password = ada.Password });

        Task GrantAsync(TestUser user) => _app.ScopedAsync<App.Admin.ChangeRole, App.Admin.ChangeRole.Outcome>(change => change.RunAsync(user.Email, "admin", granted: true, CancellationToken.None));
    }

    [Fact]
    public async Task Activity_says_when_what_where_and_on_which_device()
    {
        var user = await _app.SignUpAsync();
        var request = new HttpRequestMessage(HttpMethod.Post, "/api/users/signin") { Content = new StringContent(JsonSerializer.Serialize(new { email = user.Email, password = user.Password }), System.Text.Encoding.UTF8, "application/json") };
        request.Headers.TryAddWithoutValidation("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");
        var elsewhere = await TestUser.ReadAsync(_app, await _app.Client.SendAsync(request), user.Email, user.Password);
        var page = await (await _app.SendAsync(HttpMethod.Get, "/account/activity", cookies: user.Cookies)).PageAsync();
        var rows = page.QuerySelectorAll(".list > li").ToList();
        Assert.Equal(["Signed in", "Signed in", "Account created"], rows.Select(r => r.QuerySelector("b")!.TextContent));
        Assert.Contains("Firefox on Linux", rows[0].TextContent, StringComparison.Ordinal);
        Assert.Contains("This device", rows[1].TextContent, StringComparison.Ordinal);
        Assert.Null(rows[1].QuerySelector("details"));

        var answer = await _app.PostFormAsync(rows[0].QuerySelector("form")!.GetAttribute("action")!, "", [new("id", elsewhere.SessionId.ToString())], user.Cookies);
        Assert.Equal("/account/security", answer.Location());
        Assert.Null(await _app.WhoAmIAsync(cookies: elsewhere.Cookies));
        Assert.Contains("choose a new one now", (await _app.FollowAsync(answer, user.Cookies)).QuerySelector(".notice")!.TextContent, StringComparison.Ordinal);
    }

    [Fact] // ATTACKS 226
    public async Task What_is_done_again_and_again_within_a_minute_is_one_row()
    {
        var user = await _app.SignUpAsync();
        var passkey = (await new PasskeyBrowser(_app).AddAsync(new SoftKey(), user)).GetProperty("id").GetString();
        user = await _app.SignInAsync(user); // a passkey more, and a token from before it is refused
        for (var i = 0; i < 3; i++)
        {
            await _app.SendAsync(HttpMethod.Post, "/api/account/name", user.AccessToken, json: new { name = $"Ada {i}" });
            await _app.SendAsync(HttpMethod.Patch, "/api/passkeys/" + passkey, user.AccessToken, json: new { name = $"Key {i}" });
        }

        Assert.Equal(["name-changed", "passkey-renamed Key 2"], await RowsAsync());
        _app.Time.Advance(TimeSpan.FromMinutes(1));
        await _app.SendAsync(HttpMethod.Post, "/api/account/name", user.AccessToken, json: new { name = "Ada" });
        Assert.Equal("name-changed", (await RowsAsync())[^1]);
        Assert.Equal(3, (await RowsAsync()).Count);

        Task<List<string>> RowsAsync() => _app.DbAsync(db => db.Audit.Where(a => a.Action == "name-changed" || a.Action == "passkey-renamed").OrderBy(a => a.Id).Select(a => (a.Action + " " + a.Detail).Trim()).ToListAsync());
    }

    [Fact] // ATTACKS 152
    public async Task Activity_and_disowning_are_for_ones_own()
    {
        var (ada, bob) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        var answer = await _app.PostFormAsync("/account/activity/end", "", [new("id", bob.SessionId.ToString())], ada.Cookies);
        Assert.Equal("/account/activity", answer.Location());
        Assert.Equal(bob.Email, await _app.WhoAmIAsync(cookies: bob.Cookies));
        var list = await Answers.JsonAsync(await _app.SendAsync(HttpMethod.Get, "/api/account/activity", ada.AccessToken));
        Assert.DoesNotContain(bob.SessionId.ToString(), list.GetRawText(), StringComparison.OrdinalIgnoreCase);
        Assert.Equal(2, list.GetProperty("entries").GetArrayLength());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_new_name_is_what_this_browser_is_called_by_from_the_next_page_on(bool byPage)
    {
        var user = await _app.SignUpAsync();
        _app.Time.Advance(TimeSpan.FromMinutes(2));
        var answer = byPage
            ? await _app.PostFormAsync("/account/profile", "name", [new("name", "Augusta King")], user.Cookies)
            : await _app.SendAsync(HttpMethod.Post, "/api/account/name", cookies: user.Cookies, json: new { name = "Augusta King" });
        var session = Assert.Single(answer.EnsureSuccessStatusCode().Headers.GetValues("Set-Cookie")).Split(';')[0];
        Assert.StartsWith("session=", session, StringComparison.Ordinal);
        var home = await (await _app.SendAsync(HttpMethod.Get, "/", cookies: session)).Content.ReadAsStringAsync();
        Assert.Contains("Augusta King", home, StringComparison.Ordinal);
        // The refresh token is the one that it was.
        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Post, "/api/tokens/refresh", json: new { refresh_token = user.RefreshToken })).StatusCode);
    }

    [Theory] // ATTACKS 72, 153
    [InlineData("<script>alert(1)</script>")]
    [InlineData("\"><img src=x onerror=alert(1)>")]
    public async Task A_name_is_text_wherever_it_is_shown(string name)
    {
        var user = await _app.SignUpAsync();
        var answer = await _app.SendAsync(HttpMethod.Post, "/api/account/name", user.AccessToken, json: new { name, roles = new[] { "admin" }, emailConfirmed = true });
        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        var row = await _app.DbAsync(db => db.Users.AsNoTracking().SingleAsync(u => u.Id == user.Id));
        Assert.Equal((name, false), (row.Name, row.EmailConfirmed));
        foreach (var path in new[] { "/account", "/account/profile" })
        {
            var html = await (await _app.SendAsync(HttpMethod.Get, path, cookies: user.Cookies)).Content.ReadAsStringAsync();
            Assert.DoesNotContain("<script>alert", html, StringComparison.Ordinal);
            Assert.DoesNotContain("<img", html, StringComparison.Ordinal);
        }
    }

    private async Task<IEnumerable<string>> TablesWithAsync(params string[] texts)
    {
        var found = new SortedSet<string>(StringComparer.Ordinal);
        var table = "";
        foreach (var line in (await State.TextAsync(_app)).Split('\n'))
        {
            if (!line.Contains('|', StringComparison.Ordinal) && line.Length is > 0 and < 60) table = line;
            else if (texts.Any(t => line.Contains(t, StringComparison.OrdinalIgnoreCase))) found.Add(table);
        }

        return found;
    }
}
