using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using App.E2E.Harness;

namespace App.E2E.Proxies;

/// <summary>
/// One Gatehouse, one echo, and every proxy between them; started once for all tests of this folder. Each is there twice: as the page shows it,
/// and set up differently: cookies of other names, a role that is demanded by those that ask, tokens for everybody taken by those that check.
/// </summary>
public sealed class Street : IAsyncLifetime
{
    public const string Service = "orders", Everybodys = "stock", EverybodysAudience = "gatehouse";
    public const string OtherSession = "gate.session", OtherRefresh = "gate.refresh", OtherDevice = "gate.device";
    private const string Secret = "orders-secret-of-at-least-32-characters";

    /// <summary>They ask about each request, and know cookies.</summary>
    public static readonly string[] Asking = ["nginx", "caddy", "haproxy"];

    /// <summary>They take a bearer token made for the service.</summary>
    public static readonly string[] Checking = ["haproxy-jwt", "apache-introspection", "apache-jwks"];

    private readonly Dictionary<string, Front> _fronts = Asking.Concat(Checking).ToDictionary(id => id, Front.Plan);
    private readonly Dictionary<string, Front> _others = Asking.Concat(Checking).ToDictionary(id => id, Front.Plan);
    private readonly int _tls = TestRun.FreePort();

    // Apache gives up root before it reads the certificate, so that can't be in the run's own folder.
    private readonly string _public = Directory.CreateTempSubdirectory("gatehouse-tls-").FullName;
    private Service? _gatehouse, _renamed;
    private Line? _line, _toEcho;
    private Admin? _admin;

    internal Service Gatehouse => _gatehouse!;

    /// <summary>Between the proxies and Gatehouse.</summary>
    internal Line Line => _line!;

    /// <summary>Between the proxies that are set up differently and the echo.</summary>
    internal Line ToEcho => _toEcho!;

    internal Echo Echo { get; } = new();

    /// <summary>A service that no proxy knows of.</summary>
    internal Echo Elsewhere { get; } = new();

    internal string Issuer => $"https://localhost:{_tls}";

    /// <summary>What a session holds whose access token has expired, by proxy and purpose; used once.</summary>
    internal Dictionary<(string Id, string Purpose), Credentials> Expired { get; } = [];

    /// <summary>A token for the service that was good until a moment ago.</summary>
    internal string ExpiredToken { get; private set; } = "";

    internal Front Of(string id) => _fronts[id];

    internal Front Other(string id) => _others[id];

    public async Task InitializeAsync()
    {
        await Front.InstallAsync();
        List<(string, string)> settings =
        [
            ("Issuer", Issuer), ("Proxy__TrustedNetworks__0", "127.0.0.1"),
            ("Services__0__Id", Service), ("Services__0__Secret", Secret), ("Services__0__Audience", Service), ("Services__0__Trust", "Gateway"),
            ("Services__1__Id", Everybodys), ("Services__1__Secret", Secret), ("Services__1__Audience", EverybodysAudience), ("Services__1__Trust", "Gateway"),
            ("Tokens__Audience", EverybodysAudience),
        ];
        settings.AddRange(_fronts.Values.Concat(_others.Values).Select((front, i) => ($"Gateway__AllowedOrigins__{i}", front.Origin)));

        // Tokens that live as short as can be, from a process before this one.
        await using (var before = await Harness.Service.StartAsync(null, [.. settings, ("Tokens__AccessTokenLifetime", "00:00:05")]))
        {
            _admin = await Admin.NewAsync(before);
            foreach (var id in Asking)
            {
                Expired[(id, "plain")] = await before.Client.SignUpAsync(Person.New());
                Expired[(id, "long")] = await SignUpLongAsync(before.Client);
                Expired[(id, "refused")] = await before.Client.SignUpAsync(Person.New());
                using var again = await before.Client.PostSignInAsync(_admin.Person);
                Expired[(id, "admin")] = Credentials.From(again);
            }

            ExpiredToken = await BindAsync(before, await before.Client.SignUpAsync(Person.New()));
            _gatehouse = await Harness.Service.StartAsync(before.DataDir, [.. settings]);
        }

        _renamed = await Harness.Service.StartAsync(_gatehouse.DataDir, [.. settings, ("Cookies__Session", OtherSession), ("Cookies__Refresh", OtherRefresh), ("Cookies__Device", OtherDevice)]);
        (_line, _toEcho) = (new Line(Gatehouse.Port), new Line(new Uri("http://" + Echo.Address).Port));
        var admin = await SignInAsAdminAsync();
        var asShown = new Surroundings(Line.Address, Echo.Address, WriteCertificate(), $"127.0.0.1:{_tls}", await Gatehouse.Client.GetStringAsync("/.well-known/public-key.pem"), Secret);
        var differently = asShown with { Gatehouse = $"127.0.0.1:{_renamed.Port}", Upstream = ToEcho.Address, Tls = null };
        await Task.WhenAll(
        [
            .. _fronts.Values.Select(async front => await front.StartAsync((await ShownCode.ReadAsync(Gatehouse, admin.CookieHeader, Service, front.Id)).Files, asShown)),
            .. _others.Values.Select(async front =>
            {
                var shown = await ShownCode.ReadAsync(_renamed, Renamed(admin), Asking.Contains(front.Id) ? Service : Everybodys, front.Id);
                await front.StartAsync(shown.Files.ToDictionary(file => file.Key, file => file.Value.Replace("?audience=orders", "?audience=orders&role=admin", StringComparison.Ordinal)), differently);
            }),
        ]);

        // The time it took is part of it; the rest is waited for, since only time makes a token old.
        var old = Credentials.Claims(ExpiredToken)["exp"]!.GetValue<long>() - DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        if (old >= 0) await Task.Delay(TimeSpan.FromSeconds(old + 1));
    }

    public async Task DisposeAsync()
    {
        foreach (var front in _fronts.Values.Concat(_others.Values)) await front.DisposeAsync();
        Line.Dispose();
        ToEcho.Dispose();
        await _renamed!.DisposeAsync();
        await Gatehouse.DisposeAsync();
        Echo.Dispose();
        Elsewhere.Dispose();
        Directory.Delete(_public, recursive: true);
    }

    /// <summary>A token for the service alone, as a gateway would hand it on.</summary>
    internal Task<string> BindAsync(Credentials credentials) => BindAsync(Gatehouse, credentials);

    /// <summary>A token of somebody new that this proxy lets in.</summary>
    internal async Task<string> TokenForAsync(string id)
    {
        var credentials = await Gatehouse.Client.SignUpAsync(Person.New());
        return Asking.Contains(id) ? credentials.AccessToken : await BindAsync(credentials);
    }

    /// <summary>A session of somebody with the role that those set up differently demand.</summary>
    internal async Task<Credentials> SignInAsAdminAsync()
    {
        using var answer = await Gatehouse.Client.PostSignInAsync(_admin!.Person);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return Credentials.From(answer);
    }

    /// <summary>A token that a service gets in its own name.</summary>
    internal Task<string> OwnTokenAsync() => Gatehouse.Client.GetOwnTokenAsync(Service, Secret);

    /// <summary>A signed event, addressed to the service: somebody's session has ended.</summary>
    internal async Task<string> EventAsync()
    {
        var credentials = await Gatehouse.Client.SignUpAsync(Person.New());
        await BindAsync(credentials);
        using var signedOut = await Gatehouse.Client.SendAsync(HttpMethod.Post, "/api/users/signout", cookie: credentials.CookieHeader);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/events/poll") { Content = JsonContent.Create(new { maxEvents = 1 }), Headers = { Authorization = new("Bearer", await OwnTokenAsync()) } };
        using var answer = await Gatehouse.Client.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return (await answer.Content.ReadFromJsonAsync<System.Text.Json.Nodes.JsonNode>())!["sets"]!.AsObject().Single().Value!.GetValue<string>();
    }

    /// <summary>The cookies as a browser holds them where they have other names.</summary>
    internal static string Renamed(Credentials credentials) => $"{OtherSession}={credentials.Session}; {OtherRefresh}={credentials.Refresh}";

    private static async Task<string> BindAsync(Service gatehouse, Credentials credentials)
    {
        using var answer = await gatehouse.Client.SendAsync(HttpMethod.Get, "/auth/verify?audience=" + Service, credentials.AccessToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return answer.Headers.GetValues("Authorization").Single()["Bearer ".Length..];
    }

    // An address and a name as long as they may be, of letters that take room wherever they are written.
    private static async Task<Credentials> SignUpLongAsync(HttpClient gatehouse)
    {
        var person = new Person($"{new string('%', 31)}{Guid.NewGuid():N}@{new string('a', 60)}.{new string('b', 60)}.{new string('c', 60)}.test", Person.New().Password);
        var credentials = await gatehouse.SignUpAsync(person);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/account/name") { Content = JsonContent.Create(new { name = new string('語', 200) }), Headers = { Authorization = new("Bearer", credentials.AccessToken) } };
        using var answer = await gatehouse.SendAsync(request);
        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        return credentials;
    }

    private string WriteCertificate()
    {
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(_public, File.GetUnixFileMode(_public) | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(2));
        File.WriteAllText(Path.Combine(_public, "key.pem"), key.ExportPkcs8PrivateKeyPem());
        var path = Path.Combine(_public, "certificate.pem");
        File.WriteAllText(path, certificate.ExportCertificatePem());
        return path;
    }
}

[CollectionDefinition(Name)]
public sealed class OnTheStreet : ICollectionFixture<Street>
{
    public const string Name = "Proxies";
}
