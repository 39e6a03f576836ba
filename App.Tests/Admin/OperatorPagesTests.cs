using System.Globalization;
using System.Net;
using AngleSharp.Dom;
using App.Accounts;
using App.Admin;
using App.Audit;
using App.Events;
using App.Frame;
using App.Profile;
using App.Sessions;
using App.Tests.Accounts;
using App.Tests.Attacks;
using App.Tests.Data;
using App.Tests.Factors;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Admin;

/// <summary>The operator's pages about people, as a browser without script meets them.</summary>
public sealed class OperatorPagesTests(SharedApp shared) : IClassFixture<SharedApp>
{
    private readonly TestApp _app = shared.App;

    [Fact]
    public async Task The_pages_are_for_admins_and_lead_to_each_other()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        foreach (var path in new[] { "/admin", "/admin/users", $"/admin/users/{user.Id}", "/admin/audit", "/admin/events" })
        {
            Assert.StartsWith("/account/sign-in?returnUrl=", (await _app.SendAsync(HttpMethod.Get, path)).Location(), StringComparison.Ordinal);
            Assert.Equal(HttpStatusCode.Forbidden, (await _app.SendAsync(HttpMethod.Get, path, cookies: user.Cookies)).StatusCode);
            var page = await PageAsync(admin, path);
            Assert.Equal(string.Join('/', path.Split('/').Take(3)), Assert.Single(page.QuerySelectorAll(".side [aria-current=page]")).GetAttribute("href"));
        }

        Assert.Contains((await PageAsync(admin, "/account")).QuerySelectorAll(".side a"), a => a.GetAttribute("href") == "/admin");
        Assert.DoesNotContain((await PageAsync(user, "/account")).QuerySelectorAll(".side a"), a => a.GetAttribute("href")!.StartsWith("/admin", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("en", "This page is for admins", "or is no longer one")]
    [InlineData("de", "Diese Seite ist für Admins", "keiner mehr")]
    public async Task Who_is_no_admin_any_more_is_told_so_and_what_to_do(string language, string title, string said)
    {
        var admin = await _app.NewAdminAsync();
        await _app.GrantAsync(admin, granted: false);
        foreach (var path in new[] { "/admin", "/admin/users", $"/admin/users/{admin.Id}", "/admin/audit", "/admin/events", "/admin/keys", "/admin/drill", "/services", "/services/new", "/services/stock", "/services/stock/connect" })
        {
            var answer = await _app.SendAsync(HttpMethod.Get, path, cookies: admin.Cookies, headers: ("Accept-Language", language));
            var page = await answer.PageAsync();
            Assert.True((HttpStatusCode.Forbidden, title) == (answer.StatusCode, page.QuerySelector("h1")!.TextContent), $"{path}: {(int)answer.StatusCode} {page.QuerySelector("h1")!.TextContent}");
            Assert.Contains(said, page.QuerySelector(".card")!.TextContent, StringComparison.Ordinal);
            Assert.Contains(admin.Email, page.QuerySelector(".card")!.TextContent, StringComparison.Ordinal);
            Assert.NotNull(page.QuerySelector(".card a[href='/account/sign-out']"));
        }

        await Answers.AssertProblemAsync(await _app.SendAsync(HttpMethod.Get, "/api/admin/users", cookies: admin.Cookies), 403, "Forbidden");
    }

    [Fact] // An admin's own request from another site is refused for that.
    public async Task Who_is_an_admin_is_not_told_to_become_one()
    {
        var admin = await _app.NewAdminAsync();
        var answer = await _app.PostTextAsync("/admin/keys", "x=1", "application/x-www-form-urlencoded", ("Origin", "https://evil.example"), ("Cookie", admin.Cookies));
        Assert.Equal((HttpStatusCode.Forbidden, "This isn’t open to you"), (answer.StatusCode, (await answer.PageAsync()).QuerySelector("h1")!.TextContent));
    }

    [Fact] // ATTACKS 72
    public async Task Somebody_is_looked_for_and_what_they_call_themselves_stays_text()
    {
        var admin = await _app.NewAdminAsync();
        var eve = await _app.SignUpAsync("eve@look.example");
        await _app.SendAsync(HttpMethod.Post, "/api/account/name", eve.AccessToken, json: new { name = "<script>alert(1)</script>" });
        foreach (var query in new[] { "eve@lo", eve.Id.ToString() })
        {
            var found = Assert.Single((await PageAsync(admin, "/admin/users?query=" + query)).QuerySelectorAll(".list a"));
            Assert.Equal($"/admin/users/{eve.Id}", found.GetAttribute("href"));
        }

        var page = await PageAsync(admin, $"/admin/users/{eve.Id}");
        Assert.Contains("<script>alert(1)</script>", page.QuerySelector(".facts")!.TextContent, StringComparison.Ordinal);
        Assert.NotNull((await PageAsync(admin, "/admin/users?query=nobody-of-this-name")).QuerySelector(".empty"));
        Assert.NotNull((await PageAsync(admin, $"/admin/users?query=%22%3E%3Cb%3E&after={Guid.NewGuid()}")).QuerySelector(".empty"));
        foreach (var nobody in new[] { Guid.NewGuid().ToString(), "nonsense" })
            Assert.Equal(HttpStatusCode.NotFound, (await _app.SendAsync(HttpMethod.Get, "/admin/users/" + nobody, cookies: admin.Cookies)).StatusCode);
    }

    [Fact]
    public async Task An_account_is_locked_and_unlocked_and_the_page_says_so_once()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        var path = $"/admin/users/{user.Id}";
        Assert.Contains(user.Email, (await PageAsync(admin, path)).QuerySelector("form:has(button[value=lock])")!.ParentElement!.TextContent, StringComparison.Ordinal); // names its object

        var locked = await PostAsync(admin, path, "lock");
        Assert.Contains("is locked", locked.QuerySelector(".notice")!.TextContent, StringComparison.Ordinal);
        Assert.NotNull(locked.QuerySelector(".tag.bad"));
        Assert.NotNull(locked.QuerySelector(".empty")); // signed in nowhere
        Assert.Null(await _app.WhoAmIAsync(cookies: user.Cookies));
        Assert.Null((await PageAsync(admin, path)).QuerySelector(".notice"));
        await PostAsync(admin, path, "lock"); // from another tab, which doesn't know
        await PostAsync(admin, path, "nonsense");

        Assert.Contains("unlocked", (await PostAsync(admin, path, "unlock")).QuerySelector(".notice")!.TextContent, StringComparison.Ordinal);
        Assert.NotNull(await _app.SignInAsync(user));
    }

    [Theory] // Or an admin would have to lock the account first, which ends every session.
    [InlineData(null)]
    [InlineData("000000")]
    [InlineData("abcde-fghjk")]
    public async Task A_lock_on_guesses_is_shown_and_lifted_and_ends_nothing(string? code)
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        var twoStep = code is null ? null : await _app.TurnOnTwoStepAsync(user);
        var path = $"/admin/users/{user.Id}";
        for (var i = 0; i < 9; i++) await GuessAsync();
        Assert.Null((await PageAsync(admin, path)).QuerySelector("form:has(button[value=unlock])"));
        await GuessAsync();
        var page = await PageAsync(admin, path);
        Assert.Equal("Guesses are locked", page.QuerySelector("h1 + p .tag.wait")!.TextContent);
        Assert.NotNull(page.QuerySelector("form:has(button[value=lock])"));
        Assert.True((await Answers.JsonAsync(await _app.SendAsync(HttpMethod.Get, "/api" + path, admin.AccessToken))).GetProperty("guessesLocked").GetBoolean());

        var lifted = await PostAsync(admin, path, "unlock");
        Assert.StartsWith("The lock on guesses is lifted", lifted.QuerySelector(".notice")!.TextContent.Trim(), StringComparison.Ordinal);
        Assert.Null(lifted.QuerySelector(".tag.wait"));
        Assert.Null(lifted.QuerySelector("form:has(button[value=unlock])"));
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: user.Cookies));
        if (twoStep is null) await _app.SignInAsync(user);
        else Assert.Equal(HttpStatusCode.OK, (await twoStep.AnswerAsync(await twoStep.ChallengeAsync(), code == "000000" ? twoStep.NextCode() : twoStep.Codes[0])).StatusCode);

        async Task GuessAsync()
        {
            if (twoStep is not null) await twoStep.AnswerAsync(await twoStep.ChallengeAsync(), code!);
            else await _app.SendAsync(HttpMethod.Post, "/api/users/signin", json: new { email = user.Email, password = "not the password of anybody" });
        }
    }

    [Fact]
    public async Task Sessions_are_ended_one_by_one_and_all_at_once_and_only_theirs()
    {
        var (admin, user, other) = (await _app.NewAdminAsync(), await _app.SignUpAsync(), await _app.SignUpAsync());
        var (second, third) = (await _app.SignInAsync(user), await _app.SignInAsync(user));
        var path = $"/admin/users/{user.Id}";
        var page = await PageAsync(admin, path);
        Assert.Equal(3, page.QuerySelectorAll("button[name=session]").Length);
        Assert.NotNull(page.QuerySelector("details:has(button[value=end-all]) + .list")); // above up to two hundred rows
        await PostAsync(admin, path, "end", ("session", second.SessionId.ToString()));
        await PostAsync(admin, path, "end", ("session", other.SessionId.ToString()));
        Assert.Null(await _app.WhoAmIAsync(cookies: second.Cookies));
        foreach (var alive in new[] { third, other }) Assert.Equal(alive.Email, await _app.WhoAmIAsync(cookies: alive.Cookies));
        await PostAsync(admin, path, "end-all");
        foreach (var over in new[] { user, third }) Assert.Null(await _app.WhoAmIAsync(cookies: over.Cookies));
    }

    [Fact]
    public async Task Sessions_beyond_a_page_are_shown_and_ended_on_the_next()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        var last = new Session { Id = Guid.NewGuid(), UserId = user.Id, LastSeenAt = _app.Time.GetUtcNow().AddHours(-2), ExpiresAt = _app.Time.GetUtcNow().AddDays(1) };
        await _app.DbAsync(db =>
        {
            db.Sessions.Add(last);
            for (var i = 0; i < 198; i++) db.Sessions.Add(new Session { Id = Guid.NewGuid(), UserId = user.Id, LastSeenAt = _app.Time.GetUtcNow().AddHours(-1), ExpiresAt = _app.Time.GetUtcNow().AddDays(1) });
            return db.SaveChangesAsync();
        });
        var path = $"/admin/users/{user.Id}";
        var first = await PageAsync(admin, path);
        Assert.Equal(199, first.QuerySelectorAll("button[name=session]").Length);
        var next = await PageAsync(admin, first.QuerySelector("a[href*='before=']")!.GetAttribute("href")!);
        Assert.Equal(last.Id.ToString(), Assert.Single(next.QuerySelectorAll("button[name=session]")).GetAttribute("value"));
        Assert.NotNull(next.QuerySelector($"p.row a[href='{path}']"));
        await _app.PostFormAsync(path + new Uri(new("http://x"), first.QuerySelector("a[href*='before=']")!.GetAttribute("href")).Query, "user", [new("act", "end"), new("session", last.Id.ToString())], admin.Cookies);
        foreach (var there in new[] { path, first.QuerySelector("a[href*='before=']")!.GetAttribute("href")! }) // or a second page that has ended would say that they are signed in nowhere
        {
            var page = await PageAsync(admin, there);
            Assert.Equal(199, page.QuerySelectorAll("button[name=session]").Length);
            Assert.NotNull(page.QuerySelector("button[value=end-all]"));
            Assert.Null(page.QuerySelector("p.row a"));
        }
    }

    [Fact] // UX: every destructive one names its object and asks once
    public async Task Before_a_session_ends_the_page_asks_and_says_whose()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        await _app.SignInAsync(user);
        var page = await PageAsync(admin, $"/admin/users/{user.Id}");
        var asked = page.QuerySelectorAll("button[name=session]").Select(button => button.Closest("dialog")).ToList();
        Assert.Equal(2, asked.Select(dialog => dialog!.Id).Distinct().Count());
        foreach (var dialog in asked)
        {
            Assert.Contains(user.Email, dialog!.TextContent, StringComparison.Ordinal);
            Assert.StartsWith("End the session: ", page.QuerySelector($"li button[popovertarget={dialog.Id}][aria-label]")!.GetAttribute("aria-label"), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Somebody_becomes_an_admin_and_is_none_again_and_nobody_does_it_to_themself()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        var path = $"/admin/users/{user.Id}";
        Assert.Contains("an admin now", (await PostAsync(admin, path, "grant")).QuerySelector(".notice")!.TextContent, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Get, "/admin/users", cookies: (await _app.SignInAsync(user)).Cookies)).StatusCode);
        Assert.Contains("no longer an admin", (await PostAsync(admin, path, "withdraw")).QuerySelector(".notice")!.TextContent, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, (await _app.SendAsync(HttpMethod.Get, "/admin/users", cookies: (await _app.SignInAsync(user)).Cookies)).StatusCode);
        var own = await PageAsync(admin, $"/admin/users/{admin.Id}");
        foreach (var act in new[] { "lock", "withdraw" })
        {
            var refused = await _app.PostFormAsync($"/admin/users/{admin.Id}", "user", [new("act", act)], admin.Cookies);
            Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
            Assert.Contains("admin", Assert.Single((await refused.PageAsync()).Faults()), StringComparison.Ordinal);
        }

        foreach (var act in new[] { "lock", "withdraw", "end-all" }) Assert.Null(own.QuerySelector($"button[value={act}]"));
    }

    [Fact]
    public async Task Audit_and_events_show_what_happened_and_filter_it()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        await _app.LockAsync(admin, user);
        Assert.Equal(["account-locked"], Names(await PageAsync(admin, $"/admin/audit?user={user.Id}&action=account-locked")));
        Assert.Contains("signed-up", Names(await PageAsync(admin, $"/admin/audit?user={user.Id}")));
        var byAddress = await PageAsync(admin, $"/admin/audit?user={Uri.EscapeDataString(" " + user.Email.ToUpperInvariant())}&action=account-locked");
        Assert.Equal(["account-locked"], Names(byAddress));
        Assert.Equal("account-locked", byAddress.QuerySelector("select[name=action] option[selected]")!.GetAttribute("value"));
        Assert.Equal(user.Email, byAddress.QuerySelector($".list a[href='/admin/users/{user.Id}']")!.TextContent);
        foreach (var nobody in new[] { "nonsense", "nobody%40example.test" })
            Assert.Contains("Nobody has this address", (await PageAsync(admin, $"/admin/audit?user={nobody}&before=x")).QuerySelector(".empty")!.TextContent, StringComparison.Ordinal);

        var events = await PageAsync(admin, "/admin/events");
        Assert.Equal(["account-disabled", "session-revoked"], Names(events)[..2].Order());
        var filtered = await PageAsync(admin, "/admin/events?type=account-disabled");
        Assert.Equal(["account-disabled"], Names(filtered).Distinct());
        Assert.Equal("account-disabled", filtered.QuerySelector("option[selected]")!.GetAttribute("value"));
        Assert.NotNull((await PageAsync(admin, "/admin/events?type=nonsense")).QuerySelector(".empty"));
    }

    [Theory]
    [InlineData("en", "Account locked", "Account locked", "Session ended", "Signing key changed · signing-key-changed", "Account locked by an administrator · account-locked")]
    [InlineData("de", "Konto gesperrt", "Konto von der Verwaltung gesperrt", "Sitzung beendet", "Signaturschlüssel gewechselt · signing-key-changed", "Konto von der Verwaltung gesperrt · account-locked")]
    public async Task Codes_are_said_in_words_with_the_code_beside_them(string language, string locked, string lockedByAdmin, string ended, string type, string action)
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        await _app.LockAsync(admin, user);
        var events = await OfAsync($"/admin/events?user={user.Id}");
        Assert.Equal(new[] { locked, ended }.Order(), events.QuerySelectorAll(".list b").Select(b => b.TextContent).Order());
        Assert.Contains(type, Options(events));
        var audit = await OfAsync($"/admin/audit?user={user.Id}&action=account-locked");
        Assert.StartsWith(lockedByAdmin, Assert.Single(audit.QuerySelectorAll(".list b")).TextContent, StringComparison.Ordinal);
        Assert.Contains(action, Options(audit));
        Assert.DoesNotContain(Options(audit), o => o.Contains('…', StringComparison.Ordinal) && o.StartsWith('…'));

        async Task<IDocument> OfAsync(string path) => await (await _app.SendAsync(HttpMethod.Get, path, cookies: admin.Cookies, headers: ("Accept-Language", language))).PageAsync();
        static List<string> Options(IDocument page) => [.. page.QuerySelectorAll("option").Select(o => o.TextContent)];
    }

    [Fact]
    public void Each_type_and_reason_of_the_log_has_words_in_each_language()
    {
        var culture = CultureInfo.CurrentUICulture;
        try
        {
            foreach (var language in Languages.All)
            {
                CultureInfo.CurrentUICulture = language;
                Assert.Equal([], EventTypes.All.Where(t => EventWords.Of(t) == t));
                Assert.Equal([], Causes.All.Select(c => c.Reason).Except(["rotated", "revoked"]).Where(r => EventWords.Why(r) == r));
                Assert.Equal(EventTypes.All.Count, EventTypes.All.Select(EventWords.Of).Distinct().Count());
                Assert.Equal(AuditActions.All.Count, AuditActions.All.Select(ActivityWords.Kind).Distinct().Count());
            }
        }
        finally
        {
            CultureInfo.CurrentUICulture = culture;
        }
    }

    [Theory]
    [InlineData("audit")]
    [InlineData("events")]
    public async Task Both_lists_are_filtered_by_person_and_days_and_keep_what_was_typed(string list)
    {
        await using var app = TestApp.Start();
        var (admin, user) = (await app.NewAdminAsync(), await app.SignUpAsync());
        await app.LockAsync(admin, user);
        var path = $"/admin/{list}?user={Uri.EscapeDataString(user.Email)}";
        var today = await Of("&from=2026-01-01&to=2026-01-01");
        Assert.Contains(user.Email, today.QuerySelector(".list")!.TextContent, StringComparison.Ordinal);
        Assert.DoesNotContain(admin.Email, today.QuerySelector(".list")!.TextContent.Replace("By " + admin.Email, "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Equal([("date", "2026-01-01"), ("date", "2026-01-01")], Typed(today));
        Assert.Contains($"/api/admin/{list}/export?user={user.Id}&", today.QuerySelector("a[download]")!.GetAttribute("href"), StringComparison.Ordinal);
        Assert.EndsWith("from=2026-01-01&to=2026-01-01", today.QuerySelector("a[download]")!.GetAttribute("href"), StringComparison.Ordinal);

        foreach (var none in new[] { "&from=2026-01-02", "&to=2025-12-31" }) Assert.NotNull((await Of(none)).QuerySelector(".empty"));
        Assert.Equal([("text", "2026-01-01T00:00:00Z"), ("date", "")], Typed(await Of("&from=2026-01-01T00:00:00Z&to=")));
        foreach (var (wrong, typed, said) in new[] { ("&from=yesterday&to=2026-01-01", "yesterday", "isn’t a date"), ("&from=2026-01-02&to=2026-01-01", "2026-01-02", "after the last") })
        {
            var answer = await app.SendAsync(HttpMethod.Get, path + wrong, cookies: admin.Cookies);
            var page = await answer.PageAsync();
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
            Assert.Contains(said, Assert.Single(page.Faults()), StringComparison.Ordinal);
            Assert.Equal((typed, "2026-01-01", user.Email), (page.QuerySelector("#field-from[aria-invalid]")!.GetAttribute("value"), page.QuerySelector("#field-to")!.GetAttribute("value"), page.QuerySelector("#field-user")!.GetAttribute("value")));
            Assert.Null(page.QuerySelector(".list, .empty, a[download]"));
        }

        async Task<IDocument> Of(string query)
        {
            var answer = await app.SendAsync(HttpMethod.Get, path + query, cookies: admin.Cookies);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            return await answer.PageAsync();
        }

        static List<(string?, string?)> Typed(IDocument page) => [.. new[] { "#field-from", "#field-to" }.Select(id => page.QuerySelector(id)!).Select(f => (f.GetAttribute("type"), f.GetAttribute("value")))];
    }

    [Fact]
    public async Task Older_pages_keep_the_filter_and_a_list_that_is_over_says_so()
    {
        await using var app = TestApp.Start();
        var admin = await app.NewAdminAsync();
        await app.DbAsync(async db =>
        {
            var (now, cursor) = (app.Time.GetUtcNow(), await db.EventCounter.Select(c => c.Value).SingleAsync());
            for (var i = 0; i < 60; i++)
            {
                db.Audit.Add(new AuditEntry { At = now, Action = "signed-in", UserId = admin.Id });
                db.SecurityEvents.Add(new LoggedEvent { Cursor = ++cursor, Id = Guid.NewGuid(), Type = EventTypes.SessionRevoked, Reason = "sign-out", OccurredAt = now, ExpiresAt = now.AddHours(1), UserId = admin.Id });
            }

            return await db.SaveChangesAsync();
        });
        foreach (var (list, last) in new[] { ("audit", "signed-in"), ("events", "session-revoked") })
        {
            var path = $"/admin/{list}?user={admin.Id}&{(list == "audit" ? "action" : "type")}={last}&from=2026-01-01&to=2026-01-01";
            var page = await (await app.SendAsync(HttpMethod.Get, path, cookies: admin.Cookies)).PageAsync();
            Assert.StartsWith(path + "&before=", page.QuerySelector("p.after a:not([download])")!.GetAttribute("href"), StringComparison.Ordinal);
        }

        var live = await (await app.SendAsync(HttpMethod.Get, "/admin/events?to=2026-01-01", cookies: admin.Cookies)).PageAsync();
        Assert.NotNull(live.QuerySelector(".hold"));
        var over = await (await app.SendAsync(HttpMethod.Get, "/admin/events?to=2025-12-31", cookies: admin.Cookies)).PageAsync();
        Assert.Null(over.QuerySelector(".hold"));
        Assert.Contains("This list ended", over.QuerySelector("main")!.TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_account_that_is_gone_is_called_deleted_and_leads_nowhere()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        var row = new AuditEntry { At = _app.Time.GetUtcNow(), Action = "account-locked", UserId = user.Id };
        await _app.SendAsync(HttpMethod.Post, "/api/account/delete", user.AccessToken, json: new { password = user.Password });
        await _app.DbAsync(db => { db.Audit.Add(row); return db.SaveChangesAsync(); });
        foreach (var path in new[] { "/admin/events?type=account-purged", $"/admin/audit?user={user.Id}" })
        {
            var page = await PageAsync(admin, path);
            Assert.Contains($"Deleted account {user.Id}", page.QuerySelector(".list")!.TextContent, StringComparison.Ordinal);
            Assert.Null(page.QuerySelector($"a[href='/admin/users/{user.Id}']"));
        }
    }

    [Fact] // ATTACKS: a person names their passkeys, and no device that nobody had
    public async Task A_name_with_strokes_in_it_is_no_device_in_the_audit()
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        await _app.DbAsync(db =>
        {
            foreach (var action in new[] { "passkey-renamed", GuessLimits.Refused }) db.Audit.Add(new AuditEntry { At = _app.Time.GetUtcNow(), Action = action, UserId = user.Id, Detail = "pwd|desktop|Chrome|Windows" });
            return db.SaveChangesAsync();
        });
        Assert.Contains("Chrome on Windows", await MetaAsync(GuessLimits.Refused), StringComparison.Ordinal);
        Assert.DoesNotContain("Chrome on Windows", await MetaAsync("passkey-renamed"), StringComparison.Ordinal);

        async Task<string> MetaAsync(string action) => (await PageAsync(admin, $"/admin/audit?user={user.Id}&action={action}")).QuerySelector(".list .meta")!.TextContent;
    }

    [Theory]
    [InlineData("en", "Password")]
    [InlineData("de", "Passwort")]
    public async Task The_audit_s_own_words_are_nobody_s_to_read(string language, string password)
    {
        var (admin, user) = (await _app.NewAdminAsync(), await _app.SignUpAsync());
        await _app.DbAsync(db =>
        {
            foreach (var (action, detail) in new[] { ("account-unlocked", "guesses"), (GuessLimits.RefusedInSession, "pwd"), (GuessLimits.RefusedInSession, "otp") })
                db.Audit.Add(new AuditEntry { At = _app.Time.GetUtcNow(), Action = action, UserId = user.Id, Detail = detail });
            return db.SaveChangesAsync();
        });
        Assert.Empty(await DetailsAsync("account-unlocked"));
        Assert.Equal(["Code", password], await DetailsAsync(GuessLimits.RefusedInSession));

        async Task<IEnumerable<string>> DetailsAsync(string action)
        {
            var page = await (await _app.SendAsync(HttpMethod.Get, $"/admin/audit?user={user.Id}&action={action}", cookies: admin.Cookies, headers: ("Accept-Language", language))).PageAsync();
            Assert.NotEmpty(page.QuerySelectorAll(".list .meta"));
            return page.QuerySelectorAll(".list .meta > span:not(:has(time))").Select(s => s.TextContent.Trim()).Where(text => !text.StartsWith(language == "de" ? "Von " : "By ", StringComparison.Ordinal));
        }
    }

    private static List<string> Names(IDocument page) => [.. page.QuerySelectorAll(".list .meta code:first-child").Select(c => c.TextContent)];

    private async Task<IDocument> PageAsync(TestUser user, string path)
    {
        var answer = await _app.SendAsync(HttpMethod.Get, path, cookies: user.Cookies);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{path}: {(int)answer.StatusCode}");
        return await answer.PageAsync();
    }

    private async Task<IDocument> PostAsync(TestUser admin, string path, string act, params (string Name, string Value)[] fields)
    {
        var answer = await _app.PostFormAsync(path, "user", fields.Append((Name: "act", Value: act)).Select(f => KeyValuePair.Create(f.Name, f.Value)), admin.Cookies);
        Assert.True(answer.StatusCode == HttpStatusCode.SeeOther, $"{act}: {(int)answer.StatusCode}");
        Assert.Equal(path, answer.Location());
        return await _app.FollowAsync(answer, admin.Cookies);
    }
}
