using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using App.Events;
using App.Tests.Accounts;
using App.Tokens;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Attacks;

/// <summary>What must be in no log, no row, no page and no answer (ATTACKS, group KEY; 72).</summary>
public sealed partial class SecretsTests : IAsyncLifetime
{
    private const string Password = "a secret that is Quite unmistakable";
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact] // ATTACKS 196
    public async Task No_secret_is_logged_or_stored_in_the_clear()
    {
        var secrets = new List<string> { Password, Password + " wrong" };
        var user = await _app.SignUpAsync("secret.holder@example.test", Password);
        var again = await _app.SignInAsync(user);
        foreach (var held in new[] { user, again }) secrets.AddRange([held.AccessToken, held.SessionCookie, held.RefreshToken, held.AccessToken.Split('.')[2]]);

        await _app.PostTextAsync("/api/users/signin", JsonSerializer.Serialize(new { email = user.Email, password = Password + " wrong" }));
        await _app.PostTextAsync("/api/users/signup", JsonSerializer.Serialize(new { email = user.Email, password = Password }));
        await _app.PostTextAsync("/api/users/signup", JsonSerializer.Serialize(new { email = "nobody", password = Password }));
        await _app.PostTextAsync("/api/users/signin", "{\"password\":\"" + Password);
        await _app.PostTextAsync("/api/tokens", "{\"password\":\"" + Password);
        await _app.PostTextAsync("/api/tokens/refresh", JsonSerializer.Serialize(new { refresh_token = again.RefreshToken + "x" }));
        await _app.PostFormAsync("/account/sign-in", "sign-in", [new("email", user.Email), new("password", Password + " wrong")]);
        await _app.SendAsync(HttpMethod.Get, $"/account/sign-in?returnUrl=/x&password={Uri.EscapeDataString(Password)}");
        await _app.SendAsync(HttpMethod.Get, "/api/sessions", bearer: user.AccessToken + "x");
        await _app.SendAsync(HttpMethod.Get, "/api/sessions", cookies: user.Cookies + "x");
        await _app.SendAsync(HttpMethod.Get, "/account/sessions", cookies: user.Cookies);
        _app.Time.Advance(TimeSpan.FromMinutes(6));
        secrets.Add(TestUser.SetCookies(await _app.SendAsync(HttpMethod.Get, "/api/sessions", cookies: user.Cookies)).Refresh);
        _app.Time.Advance(TimeSpan.FromSeconds(11));
        await _app.PostTextAsync("/api/tokens/refresh", JsonSerializer.Serialize(new { refresh_token = user.RefreshToken })); // reuse
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: again.Cookies);
        await _app.ScopedAsync<SigningKeys, SigningKeys.Outcome>(keys => keys.RotateAsync(CancellationToken.None));

        var log = string.Join('\n', _app.Log.Lines);
        var rows = await State.TextAsync(_app);
        _app.Get<FeedContacts>().Measure(await _app.DbAsync(db => db.SecurityEvents.ToListAsync()), "orders", DateTimeOffset.MinValue);
        var metrics = await _app.Client.GetStringAsync("/metrics");
        Assert.Contains("gatehouse_", metrics, StringComparison.Ordinal);
        foreach (var secret in secrets)
        {
            Assert.DoesNotContain(secret, metrics, StringComparison.Ordinal);
            Assert.DoesNotContain(secret, log, StringComparison.Ordinal);
            Assert.DoesNotContain(secret, rows, StringComparison.Ordinal);
        }

        foreach (var text in new[] { metrics, log, rows }) Assert.Empty(TokensIn(text));
        Assert.DoesNotContain(user.Email, metrics, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(user.Email, log, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("PRIVATE", rows, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(Convert.ToHexString(System.Buffers.Text.Base64Url.DecodeFromChars(user.RefreshToken).AsSpan(16, 32)), rows, StringComparison.OrdinalIgnoreCase);
    }

    [Fact] // ATTACKS 66
    public async Task Nothing_that_a_client_sends_begins_a_line_of_the_log_or_colours_it()
    {
        const string forged = "\u001b[31m\r\nCritical App.Tokens 1 forged";
        foreach (var path in new[] { "/api/users/signup", "/api/users/signin", "/api/tokens", "/api/users/forgot" })
            await _app.PostTextAsync(path, JsonSerializer.Serialize(new { email = "a" + forged + "@example.test", password = Password + forged, name = forged }));
        await _app.PostTextAsync("/api/users/signup", JsonSerializer.Serialize(new { email = "forger@example.test", password = Password, name = "Eve" + forged }));
        await _app.PostFormAsync("/account/sign-in", "sign-in" + forged, [new("email", forged), new("password", Password)]);
        foreach (var path in new[] { "/nowhere", "/api/nowhere", "/account/sign-in?returnUrl=", "/connect/nowhere" })
            await _app.SendAsync(HttpMethod.Get, path + Uri.EscapeDataString(forged), bearer: "x", headers: [("User-Agent", "\u001b[31m"), ("X-Request-Id", "\u001b[31m")]);
        _app.Time.Advance(TimeSpan.FromSeconds(2)); // a second has ten lines of this kind at most
        await _app.PostTextAsync("/connect/token", "grant_type=" + Uri.EscapeDataString(forged) + "&client_id=" + Uri.EscapeDataString(forged), "application/x-www-form-urlencoded");

        Assert.Equal([], _app.Log.Lines.Where(line => line.Contains('\u001b', StringComparison.Ordinal) || line.Contains("\nCritical", StringComparison.Ordinal)));
        Assert.Single(_app.Log.Lines, line => line.Contains("Refused at connect/token: ", StringComparison.Ordinal));
    }

    [Fact] // a refusal is said once, and none of these is an error of ours
    public async Task Bad_input_is_no_error_in_the_log()
    {
        var user = await _app.SignUpAsync();
        foreach (var body in new[] { "{", "{}", "null", JsonSerializer.Serialize(new { email = user.Email, password = user.Password }), JsonSerializer.Serialize(new { email = "a\ufffe@b.test", password = "\ufffe" }) })
            foreach (var path in new[] { "/api/users/signup", "/api/users/signin", "/api/tokens", "/api/tokens/refresh", "/account/sign-in", "/nowhere" })
                await _app.PostTextAsync(path, body);
        await _app.SendAsync(HttpMethod.Get, "/api/sessions", bearer: "x");
        await _app.SendAsync(HttpMethod.Get, "/account/sign-in?returnUrl=/%ef%bf%be");

        Assert.DoesNotContain(_app.Log.Lines, l => l.StartsWith("Error", StringComparison.Ordinal) || l.StartsWith("Critical", StringComparison.Ordinal));
    }

    [Fact] // ATTACKS 72, 197
    public async Task Pages_and_answers_show_names_as_text_and_no_hash_stamp_or_token()
    {
        const string name = "<script>alert(1)</script>\"><img src=x onerror=alert(2)>' javascript:alert(3)";
        var answer = await _app.PostTextAsync("/api/users/signup", JsonSerializer.Serialize(new { email = "\"'<b>@example.test".Replace("\"'<b>", "a'b", StringComparison.Ordinal), password = Password, name }));
        var user = await TestUser.ReadAsync(_app, answer, "a'b@example.test", Password);
        var agent = await _app.SendAsync(HttpMethod.Post, "/api/users/signin", json: new { email = user.Email, password = Password }, headers: ("User-Agent", "Mozilla/5.0 <img src=x onerror=alert(4)> \"><script>alert(5)</script>"));
        Assert.Equal(HttpStatusCode.OK, agent.StatusCode);
        var row = await _app.DbAsync(db => db.Users.SingleAsync());

        foreach (var path in new[] { "/", "/account", "/account/sessions", "/account/sign-out", "/api/users/currentuser", "/api/sessions" })
        {
            using var page = await _app.SendAsync(HttpMethod.Get, path, cookies: user.Cookies);
            Assert.Equal(HttpStatusCode.OK, page.StatusCode);
            var text = await page.Content.ReadAsStringAsync();
            foreach (var secret in new[] { row.PasswordHash!, row.SecurityStamp!, row.ConcurrencyStamp!, user.RefreshToken, user.AccessToken, "$argon2" }) Assert.DoesNotContain(secret, text, StringComparison.Ordinal);
            if (page.Content.Headers.ContentType!.MediaType == "text/html")
            {
                Assert.DoesNotContain("<script>alert", text, StringComparison.OrdinalIgnoreCase);
                Assert.DoesNotContain("<img src=x", text, StringComparison.OrdinalIgnoreCase);
            }
            else
            {
                // JSON too, for whoever puts it into a page without thinking.
                Assert.DoesNotContain("<script", text, StringComparison.OrdinalIgnoreCase);
            }
        }

        var profile = await (await _app.SendAsync(HttpMethod.Get, "/account", cookies: user.Cookies)).Content.ReadAsStringAsync();
        Assert.Contains(name, WebUtility.HtmlDecode(profile), StringComparison.Ordinal);
        using var typed = await _app.PostFormAsync("/account/sign-in", "sign-in", [new("email", "\"><script>alert(6)</script>"), new("password", Password)]);
        var again = await typed.Content.ReadAsStringAsync();
        Assert.DoesNotContain("<script>alert", again, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(Password, again, StringComparison.Ordinal);
    }

    [Fact] // ATTACKS 195
    public async Task The_published_keys_have_public_members_alone()
    {
        var set = await Answers.JsonAsync(await _app.Client.GetAsync("/.well-known/jwks.json"));
        Assert.Equal(["keys"], set.EnumerateObject().Select(m => m.Name));
        Assert.Equal(2, set.GetProperty("keys").GetArrayLength());
        Assert.All(set.GetProperty("keys").EnumerateArray(), key => Assert.Equal(["kty", "crv", "x", "y", "kid", "use", "alg"], key.EnumerateObject().Select(m => m.Name)));
        Assert.DoesNotContain("PRIVATE", await _app.Client.GetStringAsync("/.well-known/public-key.pem"), StringComparison.Ordinal);
    }

    [Fact] // ATTACKS 198
    public async Task A_broken_database_is_told_to_nobody()
    {
        var user = await _app.SignUpAsync();
        await _app.DbAsync(db => db.Database.ExecuteSqlRawAsync("ALTER TABLE Sessions RENAME TO Elsewhere"));
        await _app.DbAsync(db => db.Database.ExecuteSqlRawAsync("ALTER TABLE AspNetUsers RENAME TO Nowhere"));
        foreach (var pending in new[]
        {
            _app.SendAsync(HttpMethod.Get, "/api/sessions", bearer: user.AccessToken), _app.SendAsync(HttpMethod.Get, "/account/sessions", cookies: user.Cookies),
            _app.PostTextAsync("/api/users/signin", JsonSerializer.Serialize(new { email = user.Email, password = Password })), _app.SendAsync(HttpMethod.Get, "/account", cookies: user.Cookies),
        })
        {
            using var answer = await pending;
            Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
            var text = await answer.Content.ReadAsStringAsync();
            foreach (var inside in new[] { "SQLite", "no such table", "Sessions\"", "   at ", "App.", "Microsoft", "Exception", ".cs:" }) Assert.DoesNotContain(inside, text, StringComparison.Ordinal);
            Assert.Equal("no-store", string.Join(',', answer.Headers.CacheControl!.ToString().Split(", ").Order().Where(c => c == "no-store")));
            // The one thing that leads from what somebody sees to the line of the log.
            var id = answer.Content.Headers.ContentType!.MediaType == "application/problem+json" ? JsonDocument.Parse(text).RootElement.GetProperty("traceId").GetString() : (await answer.PageAsync()).QuerySelector("main code")?.TextContent;
            Assert.NotNull(id);
            Assert.Single(_app.Log.Lines, line => line.Contains($"A request failed; trace {id} ", StringComparison.Ordinal));
        }

        // Where nothing failed there is no such line, and nothing to be told of.
        foreach (var path in new[] { "/nowhere", "/error/500" }) Assert.Null((await (await _app.Client.GetAsync(path)).PageAsync()).QuerySelector("main code"));
    }

    [Theory] // ATTACKS 202
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_rotated_keys_tokens_live_to_their_end_and_a_revoked_ones_die_at_once(bool revoke)
    {
        var user = await _app.SignUpAsync();
        var old = await _app.DbAsync(db => db.Set<SigningKey>().Where(k => k.State == SigningKeyState.Current).Select(k => k.Id).SingleAsync());
        Assert.Equal(user.Email, await _app.WhoAmIAsync(bearer: user.AccessToken));
        await _app.ScopedAsync<SigningKeys, SigningKeys.Outcome>(keys => revoke ? keys.RevokeAsync(old, CancellationToken.None) : keys.RotateAsync(CancellationToken.None));

        Assert.Equal(revoke ? null : user.Email, await _app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Equal(!revoke, (await _app.Client.GetStringAsync("/.well-known/jwks.json")).Contains(old, StringComparison.Ordinal));
        var next = await _app.SignInAsync(user);
        Assert.NotEqual(old, JsonDocument.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(next.AccessToken.Split('.')[0])).RootElement.GetProperty("kid").GetString());
        Assert.Equal(next.Email, await _app.WhoAmIAsync(bearer: next.AccessToken));

        _app.Time.Advance(TimeSpan.FromSeconds(330));
        Assert.Null(await _app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Null(await _app.DbAsync(db => db.Set<SigningKey>().Where(k => k.Id == old).Select(k => k.PrivateKey).SingleAsync()));
    }

    [Theory] // ATTACKS 199
    [InlineData("/app.db")]
    [InlineData("/gatehouse.db")]
    [InlineData("/data/gatehouse.db")]
    [InlineData("/data/master.key")]
    [InlineData("/master.key")]
    [InlineData("/keys/key.json")]
    [InlineData("/appsettings.json")]
    [InlineData("/appsettings.Development.json")]
    [InlineData("/.env")]
    [InlineData("/.git/config")]
    [InlineData("/web.config")]
    [InlineData("/App.dll")]
    [InlineData("/App.deps.json")]
    [InlineData("/App.staticwebassets.endpoints.json")]
    [InlineData("/logs/")]
    [InlineData("/wwwroot/")]
    [InlineData("/_content/")]
    [InlineData("/_framework/")]
    [InlineData("/run/secrets/Keys__MasterKey")]
    [InlineData("/..%5cdata")]
    [InlineData("/..%2fdata%2fgatehouse.db")]
    [InlineData("/%2e%2e%2fappsettings.json")]
    public async Task No_file_of_ours_is_served(string path)
    {
        using var answer = await _app.SendAsync(HttpMethod.Get, path);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }
    // The three letters that begin a token are spelled now and then by what is random, such as a sealed key; what they begin is an object of JSON.
    private static IEnumerable<string> TokensIn(string text) =>
        Head().Matches(text).Select(m => Encoding.Latin1.GetString(Convert.FromBase64String(m.Groups[1].Value))).Where(json => json.All(c => c is >= ' ' and <= '~'));

    [GeneratedRegex("(?=(eyJ[A-Za-z0-9+/]{13}))")]
    private static partial Regex Head();
}
