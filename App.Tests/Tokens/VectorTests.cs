using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using App.Data;
using App.Sessions;
using App.Tests.Attacks;
using App.Tests.Gateway;
using App.Tests.OAuth;
using App.Tokens;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Microsoft.IdentityModel.Tokens;

namespace App.Tests.Tokens;

/// <summary>Every known way to forge, bend or misuse a token, through both doors. ATTACKS 1-35 (JWT) and 36-38 (cookies).</summary>
public sealed class VectorTests : IAsyncLifetime
{
    private const string Bait = "a secret that lies about in a file";

    private readonly TestApp _app = TestApp.Start([.. Callers.Settings, ("Sessions:AbsoluteLifetime", "365.00:00:00")]);

    public async Task InitializeAsync() => await VectorKey.InstallAsync(_app);

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task No_vector_gets_a_wrong_answer_as_a_bearer_token()
    {
        await JudgeAsync(Vectors.Tokens().Where(v => v.Transport != "body"), vector => _app.SendAsync(HttpMethod.Get, "/api/sessions", bearer: vector.Token), """Bearer error="invalid_token" """.TrimEnd());
    }

    [Fact]
    public async Task No_vector_gets_a_wrong_answer_as_a_cookie()
    {
        await JudgeAsync(Vectors.Tokens(), vector => _app.SendAsync(HttpMethod.Get, "/api/sessions", cookies: "session=" + InCookie(vector)), "Bearer");
    }

    [Fact]
    public async Task No_cookie_vector_gets_a_wrong_answer()
    {
        await JudgeAsync(Vectors.Cookies().Select(v => new TokenVector(v.Id, v.Expect, "", v.Header)), vector => _app.SendAsync(HttpMethod.Get, "/api/sessions", cookies: vector.Token), "Bearer");
    }

    [Fact] // On real sockets, at a route that wants somebody: whoever isn't let in never reaches the service.
    public async Task No_vector_gets_through_the_gateway()
    {
        await using var echo = await EchoService.StartAsync();
        await using var app = KestrelApp.Start(
            new FakeTimeProvider(VectorKey.Now), ("Issuer", TestApp.Issuer), ("Tokens:Audience", TestApp.Audience), ("Sessions:AbsoluteLifetime", "365.00:00:00"),
            ("Gateway:Routes:0:Path", "/orders"), ("Gateway:Routes:0:Destinations:0", echo.Address));
        await VectorKey.InstallAsync(app.Services);
        var (wrong, accepted) = (new List<string>(), 0);
        foreach (var vector in Vectors.Tokens())
        {
            if (vector.Transport != "body") await ThroughAsync(vector.Id, vector.Expect, "Authorization: Bearer " + vector.Token);
            await ThroughAsync(vector.Id + " in a cookie", vector.Expect, "Cookie: session=" + InCookie(vector));
        }

        foreach (var vector in Vectors.Cookies()) await ThroughAsync(vector.Id, vector.Expect, "Cookie: " + vector.Header);
        Assert.Empty(wrong);
        Assert.Equal(accepted, echo.Requests);

        async Task ThroughAsync(string id, string expect, string header)
        {
            var answer = await app.SendRawAsync($"GET /orders HTTP/1.1\r\nHost: auth.test\r\nConnection: close\r\n{header}\r\n\r\n");
            var status = answer.Split(' ').ElementAtOrDefault(1);
            if (expect == "accept") accepted++;
            if (expect == "accept" ? status != "200" : status is not ("400" or "401" or "431")) wrong.Add($"{id}: {expect}, but {status}");
        }
    }

    [Fact] // ATTACKS 6, 9
    public async Task No_address_that_a_header_names_is_called_and_no_name_of_a_key_is_followed()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var here = (IPEndPoint)listener.LocalEndpoint;
        var naming = Vectors.Tokens().Where(v => v.Id.StartsWith("jku-", StringComparison.Ordinal) || v.Id.StartsWith("x5u-", StringComparison.Ordinal) || v.Id.StartsWith("kid-", StringComparison.Ordinal))
            .Select(v => v with { Token = Naming(here, v.Token) }).ToList();
        Assert.Equal(3, naming.Count(v => Encoding.UTF8.GetString(Base64UrlEncoder.DecodeBytes(v.Token.Split('.')[0])).Contains($"//{here}/", StringComparison.Ordinal)));
        foreach (var vector in naming)
        {
            Assert.Equal("reject", vector.Expect);
            Assert.Null(await _app.WhoAmIAsync(bearer: vector.Token));
            Assert.Null(await _app.WhoAmIAsync(cookies: "session=" + InCookie(vector)));
            Assert.False(await _app.IsActiveAsync(vector.Token));
        }

        // Connections are taken in the order of their arrival: this one is the first.
        using var ours = new TcpClient();
        await ours.ConnectAsync(here);
        using var first = await listener.AcceptTcpClientAsync();
        Assert.Equal(((IPEndPoint)ours.Client.LocalEndPoint!).Port, ((IPEndPoint)first.Client.RemoteEndPoint!).Port);

        // Theirs are signed by nobody that we know, or by no key at all: a header of another port loses them nothing.
        static string Naming(IPEndPoint where, string token) => string.Join('.', [
            Base64UrlEncoder.Encode(Encoding.UTF8.GetString(Base64UrlEncoder.DecodeBytes(token.Split('.')[0])).Replace("127.0.0.1:9911", where.ToString(), StringComparison.Ordinal)),
            .. token.Split('.')[1..]]);
    }

    [Fact] // ATTACKS 9: the bait is what a name of a key would have to open, its contents what the token is signed with
    public async Task No_file_that_a_key_s_name_leads_to_is_opened()
    {
        var folder = Directory.CreateTempSubdirectory("gatehouse-bait-");
        var bait = Path.Combine(folder.FullName, "bait.key");
        await File.WriteAllTextAsync(bait, Bait);
        using var watch = new FileSystemWatcher(folder.FullName) { NotifyFilter = NotifyFilters.LastAccess | NotifyFilters.FileName };
        var opened = 0;
        watch.Changed += (_, _) => Interlocked.Increment(ref opened);
        watch.EnableRaisingEvents = true;
        var payload = Forge.Claims(VectorKey.Now).ToJsonString();
        foreach (var name in new[] { bait, "file://" + bait, Path.GetRelativePath(_app.Folder, bait), Path.GetRelativePath(Environment.CurrentDirectory, bait), Path.GetRelativePath(AppContext.BaseDirectory, bait), bait.Replace("/", "..%2f", StringComparison.Ordinal), "bait.key" })
        {
            foreach (var secret in new[] { Bait, "" })
            {
                var token = Forge.Hmac(secret, $$"""{"alg":"HS256","typ":"at+jwt","kid":{{JsonSerializer.Serialize(name)}}}""", payload);
                Assert.Null(await _app.WhoAmIAsync(bearer: token));
                Assert.False(await _app.IsActiveAsync(token));
            }
        }

        Assert.Equal(0, Volatile.Read(ref opened));
        // The watch sees: whoever reads it is counted, where the system tells of reading at all.
        await File.ReadAllTextAsync(bait);
        if (OperatingSystem.IsLinux()) Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref opened) > 0, TimeSpan.FromSeconds(10)));
        folder.Delete(recursive: true);
    }

    [Fact] // ATTACKS 10: nobody asks the database for a key by the name that a token gives
    public async Task No_name_of_a_key_reaches_the_database()
    {
        await using var app = TestApp.Start([.. Callers.Settings, ("Logging:LogLevel:Microsoft.EntityFrameworkCore", "Debug")]);
        await VectorKey.InstallAsync(app);
        var named = Vectors.Tokens().Where(v => v.Id.StartsWith("kid-", StringComparison.Ordinal)).ToList();
        Assert.Contains(named, v => v.Id.StartsWith("kid-sqli", StringComparison.Ordinal));
        // The first that nobody knows makes us look for keys of other replicas, once in half a minute (12).
        await app.WhoAmIAsync(bearer: named[0].Token);
        var before = Asked();
        Assert.NotEqual(0, before); // what is asked is seen here
        foreach (var vector in named)
        {
            Assert.Null(await app.WhoAmIAsync(bearer: vector.Token));
            Assert.Null(await app.WhoAmIAsync(cookies: "session=" + InCookie(vector)));
        }

        Assert.Equal(before, Asked());
        foreach (var vector in named) Assert.False(await app.IsActiveAsync(vector.Token)); // here it asks, about the service
        Assert.DoesNotContain(app.Log.Lines, line => line.Contains("UNION", StringComparison.Ordinal) || line.Contains("SqliteException", StringComparison.Ordinal));

        // But for the log of events and the registry of services, which are looked at several times a second whoever asks.
        int Asked() => app.Log.Lines.Count(line => line.Contains("Executed DbCommand", StringComparison.Ordinal) && line.Contains("SELECT", StringComparison.Ordinal)
            && !line.Contains("EventCounter", StringComparison.Ordinal) && !line.Contains("SecurityEventLog", StringComparison.Ordinal)
            && !line.Contains("RegistryVersion", StringComparison.Ordinal));
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

    private static string InCookie(TokenVector vector) => Convert.ToBase64String(JsonSerializer.SerializeToUtf8Bytes(new { jwt = vector.Token }));

    private async Task JudgeAsync(IEnumerable<TokenVector> vectors, Func<TokenVector, Task<HttpResponseMessage>> send, string challenge)
    {
        var wrong = new List<string>();
        var before = await State.OfAsync(_app);
        foreach (var vector in vectors)
        {
            var (answer, quickest) = await Vectors.QuickestAsync(() => send(vector));
            if (await FaultOfAsync(vector, answer, challenge) is { } fault) wrong.Add($"{vector.Id}: {vector.Expect}, but {fault}");
            if (quickest > Vectors.Longest) wrong.Add($"{vector.Id}: takes {quickest.TotalMilliseconds} ms");
        }

        Assert.Empty(wrong);
        Assert.Equal(before, await State.OfAsync(_app));
    }

    private static async Task<string?> FaultOfAsync(TokenVector vector, HttpResponseMessage answer, string challenge)
    {
        if (vector.Expect == "accept") return answer.StatusCode == HttpStatusCode.OK ? null : $"{(int)answer.StatusCode}";
        if ((int)answer.StatusCode is not (400 or 401 or 431)) return $"{(int)answer.StatusCode}";
        if (answer.StatusCode == HttpStatusCode.Unauthorized && answer.Headers.WwwAuthenticate.ToString() != challenge) return $"challenged with {answer.Headers.WwwAuthenticate}";
        var said = answer.Headers + await answer.Content.ReadAsStringAsync();
        return vector.Token.Length > 16 && said.Contains(vector.Token, StringComparison.Ordinal) ? "echoed" : null;
    }
}

internal sealed record TokenVector(string Id, string Expect, string Transport, string Token);

internal sealed record CookieVector(string Id, string Expect, string Header);

internal static class Vectors
{
    /// <summary>What none may take (ATTACKS 30, 32).</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(100);

    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Tokens", "vectors");

    /// <summary>Looks until one look is quick enough: a loaded machine is no fault, and what is slow by itself is slow each time.</summary>
    /// <returns>The last answer, and how long the quickest took.</returns>
    public static async Task<(HttpResponseMessage Answer, TimeSpan Quickest)> QuickestAsync(Func<Task<HttpResponseMessage>> send)
    {
        for (var (look, quickest) = (1, TimeSpan.MaxValue); ; look++)
        {
            var begun = Stopwatch.GetTimestamp();
            var answer = await send();
            if (Stopwatch.GetElapsedTime(begun) is var took && took < quickest) quickest = took;
            if (quickest <= Longest || look == 20) return (answer, quickest);
        }
    }

    public static IEnumerable<TokenVector> Tokens() => Read("tokens.json", 260, 14).Select(v => new TokenVector(
        v.GetProperty("id").GetString()!, v.GetProperty("expect").GetString()!, v.GetProperty("transport").GetString() ?? "any", v.GetProperty("token").GetString()!));

    public static IEnumerable<CookieVector> Cookies() => Read("cookies.json", 30, 2).Select(v => new CookieVector(
        v.GetProperty("id").GetString()!, v.GetProperty("expect").GetString()!, v.GetProperty("header").GetString()!));

    public static JsonElement Key() => JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "key.jwk.json"))).RootElement;

    // Whoever walks along them shows nothing where they are gone: there are at least so many, and so many good ones among them.
    private static List<JsonElement> Read(string file, int atLeast, int good)
    {
        var vectors = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, file))).RootElement.EnumerateArray().ToList();
        Assert.InRange(vectors.Count, atLeast, int.MaxValue);
        Assert.InRange(vectors.Count(v => v.GetProperty("expect").GetString() == "accept"), good, int.MaxValue);
        return vectors;
    }
}

/// <summary>Puts the vectors' throw-away key in force, with the user and the session their claims name, at their time.</summary>
internal static class VectorKey
{
    public static readonly Guid UserId = Guid.Parse("11111111-1111-4111-8111-111111111111");
    public static readonly Guid SessionId = Guid.Parse("22222222-2222-4222-8222-222222222222");
    public static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1767225600);

    public static Task InstallAsync(TestApp app)
    {
        app.Time.SetUtcNow(Now);
        return InstallAsync(app.Services);
    }

    /// <summary>The same for one whose clock shows that time already.</summary>
    public static async Task InstallAsync(IServiceProvider services)
    {
        await using (var scope = services.CreateAsyncScope())
        {
            var db = scope.ServiceProvider.GetRequiredService<AppDb>();
            db.Users.Add(new User { Id = UserId, Email = "vector@example.test", NormalizedEmail = "vector@example.test", UserName = "v", NormalizedUserName = "v" });
            db.Sessions.Add(new Session { Id = SessionId, UserId = UserId, StartedAt = Now, LastSeenAt = Now, AuthenticatedAt = Now, ExpiresAt = Now.AddDays(1) });
            await db.SaveChangesAsync();
        }

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
            PrivateKey = services.GetRequiredService<MasterKey>().Encrypt(ecdsa.ExportPkcs8PrivateKey(), SigningKeys.Purpose),
            CreatedAt = Now,
        };
        services.GetRequiredService<SigningKeyRing>().Use(key, [key]);

        byte[] Bytes(string member) => Base64UrlEncoder.DecodeBytes(jwk.GetProperty(member).GetString());
    }
}
