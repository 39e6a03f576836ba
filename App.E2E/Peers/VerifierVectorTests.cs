using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using App.E2E.Harness;

namespace App.E2E.Peers;

/// <summary>Every known way to forge, bend or misuse a token, through the verifier of each language. ATTACKS 1-35 (JWT).</summary>
[Collection("Verifiers")]
public sealed class VerifierVectorTests
{
    private const string Now = "1767225600";
    private static readonly string Folder = Path.Combine(TestRun.Root, "App.Tests", "Tokens", "vectors");

    [Theory]
    [InlineData("node")]
    [InlineData("dotnet")]
    [InlineData("python")]
    [InlineData("go")]
    public async Task No_vector_gets_a_wrong_answer(string language)
    {
        var (keyId, key) = Key();
        await using var gatehouse = new StandIn((keyId, key));
        // Whether a session exists is nothing that a token shows; to a verifier it is one that has ended.
        await gatehouse.WriteAsync("session-revoked", ("sid", "00000000-0000-4000-8000-000000000000"));
        await using var peer = await Peer.StartAsync(language, gatehouse.Url, StandIn.Issuer, StandIn.Audience, ("NOW", Now));

        List<string> wrong = [];
        foreach (var vector in JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(Folder, "tokens.json")))!.AsArray())
        {
            var token = vector!["token"]!.GetValue<string>();
            var accept = vector["expect"]!.GetValue<string>() == "accept";
            var id = vector["id"]!.GetValue<string>();
            var cookie = "session=" + Convert.ToBase64String(JsonSerializer.SerializeToUtf8Bytes(new { jwt = token }));
            await JudgeAsync(peer, $"{id} by cookie", accept, wrong, ("Cookie", cookie));
            if (vector["transport"]!.GetValue<string>() != "body") await JudgeAsync(peer, $"{id} by bearer", accept, wrong, ("Authorization", "Bearer " + token));
        }

        Assert.Equal([], wrong);
        Assert.InRange(gatehouse.KeyFetches, 1, 3); // at the start, perhaps once more with the first snapshot, and once for all the key ids that nobody knows
    }

    private static async Task JudgeAsync(Peer peer, string name, bool accept, List<string> wrong, (string Name, string Value) header)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.TryAddWithoutValidation(header.Name, header.Value);
        try
        {
            using var answer = await peer.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            var right = accept ? answer.StatusCode == HttpStatusCode.OK : (int)answer.StatusCode is 400 or 401 or 431;
            if (!right) wrong.Add($"{name}: {(accept ? "accept" : "reject")}, but {(int)answer.StatusCode}");
        }
        catch (HttpRequestException) when (!accept && header.Value.Length > 16 * 1024)
        {
            // Node hangs up on headers above 16 KiB, sometimes before its 431 is read.
        }
    }

    private static (string KeyId, ECDsa Key) Key()
    {
        var jwk = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, "key.jwk.json")))!;
        return (jwk["kid"]!.GetValue<string>(), ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = { X = Bytes("x"), Y = Bytes("y") }, D = Bytes("d") }));

        byte[] Bytes(string member) => System.Buffers.Text.Base64Url.DecodeFromChars(jwk[member]!.GetValue<string>());
    }
}
