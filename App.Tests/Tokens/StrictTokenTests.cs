using System.Text.Json.Nodes;
using App.Tokens;

namespace App.Tests.Tokens;

/// <summary>The form alone; what is signed and malformed is in the vectors.</summary>
public sealed class StrictTokenTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly string Head = Forge.Header("k1");

    [Fact]
    public void A_good_one_is_read_whole()
    {
        var claims = Forge.Claims(Now);
        claims["name"] = "Ada";
        claims["roles"] = new JsonArray("admin", "auditor");
        claims["amr"] = new JsonArray("pwd", "otp");
        claims["nbf"] = 7;
        var token = StrictToken.Parse(Forge.Unsigned(Head, claims.ToJsonString()), "ES256", out _)!;

        Assert.Equal(("k1", TestApp.Issuer, 7L), (token.KeyId, token.Issuer, token.NotBefore!.Value));
        Assert.Equal([TestApp.Audience], token.Audience);
        Assert.Equal("Ada", token.User.Name);
        Assert.Equal(["admin", "auditor"], token.User.Roles);
        Assert.Equal(["pwd", "otp"], token.User.Amr);
        Assert.Equal(Now.ToUnixTimeSeconds(), token.User.IssuedAt);
        Assert.Equal(Now.ToUnixTimeSeconds() + 300, token.User.ExpiresAt);
        Assert.Equal("k1", token.User.KeyId);
    }

    [Fact]
    public void One_audience_may_be_a_text() => Assert.Equal(["x"], Parse(Bent("aud", "x"))!.Audience);

    [Theory]
    [InlineData("iss"), InlineData("aud"), InlineData("sub"), InlineData("id"), InlineData("sid"), InlineData("jti")]
    [InlineData("iat"), InlineData("exp"), InlineData("auth_time"), InlineData("email")]
    public void A_missing_claim_is_refused(string name)
    {
        var claims = Forge.Claims(Now);
        claims.Remove(name);
        Assert.Null(Parse(claims.ToJsonString()));
    }

    [Theory]
    [InlineData("name"), InlineData("roles"), InlineData("amr"), InlineData("nbf"), InlineData("email_verified")]
    public void What_need_not_be_known_may_be_missing(string name)
    {
        var claims = Forge.Claims(Now);
        claims.Remove(name);
        Assert.NotNull(Parse(claims.ToJsonString()));
    }

    [Theory]
    [InlineData("iat", "\"1767225600\"")]
    [InlineData("iat", "1767225600.5")]
    [InlineData("exp", "1.7e9")]
    [InlineData("exp", "-1")]
    [InlineData("exp", "99999999999999999999")]
    [InlineData("exp", "true")]
    [InlineData("auth_time", "null")]
    [InlineData("nbf", "\"0\"")]
    [InlineData("nbf", "null")]
    [InlineData("sub", "12")]
    [InlineData("sub", "\"not-an-id\"")]
    [InlineData("sub", "\"11111111111141118111111111111111\"")]
    [InlineData("sub", "\"{11111111-1111-4111-8111-111111111111}\"")]
    [InlineData("id", "\"33333333-3333-4333-8333-333333333333\"")]
    [InlineData("sid", "\"22222222-2222-4222-8222-22222222222Z\"")]
    [InlineData("sid", "\" 22222222-2222-4222-8222-222222222222\"")]
    [InlineData("sid", "[\"22222222-2222-4222-8222-222222222222\"]")]
    [InlineData("jti", "\"\"")]
    [InlineData("aud", "{}")]
    [InlineData("aud", "[1]")]
    [InlineData("aud", "null")]
    [InlineData("iss", "[\"https://auth.test\"]")]
    [InlineData("email", "7")]
    [InlineData("email_verified", "\"true\"")]
    [InlineData("name", "{}")]
    [InlineData("name", "null")]
    [InlineData("roles", "\"admin\"")]
    [InlineData("roles", "[\"admin\",1]")]
    [InlineData("amr", "{}")]
    public void A_claim_of_another_type_is_refused(string name, string json) => Assert.Null(Parse(Bent(name, JsonNode.Parse(json))));

    [Theory]
    [InlineData("email")]
    [InlineData("jti")]
    [InlineData("iss")]
    public void Half_a_character_is_refused(string name)
    {
        var claims = Bent(name, "half");
        Assert.NotNull(Parse(claims));
        Assert.Null(Parse(claims.Replace("half", "\\ud800", StringComparison.Ordinal)));
    }

    [Fact]
    public void Half_a_character_of_an_actor_is_refused()
    {
        var claims = Bent("act", JsonNode.Parse("""{"sub":"orders","act":{"sub":"half"}}"""));
        Assert.NotNull(Parse(claims));
        Assert.Null(Parse(claims.Replace("half", "\\ud800", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("""{"alg":"none","typ":"at+jwt","kid":"k1"}""")]
    [InlineData("""{"alg":"es256","typ":"at+jwt","kid":"k1"}""")]
    [InlineData("""{"alg":"HS256","typ":"at+jwt","kid":"k1"}""")]
    [InlineData("""{"alg":"ES256","typ":"JWT","kid":"k1"}""")]
    [InlineData("""{"alg":"ES256","typ":"AT+JWT","kid":"k1"}""")]
    [InlineData("""{"alg":"ES256","typ":"application/at+jwt","kid":"k1"}""")]
    [InlineData("""{"alg":"ES256","kid":"k1"}""")]
    [InlineData("""{"alg":"ES256","typ":"at+jwt"}""")]
    [InlineData("""{"alg":"ES256","typ":"at+jwt","kid":""}""")]
    [InlineData("""{"alg":"ES256","typ":"at+jwt","kid":1}""")]
    [InlineData("""{"alg":"ES256","typ":"at+jwt","kid":"k1","crit":["exp"]}""")]
    [InlineData("""{"alg":"ES256","typ":"at+jwt","kid":"k1","crit":[]}""")]
    [InlineData("""{"alg":"ES256","typ":"at+jwt","kid":"k1","b64":true}""")]
    [InlineData("""{"alg":"ES256","typ":"at+jwt","kid":"k1","zip":"DEF"}""")]
    [InlineData("""{"alg":"ES256","alg":"ES256","typ":"at+jwt","kid":"k1"}""")]
    [InlineData("""{"alg":"ES256","typ":"at+jwt","kid":"k1"}x""")]
    [InlineData("""["alg","ES256"]""")]
    [InlineData("")]
    public void Another_header_is_refused(string header) => Assert.Null(StrictToken.Parse(Forge.Unsigned(header, Forge.Claims(Now).ToJsonString()), "ES256", out _));

    [Theory]
    [InlineData("""{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{}}}}}}}}}""")]
    [InlineData("""{"sub":"a","s\u0075b":"b"}""")]
    [InlineData("{} {}")]
    [InlineData("{'a':1}")]
    [InlineData("{\"a\":1,}")]
    [InlineData("// c\n{}")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("7")]
    public void JSON_that_is_not_one_plain_object_is_refused(string json) => Assert.Null(StrictJson.Read(System.Text.Encoding.UTF8.GetBytes(json)));

    [Fact]
    public void Bytes_that_are_no_UTF8_are_refused() => Assert.Null(StrictJson.Read(new byte[] { 0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d }));

    [Theory]
    [InlineData(0)]
    [InlineData(63)]
    [InlineData(65)]
    [InlineData(70)]
    [InlineData(32)]
    public void A_signature_of_another_length_is_refused(int length) =>
        Assert.Null(StrictToken.Parse(Forge.Unsigned(Head, Forge.Claims(Now).ToJsonString(), length), "ES256", out _));

    [Fact]
    public void One_token_has_one_spelling()
    {
        var good = Forge.Unsigned(Head, Forge.Claims(Now).ToJsonString());
        Assert.NotNull(StrictToken.Parse(good, "ES256", out _));
        var (head, payload, signature) = good.Split('.') switch { var p => (p[0], p[1], p[2]) };
        string[] bent =
        [
            "", ".", "..", head, $"{head}.{payload}", $"{head}.{payload}.", $".{payload}.{signature}", $"{head}..{signature}",
            $"{good}.{signature}", $"{good}=", $"{good}==", $" {good}", $"{good} ", $"{good}\n", $"{head} .{payload}.{signature}",
            $"{head}=.{payload}.{signature}", $"{head}.{payload}.{signature[..^1]}B", good.Replace('_', '/').Replace('A', '+'),
            $"{head}.{payload}.{signature[..40]}\u200b{signature[40..]}", new string('A', StrictToken.MaxLength + 1),
        ];
        Assert.All(bent, text => Assert.Null(StrictToken.Parse(text, "ES256", out _)));
    }

    [Theory]
    [InlineData("x", TokenFault.Form)]
    [InlineData("header", TokenFault.Header)]
    [InlineData("signature", TokenFault.Signature)]
    [InlineData("claims", TokenFault.Claims)]
    public void The_fault_names_the_part(string part, object fault)
    {
        var claims = Forge.Claims(Now).ToJsonString();
        StrictToken.Parse(
            part switch
            {
                "header" => Forge.Unsigned("""{"alg":"none"}""", claims),
                "signature" => Forge.Unsigned(Head, claims, 3),
                "claims" => Forge.Unsigned(Head, """{"email":"mallory@example.test"}"""),
                _ => part,
            },
            "ES256",
            out var found);
        Assert.Equal(fault, found);
    }

    private static StrictToken? Parse(string payload) => StrictToken.Parse(Forge.Unsigned(Head, payload), "ES256", out _);

    private static string Bent(string name, JsonNode? value)
    {
        var claims = Forge.Claims(Now);
        claims[name] = value;
        return claims.ToJsonString();
    }
}
