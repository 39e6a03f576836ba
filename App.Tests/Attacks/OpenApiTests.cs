using System.Text.Json;
using System.Text.RegularExpressions;
using App.Tests.Admin;
using App.Tests.Factors;
using App.Tests.OAuth;
using Microsoft.AspNetCore.Routing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Attacks;

/// <summary>The API's description tells the truth: every route is in it, and every answer that we can provoke is one it names, in status, type and shape.</summary>
public sealed partial class OpenApiTests(OneApp fixture) : IClassFixture<OneApp>
{
    private static readonly string[] Ours = ["/api/", "/.well-known/", "/connect/", "/events"];

    private readonly TestApp _app = fixture.App;

    [Fact]
    public async Task Every_route_of_the_api_is_described_and_nothing_else_is()
    {
        var document = await Answers.JsonAsync(await _app.Client.GetAsync("/openapi/v1.json"));
        Assert.StartsWith("3.1", document.GetProperty("openapi").GetString(), StringComparison.Ordinal);
        var described = document.GetProperty("paths").EnumerateObject()
            .SelectMany(p => p.Value.EnumerateObject().Select(o => $"{o.Name.ToUpperInvariant()} {p.Name}"))
            .Where(r => Ours.Any(prefix => r.Contains(" " + prefix, StringComparison.Ordinal))).Order();
        var mapped = _app.Services.GetServices<EndpointDataSource>().SelectMany(s => s.Endpoints).OfType<RouteEndpoint>()
            .Select(e => (Path: "/" + e.RoutePattern.RawText!.Trim('/'), Methods: e.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? []))
            .Where(e => Ours.Any(prefix => e.Path.StartsWith(prefix, StringComparison.Ordinal)))
            .SelectMany(e => e.Methods.Select(m => $"{m} {e.Path}")).Distinct().Order();

        Assert.Equal(mapped, described);
        foreach (var known in new[] { "POST /api/users/signup", "POST /connect/token", "GET /events" }) Assert.Contains(known, mapped);
        var ids = document.GetProperty("paths").EnumerateObject().SelectMany(p => p.Value.EnumerateObject())
            .Select(o => o.Value.TryGetProperty("operationId", out var id) ? id.GetString() : null).OfType<string>().ToList();
        Assert.Contains("Live", ids);
        Assert.Equal(ids.Distinct(), ids);
    }

    [Fact]
    public async Task Whoever_reads_it_finds_words_for_every_operation_parameter_tag_and_code()
    {
        var document = await Answers.JsonAsync(await _app.Client.GetAsync("/openapi/v1.json"));
        var operations = document.GetProperty("paths").EnumerateObject()
            .SelectMany(p => p.Value.EnumerateObject().Select(o => (Name: $"{o.Name.ToUpperInvariant()} {p.Name}", Says: o.Value))).ToList();
        var parameters = operations.SelectMany(o => o.Says.TryGetProperty("parameters", out var all) ? all.EnumerateArray().Select(p => (Name: $"{o.Name} {p.GetProperty("name")}", Says: p)) : []);
        var tags = document.GetProperty("tags").EnumerateArray().Select(t => (Name: t.GetProperty("name").GetString()!, Says: t)).ToList();
        string Words(JsonElement thing) => thing.TryGetProperty("description", out var words) ? words.GetString()! : "";

        Assert.Equal([], operations.Where(o => Words(o.Says).Length < 20).Select(o => o.Name));
        Assert.Equal([], parameters.Where(p => Words(p.Says).Length == 0).Select(p => p.Name));
        Assert.Equal([], tags.Where(t => Words(t.Says).Length == 0).Select(t => t.Name));
        Assert.Equal(tags.Select(t => t.Name).Order(), operations.SelectMany(o => o.Says.GetProperty("tags").EnumerateArray().Select(t => t.GetString()!)).Distinct().Order());

        var codes = CodeOfAProblem().Matches(await File.ReadAllTextAsync(Repository.PathOf("App", "Shared", "Problems.cs"))).Select(m => m.Groups[1].Value);
        var told = Words(document.GetProperty("components").GetProperty("schemas").GetProperty("ProblemDetails").GetProperty("properties").GetProperty("code"));
        Assert.Equal([], codes.Where(code => !told.Contains($"`{code}`", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Every_answer_we_can_provoke_is_described_as_it_is()
    {
        var document = await Answers.JsonAsync(await _app.Client.GetAsync("/openapi/v1.json"));
        var seen = new HashSet<string>();
        await foreach (var (method, template, answer) in ProvokeAsync())
        {
            if ((int)answer.StatusCode == 401) Assert.True(answer.Headers.WwwAuthenticate.Count > 0, $"{method} {template} is 401 without a challenge"); // RFC 9110 section 15.5.2
            using (answer)
            {
                var name = $"{method} {template} {(int)answer.StatusCode}";
                var operation = document.GetProperty("paths").GetProperty(template).GetProperty(method.ToLowerInvariant());
                Assert.True(operation.GetProperty("responses").TryGetProperty(((int)answer.StatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture), out var response), $"{name} isn't described");
                seen.Add(name);

                var text = await answer.Content.ReadAsStringAsync();
                if (text.Length == 0) continue;
                var type = answer.Content.Headers.ContentType!.MediaType!;
                Assert.True(response.TryGetProperty("content", out var content) && content.TryGetProperty(type, out _), $"{name} isn't described as {type}");
                if (!type.Contains("json", StringComparison.Ordinal) || !content.GetProperty(type).TryGetProperty("schema", out var schema)) continue;
                var body = JsonDocument.Parse(text).RootElement;
                Assert.Equal([], Schema.Faults(document, schema, body, name));
                if ((int)answer.StatusCode >= 400) Assert.NotEmpty(Answers.Faults(body));
            }
        }

        // And what it promises can be met, but for what takes a failing machine.
        var promised = document.GetProperty("paths").EnumerateObject().Where(p => new[] { "/api/", "/connect/", "/events/" }.Any(prefix => p.Name.StartsWith(prefix, StringComparison.Ordinal)))
            .SelectMany(p => p.Value.EnumerateObject().SelectMany(o => o.Value.GetProperty("responses").EnumerateObject().Select(r => $"{o.Name.ToUpperInvariant()} {p.Name} {r.Name}")))
            .Where(r => !r.EndsWith(" 503", StringComparison.Ordinal) && !r.EndsWith(" 413", StringComparison.Ordinal) && !r.EndsWith(" 429", StringComparison.Ordinal));
        Assert.Equal([], promised.Except(seen));
    }

    private async IAsyncEnumerable<(string Method, string Template, HttpResponseMessage Answer)> ProvokeAsync()
    {
        const string signUp = "/api/users/signup", signIn = "/api/users/signin", tokens = "/api/tokens", refresh = "/api/tokens/refresh", sessions = "/api/sessions", session = "/api/sessions/{id}";
        var user = await _app.SignUpAsync();
        var foreign = ("Origin", "https://evil.example");
        var right = JsonSerializer.Serialize(new { email = user.Email, password = user.Password });
        var wrong = JsonSerializer.Serialize(new { email = user.Email, password = "wrong for sure and long" });

        yield return ("POST", signUp, await _app.PostTextAsync(signUp, """{"email":"openapi@example.test","password":"correct horse battery staple","name":"Ada"}"""));
        foreach (var path in new[] { signUp, signIn, tokens, refresh })
        {
            foreach (var body in new[] { "", "{", "{}", "null", "[]", right, wrong }) yield return ("POST", path, await _app.PostTextAsync(path, body));
            yield return ("POST", path, await _app.PostTextAsync(path, right, "text/plain"));
            yield return ("POST", path, await _app.PostTextAsync(path, right, "application/json", foreign, ("Cookie", user.Cookies)));
        }

        foreach (var cookies in new[] { null, "session=nonsense" })
        {
            yield return ("GET", "/api/users/currentuser", await _app.SendAsync(HttpMethod.Get, "/api/users/currentuser", cookies: cookies));
            yield return ("POST", "/api/users/signout", await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: cookies));
            yield return ("GET", sessions, await _app.SendAsync(HttpMethod.Get, sessions, cookies: cookies));
            yield return ("DELETE", sessions, await _app.SendAsync(HttpMethod.Delete, sessions, cookies: cookies));
            yield return ("GET", session, await _app.SendAsync(HttpMethod.Get, $"/api/sessions/{Guid.NewGuid()}", cookies: cookies));
            yield return ("DELETE", session, await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{Guid.NewGuid()}", cookies: cookies));
        }

        yield return ("POST", "/api/users/signout", await _app.SendAsync(HttpMethod.Post, "/api/users/signout", headers: foreign));
        yield return ("DELETE", sessions, await _app.SendAsync(HttpMethod.Delete, sessions, cookies: user.Cookies, headers: foreign));
        yield return ("DELETE", session, await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{user.SessionId}", cookies: user.Cookies, headers: foreign));
        yield return ("POST", refresh, await _app.PostTextAsync(refresh, """{"refresh_token":"nonsense"}"""));
        yield return ("POST", refresh, await _app.PostTextAsync(refresh, JsonSerializer.Serialize(new { refresh_token = (await _app.SignInAsync(user)).RefreshToken })));
        yield return ("GET", "/api/users/currentuser", await _app.SendAsync(HttpMethod.Get, "/api/users/currentuser", user.AccessToken));
        yield return ("GET", sessions, await _app.SendAsync(HttpMethod.Get, sessions, user.AccessToken));
        yield return ("GET", sessions, await _app.SendAsync(HttpMethod.Get, sessions + "?before=x", user.AccessToken));
        yield return ("GET", session, await _app.SendAsync(HttpMethod.Get, $"/api/sessions/{user.SessionId}", user.AccessToken));
        yield return ("GET", session, await _app.SendAsync(HttpMethod.Get, $"/api/sessions/{Guid.NewGuid()}", user.AccessToken));
        yield return ("DELETE", session, await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{Guid.NewGuid()}", user.AccessToken));
        yield return ("DELETE", sessions, await _app.SendAsync(HttpMethod.Delete, sessions, user.AccessToken));
        yield return ("DELETE", session, await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{user.SessionId}", user.AccessToken));

        await foreach (var answer in ProvokeAdminAsync()) yield return answer;
        await foreach (var answer in ProvokeFactorsAsync()) yield return answer;
        await foreach (var answer in ProvokeAccountAsync()) yield return answer;
        await foreach (var answer in ProvokeServicesAsync()) yield return answer;

        foreach (var path in new[] { "/.well-known/jwks.json", "/.well-known/public-key.pem", "/.well-known/openid-configuration", "/.well-known/ssf-configuration", "/health/live", "/health/ready" })
            yield return ("GET", path, await _app.Client.GetAsync(path));
        var tag = (await _app.Client.GetAsync("/.well-known/jwks.json")).Headers.ETag!.ToString();
        yield return ("GET", "/.well-known/jwks.json", await _app.SendAsync(HttpMethod.Get, "/.well-known/jwks.json", headers: ("If-None-Match", tag)));

        for (var i = 0; i < 12; i++)
        {
            foreach (var path in new[] { signIn, tokens }) yield return ("POST", path, await _app.PostTextAsync(path, wrong));
        }
    }

    private async IAsyncEnumerable<(string Method, string Template, HttpResponseMessage Answer)> ProvokeFactorsAsync()
    {
        const string mfa = "/api/users/signin/mfa", passkeys = "/api/passkeys", passkey = passkeys + "/{id}";
        var (user, browser, key) = (await _app.SignUpAsync(), new PasskeyBrowser(_app), new SoftKey());
        foreach (var kind in new[] { "add", "sign-in", "confirm" })
        {
            var (begin, finish) = ($"{passkeys}/{kind}/begin", $"{passkeys}/{kind}/finish");
            var caller = kind == "sign-in" ? null : user;
            var began = await _app.SendAsync(HttpMethod.Post, begin, cookies: caller?.Cookies, json: new { });
            yield return ("POST", begin, began);
            var (handle, options) = await browser.BeginAsync(kind, caller);
            for (var i = 0; i < 2; i++) yield return ("POST", finish, await browser.FinishAsync(kind, handle, kind == "add" ? key.Create(options) : key.Get(options), caller));
            yield return ("POST", begin, await _app.SendAsync(HttpMethod.Post, begin, json: new { challenge = "none" }));
            yield return ("POST", finish, await _app.SendAsync(HttpMethod.Post, finish, json: new { }));
            yield return ("POST", begin, await _app.PostTextAsync(begin, "{}", "text/plain", ("Origin", "https://evil.example"), ("Cookie", user.Cookies)));
            yield return ("POST", finish, await _app.PostTextAsync(finish, "{}", "text/plain", ("Origin", "https://evil.example"), ("Cookie", user.Cookies)));
            foreach (var path in new[] { begin, finish }) yield return ("POST", path, await _app.PostTextAsync(path, "{}", "text/plain", ("Authorization", "Bearer " + (await _app.SignInAsync(user)).AccessToken)));
            yield return ("POST", begin, await _app.PostTextAsync(begin, "{", "application/json", ("Authorization", "Bearer " + (await _app.SignInAsync(user)).AccessToken)));
        }

        foreach (var cookies in new[] { null, user.Cookies })
        {
            yield return ("GET", passkeys, await _app.SendAsync(HttpMethod.Get, passkeys, cookies: cookies));
            var id = (await Answers.JsonAsync(await _app.SendAsync(HttpMethod.Get, passkeys, cookies: user.Cookies)))[0].GetProperty("id").GetGuid();
            foreach (var name in new[] { "", "Mine" }) yield return ("PATCH", passkey, await _app.SendAsync(HttpMethod.Patch, $"{passkeys}/{id}", cookies: cookies, json: new { name }));
            yield return ("PATCH", passkey, await _app.SendAsync(HttpMethod.Patch, $"{passkeys}/{Guid.NewGuid()}", cookies: cookies, json: new { name = "Mine" }));
            yield return ("PATCH", passkey, await _app.SendAsync(HttpMethod.Patch, $"{passkeys}/{id}", cookies: user.Cookies, json: new { name = "Mine" }, headers: ("Origin", "https://evil.example")));
            yield return ("DELETE", passkey, await _app.SendAsync(HttpMethod.Delete, $"{passkeys}/{id}", cookies: user.Cookies, headers: ("Origin", "https://evil.example")));
            for (var i = 0; i < 2; i++) yield return ("DELETE", passkey, await _app.SendAsync(HttpMethod.Delete, $"{passkeys}/{id}", cookies: cookies));
        }

        using var text = new HttpRequestMessage(HttpMethod.Patch, $"{passkeys}/{Guid.NewGuid()}") { Content = new StringContent("{}") };
        text.Headers.Add("Authorization", "Bearer " + (await _app.SignInAsync(user)).AccessToken);
        yield return ("PATCH", passkey, await _app.Client.SendAsync(text));
        var ada = await _app.TurnOnTwoStepAsync(user);
        var body = new { email = user.Email, password = user.Password };
        foreach (var path in new[] { "/api/users/signin", "/api/tokens" }) yield return ("POST", path, await _app.SendAsync(HttpMethod.Post, path, json: body));
        yield return ("POST", mfa, await _app.PostTextAsync(mfa, "{}"));
        yield return ("POST", mfa, await _app.SendAsync(HttpMethod.Post, mfa, json: new { challenge = "x", code = "x" }, headers: ("Origin", "https://evil.example")));
        foreach (var code in new[] { "000000", ada.Codes[0], ada.Codes[1] }) yield return ("POST", mfa, await ada.AnswerAsync(await ada.ChallengeAsync(), code));
    }

    private async IAsyncEnumerable<(string Method, string Template, HttpResponseMessage Answer)> ProvokeAccountAsync()
    {
        const string signUp = "/api/users/signup", forgot = "/api/users/forgot", reset = "/api/users/reset", confirm = "/api/users/confirm-email", finish = "/api/users/finish-sign-up";
        const string password = "/api/account/password", email = "/api/account/email", answered = "/api/account/email/confirm", name = "/api/account/name", data = "/api/account/data", delete = "/api/account/delete", activity = "/api/account/activity", proof = "/api/sessions/current/proof";
        var user = await _app.SignUpAsync();
        string New() => $"{Guid.NewGuid():N}@example.test";
        async Task<string> TokenAsync(TestApp app, string to) => TestMail.TokenIn(await app.Mail.LastToAsync(to));

        foreach (var cookies in new[] { null, user.Cookies }) yield return ("POST", confirm, await _app.SendAsync(HttpMethod.Post, confirm, cookies: cookies, json: new { token = await TokenAsync(_app, user.Email) }));
        yield return ("POST", forgot, await _app.SendAsync(HttpMethod.Post, forgot, json: new { email = user.Email }));
        yield return ("POST", reset, await _app.SendAsync(HttpMethod.Post, reset, json: new { token = await TokenAsync(_app, user.Email), password = TestApp.Password }));
        await using (var confirming = TestApp.Start(("Accounts:SignUp", "ConfirmFirst")))
        {
            var applicant = New();
            yield return ("POST", signUp, await confirming.SendAsync(HttpMethod.Post, signUp, json: new { email = applicant, password = TestApp.Password }));
            yield return ("POST", finish, await confirming.SendAsync(HttpMethod.Post, finish, json: new { token = await TokenAsync(confirming, applicant), password = TestApp.Password }));
        }

        user = await _app.SignInAsync(user);
        foreach (var path in new[] { forgot, reset, confirm, finish })
        {
            foreach (var body in new[] { "", "{", "{}" }) yield return ("POST", path, await _app.PostTextAsync(path, body));
            yield return ("POST", path, await _app.PostTextAsync(path, "{}", "application/json", ("Origin", "https://evil.example"), ("Cookie", user.Cookies)));
        }

        foreach (var (cookies, origin) in new[] { (null, TestApp.Issuer), (user.Cookies, "https://evil.example"), (user.Cookies, TestApp.Issuer) })
            yield return ("DELETE", email, await _app.SendAsync(HttpMethod.Delete, email, cookies: cookies, headers: ("Origin", origin)));
        foreach (var path in new[] { password, email, answered, name, data, delete, proof })
        {
            yield return ("POST", path, await _app.SendAsync(HttpMethod.Post, path, json: new { }));
            yield return ("POST", path, await _app.PostTextAsync(path, """{"name":1,"token":1,"password":1}""", "application/json", ("Cookie", user.Cookies)));
            yield return ("POST", path, await _app.PostTextAsync(path, "{}", "text/plain", ("Cookie", user.Cookies)));
            yield return ("POST", path, await _app.PostTextAsync(path, "{}", "application/json", ("Origin", "https://evil.example"), ("Cookie", user.Cookies)));
        }

        foreach (var cookies in new[] { null, user.Cookies }) yield return ("GET", activity, await _app.SendAsync(HttpMethod.Get, activity, cookies: cookies));
        yield return ("GET", activity, await _app.SendAsync(HttpMethod.Get, activity + "?before=x", cookies: user.Cookies));
        yield return ("POST", name, await _app.SendAsync(HttpMethod.Post, name, cookies: user.Cookies, json: new { name = "Ada" }));
        yield return ("POST", password, await _app.SendAsync(HttpMethod.Post, password, user.AccessToken, json: new { currentPassword = user.Password, password = "seven quiet harbours dreaming" }));
        user = await _app.SignInAsync(user with { Password = "seven quiet harbours dreaming" });
        var wanted = New();
        yield return ("POST", email, await _app.SendAsync(HttpMethod.Post, email, cookies: user.Cookies, json: new { email = wanted, password = user.Password }));
        foreach (var cookies in new[] { null, user.Cookies }) yield return ("POST", answered, await _app.SendAsync(HttpMethod.Post, answered, cookies: cookies, json: new { token = await TokenAsync(_app, wanted) }));
        yield return ("POST", proof, await _app.SendAsync(HttpMethod.Post, proof, cookies: user.Cookies, json: new { password = user.Password }));
        yield return ("POST", data, await _app.SendAsync(HttpMethod.Post, data, cookies: user.Cookies, json: new { password = user.Password }));
        yield return ("POST", delete, await _app.SendAsync(HttpMethod.Post, delete, cookies: user.Cookies, json: new { password = user.Password }));
        user = await _app.SignUpAsync();
        yield return ("POST", delete, await _app.SendAsync(HttpMethod.Post, delete, cookies: user.Cookies, json: new { password = user.Password }));
    }

    private async IAsyncEnumerable<(string Method, string Template, HttpResponseMessage Answer)> ProvokeAdminAsync()
    {
        const string services = "/api/admin/services", one = "/api/admin/services/{id}", rotate = one + "/rotate", withdraw = one + "/withdraw", push = one + "/push", retry = push + "/retry";
        var user = await _app.SignUpAsync();
        await _app.ScopedAsync<App.Admin.ChangeRole, object>(async c => await c.RunAsync(user.Email, "admin", true, CancellationToken.None));
        var admin = (await _app.SignInAsync(user)).AccessToken;
        const string drills = "/api/admin/drills";
        const string keys = "/api/admin/keys", rotateKeys = keys + "/rotate", revokeKey = keys + "/{id}/revoke";
        await using (var shared = TestApp.Start(("Tokens:SharedSecret", "a secret of at least thirty-two characters")))
            yield return ("POST", rotateKeys, await shared.SendAsync(HttpMethod.Post, rotateKeys, (await shared.NewAdminAsync()).AccessToken));
        foreach (var bearer in new[] { null, (await _app.SignUpAsync()).AccessToken, admin })
        {
            var all = await _app.SendAsync(HttpMethod.Get, keys, bearer);
            var next = all.IsSuccessStatusCode ? (await Answers.JsonAsync(all)).EnumerateArray().First(k => k.GetProperty("state").GetString() == "next").GetProperty("id").GetString() : "x";
            yield return ("GET", keys, all);
            yield return ("POST", rotateKeys, await _app.SendAsync(HttpMethod.Post, rotateKeys, bearer));
            for (var i = 0; i < 2; i++) yield return ("POST", revokeKey, await _app.SendAsync(HttpMethod.Post, $"{keys}/{next}/revoke", bearer));
            yield return ("GET", services, await _app.SendAsync(HttpMethod.Get, services, bearer));
            for (var i = 0; i < 2; i++) yield return ("POST", drills, await _app.SendAsync(HttpMethod.Post, drills, bearer));
            var begun = await _app.DbAsync(db => db.Set<App.Events.LoggedEvent>().Where(e => e.Reason == "fire-drill").Select(e => e.SessionId).FirstOrDefaultAsync()) ?? Guid.NewGuid();
            foreach (var id in new[] { Guid.NewGuid(), begun }) yield return ("GET", drills + "/{id}", await _app.SendAsync(HttpMethod.Get, $"{drills}/{id}", bearer));
            foreach (var id in new[] { "", "stock" }) yield return ("POST", services, await _app.SendAsync(HttpMethod.Post, services, bearer, json: new { id }));
            foreach (var id in new[] { OneApp.Declared, "stock" }) yield return ("POST", rotate, await _app.SendAsync(HttpMethod.Post, $"{services}/{id}/rotate", bearer));
            for (var i = 0; i < 2; i++) yield return ("POST", withdraw, await _app.SendAsync(HttpMethod.Post, services + "/stock/withdraw", bearer));
            foreach (var id in new[] { "gone", "stock" }) yield return ("GET", one, await _app.SendAsync(HttpMethod.Get, $"{services}/{id}", bearer));
            foreach (var id in new[] { OneApp.Declared, "gone", "stock" }) yield return ("PUT", push, await _app.SendAsync(HttpMethod.Put, $"{services}/{id}/push", bearer, json: new { url = "https://stock.example" }));
            yield return ("GET", one, await _app.SendAsync(HttpMethod.Get, services + "/stock", bearer));
            foreach (var id in new[] { "gone", "stock" }) yield return ("POST", retry, await _app.SendAsync(HttpMethod.Post, $"{services}/{id}/push/retry", bearer));
            foreach (var id in new[] { OneApp.Declared, "gone", "stock" }) yield return ("DELETE", push, await _app.SendAsync(HttpMethod.Delete, $"{services}/{id}/push", bearer));
            foreach (var id in new[] { OneApp.Declared, "stock" }) yield return ("DELETE", one, await _app.SendAsync(HttpMethod.Delete, $"{services}/{id}", bearer));
            for (var i = 0; i < 2; i++) yield return ("DELETE", one, await _app.SendAsync(HttpMethod.Delete, services + "/gone", bearer));
            yield return ("POST", rotate, await _app.SendAsync(HttpMethod.Post, services + "/gone/rotate", bearer));
        }

        await foreach (var answer in ProvokePeopleAsync(user with { AccessToken = admin })) yield return answer;
        yield return ("POST", services, await _app.PostTextAsync(services, "{}", "text/plain", ("Authorization", "Bearer " + admin)));
        using var text = new HttpRequestMessage(HttpMethod.Put, services + "/stock/push") { Content = new StringContent("{}") };
        text.Headers.Add("Authorization", "Bearer " + admin);
        yield return ("PUT", push, await _app.Client.SendAsync(text));
    }

    private async IAsyncEnumerable<(string Method, string Template, HttpResponseMessage Answer)> ProvokePeopleAsync(TestUser admin)
    {
        const string users = "/api/admin/users", one = users + "/{id}", shut = one + "/lock", open = one + "/unlock", reset = one + "/reset", theirs = one + "/sessions", role = one + "/roles/{role}";
        const string session = "/api/admin/sessions/{id}", audit = "/api/admin/audit", events = "/api/admin/events";
        var user = await _app.SignUpAsync();
        foreach (var bearer in new[] { null, (await _app.SignUpAsync()).AccessToken, admin.AccessToken })
        {
            yield return ("GET", "/api/admin/overview", await _app.SendAsync(HttpMethod.Get, "/api/admin/overview", bearer));
            foreach (var query in new[] { "", "?take=x" })
            {
                foreach (var list in new[] { users, "/api/admin/sessions", audit, events }) yield return ("GET", list, await _app.SendAsync(HttpMethod.Get, list + query, bearer));
                foreach (var list in new[] { audit, events }) yield return ("GET", list + "/export", await _app.SendAsync(HttpMethod.Get, $"{list}/export{query.Replace("take", "user", StringComparison.Ordinal)}", bearer));
            }

            foreach (var id in new[] { Guid.NewGuid(), user.SessionId }) yield return ("DELETE", session, await _app.SendAsync(HttpMethod.Delete, $"/api/admin/sessions/{id}", bearer));
            foreach (var (id, name) in new[] { (Guid.NewGuid(), "admin"), (admin.Id, "admin"), (user.Id, "clerk"), (user.Id, "No Role") })
            {
                yield return ("PUT", role, await _app.SendAsync(HttpMethod.Put, $"{users}/{id}/roles/{name}", bearer));
                yield return ("DELETE", role, await _app.SendAsync(HttpMethod.Delete, $"{users}/{id}/roles/{name}", bearer));
            }

            foreach (var id in new[] { Guid.NewGuid(), user.Id })
            {
                yield return ("GET", one, await _app.SendAsync(HttpMethod.Get, $"{users}/{id}", bearer));
                yield return ("DELETE", theirs, await _app.SendAsync(HttpMethod.Delete, $"{users}/{id}/sessions", bearer));
            }

            foreach (var id in new[] { Guid.NewGuid(), admin.Id, user.Id })
            {
                yield return ("POST", shut, await _app.SendAsync(HttpMethod.Post, $"{users}/{id}/lock", bearer));
                yield return ("POST", reset, await _app.SendAsync(HttpMethod.Post, $"{users}/{id}/reset", bearer));
                yield return ("POST", open, await _app.SendAsync(HttpMethod.Post, $"{users}/{id}/unlock", bearer));
            }
        }
    }

    private async IAsyncEnumerable<(string Method, string Template, HttpResponseMessage Answer)> ProvokeServicesAsync()
    {
        const string token = "/connect/token", introspect = "/connect/introspect", revoke = "/connect/revoke", ack = "/events/ack", poll = "/events/poll", events = "/events";
        var (user, basic) = (await _app.SignUpAsync(), Callers.Basic(OneApp.Declared, OneApp.Secret));
        var own = await _app.ServiceTokenAsync(basic);
        foreach (var form in new (string, string)[][] { [], [("grant_type", "client_credentials")], [("grant_type", "client_credentials"), ("scope", "stock.read")], [("grant_type", "refresh_token"), ("refresh_token", user.RefreshToken)],
            [("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), ("subject_token", user.AccessToken), ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"), ("audience", OneApp.Next)] })
        {
            foreach (var authorization in new[] { null, basic }) yield return ("POST", token, await _app.PostAsync(token, authorization, form));
        }

        user = await _app.SignUpAsync();
        var bound = (await Answers.JsonAsync(await _app.PostAsync(token, basic, ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), ("subject_token", user.AccessToken), ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"), ("audience", OneApp.Next)))).GetProperty("access_token").GetString()!;
        yield return ("POST", introspect, await _app.PostAsync(introspect, Callers.Basic(OneApp.Next, OneApp.Secret), ("token", bound)));
        foreach (var path in new[] { introspect, revoke })
        {
            foreach (var text in new[] { user.AccessToken, user.RefreshToken, own, "none" }) yield return ("POST", path, await _app.PostAsync(path, basic, ("token", text)));
            yield return ("POST", path, await _app.PostAsync(path, basic));
            yield return ("POST", path, await _app.PostAsync(path, "Basic x", ("token", "none")));
        }

        foreach (var path in new[] { ack, poll })
        {
            foreach (var body in new[] { """{"cursor":0,"returnImmediately":true}""", """{"cursor":-1,"maxEvents":-1}""", "{" }) yield return ("POST", path, await _app.PostTextAsync(path, body, "application/json", ("Authorization", basic)));
            yield return ("POST", path, await _app.PostTextAsync(path, "{}", "text/plain", ("Authorization", basic)));
            yield return ("POST", path, await _app.PostTextAsync(path, "{}"));
        }

        foreach (var path in new[] { token, introspect, revoke, ack, poll })
            yield return ("POST", path, await _app.PostTextAsync(path, "", null, ("Authorization", basic), ("Origin", "https://evil.example"), ("Cookie", user.Cookies)));
        yield return ("GET", events, await _app.Client.GetAsync(events));
        yield return ("GET", events, await _app.SendAsync(HttpMethod.Get, events + "?instance=%20", headers: ("Authorization", basic)));
    }

    [GeneratedRegex("WithCode\\(\"([a-z_]+)\"\\)")]
    private static partial Regex CodeOfAProblem();

    /// <summary>As much of JSON Schema as the description uses.</summary>
    private static class Schema
    {
        public static List<string> Faults(JsonElement document, JsonElement schema, JsonElement value, string at)
        {
            if (schema.TryGetProperty("$ref", out var reference))
            {
                schema = document;
                foreach (var step in reference.GetString()!.Split('/').Skip(1)) schema = schema.GetProperty(step);
                return Faults(document, schema, value, at);
            }

            if (schema.TryGetProperty("oneOf", out var choices))
                return choices.EnumerateArray().Any(c => Faults(document, c, value, at).Count == 0) ? [] : [$"{at} is none of its choices"];

            var faults = new List<string>();
            if (schema.TryGetProperty("type", out var type))
            {
                string[] allowed = type.ValueKind == JsonValueKind.Array ? [.. type.EnumerateArray().Select(t => t.GetString()!)] : [type.GetString()!];
                if (!allowed.Contains(TypeOf(value)) && !(TypeOf(value) == "integer" && allowed.Contains("number"))) faults.Add($"{at} is {TypeOf(value)}, not {string.Join(" or ", allowed)}");
            }

            if (value.ValueKind == JsonValueKind.Object)
            {
                if (schema.TryGetProperty("required", out var required))
                    faults.AddRange(required.EnumerateArray().Select(r => r.GetString()!).Where(r => !value.TryGetProperty(r, out _)).Select(r => $"{at}.{r} is missing"));
                if (!schema.TryGetProperty("properties", out var properties)) return faults;
                foreach (var member in value.EnumerateObject())
                {
                    if (properties.TryGetProperty(member.Name, out var inner)) faults.AddRange(Faults(document, inner, member.Value, $"{at}.{member.Name}"));
                    else if (!schema.TryGetProperty("additionalProperties", out _)) faults.Add($"{at}.{member.Name} isn't described");
                }
            }

            if (value.ValueKind == JsonValueKind.Array && schema.TryGetProperty("items", out var items))
                foreach (var item in value.EnumerateArray()) faults.AddRange(Faults(document, items, item, at + "[]"));
            return faults;
        }

        private static string TypeOf(JsonElement value) => value.ValueKind switch
        {
            JsonValueKind.Object => "object",
            JsonValueKind.Array => "array",
            JsonValueKind.String => "string",
            JsonValueKind.True or JsonValueKind.False => "boolean",
            JsonValueKind.Number => value.TryGetInt64(out _) ? "integer" : "number",
            _ => "null",
        };
    }
}
