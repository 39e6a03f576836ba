using System.Security.Cryptography;
using System.Text.Json.Nodes;
using App.Tests.Data;
using App.Tokens;

namespace App.Tests.Tokens;

public sealed class TokenVerifierTests(SharedApp shared) : IClassFixture<SharedApp>
{
    private readonly TestApp _app = shared.App;

    [Fact]
    public async Task A_genuine_token_names_its_user()
    {
        var verdict = await VerifyAsync(_ => { });
        Assert.Equal("forge@example.test", Assert.IsType<TokenVerdict.Genuine>(verdict).User.Email);
    }

    [Theory]
    [InlineData(-331, -31, TokenFault.Expired)]
    [InlineData(-330, -30, TokenFault.Expired)]
    [InlineData(-329, -29, null)]
    [InlineData(30, 330, null)]
    [InlineData(31, 331, TokenFault.NotYetValid)]
    [InlineData(0, 0, TokenFault.LifetimeOutOfBounds)]
    [InlineData(10, 5, TokenFault.LifetimeOutOfBounds)]
    [InlineData(0, 3600, null)]
    [InlineData(0, 3601, TokenFault.LifetimeOutOfBounds)]
    [InlineData(-86400, 60, TokenFault.LifetimeOutOfBounds)]
    public async Task Its_times_are_held_to_thirty_seconds(int issued, int expires, object? fault)
    {
        var now = _app.Time.GetUtcNow().ToUnixTimeSeconds();
        Judge(fault, await VerifyAsync(claims =>
        {
            claims["iat"] = now + issued;
            claims["exp"] = now + expires;
        }));
    }

    [Theory]
    [InlineData(30, null)]
    [InlineData(31, TokenFault.NotYetValid)]
    [InlineData(1000, TokenFault.NotYetValid)]
    public async Task A_not_before_is_honoured(int from, object? fault) =>
        Judge(fault, await VerifyAsync(claims => claims["nbf"] = _app.Time.GetUtcNow().ToUnixTimeSeconds() + from));

    [Theory]
    [InlineData("https://auth.test/")]
    [InlineData("https://AUTH.test")]
    [InlineData("https://auth.test.evil.test")]
    public async Task An_issuer_is_compared_exactly(string issuer) => Judge(TokenFault.IssuedByOthers, await VerifyAsync(claims => claims["iss"] = issuer));

    [Theory]
    [InlineData("https://api.test/")]
    [InlineData("https://API.test")]
    [InlineData("orders")]
    public async Task An_audience_is_compared_exactly(string audience) =>
        Judge(TokenFault.MeantForOthers, await VerifyAsync(claims => claims["aud"] = new JsonArray(audience)));

    [Fact]
    public async Task One_audience_of_several_is_enough() =>
        Judge(null, await VerifyAsync(claims => claims["aud"] = new JsonArray("orders", TestApp.Audience)));

    [Fact]
    public async Task A_key_of_somebody_else_is_unknown_and_under_our_name_does_not_match()
    {
        using var stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var claims = Forge.Claims(_app.Time.GetUtcNow()).ToJsonString();
        var verifier = _app.Get<TokenVerifier>();

        Judge(TokenFault.UnknownKey, await verifier.VerifyAsync(Forge.Sign(stranger, Forge.Header("somebody"), claims)));
        Judge(TokenFault.Signature, await verifier.VerifyAsync(Forge.Sign(stranger, Forge.Header(_app.Get<SigningKeyRing>().Signing.Key.KeyId), claims)));
    }

    [Fact] // a stranger must not be able to make us work
    public async Task A_thousand_unknown_keys_cause_no_look_at_the_keys()
    {
        await using var app = TestApp.Start(("Logging:LogLevel:Microsoft.EntityFrameworkCore.Database.Command", "Information"));
        await app.Client.GetAsync("/health/live");
        var before = Looks(app);
        var claims = Forge.Claims(app.Time.GetUtcNow()).ToJsonString();
        for (var i = 0; i < 1000; i++)
            Assert.Null(await app.WhoAmIAsync(bearer: Forge.Unsigned(Forge.Header($"unknown-{i}"), claims)));

        Assert.True(before > 0);
        Assert.Equal(before, Looks(app));
        Assert.Equal(0, app.Get<App.Sessions.VerifiedTokens>().Count);

        static int Looks(TestApp app) => app.Log.Lines.Count(l => l.Contains("SigningKeys", StringComparison.Ordinal));
    }

    [Fact]
    public async Task No_file_address_or_key_that_a_header_names_is_looked_at()
    {
        using var stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var claims = Forge.Claims(_app.Time.GetUtcNow()).ToJsonString();
        foreach (var member in new[] { "\"jku\":\"http://127.0.0.1:9/\"", "\"x5u\":\"http://127.0.0.1:9/\"", "\"jwk\":{\"kty\":\"EC\"}", "\"x5c\":[\"MIIB\"]" })
        {
            var header = Forge.Header("../../etc/passwd")[..^1] + "," + member + "}";
            Judge(TokenFault.UnknownKey, await _app.Get<TokenVerifier>().VerifyAsync(Forge.Sign(stranger, header, claims)));
        }
    }

    private ValueTask<TokenVerdict> VerifyAsync(Action<JsonObject> bend)
    {
        var claims = Forge.Claims(_app.Time.GetUtcNow());
        bend(claims);
        return _app.Get<TokenVerifier>().VerifyAsync(Forge.Sign(_app, claims));
    }

    private static void Judge(object? fault, TokenVerdict verdict)
    {
        if (fault is null) Assert.IsType<TokenVerdict.Genuine>(verdict);
        else Assert.Equal(fault, Assert.IsType<TokenVerdict.Refused>(verdict).Fault);
    }
}
