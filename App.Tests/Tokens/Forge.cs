using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using App.Tokens;
using Microsoft.IdentityModel.Tokens;

namespace App.Tests.Tokens;

/// <summary>Tokens byte by byte, as no library would write them, signed with any key.</summary>
internal static class Forge
{
    public static string Header(string keyId) => $$"""{"alg":"ES256","typ":"at+jwt","kid":"{{keyId}}"}""";

    /// <summary>The claims of a good token, to be bent.</summary>
    public static JsonObject Claims(DateTimeOffset now) => new()
    {
        ["iss"] = TestApp.Issuer,
        ["aud"] = new JsonArray(TestApp.Audience),
        ["sub"] = "11111111-1111-4111-8111-111111111111",
        ["id"] = "11111111-1111-4111-8111-111111111111",
        ["sid"] = "22222222-2222-4222-8222-222222222222",
        ["jti"] = "t1",
        ["iat"] = now.ToUnixTimeSeconds(),
        ["exp"] = now.ToUnixTimeSeconds() + 300,
        ["auth_time"] = now.ToUnixTimeSeconds(),
        ["email"] = "forge@example.test",
        ["email_verified"] = false,
    };

    /// <summary>Signed by the key in force.</summary>
    public static string Sign(TestApp app, JsonObject claims, string? header = null)
    {
        var key = (ECDsaSecurityKey)app.Get<SigningKeyRing>().Signing.Key;
        return Sign(key.ECDsa, header ?? Header(key.KeyId), claims.ToJsonString());
    }

    public static string Sign(ECDsa key, string header, string payload)
    {
        var signed = $"{Segment(header)}.{Segment(payload)}";
        return $"{signed}.{Base64Url.EncodeToString(key.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256))}";
    }

    public static string Hmac(string secret, string header, string payload)
    {
        var signed = $"{Segment(header)}.{Segment(payload)}";
        return $"{signed}.{Base64Url.EncodeToString(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.ASCII.GetBytes(signed)))}";
    }

    /// <summary>In the right form, with a signature of the right length that nobody made.</summary>
    public static string Unsigned(string header, string payload, int signatureLength = 64) =>
        $"{Segment(header)}.{Segment(payload)}.{Base64Url.EncodeToString(new byte[signatureLength])}";

    public static string Segment(string json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json));
}
