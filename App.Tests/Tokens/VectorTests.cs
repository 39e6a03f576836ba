using System.Security.Cryptography;
using System.Text.Json;
using App.Data;
using App.Sessions;
using App.Tokens;
using Microsoft.IdentityModel.Tokens;

namespace App.Tests.Tokens;

/// <summary>Every known way to forge, bend or misuse a token, through both doors. ATTACKS 1-35 (JWT) and 36-38 (cookies).</summary>
public sealed class VectorTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start(("Sessions:AbsoluteLifetime", "365.00:00:00"));

    public async Task InitializeAsync() => await VectorKey.InstallAsync(_app);

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task No_vector_gets_a_wrong_answer_as_a_bearer_token()
    {
        var wrong = new List<string>();
        foreach (var vector in Vectors.Tokens().Where(v => v.Transport != "body"))
        {
            var answer = await _app.SendAsync(HttpMethod.Get, "/api/sessions", bearer: vector.Token);
            Judge(vector, answer, wrong);
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public async Task No_vector_gets_a_wrong_answer_as_a_cookie()
    {
        var wrong = new List<string>();
        foreach (var vector in Vectors.Tokens())
        {
            var value = Convert.ToBase64String(JsonSerializer.SerializeToUtf8Bytes(new { jwt = vector.Token }));
            var answer = await _app.SendAsync(HttpMethod.Get, "/api/sessions", cookies: "session=" + value);
            Judge(vector, answer, wrong);
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public async Task No_cookie_vector_gets_a_wrong_answer()
    {
        var wrong = new List<string>();
        foreach (var vector in Vectors.Cookies())
        {
            var answer = await _app.SendAsync(HttpMethod.Get, "/api/sessions", cookies: vector.Header);
            Judge(new(vector.Id, vector.Expect, "", vector.Header), answer, wrong);
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public async Task A_known_token_stays_refused_and_an_accepted_one_stays_accepted_at_the_second_look()
    {
        var good = Vectors.Tokens().First(v => v.Id == "valid-baseline");
        for (var look = 0; look < 2; look++)
        {
            Assert.Equal("vector@example.test", await _app.WhoAmIAsync(bearer: good.Token));
            // The same text in the other place is no token there.
            Assert.Null(await _app.WhoAmIAsync(cookies: "session=" + good.Token));
        }
    }

    private static void Judge(TokenVector vector, HttpResponseMessage answer, List<string> wrong)
    {
        var accepted = (int)answer.StatusCode == 200;
        var refused = (int)answer.StatusCode is 400 or 401 or 431;
        if (vector.Expect == "accept" ? !accepted : !refused) wrong.Add($"{vector.Id}: {vector.Expect}, but {(int)answer.StatusCode}");
    }
}

internal sealed record TokenVector(string Id, string Expect, string Transport, string Token);

internal sealed record CookieVector(string Id, string Expect, string Header);

internal static class Vectors
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Tokens", "vectors");

    public static IEnumerable<TokenVector> Tokens() => Read("tokens.json").Select(v => new TokenVector(
        v.GetProperty("id").GetString()!, v.GetProperty("expect").GetString()!, v.GetProperty("transport").GetString() ?? "any", v.GetProperty("token").GetString()!));

    public static IEnumerable<CookieVector> Cookies() => Read("cookies.json").Select(v => new CookieVector(
        v.GetProperty("id").GetString()!, v.GetProperty("expect").GetString()!, v.GetProperty("header").GetString()!));

    public static JsonElement Key() => JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "key.jwk.json"))).RootElement;

    private static JsonElement.ArrayEnumerator Read(string file) =>
        JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, file))).RootElement.EnumerateArray();
}

/// <summary>Puts the vectors' throw-away key in force, with the user and the session their claims name, at their time.</summary>
internal static class VectorKey
{
    public static readonly Guid UserId = Guid.Parse("11111111-1111-4111-8111-111111111111");
    public static readonly Guid SessionId = Guid.Parse("22222222-2222-4222-8222-222222222222");
    public static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1767225600);

    public static async Task InstallAsync(TestApp app)
    {
        app.Time.SetUtcNow(Now);
        await app.DbAsync(async db =>
        {
            db.Users.Add(new User { Id = UserId, Email = "vector@example.test", NormalizedEmail = "vector@example.test", UserName = "v", NormalizedUserName = "v" });
            db.Sessions.Add(new Session { Id = SessionId, UserId = UserId, StartedAt = Now, LastSeenAt = Now, AuthenticatedAt = Now, ExpiresAt = Now.AddDays(1) });
            return await db.SaveChangesAsync();
        });

        var jwk = Vectors.Key();
        using var ecdsa = ECDsa.Create(new ECParameters
        {
            Curve = ECCurve.NamedCurves.nistP256,
            Q = { X = Bytes("x"), Y = Bytes("y") },
            D = Bytes("d"),
        });
        var key = new SigningKey
        {
            Id = jwk.GetProperty("kid").GetString()!,
            State = SigningKeyState.Current,
            PublicKey = ecdsa.ExportSubjectPublicKeyInfo(),
            PrivateKey = app.Get<MasterKey>().Encrypt(ecdsa.ExportPkcs8PrivateKey(), SigningKeys.Purpose),
            CreatedAt = Now,
        };
        app.Get<SigningKeyRing>().Use(key, [key]);

        byte[] Bytes(string member) => Base64UrlEncoder.DecodeBytes(jwk.GetProperty(member).GetString());
    }
}
