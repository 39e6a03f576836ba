using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using App.OAuth;
using App.Tests.Attacks;
using App.Tokens;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace App.Tests.OAuth;

public sealed class TokenEndpointTests : IAsyncLifetime
{
    private const string TokenPath = "/connect/token";

    private readonly TestApp _app = Callers.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task A_service_whose_grants_are_listed_has_no_others()
    {
        await using var app = TestApp.Start([.. Callers.Settings, ("Services:0:Grants:0", "urn:ietf:params:oauth:grant-type:token-exchange")]);
        var answer = await app.PostAsync("/connect/token", Callers.Basic(), ("grant_type", "client_credentials"));
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal("unauthorized_client", (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("error").GetString());
    }

    [Fact]
    public async Task A_service_gets_a_token_that_any_library_verifies_by_our_key_set_and_that_is_nobodys_session()
    {
        var answer = await _app.PostAsync("/connect/token", Callers.Basic(), ("grant_type", "client_credentials"), ("scope", "stock.read"));
        var body = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Contains("no-store", answer.Headers.CacheControl!.ToString(), StringComparison.Ordinal);
        Assert.Equal(("Bearer", true), (body.GetProperty("token_type").GetString(), body.GetProperty("expires_in").GetInt64() == 300));

        var text = body.GetProperty("access_token").GetString()!;
        var keys = new JsonWebKeySet(await _app.Client.GetStringAsync("/.well-known/jwks.json"));
        var result = await new JsonWebTokenHandler().ValidateTokenAsync(text, new TokenValidationParameters
        {
            ValidIssuer = TestApp.Issuer,
            ValidAudience = TestApp.Audience,
            ValidTypes = ["at+jwt"],
            ValidAlgorithms = ["ES256"],
            IssuerSigningKeys = keys.Keys,
            ValidateLifetime = false,
        });
        Assert.True(result.IsValid, result.Exception?.Message);
        var token = new JsonWebToken(text);
        Assert.Equal(("orders", "stock.read", TestApp.Issuer), (token.Subject, token.GetClaim("scope").Value, token.Issuer));
        Assert.False(token.TryGetClaim("id", out _) || token.TryGetClaim("sid", out _));
        Assert.Null(await _app.WhoAmIAsync(bearer: text));
        Assert.Equal(HttpStatusCode.Unauthorized, (await _app.SendAsync(HttpMethod.Get, "/api/sessions", bearer: text)).StatusCode);
    }

    [Fact]
    public async Task A_rotated_key_signs_at_once_and_the_old_tokens_live_on()
    {
        var before = await _app.ServiceTokenAsync();
        await _app.ScopedAsync<SigningKeys, SigningKeys.Outcome>(k => k.RotateAsync(CancellationToken.None));
        var after = await _app.ServiceTokenAsync();
        Assert.NotEqual(new JsonWebToken(before).Kid, new JsonWebToken(after).Kid);
        Assert.True(await _app.IsActiveAsync(before));
        Assert.True(await _app.IsActiveAsync(after));
        await _app.ScopedAsync<SigningKeys, SigningKeys.Outcome>(k => k.RevokeAsync(new JsonWebToken(before).Kid, CancellationToken.None));
        Assert.False(await _app.IsActiveAsync(before));
    }

    [Theory] // ATTACKS OAU-08, OAU-09, OAU-11
    [InlineData("grant_type=client_credentials&scope=admin", true, 400, "invalid_scope")]
    [InlineData("grant_type=client_credentials&scope=admin+offline_access", true, 400, "invalid_scope")]
    [InlineData("grant_type=client_credentials&scope=stock.read+openid+profile", true, 400, "invalid_scope")]
    [InlineData("grant_type=client_credentials&resource=https%3A%2F%2Fnobody.test", true, 400, "invalid_target")] // RFC 8707 section 2
    [InlineData("grant_type=client_credentials&resource=https%3A%2F%2Fbilling.test", true, 400, "invalid_target")]
    [InlineData("grant_type=client_credentials&resource=nonsense", true, 400, "invalid_target")]
    [InlineData("grant_type=client_credentials&resource=" + TestApp.Audience + "&resource=https%3A%2F%2Fnobody.test", true, 400, "invalid_target")]
    [InlineData("grant_type=client_credentials&resource=https%3A%2F%2Fnobody.test&scope=admin", true, 400, "invalid_scope")]
    [InlineData("grant_type=client_credentials&resource=https%3A%2F%2Fnobody.test", false, 401, "invalid_client")]
    [InlineData("grant_type=password&username=a&password=b", true, 400, "unsupported_grant_type")]
    [InlineData("grant_type=authorization_code&code=x", true, 400, "unsupported_grant_type")]
    [InlineData("grant_type=implicit", true, 400, "unsupported_grant_type")]
    [InlineData("", true, 400, "invalid_request")]
    [InlineData("grant_type=client_credentials", false, 401, "invalid_client")]
    [InlineData("grant_type=client_credentials&client_id=orders", false, 401, "invalid_client")]
    [InlineData("grant_type=client_credentials&client_id=orders&client_secret=", false, 401, "invalid_client")]
    [InlineData("grant_type=client_credentials&client_id=orders&client_secret=wrong", false, 401, "invalid_client")]
    [InlineData("grant_type=client_credentials&client_id=orders&client_secret=wrong&scope=admin", false, 401, "invalid_client")]
    [InlineData("grant_type=client_credentials&client_id=nobody&client_secret=" + Callers.Secret, false, 401, "invalid_client")]
    [InlineData("grant_type=client_credentials&client_id=billing&client_secret=" + Callers.Secret, false, 401, "invalid_client")]
    [InlineData("grant_type=client_credentials&client_secret=" + Callers.Secret, false, 401, "invalid_client")]
    [InlineData("grant_type=client_credentials&client_id=orders&client_secret=" + Callers.Secret, true, 400, "invalid_request")]
    [InlineData("grant_type=client_credentials&client_secret=" + Callers.Secret, true, 400, "invalid_request")]
    [InlineData("grant_type=client_credentials&client_id=billing", true, 400, "invalid_request")]
    [InlineData("grant_type=client_credentials&client_id=orders&client_id=orders", true, 400, "invalid_request")]
    [InlineData("grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=eyJhbGciOiJub25lIn0.eyJzdWIiOiJvcmRlcnMifQ.", false, 401, "invalid_client")]
    public async Task A_refusal_is_OAuths_with_our_errors_beside_it(string form, bool basic, int status, string error)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/connect/token") { Content = new StringContent(form, System.Text.Encoding.UTF8, "application/x-www-form-urlencoded") };
        if (basic) request.Headers.TryAddWithoutValidation("Authorization", Callers.Basic());
        var answer = await _app.Client.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(status == (int)answer.StatusCode, $"{(int)answer.StatusCode} {text}");
        Assert.Equal(status == 401 ? [ServiceHandler.BasicChallenge] : [], answer.Headers.WwwAuthenticate.Select(h => h.ToString()));
        var body = JsonDocument.Parse(text).RootElement;
        Assert.Equal((error, "application/json"), (body.GetProperty("error").GetString(), answer.Content.Headers.ContentType?.MediaType));
        Assert.NotEmpty(Answers.Faults(body));
        Assert.False(body.TryGetProperty("access_token", out _));
    }

    [Theory] // RFC 8707 section 2
    [InlineData("gatehouse", "gatehouse", 200), InlineData("https://api.test", "https://api.test", 200), InlineData("https://api.test", "", 200)]
    [InlineData("https://api.test", "https://api.test/", 400), InlineData("https://api.test", "https://API.test", 400), InlineData("https://api.test", "https://api.test#part", 400)]
    public async Task A_resource_is_granted_where_the_token_is_for_it(string audience, string resource, int status)
    {
        await using var app = TestApp.Start([.. Callers.Settings, ("Tokens:Audience", audience)]);
        var answer = await app.PostAsync(TokenPath, Callers.Basic(), ("grant_type", "client_credentials"), ("resource", resource));
        Assert.True(status == (int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
        if (status == 200) Assert.Equal([audience], new JsonWebToken((await Answers.JsonAsync(answer)).GetProperty("access_token").GetString()).Audiences);
    }

    [Fact] // RFC 6749 section 5.2, RFC 7617 section 2
    public async Task A_header_that_proves_nothing_is_asked_for_anew_at_every_route_in_the_same_words()
    {
        var user = await _app.SignUpAsync();
        var own = await _app.ServiceTokenAsync();
        foreach (var header in new[] { Callers.Basic("orders", ""), Callers.Basic("", Callers.Secret), Callers.Basic("", ""), Callers.Basic("orders", "wrong"), "Basic orders", "Basic !", "Basic ", "Basic " + Convert.ToBase64String("orders"u8),
            "Basic " + Convert.ToBase64String([0xff, 0xfe]), "Basic " + new string('A', 4000), "Bearer x", "Bearer " + user.AccessToken, "Bearer " + own, "Digest username=\"orders\"", "nonsense" })
        {
            var answer = await _app.PostAsync(TokenPath, header, ("grant_type", "client_credentials"));
            var said = $"{header}: {await answer.Content.ReadAsStringAsync()}";
            Assert.True(answer.StatusCode == HttpStatusCode.Unauthorized, said);
            Assert.Equal([ServiceHandler.BasicChallenge], answer.Headers.WwwAuthenticate.Select(h => h.ToString()));
            Assert.True(answer.Headers.CacheControl?.NoStore, said);
            var refusal = await Answers.JsonAsync(answer);
            Assert.Equal(("invalid_client", "application/json"), (refusal.GetProperty("error").GetString(), answer.Content.Headers.ContentType?.MediaType));
            Assert.Equal(["Not authorized"], Answers.Faults(refusal));
            foreach (var path in header.EndsWith(own, StringComparison.Ordinal) ? [] : new[] { "/connect/introspect", "/events/poll", "/events/ack" })
                Assert.Contains(ServiceHandler.BasicChallenge, (await _app.PostTextAsync(path, "{}", "application/json", ("Authorization", header))).Headers.WwwAuthenticate.Select(h => h.ToString()));
        }

        Assert.Contains(ServiceHandler.BasicChallenge, (await _app.PostAsync("/connect/revoke", Callers.Basic("orders", "wrong"), ("token", "x"))).Headers.WwwAuthenticate.Select(h => h.ToString()));
    }

    [Fact]
    public async Task What_somebody_in_between_puts_beside_credentials_in_the_form_is_passed_over()
    {
        var answer = await _app.PostAsync(TokenPath, "Bearer of-a-mesh", ("grant_type", "client_credentials"), ("client_id", "orders"), ("client_secret", Callers.Secret));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Theory] // RFC 6749 section 2.3
    [InlineData("client_id", "billing", 400), InlineData("client_secret", Callers.Secret, 400), InlineData("client_id", "orders", 200), InlineData("client_id", "", 200), InlineData("client_secret", "", 200)]
    public async Task A_service_says_who_it_is_in_one_way_alone(string name, string value, int status)
    {
        var bearer = "Bearer " + await _app.ServiceTokenAsync();
        foreach (var (path, header) in new[] { (TokenPath, Callers.Basic()), ("/connect/introspect", Callers.Basic()), ("/connect/introspect", bearer), ("/connect/revoke", Callers.Basic()), ("/connect/revoke", bearer) })
        {
            var answer = await _app.PostAsync(path, header, ("grant_type", "client_credentials"), ("token", "x"), (name, value));
            Assert.True(status == (int)answer.StatusCode, $"{path}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
            if (status == 200) continue;
            var refusal = await Answers.JsonAsync(answer);
            Assert.Equal("invalid_request", refusal.GetProperty("error").GetString());
            Assert.Equal([ServiceHandler.OneWayAlone], Answers.Faults(refusal));
        }
    }

    [Theory]
    [InlineData("grant_type=client_credentials", "application/x-www-form-urlencoded; charset=utf-7")]
    [InlineData("--a\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nab", "multipart/form-data; boundary=a")]
    [InlineData("{}", "application/json")]
    [InlineData("", null)]
    [InlineData(null, "application/x-www-form-urlencoded")] // seventy fields
    public async Task What_is_no_form_is_an_invalid_request(string? body, string? type)
    {
        var answer = await _app.PostTextAsync(TokenPath, body ?? string.Join('&', Enumerable.Range(0, 70).Select(i => $"f{i}=x")), type, ("Authorization", Callers.Basic()));
        Assert.Equal((HttpStatusCode.BadRequest, "application/json"), (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));
        var refusal = await Answers.JsonAsync(answer);
        Assert.Equal("invalid_request", refusal.GetProperty("error").GetString());
        Assert.NotEmpty(Answers.Faults(refusal));
    }

    [Fact]
    public async Task The_form_works_in_the_place_of_the_header()
    {
        var answer = await _app.PostAsync("/connect/token", null, ("grant_type", "client_credentials"), ("client_id", "orders"), ("client_secret", Callers.Secret));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact] // RFC 8414 section 2, OpenID Shared Signals Framework 1.0 section 7.1: whoever reads them finds all there is
    public async Task What_there_is_is_advertised()
    {
        AssertSame("""
            {
              "issuer": "https://auth.test",
              "response_types_supported": [],
              "grant_types_supported": ["client_credentials", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"],
              "subject_types_supported": ["public"],
              "claims_supported": ["iss", "sub", "id", "aud", "sid", "jti", "iat", "exp", "auth_time", "email", "email_verified", "name", "roles", "amr", "act"],
              "jwks_uri": "https://auth.test/.well-known/jwks.json",
              "id_token_signing_alg_values_supported": ["ES256"],
              "token_endpoint": "https://auth.test/connect/token",
              "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
              "introspection_endpoint": "https://auth.test/connect/introspect",
              "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
              "revocation_endpoint": "https://auth.test/connect/revoke",
              "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"]
            }
            """, await _app.Client.GetStringAsync("/.well-known/openid-configuration"));
        AssertSame("""
            {
              "spec_version": "1_0",
              "issuer": "https://auth.test",
              "delivery_methods_supported": ["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"],
              "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"}, {"spec_urn": "urn:ietf:rfc:7617"}],
              "poll_endpoint": "https://auth.test/events/poll",
              "sse_endpoint": "https://auth.test/events",
              "acknowledgement_endpoint": "https://auth.test/events/ack",
              "events_supported": [
                "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
                "https://schemas.openid.net/secevent/caep/event-type/credential-change",
                "https://schemas.openid.net/secevent/caep/event-type/token-claims-change",
                "https://schemas.openid.net/secevent/risc/event-type/identifier-changed",
                "https://schemas.openid.net/secevent/risc/event-type/account-disabled",
                "https://schemas.openid.net/secevent/risc/event-type/account-purged",
                "https://auth.test/events/signing-key-changed"
              ],
              "jwks_uri": "https://auth.test/.well-known/jwks.json"
            }
            """, await _app.Client.GetStringAsync("/.well-known/ssf-configuration"));
    }

    [Fact]
    public async Task Every_endpoint_that_is_advertised_is_there()
    {
        foreach (var document in new[] { "/.well-known/openid-configuration", "/.well-known/ssf-configuration" })
        {
            var body = await _app.Client.GetFromJsonAsync<JsonElement>(document);
            Assert.Equal(TestApp.Issuer, body.GetProperty("issuer").GetString());
            foreach (var member in body.EnumerateObject().Where(m => m.Name.EndsWith("_endpoint", StringComparison.Ordinal) || m.Name == "jwks_uri"))
            {
                Assert.StartsWith(TestApp.Issuer + "/", member.Value.GetString(), StringComparison.Ordinal);
                var path = member.Value.GetString()![TestApp.Issuer.Length..];
                var answer = member.Name is "jwks_uri" or "sse_endpoint" ? await _app.Client.GetAsync(path) : await _app.PostAsync(path, null);
                Assert.NotEqual(HttpStatusCode.NotFound, answer.StatusCode);
            }
        }
    }

    private static void AssertSame(string wanted, string given) =>
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(wanted), JsonNode.Parse(given)), given);
}
