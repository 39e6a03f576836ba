using System.Net;
using System.Text.Json;
using App.Admin;
using App.Tests.OAuth;
using App.Tests.Tokens;

namespace App.Tests.Gateway;

/// <summary>Contract section 5, as a proxy sees it.</summary>
public sealed class VerifyTests : IAsyncLifetime
{
    private readonly TestApp _app = Callers.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task A_good_token_passes_with_the_identity_in_headers()
    {
        var user = await _app.SignUpAsync();
        foreach (var answer in new[] { await _app.VerifyAsync(bearer: user.AccessToken), await _app.VerifyAsync(cookies: user.Cookies) })
        {
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal((user.Id.ToString(), user.Email, "", user.SessionId.ToString()), (answer.Header("X-Auth-User"), answer.Header("X-Auth-Email"), answer.Header("X-Auth-Roles"), answer.Header("X-Auth-Session")));
            Assert.Equal("Bearer " + user.AccessToken, answer.Header("Authorization"));
            Assert.Equal("no-store", answer.Headers.CacheControl!.ToString());
            Assert.False(answer.Headers.Contains("Set-Cookie"));
            Assert.Empty(await answer.Content.ReadAsByteArrayAsync());
        }
    }

    [Fact] // FWD-10 (171), CSRF: the method and the origin are those of the request asked about
    public async Task Any_method_is_judged_alike()
    {
        await using var app = TestApp.Start(("Cors:AllowedOrigins:0", "https://app.example.com"));
        var user = await app.SignUpAsync();
        string[] methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"];
        foreach (var (method, cookies, status) in methods.SelectMany(m => new[] { (m, user.Cookies, HttpStatusCode.OK), (m, "session=x", HttpStatusCode.Unauthorized) }))
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), "/auth/verify");
            request.Headers.Add("Cookie", cookies);
            request.Headers.Add("Origin", "https://app.example.com");
            request.Headers.Add("Access-Control-Request-Method", "GET");
            request.Headers.Add("Sec-Fetch-Site", "cross-site");
            request.Headers.Add("X-HTTP-Method-Override", "GET");
            if (method is "POST" or "PUT") request.Content = new StringContent("half a form", null, "multipart/form-data");
            Assert.Equal(status, (await app.Client.SendAsync(request)).StatusCode);
        }
    }

    [Fact]
    public async Task An_expired_token_with_a_good_refresh_is_renewed_on_that_very_answer()
    {
        var user = await _app.SignUpAsync();
        _app.Time.Advance(TimeSpan.FromSeconds(400));
        var answer = await _app.VerifyAsync("?audience=orders", cookies: user.Cookies, method: "POST", headers: [("Sec-Renewed-Cookies", "?1")]);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var (session, refresh) = TestUser.SetCookies(answer);
        Assert.Equal(answer.Headers.GetValues("Set-Cookie"), [answer.Header("X-Renewed-Session")!, answer.Header("X-Renewed-Refresh")!]);
        Assert.Equal(["orders"], Claims(answer).GetProperty("aud").EnumerateArray().Select(a => a.GetString()));

        var plain = await _app.VerifyAsync(cookies: user.Cookies);
        Assert.Equal("Bearer " + TestUser.Unwrap(TestUser.SetCookies(plain).Session), plain.Header("Authorization"));
        Assert.Equal(HttpStatusCode.OK, (await _app.VerifyAsync(cookies: $"session={session}; session_refresh={refresh}")).StatusCode);
    }

    [Fact]
    public async Task A_refusal_hands_renewed_cookies_on_as_well()
    {
        var user = await _app.SignUpAsync();
        _app.Time.Advance(TimeSpan.FromSeconds(400));
        var answer = await _app.VerifyAsync("?role=admin", cookies: user.Cookies, headers: [("Sec-Renewed-Cookies", "?1")]);
        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        Assert.Equal(answer.Headers.GetValues("Set-Cookie"), [answer.Header("X-Renewed-Session")!, answer.Header("X-Renewed-Refresh")!]);
    }

    [Theory] // of our own origin: it must not read what HttpOnly keeps from it, and can't set the header that asks
    [InlineData(null)]
    [InlineData("?0")]
    [InlineData("")]
    public async Task A_script_reads_no_renewed_cookie(string? asks)
    {
        var user = await _app.SignUpAsync();
        _app.Time.Advance(TimeSpan.FromSeconds(400));
        var answer = await _app.VerifyAsync(cookies: user.Cookies, headers: [("X-Forwarded-Uri", "/"), .. asks is null ? Array.Empty<(string, string)>() : [("Sec-Renewed-Cookies", asks)]]);
        var refresh = TestUser.SetCookies(answer).Refresh;
        Assert.DoesNotContain(answer.Headers, h => h.Key != "Set-Cookie" && h.Value.Any(v => v.Contains(refresh, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Cookies_that_others_wrote_are_handed_on_as_the_token_inside()
    {
        var user = await _app.SignUpAsync();
        var value = Convert.ToBase64String(JsonSerializer.SerializeToUtf8Bytes(new { visits = 3, jwt = user.AccessToken }));
        Assert.Equal("Bearer " + user.AccessToken, (await _app.VerifyAsync(cookies: "session=" + value)).Header("Authorization"));
        Assert.Equal("Bearer " + user.AccessToken, (await _app.VerifyAsync(headers: [("Authorization", "bearer " + user.AccessToken)])).Header("Authorization"));
    }

    [Fact]
    public async Task An_audience_gets_a_token_of_its_own_and_always_the_same()
    {
        var user = await _app.SignUpAsync();
        var first = await _app.VerifyAsync("?audience=https%3A%2F%2Fbilling.test", bearer: user.AccessToken);
        Assert.Equal("https://billing.test", Claims(first).GetProperty("aud")[0].GetString());
        Assert.Equal(first.Header("Authorization"), (await _app.VerifyAsync("?audience=billing", cookies: user.Cookies)).Header("Authorization"));
        Assert.Equal("Bearer " + user.AccessToken, (await _app.VerifyAsync("?audience=" + TestApp.Audience, bearer: user.AccessToken)).Header("Authorization"));
        foreach (var query in new[] { "?audience=", "?audience=nobody", "?audience=orders&audience=billing", "?audience" })
        {
            var answer = await _app.VerifyAsync(query, bearer: user.AccessToken);
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
            Assert.False(answer.Headers.Contains("X-Auth-User") || answer.Headers.Contains("Authorization"));
        }

        // JWT-22: bound to a service, it opens none of our doors.
        Assert.Equal(HttpStatusCode.Unauthorized, (await _app.VerifyAsync(headers: [("Authorization", first.Header("Authorization")!)])).StatusCode);
    }

    [Fact]
    public async Task A_role_is_demanded_and_of_several_each()
    {
        var user = await _app.SignUpAsync();
        var refused = await _app.VerifyAsync("?role=admin", bearer: user.AccessToken);
        Assert.Equal((HttpStatusCode.Forbidden, """Bearer error="insufficient_scope" """.TrimEnd()), (refused.StatusCode, refused.Headers.WwwAuthenticate.ToString()));
        Assert.False(refused.Headers.Contains("X-Auth-User"));
        foreach (var role in new[] { "admin", "clerk, third", "bü\nro" }) await _app.ScopedAsync((ChangeRole change) => change.RunAsync(user.Email, role, granted: true, CancellationToken.None));
        user = await _app.SignInAsync(user);
        Assert.Equal("admin,b%C3%BC%0Aro,clerk%2C%20third", string.Join(',', (await _app.VerifyAsync("?role=admin", bearer: user.AccessToken)).Header("X-Auth-Roles")!.Split(',').Order(StringComparer.Ordinal)));
        foreach (var query in new[] { "?role=Admin", "?role=", "?role=admin&role=boss", "?role=boss&role=admin" })
            Assert.Equal(HttpStatusCode.Forbidden, (await _app.VerifyAsync(query, bearer: user.AccessToken)).StatusCode);
    }

    [Theory] // A proxy's configuration that demands something in a word of its own would let everybody pass.
    [InlineData("?roles=admin", 400)]
    [InlineData("?Role=admin", 400)]
    [InlineData("?audience=orders&aud=orders", 400)]
    [InlineData("?role%20=admin", 400)]
    [InlineData("?=admin", 400)]
    [InlineData("?&redirect=true&", 200)]
    // Envoy appends the original address: its query is the application's, and can only demand more.
    [InlineData("?audience=orders&redirect=true&path=/orders?page=2&roles=all", 200)]
    [InlineData("?audience=orders&path=/orders?page=2&role=admin", 403)]
    [InlineData("?audience=orders&path=/orders?page=2&audience=billing", 400)]
    [InlineData("?path=/orders?page=2&audience=orders", 400)]
    [InlineData("?roles=admin&path=/", 400)]
    public async Task A_misspelled_demand_is_refused_and_not_taken_for_none(string query, int status)
    {
        Assert.Equal(status, (int)(await _app.VerifyAsync(query, bearer: (await _app.SignUpAsync()).AccessToken)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _app.VerifyAsync(query)).StatusCode);
    }

    [Fact] // CK-12 (47), SES: over at once, by whichever way it was known
    public async Task Signing_out_ends_it_at_the_next_question()
    {
        var user = await _app.SignUpAsync();
        Assert.Equal(HttpStatusCode.OK, (await _app.VerifyAsync("?audience=orders", cookies: user.Cookies)).StatusCode);
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies);
        foreach (var query in new[] { "", "?audience=orders" })
        {
            Assert.Equal(HttpStatusCode.Unauthorized, (await _app.VerifyAsync(query, cookies: user.Cookies)).StatusCode);
            Assert.Equal(HttpStatusCode.Unauthorized, (await _app.VerifyAsync(query, bearer: user.AccessToken)).StatusCode);
        }
    }

    [Fact] // CK-08 (43), CK-10 (45)
    public async Task The_bearer_token_decides_alone_and_there_is_one()
    {
        var (a, b) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        Assert.Equal(a.Id.ToString(), (await _app.VerifyAsync(bearer: a.AccessToken, cookies: b.Cookies)).Header("X-Auth-User"));
        Assert.Equal(HttpStatusCode.Unauthorized, (await _app.VerifyAsync(bearer: "x", cookies: b.Cookies)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _app.VerifyAsync(headers: [("Authorization", "Bearer " + a.AccessToken), ("Authorization", "Bearer " + b.AccessToken)])).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _app.VerifyAsync(headers: [("Authorization", $"Basic YTpi, Bearer {a.AccessToken}")])).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await _app.VerifyAsync(headers: [("Authorization", "Bearer " + await _app.ServiceTokenAsync())])).StatusCode);
    }

    [Fact] // FWD-01, FWD-02 (162, 163)
    public async Task What_the_outside_says_of_itself_is_never_said_back()
    {
        var user = await _app.SignUpAsync();
        (string, string)[] spoofed = [("X-Auth-User", "villain"), ("X-Auth-Roles", "admin"), ("X_Auth_Email", "villain@x.test"), ("X-Auth-Session", "1"), ("X-Auth-Name", "villain"), ("Remote-User", "villain"), ("X-Forwarded-User", "villain")];
        var passed = await _app.VerifyAsync(bearer: user.AccessToken, headers: spoofed);
        var refused = await _app.VerifyAsync(headers: spoofed);
        Assert.Equal((HttpStatusCode.OK, user.Id.ToString(), ""), (passed.StatusCode, passed.Header("X-Auth-User"), passed.Header("X-Auth-Roles")));
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        foreach (var answer in new[] { passed, refused })
            Assert.DoesNotContain("villain", answer.Headers.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(refused.Headers, h => h.Key.StartsWith("X-Auth", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task A_known_token_costs_no_look_at_the_database()
    {
        await using var app = TestApp.Start([.. Callers.Settings, ("Logging:LogLevel:Microsoft.EntityFrameworkCore.Database.Command", "Information")]);
        var user = await app.SignUpAsync();
        foreach (var query in new[] { "", "?audience=billing" }) await app.VerifyAsync(query, bearer: user.AccessToken);
        var before = app.Log.Lines.Count(IsAboutSessions);
        Assert.True(before > 0);
        for (var i = 0; i < 5; i++)
        {
            foreach (var query in new[] { "", "?audience=billing" })
                Assert.Equal(HttpStatusCode.OK, (await app.VerifyAsync(query, bearer: user.AccessToken)).StatusCode);
        }

        Assert.Equal(before, app.Log.Lines.Count(IsAboutSessions));

        // Others of this process look at the log and the registry meanwhile.
        static bool IsAboutSessions(string line) =>
            line.Contains("Database.Command", StringComparison.Ordinal) && (line.Contains("BoundAudiences", StringComparison.Ordinal) || line.Contains("\"Sessions\"", StringComparison.Ordinal));
    }

    [Fact] // JWT-01 to JWT-35, CK-01 to CK-03
    public async Task No_vector_gets_a_wrong_answer()
    {
        await using var app = TestApp.Start(("Sessions:AbsoluteLifetime", "365.00:00:00"));
        await VectorKey.InstallAsync(app);
        var wrong = new List<string>();
        foreach (var vector in Vectors.Tokens())
        {
            if (vector.Transport != "body") Judge(vector.Id, vector.Expect, await app.VerifyAsync(bearer: vector.Token));
            var value = Convert.ToBase64String(JsonSerializer.SerializeToUtf8Bytes(new { jwt = vector.Token }));
            Judge(vector.Id, vector.Expect, await app.VerifyAsync(cookies: "session=" + value));
        }

        foreach (var vector in Vectors.Cookies()) Judge(vector.Id, vector.Expect, await app.VerifyAsync(cookies: vector.Header), cookie: true);
        Assert.Empty(wrong);

        void Judge(string id, string expect, HttpResponseMessage answer, bool cookie = false)
        {
            var status = (int)answer.StatusCode;
            var good = expect == "accept" ? status == 200 : status is 400 or 431 || (status == 401 && (cookie || answer.Headers.WwwAuthenticate.ToString() == """Bearer error="invalid_token" """.TrimEnd()));
            if (!good) wrong.Add($"{id}: {expect}, but {status} {answer.Headers.WwwAuthenticate}");
        }
    }

    private static JsonElement Claims(HttpResponseMessage answer) =>
        JsonDocument.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(answer.Header("Authorization")!["Bearer ".Length..].Split('.')[1])).RootElement;
}

internal static class Verifying
{
    public static async Task<HttpResponseMessage> VerifyAsync(
        this TestApp app, string query = "", string? bearer = null, string? cookies = null, string method = "GET", params (string Name, string Value)[] headers) =>
        await app.SendAsync(new HttpMethod(method), "/auth/verify" + query, bearer, cookies, null, headers);

    public static string? Header(this HttpResponseMessage answer, string name) =>
        answer.Headers.TryGetValues(name, out var values) || answer.Content.Headers.TryGetValues(name, out values) ? string.Join("|", values) : null;
}
