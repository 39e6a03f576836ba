using System.Net;
using System.Net.Http.Json;
using App.Admin;
using App.Audit;
using App.Drill;
using App.Events;
using App.Sessions;
using App.Tests.Admin;
using App.Tests.Data;
using App.Tests.Factors;
using App.Tests.OAuth;
using App.Tokens;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Events;

/// <summary>The table of contract section 6, as far as the causes exist: each writes exactly one entry per session or key concerned, and one audit row beside it.</summary>
public sealed class CausesTests(SharedApp shared) : IClassFixture<SharedApp>
{
    private static readonly Dictionary<string, Door> Doors = new()
    {
        ["sign-out, with cookies"] = new("sign-out", async c => await c.App.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: c.User.Cookies)),
        ["sign-out, with a bearer token"] = new("sign-out", async c => await c.App.SendAsync(HttpMethod.Post, "/api/users/signout", bearer: c.User.AccessToken)),
        ["sign-out, with the refresh token alone"] = new("sign-out", async c => await c.App.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: "session_refresh=" + c.User.RefreshToken)),
        ["sign-out, three times"] = new("sign-out", async c =>
        {
            for (var i = 0; i < 3; i++) await c.App.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: c.User.Cookies);
        }),
        ["sign-out, twenty at once"] = new("sign-out", async c => await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => c.App.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: c.User.Cookies)))),
        ["end session, one's own"] = new("ended-by-user", async c => await c.App.SendAsync(HttpMethod.Delete, $"/api/sessions/{c.User.SessionId}", bearer: c.User.AccessToken)),
        ["end session, another"] = new("ended-by-user", async c =>
        {
            var other = await c.App.SignInAsync(c.User);
            await c.App.SendAsync(HttpMethod.Delete, $"/api/sessions/{c.User.SessionId}", bearer: other.AccessToken);
        }),
        ["end session, by the page's button"] = new("ended-by-user", async c =>
            await c.App.PostFormAsync("/account/sessions/end", "", [new("id", c.User.SessionId.ToString())], c.User.Cookies)),
        ["end all others"] = new("ended-by-user", async c =>
        {
            var here = await c.SignInMoreAsync(3);
            await c.App.SendAsync(HttpMethod.Delete, "/api/sessions", bearer: here.AccessToken);
        }, Concerned: 3),
        ["end all others, by the page's button"] = new("ended-by-user", async c =>
        {
            var here = await c.SignInMoreAsync(2);
            await c.App.PostFormAsync("/account/sessions/end-others", "", [], here.Cookies);
        }, Concerned: 2),
        ["everybody, from the command line"] = new("ended-by-admin", async c => await RevokeSessions.EndAllAsync(c.App.Services, ["end-all"], TextWriter.Null, CancellationToken.None), Alone: true, Minutes: 60),
        ["an admin ends a session"] = new("ended-by-admin", async c =>
        {
            for (var i = 0; i < 2; i++) await c.ActAsAdminAsync(HttpMethod.Delete, $"sessions/{c.User.SessionId}");
        }, ByAdmin: true),
        ["an admin ends all of somebody's"] = new("ended-by-admin", async c =>
        {
            await c.SignInMoreAsync(2);
            await c.ActAsAdminAsync(HttpMethod.Delete, $"users/{c.User.Id}/sessions", HttpStatusCode.OK);
        }, Concerned: 3, ByAdmin: true),
        ["fire drill, twice at once"] = new("fire-drill", async c =>
            await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => c.App.SendAsync(HttpMethod.Post, "/api/admin/drills", c.Admin!.AccessToken))), ByAdmin: true),
        ["fire drill by itself, twice at once"] = new("scheduled-drill", async c =>
        {
            var options = c.App.Get<DrillOptions>();
            (options.Every, options.Account) = (TimeSpan.FromMinutes(1), c.Admin!.Email);
            await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => c.App.Get<DrillOnSchedule>().RunOnceAsync(CancellationToken.None)));
        }, Alone: true, ByAdmin: true),
        ["refresh reuse"] = new("refresh-reuse", async c =>
        {
            await c.RefreshAsync();
            c.App.Time.Advance(TimeSpan.FromSeconds(11));
            for (var i = 0; i < 3; i++) await c.RefreshAsync();
        }),
        ["a hundred wrong passwords in a row"] = new("too-many-guesses", async c =>
        {
            for (var i = 0; i < 2; i++)
            {
                await c.App.SendAsync(HttpMethod.Post, "/api/sessions/current/proof", bearer: c.User.AccessToken, json: new { password = "not the password of anybody" });
                await c.App.DbAsync(db => db.Set<App.Accounts.GuessLimit>().Where(g => g.InARow == 1).ExecuteUpdateAsync(set => set.SetProperty(g => g.InARow, 99)));
            }
        }),
        ["replaced, at a sign-in in the same browser"] = new("replaced", async c =>
            await c.App.SendAsync(HttpMethod.Post, "/api/users/signin", cookies: c.User.Cookies, json: new { email = c.User.Email, password = c.User.Password })),
        ["replaced, at a sign-up in the same browser"] = new("replaced", async c =>
            await c.App.SendAsync(HttpMethod.Post, "/api/users/signup", cookies: c.User.Cookies, json: new { email = $"{Guid.NewGuid():N}@example.test", password = TestApp.Password })),
        ["RFC 7009 revoke, of an access token"] = new("token-revoked", async c => await c.App.PostAsync("/connect/revoke", null, ("token", c.User.AccessToken))),
        ["RFC 7009 revoke, of a refresh token"] = new("token-revoked", async c => await c.App.PostAsync("/connect/revoke", null, ("token", c.User.RefreshToken))),
        ["RFC 7009 revoke, of a bound token"] = new("token-revoked", async c => await c.App.PostAsync("/connect/revoke", null, ("token", (await c.App.BindAsync(c.User, "https://billing.test"))!))),
        ["role change, granted"] = new("roles-changed", async c => await c.UsersAsync("grant", c.User.Email, "admin")),
        ["role change, taken back"] = new("roles-changed", async c =>
        {
            await c.UsersAsync("grant", c.User.Email, "admin");
            await c.UsersAsync("revoke", c.User.Email, "admin");
            await c.UsersAsync("revoke", c.User.Email, "admin");
        }, Concerned: 2),
        ["role change, by an admin"] = new("roles-changed", async c => await c.ActAsAdminAsync(HttpMethod.Put, $"users/{c.User.Id}/roles/clerk"), ByAdmin: true),
        ["two-step sign-in, turned on"] = new("factor-changed", async c => await c.App.TurnOnTwoStepAsync(c.User)),
        ["two-step sign-in, new recovery codes"] = new("factor-changed", async c => await (await c.App.TurnOnTwoStepAsync(c.User)).ActAsync("codes"), Concerned: 2),
        ["two-step sign-in, turned off twice"] = new("factor-changed", async c =>
        {
            var twoStep = await c.App.TurnOnTwoStepAsync(c.User);
            for (var i = 0; i < 2; i++) await twoStep.ActAsync("off");
        }, Concerned: 2),
        ["passkey, added"] = new("factor-changed", async c => await new PasskeyBrowser(c.App).AddAsync(new SoftKey(), c.User)),
        ["passkey, removed twice"] = new("factor-changed", async c =>
        {
            var id = (await new PasskeyBrowser(c.App).AddAsync(new SoftKey(), c.User)).GetProperty("id").GetGuid();
            for (var i = 0; i < 2; i++) await c.App.SendAsync(HttpMethod.Delete, $"/api/passkeys/{id}", cookies: c.User.Cookies);
        }, Concerned: 2),
        // To their owner that is two changes, to everybody else one.
        ["passkey, the only one, and with it two-step sign-in that nothing else could answer"] = new("factor-changed", async c =>
        {
            var id = (await new PasskeyBrowser(c.App).AddAsync(new SoftKey(), c.User)).GetProperty("id").GetGuid();
            await new TwoStepUser(c.App, c.User, [], []).ActAsync("passkeys");
            await c.App.SendAsync(HttpMethod.Delete, $"/api/passkeys/{id}", cookies: c.User.Cookies);
            Assert.Contains("authenticator-removed", await c.App.DbAsync(db => db.Audit.Where(a => a.UserId == c.User.Id).Select(a => a.Action).ToListAsync()));
        }, Concerned: 3),
        ["password changed"] = new("password-changed", async c => await c.PostAsync("/api/account/password", new { currentPassword = c.User.Password, password = "seven quiet harbours dreaming" })),
        ["password changed, by a letter"] = new("password-changed", async c =>
        {
            await c.PostAsync("/api/users/forgot", new { email = c.User.Email });
            await c.PostAsync("/api/users/reset", new { token = TestMail.TokenIn(await c.App.Mail.LastToAsync(c.User.Email)), password = "seven quiet harbours dreaming" });
        }, Also: "ended-by-user"),
        ["e-mail changed"] = new("email-changed", async c =>
        {
            var email = $"{Guid.NewGuid():N}@example.test";
            await c.PostAsync("/api/account/email", new { email, password = c.User.Password });
            await c.PostAsync("/api/account/email/confirm", new { token = TestMail.TokenIn(await c.App.Mail.LastToAsync(email)) });
        }),
        ["disowned, by a letter"] = new("disowned", async c =>
        {
            await c.App.SendAsync(HttpMethod.Post, "/api/users/signin", json: new { email = c.User.Email, password = c.User.Password }, headers: ("User-Agent", "a stranger"));
            await c.App.PostFormAsync(TestMail.LinkIn(await c.App.Mail.LastToAsync(c.User.Email)), "not-me", []);
        }, Concerned: 2, Also: "password-changed"),
        ["account deleted"] = new("deleted", async c => await c.PostAsync("/api/account/delete", new { password = c.User.Password }), Also: "ended-by-user"),
        ["account locked"] = new("disabled", async c => await c.ActAsAdminAsync(HttpMethod.Post, $"users/{c.User.Id}/lock"), Also: "ended-by-admin", ByAdmin: true),
        ["account locked twice, from the command line"] = new("disabled", async c =>
        {
            for (var i = 0; i < 2; i++) await c.UsersAsync("lock", c.User.Email);
        }, Also: "ended-by-admin"),
        ["key rotate"] = new("rotated", async c => await c.KeysAsync("rotate")),
        ["key revoke, current"] = new("revoked", async c => await c.KeysAsync("revoke", await c.KeyAsync(SigningKeyState.Current))),
        ["key revoke, next"] = new("revoked", async c => await c.KeysAsync("revoke", await c.KeyAsync(SigningKeyState.Next))),
        ["key revoke, retired"] = new("revoked", async c => await c.KeysAsync("revoke", await c.RetiredKeyAsync())),
    };

    // What must write nothing.
    private static readonly Dictionary<string, Func<Case, Task>> Silence = new()
    {
        ["sign-in elsewhere"] = async c => await c.App.SignInAsync(c.User),
        ["a wrong password in the same browser"] = async c =>
            await c.App.SendAsync(HttpMethod.Post, "/api/users/signin", cookies: c.User.Cookies, json: new { email = c.User.Email, password = "wrong wrong wrong wrong" }),
        ["renewal"] = async c => await c.RefreshAsync(),
        ["sign-out of nobody"] = async c => await c.App.SendAsync(HttpMethod.Post, "/api/users/signout"),
        ["sign-out with somebody's session id and a forged token"] = async c =>
            await c.App.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: "session_refresh=" + c.User.RefreshToken[..40] + new string('A', c.User.RefreshToken.Length - 40)),
        ["end the session of another person"] = async c =>
        {
            var stranger = await c.App.SignUpAsync();
            await c.App.SendAsync(HttpMethod.Delete, $"/api/sessions/{c.User.SessionId}", bearer: stranger.AccessToken);
        },
        ["end all others where there are none"] = async c => await c.App.SendAsync(HttpMethod.Delete, "/api/sessions", bearer: c.User.AccessToken),
        ["a look at a letter's link"] = async c =>
        {
            await c.App.Client.PostAsJsonAsync("/api/users/forgot", new { email = c.User.Email });
            await c.App.Client.GetAsync(TestMail.LinkIn(await c.App.Mail.LastToAsync(c.User.Email)));
        },
        ["a new name"] = async c => await c.PostAsync("/api/account/name", new { name = "Ada" }),
        ["RFC 7009 revoke of nonsense"] = async c => await c.App.PostAsync("/connect/revoke", null, ("token", "nonsense")),
        ["a passkey that isn't one"] = async c =>
        {
            var browser = new PasskeyBrowser(c.App);
            var (handle, options) = await browser.BeginAsync("add", c.User);
            await browser.FinishAsync("add", handle, new SoftKey { Origin = "https://evil.test" }.Create(options), c.User);
        },
        ["two-step sign-in, begun only"] = async c => await c.App.BeginTwoStepAsync(c.User),
        ["unlocking what isn't locked"] = async c => await c.UsersAsync("unlock", c.User.Email),
        ["revoke of an unknown key"] = async c => await c.KeysAsync("revoke", "unknown"),
    };

    public static TheoryData<string> Names => [.. Doors.Keys];

    public static TheoryData<string> Silent => [.. Silence.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task One_entry_for_each_concerned(string name)
    {
        var cause = Doors[name];
        await using var own = cause.Alone ? TestApp.Start() : null;
        var c = await BeginAsync(own ?? shared.App, cause.ByAdmin);
        await cause.RunAsync(c);

        var (all, audit) = await SinceAsync(c);
        var events = all.Where(e => e.Reason == cause.Reason).ToList();
        Assert.Equal(cause.Concerned, events.Count);
        // What goes with it has causes of its own.
        Assert.All(all.Except(events), e => Assert.Equal(cause.Also, e.Reason));
        if (cause.Reason is "rotated" or "revoked")
        {
            var entry = events[0];
            Assert.Equal((EventTypes.SigningKeyChanged, null, null), (entry.Type, entry.UserId, entry.SessionId));
            Assert.Equal("signing-key-" + cause.Reason, Assert.Single(audit, a => a.Detail == entry.KeyId).Action);
            Assert.Equal(entry.OccurredAt + ConcernedFor(cause), entry.ExpiresAt);
            return;
        }

        if (Causes.All.Single(known => known.Reason == cause.Reason) is { Concerns: Concerns.User } user)
        {
            Assert.All(events, e => Assert.Equal((user.Type, c.User.Id, null), (e.Type, e.UserId!.Value, e.SessionId)));
            Assert.Equal(events.Count, events.Select(e => e.NotBefore).Distinct().Count());
            Assert.Null(await c.App.WhoAmIAsync(bearer: c.User.AccessToken));
            // Where the session goes on it is renewed at once, saying what is true now.
            Assert.Equal(cause.Also is null ? await c.App.DbAsync(db => db.Users.Where(u => u.Id == c.User.Id).Select(u => u.Email).SingleAsync()) : null, await c.App.WhoAmIAsync(cookies: c.User.Cookies));
            return;
        }

        if (cause.Reason == Causes.FireDrill.Reason || cause.Reason == Causes.ScheduledDrill.Reason)
        {
            // Of a session that was begun for this, by whoever began it; theirs goes on.
            var entry = events[0];
            Assert.Equal((EventTypes.SessionRevoked, c.Admin!.Id), (entry.Type, entry.UserId!.Value));
            Assert.Equal(cause.Reason == Causes.FireDrill.Reason ? ["fire-drill", "session-ended"] : [], audit.Where(a => a.SessionId == entry.SessionId).OrderBy(a => a.Id).Select(a => a.Action));
            Assert.Equal(c.Admin.Email, await c.App.WhoAmIAsync(bearer: c.Admin.AccessToken));
            return;
        }

        Assert.Contains(events, e => e.SessionId == c.User.SessionId);
        Assert.Equal(events.Count, events.Select(e => e.SessionId).Distinct().Count());
        Assert.All(events, e =>
        {
            Assert.Equal((EventTypes.SessionRevoked, c.User.Id), (e.Type, e.UserId!.Value));
            Assert.Equal(e.OccurredAt + ConcernedFor(cause), e.ExpiresAt);
            Assert.Single(audit, a => a.Action == "session-ended" && a.SessionId == e.SessionId && a.UserId == c.User.Id && a.Detail == cause.Reason);
        });
        Assert.Equal(events.Count, audit.Count(a => a.Action == "session-ended"));
        Assert.Null(await c.App.WhoAmIAsync(bearer: c.User.AccessToken));
    }

    [Fact]
    public void Every_cause_that_exists_has_a_door_here_and_every_door_a_cause() =>
        Assert.Equal(Causes.All.Select(c => c.Reason).Order(), Doors.Values.Select(d => d.Reason).Distinct().Order());

    [Fact]
    public void The_table_has_every_cause_there_is_and_the_code_uses_none_that_is_not_said_to_exist()
    {
        var declared = typeof(Causes).GetFields().Where(f => f.FieldType == typeof(Cause)).ToDictionary(f => f.Name, f => (Cause)f.GetValue(null)!);
        Assert.Equal(declared.Values.OrderBy(c => c.Reason, StringComparer.Ordinal), Causes.All.OrderBy(c => c.Reason, StringComparer.Ordinal));
        Assert.Equal(Causes.All.Count, Causes.All.Select(c => c.Reason).Distinct().Count());
        Assert.All(Causes.All, c => Assert.InRange(c.Reason.Length, 1, 40));
        Assert.All(Causes.All, c => Assert.Contains(c.Type, EventTypes.All));

        var used = Directory.EnumerateFiles(Repository.PathOf("App"), "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.EndsWith("Causes.cs", StringComparison.Ordinal) && !f.Contains("/obj/", StringComparison.Ordinal))
            .SelectMany(f => System.Text.RegularExpressions.Regex.Matches(File.ReadAllText(f), @"\bCauses\.(\w+)").Select(m => m.Groups[1].Value)).Distinct().Order().ToList();
        Assert.Equal(declared.Keys.Order(), used);
    }

    [Theory]
    [MemberData(nameof(Silent))]
    public async Task Nothing_for_what_ends_nothing(string name)
    {
        var c = await BeginAsync(shared.App);
        await Silence[name](c);
        var (events, audit) = await SinceAsync(c);
        Assert.Empty(events);
        Assert.DoesNotContain(audit, a => a.Action == "session-ended");
        Assert.Equal(c.User.Email, await c.App.WhoAmIAsync(bearer: c.User.AccessToken));
    }

    private static async Task<Case> BeginAsync(TestApp app, bool byAdmin = false)
    {
        var admin = byAdmin ? await app.NewAdminAsync() : null;
        var user = await app.SignUpAsync();
        return new Case(
            app, user, admin,
            await app.DbAsync(db => db.SecurityEvents.MaxAsync(e => (long?)e.Cursor)) ?? 0,
            await app.DbAsync(db => db.Audit.MaxAsync(a => a.Id)));
    }

    private static async Task<(List<LoggedEvent> Events, List<AuditEntry> Audit)> SinceAsync(Case c) => (
        await c.App.DbAsync(db => db.SecurityEvents.AsNoTracking().Where(e => e.Cursor > c.Cursor).ToListAsync()),
        await c.App.DbAsync(db => db.Audit.AsNoTracking().Where(a => a.Id > c.AuditId).ToListAsync()));

    private sealed record Door(string Reason, Func<Case, Task> RunAsync, int Concerned = 1, string? Also = null, bool Alone = false, int Minutes = 5, bool ByAdmin = false);

    // The life that tokens are minted with, and how far clocks may differ either way.
    private static TimeSpan ConcernedFor(Door cause) =>
        TimeSpan.FromMinutes(Causes.All.Single(known => known.Reason == cause.Reason).Concerns == Concerns.Key ? 60 : cause.Minutes) + (2 * TokenOptions.ClockSkew);

    private sealed record Case(TestApp App, TestUser User, TestUser? Admin, long Cursor, long AuditId)
    {
        public async Task<TestUser> SignInMoreAsync(int times)
        {
            var last = User;
            for (var i = 0; i < times; i++) last = await App.SignInAsync(User);
            return last;
        }

        public async Task PostAsync(string path, object json) => Assert.True((await App.SendAsync(HttpMethod.Post, path, bearer: User.AccessToken, json: json)).IsSuccessStatusCode);

        public Task<HttpResponseMessage> RefreshAsync() => App.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = User.RefreshToken });

        public async Task KeysAsync(params string[] args)
        {
            await using var output = new StringWriter();
            await KeyCommands.RunAsync(App.Services, args, output, CancellationToken.None);
        }

        public async Task UsersAsync(params string[] args)
        {
            await using var output = new StringWriter();
            Assert.Equal(0, await UserCommands.RunAsync(App.Services, args, output, CancellationToken.None));
        }

        public Task ActAsAdminAsync(HttpMethod method, string path, HttpStatusCode expected = HttpStatusCode.NoContent) => App.ExpectAsync(expected, Admin!, method, "/api/admin/" + path);

        public Task<string> KeyAsync(SigningKeyState state) => App.DbAsync(db => db.SigningKeys.Where(k => k.State == state).Select(k => k.Id).SingleAsync());

        public Task<string> RetiredKeyAsync() => App.DbAsync(async db =>
        {
            var key = await db.SigningKeys.SingleAsync(k => k.State == SigningKeyState.Current);
            var retired = new SigningKey { Id = Guid.NewGuid().ToString("N"), State = SigningKeyState.Retired, PublicKey = key.PublicKey, CreatedAt = key.CreatedAt, EndedAt = App.Time.GetUtcNow() };
            db.Add(retired);
            await db.SaveChangesAsync();
            return retired.Id;
        });
    }
}
