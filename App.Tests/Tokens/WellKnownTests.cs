using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using App.Tokens;
using Microsoft.IdentityModel.Tokens;
using static App.Tests.Tokens.SigningKeysTests;

namespace App.Tests.Tokens;

public sealed class WellKnownTests : IAsyncLifetime
{
    private const string Keys = "/.well-known/jwks.json";
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact] // ATTACKS 195
    public async Task The_key_set_holds_the_public_halves_and_nothing_else()
    {
        await RotateAsync();
        var answer = await _app.Client.GetAsync(Keys);
        var set = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;

        Assert.Equal("application/jwk-set+json", answer.Content.Headers.ContentType!.MediaType);
        Assert.Equal(["keys"], set.EnumerateObject().Select(m => m.Name));
        var keys = set.GetProperty("keys").EnumerateArray().ToList();
        Assert.Equal(3, keys.Count); // next, current, retired
        Assert.All(keys, key =>
        {
            Assert.Equal(["alg", "crv", "kid", "kty", "use", "x", "y"], key.EnumerateObject().Select(m => m.Name).Order(StringComparer.Ordinal));
            Assert.Equal(("EC", "P-256", "ES256", "sig"), (Text(key, "kty"), Text(key, "crv"), Text(key, "alg"), Text(key, "use")));
            Assert.Equal((43, 43, 43), (Text(key, "x").Length, Text(key, "y").Length, Text(key, "kid").Length)); // 32 bytes each, leading zeros kept
            Assert.Equal(Text(key, "kid"), Base64UrlEncoder.Encode(new JsonWebKey(key.GetRawText()).ComputeJwkThumbprint()));
        });
        Assert.Equal((await KeysAsync(_app)).Select(k => k.Id).Order(), keys.Select(k => Text(k, "kid")).Order());
    }

    [Fact]
    public async Task It_may_be_cached_and_is_not_sent_again_to_who_has_it()
    {
        var first = await _app.Client.GetAsync(Keys);
        var tag = first.Headers.ETag!;
        Assert.Equal("public, max-age=300", first.Headers.CacheControl!.ToString());
        Assert.False(tag.IsWeak);

        var again = await _app.SendAsync(HttpMethod.Get, Keys, headers: ("If-None-Match", tag.Tag));
        Assert.Equal(HttpStatusCode.NotModified, again.StatusCode);
        Assert.Equal(tag, again.Headers.ETag);
        Assert.Empty(await again.Content.ReadAsByteArrayAsync());
        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Get, Keys, headers: ("If-None-Match", "\"other\""))).StatusCode);

        await RotateAsync();
        var changed = await _app.SendAsync(HttpMethod.Get, Keys, headers: ("If-None-Match", tag.Tag));
        Assert.Equal(HttpStatusCode.OK, changed.StatusCode);
        Assert.NotEqual(tag, changed.Headers.ETag);
    }

    [Theory]
    [InlineData("{0}", true)]
    [InlineData("W/{0}", true)]
    [InlineData("\"other\", {0}", true)]
    [InlineData("*", true)]
    [InlineData("", false)]
    [InlineData("\"\"", false)]
    [InlineData("{0}x", false)]
    public async Task Any_list_that_names_the_tag_is_answered_without_the_body(string known, bool has)
    {
        foreach (var path in new[] { Keys, "/.well-known/public-key.pem", "/.well-known/openid-configuration", "/verifiers/node" })
        {
            var tag = (await _app.Client.GetAsync(path)).Headers.ETag!.Tag;
            var answer = await _app.SendAsync(HttpMethod.Get, path, headers: ("If-None-Match", known.Replace("{0}", tag, StringComparison.Ordinal)));
            Assert.Equal(has ? HttpStatusCode.NotModified : HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal("public, max-age=300", answer.Headers.CacheControl!.ToString());
        }
    }

    [Fact]
    public async Task Nobody_is_signed_in_or_renewed_where_the_answer_is_the_same_for_everybody()
    {
        var user = await _app.SignUpAsync();
        _app.Time.Advance(TimeSpan.FromMinutes(10)); // the access token is over, the refresh token is good
        var answer = await _app.SendAsync(HttpMethod.Get, Keys, headers: ("Cookie", user.Cookies));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.False(answer.Headers.Contains("Set-Cookie"));
    }

    [Fact]
    public async Task Replicas_publish_the_same_bytes()
    {
        await using var replica = _app.StartReplica();
        Assert.Equal(await _app.Client.GetStringAsync(Keys), await replica.Client.GetStringAsync(Keys));
        Assert.Equal((await _app.Client.GetAsync(Keys)).Headers.ETag, (await replica.Client.GetAsync(Keys)).Headers.ETag);
    }

    [Fact] // ATTACKS 202
    public async Task A_retired_key_is_published_until_its_last_token_has_expired()
    {
        var old = Of(await KeysAsync(_app), SigningKeyState.Current).Id;
        await RotateAsync();

        await LaterAsync(TokenOptions.LongestLifetime);
        Assert.Contains(old, await PublishedAsync());
        await LaterAsync(TokenOptions.ClockSkew);
        Assert.DoesNotContain(old, await PublishedAsync());
        Assert.Null(_app.Get<SigningKeyRing>().Find(old));
    }

    [Fact]
    public async Task A_revoked_key_is_gone_at_once()
    {
        var current = Of(await KeysAsync(_app), SigningKeyState.Current).Id;
        await _app.ScopedAsync((SigningKeys keys) => keys.RevokeAsync(current, CancellationToken.None));
        Assert.DoesNotContain(current, await PublishedAsync());
        Assert.Equal(2, (await PublishedAsync()).Count);
    }

    [Fact]
    public async Task The_PEM_is_the_current_key_as_jsonwebtoken_wants_it()
    {
        var answer = await _app.Client.GetAsync("/.well-known/public-key.pem");
        var text = await answer.Content.ReadAsStringAsync();

        // jsonwebtoken tells a public key from a shared secret by this very line.
        Assert.StartsWith("-----BEGIN PUBLIC KEY-----\n", text, StringComparison.Ordinal);
        Assert.EndsWith("\n-----END PUBLIC KEY-----\n", text, StringComparison.Ordinal);
        Assert.Equal("application/x-pem-file", answer.Content.Headers.ContentType!.MediaType);
        using var key = ECDsa.Create();
        key.ImportFromPem(text);
        Assert.Throws<CryptographicException>(() => key.ExportParameters(true));
        var user = await _app.SignUpAsync();
        var dot = user.AccessToken.LastIndexOf('.');
        Assert.True(key.VerifyData(System.Text.Encoding.ASCII.GetBytes(user.AccessToken[..dot]), Base64UrlEncoder.DecodeBytes(user.AccessToken[(dot + 1)..]), HashAlgorithmName.SHA256));
    }

    [Fact] // ATTACKS 115
    public async Task Discovery_goes_by_the_issuer_and_not_by_the_host_that_was_asked()
    {
        var answer = await _app.SendAsync(HttpMethod.Get, "/.well-known/openid-configuration", headers: [("Host", "evil.test"), ("X-Forwarded-Host", "evil.test")]);
        var document = await answer.Content.ReadAsStringAsync();
        Assert.DoesNotContain("evil", document, StringComparison.Ordinal);
        var root = JsonDocument.Parse(document).RootElement;
        Assert.Equal(TestApp.Issuer, Text(root, "issuer"));
        Assert.Equal(TestApp.Issuer + Keys, Text(root, "jwks_uri"));
        Assert.True(answer.Headers.CacheControl!.Public);
    }

    private async Task LaterAsync(TimeSpan time)
    {
        _app.Time.Advance(time);
        await _app.Get<RotateOnSchedule>().RunOnceAsync(CancellationToken.None);
    }

    private Task<SigningKeys.Outcome> RotateAsync() => _app.ScopedAsync((SigningKeys keys) => keys.RotateAsync(CancellationToken.None));

    private async Task<List<string>> PublishedAsync() =>
        [.. JsonDocument.Parse(await _app.Client.GetStringAsync(Keys)).RootElement.GetProperty("keys").EnumerateArray().Select(k => Text(k, "kid"))];

    private static string Text(JsonElement json, string name) => json.GetProperty(name).GetString()!;
}
