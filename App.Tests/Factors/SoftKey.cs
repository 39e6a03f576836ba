using System.Buffers.Binary;
using System.Buffers.Text;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using App.Tests.Attacks;

namespace App.Tests.Factors;

/// <summary>A passkey in software, with each part of its answers in the test's hands (WebAuthn sections 6.1 and 6.5).</summary>
internal sealed class SoftKey(string rpId = "auth.test")
{
    public const byte Present = 0x01, Verified = 0x04, Eligible = 0x08, BackedUp = 0x10, Attested = 0x40, Extensions = 0x80;

    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public byte[] Id { get; init; } = RandomNumberGenerator.GetBytes(32);
    public Guid Aaguid { get; init; }
    public string RpId { get; set; } = rpId;
    public string Origin { get; set; } = TestApp.Issuer;
    public uint Count { get; set; }
    public byte Flags { get; set; } = Present | Verified;
    public byte[] Trailing { get; set; } = [];
    public string? Challenge { get; set; }
    public string? UserHandle { get; set; }

    public JsonNode Create(JsonElement options)
    {
        var point = _key.ExportParameters(false).Q;
        byte[] cose = [0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32, .. point.X!, 0x22, 0x58, 32, .. point.Y!];
        UserHandle = options.GetProperty("user").GetProperty("id").GetString();
        byte[] attested = [.. Aaguid.ToByteArray(bigEndian: true), (byte)(Id.Length >> 8), (byte)Id.Length, .. Id, .. cose];
        var data = AuthenticatorData((byte)(Flags | Attested), attested);
        byte[] attestation = [0xa3, 0x63, .. "fmt"u8, 0x64, .. "none"u8, 0x67, .. "attStmt"u8, 0xa0, 0x68, .. "authData"u8, 0x59, (byte)(data.Length >> 8), (byte)data.Length, .. data];
        return Credential(new JsonObject
        {
            ["clientDataJSON"] = Base64Url.EncodeToString(ClientData("webauthn.create", options)),
            ["attestationObject"] = Base64Url.EncodeToString(attestation),
            ["transports"] = new JsonArray("internal"),
        });
    }

    public JsonNode Get(JsonElement options, string type = "webauthn.get")
    {
        var (data, client) = (AuthenticatorData(Flags, []), ClientData(type, options));
        var signature = _key.SignData([.. data, .. SHA256.HashData(client)], HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        return Credential(new JsonObject
        {
            ["clientDataJSON"] = Base64Url.EncodeToString(client),
            ["authenticatorData"] = Base64Url.EncodeToString(data),
            ["signature"] = Base64Url.EncodeToString(signature),
            ["userHandle"] = UserHandle,
        });
    }

    private byte[] AuthenticatorData(byte flags, byte[] attested)
    {
        var count = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(count, Count);
        return [.. SHA256.HashData(Encoding.UTF8.GetBytes(RpId)), flags, .. count, .. attested, .. Trailing];
    }

    private byte[] ClientData(string type, JsonElement options) => JsonSerializer.SerializeToUtf8Bytes(new
    {
        type,
        challenge = Challenge ?? options.GetProperty("challenge").GetString(),
        origin = Origin,
        crossOrigin = false,
    });

    private JsonObject Credential(JsonObject response) => new()
    {
        ["id"] = Base64Url.EncodeToString(Id),
        ["rawId"] = Base64Url.EncodeToString(Id),
        ["type"] = "public-key",
        ["authenticatorAttachment"] = "platform",
        ["clientExtensionResults"] = new JsonObject(),
        ["response"] = response,
    };
}

/// <summary>A browser's part in a ceremony: begin, ask the key, finish; with the cookie that binds the two.</summary>
internal sealed class PasskeyBrowser(TestApp app)
{
    public string? Cookie { get; set; }

    public async Task<(string Handle, JsonElement Options)> BeginAsync(string kind, TestUser? user = null, string? challenge = null, string? bearer = null)
    {
        var answer = await PostAsync($"{kind}/begin", user, new { challenge }, bearer: bearer);
        Assert.True(answer.StatusCode == HttpStatusCode.OK, await answer.Content.ReadAsStringAsync());
        Cookie = Answers.CookieLines(answer).FirstOrDefault(l => l.StartsWith("passkey_browser=", StringComparison.Ordinal))?.Split(';')[0] ?? Cookie;
        var body = await Answers.JsonAsync(answer);
        return (body.GetProperty("handle").GetString()!, body.GetProperty("options"));
    }

    public Task<HttpResponseMessage> FinishAsync(string kind, string handle, JsonNode credential, TestUser? user = null, string? challenge = null, TestApp? at = null) =>
        PostAsync($"{kind}/finish", user, new { handle, credential, challenge }, at);

    public async Task<JsonElement> AddAsync(SoftKey key, TestUser user)
    {
        var (handle, options) = await BeginAsync("add", user);
        var answer = await FinishAsync("add", handle, key.Create(options), user);
        Assert.True(answer.StatusCode == HttpStatusCode.Created, await answer.Content.ReadAsStringAsync());
        return await Answers.JsonAsync(answer);
    }

    public async Task<HttpResponseMessage> SignInAsync(SoftKey key, string? challenge = null)
    {
        var (handle, options) = await BeginAsync("sign-in", challenge: challenge);
        return await FinishAsync("sign-in", handle, key.Get(options), challenge: challenge);
    }

    private Task<HttpResponseMessage> PostAsync(string path, TestUser? user, object body, TestApp? at = null, string? bearer = null) =>
        (at ?? app).SendAsync(HttpMethod.Post, "/api/passkeys/" + path, bearer, string.Join("; ", new[] { user is not null && bearer is null ? user.Cookies : null, Cookie }.Where(c => c is not null)) is { Length: > 0 } cookies ? cookies : null, body);
}
