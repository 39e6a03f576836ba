using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using App.E2E.Harness;

namespace App.E2E.Peers;

/// <summary>Services in another language, built from the packages their authors use, trust our token unchanged (contract sections 2 and 3).</summary>
[Collection("Node services")]
public sealed class NodeServicesTests : IAsyncLifetime
{
    private Service _service = null!;

    public async Task InitializeAsync() => _service = await Service.StartAsync();

    public async Task DisposeAsync() => await _service.DisposeAsync();

    [Fact]
    public async Task The_courses_service_reads_our_cookie_with_our_pem_and_refuses_a_tampered_one()
    {
        var ada = Person.New();
        var credentials = await _service.Client.SignUpAsync(ada);
        await using var peer = await NodePeer.StartAsync("course.mjs", ("JWT_KEY", await _service.Client.GetStringAsync("/.well-known/public-key.pem")));

        using var answer = await peer.Client.SendAsync(HttpMethod.Get, "/api/orders", cookie: credentials.CookieHeader);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var user = (await answer.Content.ReadFromJsonAsync<JsonNode>())!;
        Assert.Equal(ada.Email, user["email"]!.GetValue<string>());
        Assert.Equal(Credentials.Claims(credentials.AccessToken)["sub"]!.GetValue<string>(), user["userId"]!.GetValue<string>());

        foreach (var forged in Tampered(credentials.AccessToken))
        {
            using var refused = await peer.Client.SendAsync(HttpMethod.Get, "/api/orders", cookie: $"session={CookieOf(forged)}");
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
            Assert.Null(await _service.Client.WhoAmIAsync(cookie: $"session={CookieOf(forged)}"));
        }
    }

    [Fact]
    public async Task A_cookie_that_nodes_cookie_session_writes_is_ours_byte_for_byte_and_accepted_here()
    {
        var ada = Person.New();
        var credentials = await _service.Client.SignUpAsync(ada);
        await using var peer = await NodePeer.StartAsync("course.mjs", ("JWT_KEY", "unused"));

        using var answer = await peer.Client.PostAsJsonAsync("/write", new { jwt = credentials.AccessToken });
        var written = answer.Headers.GetValues("Set-Cookie").First().Split(';')[0]["session=".Length..];

        Assert.Equal(credentials.Session, written);
        Assert.Equal(ada.Email, await _service.Client.WhoAmIAsync(cookie: $"session={written}"));
    }

    [Fact]
    public async Task Jose_verifies_our_token_through_the_jwks()
    {
        var ada = Person.New();
        var token = (await _service.Client.SignUpAsync(ada)).AccessToken;
        var audience = Credentials.Claims(token)["aud"]![0]!.GetValue<string>();
        await using var peer = await NodePeer.StartAsync("jose.mjs",
            ("JWKS", $"{_service.Address}/.well-known/jwks.json"), ("ISSUER", _service.Address), ("AUDIENCE", audience));

        using var answer = await peer.Client.SendAsync(HttpMethod.Get, "/", bearer: token);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(ada.Email, (await answer.Content.ReadFromJsonAsync<JsonNode>())!["email"]!.GetValue<string>());

        foreach (var forged in Tampered(token))
        {
            using var refused = await peer.Client.SendAsync(HttpMethod.Get, "/", bearer: forged);
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        }
    }

    [Fact]
    public async Task In_migration_mode_the_courses_service_verifies_with_the_shared_secret_it_already_has()
    {
        var secret = $"shared-{Guid.NewGuid():N}-{Guid.NewGuid():N}";
        TestRun.Secrets[secret] = "the shared secret";
        await using var migrating = await Service.StartAsync(null, ("Tokens__SharedSecret", secret));
        var ada = Person.New();
        var credentials = await migrating.Client.SignUpAsync(ada);
        await using var peer = await NodePeer.StartAsync("course.mjs", ("JWT_KEY", secret));

        using var answer = await peer.Client.SendAsync(HttpMethod.Get, "/api/orders", cookie: credentials.CookieHeader);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        foreach (var path in new[] { "/.well-known/jwks.json", "/.well-known/public-key.pem" })
        {
            using var hidden = await migrating.Client.GetAsync(path);
            Assert.Equal(HttpStatusCode.NotFound, hidden.StatusCode);
        }
    }

    /// <summary>Another user's id under the same signature, a turned bit in the signature, and no signature at all.</summary>
    private static IEnumerable<string> Tampered(string token)
    {
        var parts = token.Split('.');
        var claims = Credentials.Claims(token);
        claims["sub"] = Guid.NewGuid().ToString();
        claims["id"] = Guid.NewGuid().ToString();
        yield return $"{parts[0]}.{Segment(claims.ToJsonString())}.{parts[2]}";
        yield return $"{parts[0]}.{parts[1]}.{(parts[2][0] == 'A' ? 'B' : 'A')}{parts[2][1..]}";
        yield return $"{Segment("""{"alg":"none","typ":"at+jwt"}""")}.{parts[1]}.";
    }

    private static string Segment(string json) =>
        Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(json)).TrimEnd('=').Replace('+', '-').Replace('/', '_');

    private static string CookieOf(string token) =>
        Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($$"""{"jwt":"{{token}}"}"""));
}
