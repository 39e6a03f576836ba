using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using App.E2E.Harness;

namespace App.E2E.Proxies;

/// <summary>One Gatehouse, one echo, and every proxy between them; started once for all tests of this folder.</summary>
public sealed class Street : IAsyncLifetime
{
    public const string Service = "orders";
    private const string Secret = "orders-secret-of-at-least-32-characters";

    /// <summary>They ask about each request, and know cookies.</summary>
    public static readonly string[] Asking = ["nginx", "caddy", "haproxy"];

    /// <summary>They take a bearer token made for the service.</summary>
    public static readonly string[] Checking = ["haproxy-jwt", "apache-introspection", "apache-jwks"];

    private readonly Dictionary<string, Front> _fronts = Asking.Concat(Checking).ToDictionary(id => id, Front.Plan);
    private readonly int _tls = TestRun.FreePort();

    // Apache gives up root before it reads the certificate, so that can't be in the run's own folder.
    private readonly string _public = Directory.CreateTempSubdirectory("gatehouse-tls-").FullName;
    private Service? _gatehouse;
    private Line? _line;

    internal Service Gatehouse => _gatehouse!;
    internal Line Line => _line!;
    internal Echo Echo { get; } = new();
    internal string Issuer => $"https://localhost:{_tls}";

    /// <summary>What a session of each asking proxy holds whose access token has expired; used once.</summary>
    internal Dictionary<string, Credentials> Expired { get; } = [];

    /// <summary>A token for the service that was good until a moment ago.</summary>
    internal string ExpiredToken { get; private set; } = "";

    internal Front Of(string id) => _fronts[id];

    public async Task InitializeAsync()
    {
        await Front.InstallAsync();
        List<(string, string)> settings =
        [
            ("Issuer", Issuer), ("Proxy__TrustedNetworks__0", "127.0.0.1"),
            ("Services__0__Id", Service), ("Services__0__Secret", Secret), ("Services__0__Audience", Service),
        ];
        settings.AddRange(_fronts.Values.Select((front, i) => ($"Gateway__AllowedOrigins__{i}", front.Origin)));

        // Tokens that live as short as can be, from a process before this one.
        await using (var before = await Harness.Service.StartAsync(null, [.. settings, ("Tokens__AccessTokenLifetime", "00:00:05")]))
        {
            foreach (var id in Asking) Expired[id] = await before.Client.SignUpAsync(Person.New());
            ExpiredToken = await BindAsync(before, await before.Client.SignUpAsync(Person.New()));
            _gatehouse = await Harness.Service.StartAsync(before.DataDir, [.. settings]);
        }

        _line = new Line(Gatehouse.Port);
        var certificate = WriteCertificate();
        var values = new Dictionary<string, string>
        {
            ["issuer"] = Issuer,
            ["gatehouse"] = Line.Address,
            ["upstream"] = Echo.Address,
            ["audience"] = Service,
            ["audience_encoded"] = Service,
            ["client_id"] = Service,
            ["secret"] = Secret,
            ["session_cookie"] = "session",
            ["refresh_cookie"] = "session_refresh",
            ["session_cookie_pattern"] = "session",
            ["refresh_cookie_pattern"] = "session_refresh",
            ["tls"] = $"127.0.0.1:{_tls}",
            ["pem"] = await Gatehouse.Client.GetStringAsync("/.well-known/public-key.pem"),
        };
        await Task.WhenAll(_fronts.Values.Select(front => front.StartAsync(values, certificate)));

        // The time it took is part of it; the rest is waited for, since only time makes a token old.
        var old = Credentials.Claims(ExpiredToken)["exp"]!.GetValue<long>() - DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        if (old >= 0) await Task.Delay(TimeSpan.FromSeconds(old + 1));
    }

    public async Task DisposeAsync()
    {
        foreach (var front in _fronts.Values) await front.DisposeAsync();
        Line.Dispose();
        await Gatehouse.DisposeAsync();
        Echo.Dispose();
        Directory.Delete(_public, recursive: true);
    }

    /// <summary>A token for the service alone, as a gateway would hand it on.</summary>
    internal Task<string> BindAsync(Credentials credentials) => BindAsync(Gatehouse, credentials);

    private static async Task<string> BindAsync(Service gatehouse, Credentials credentials)
    {
        using var answer = await gatehouse.Client.SendAsync(HttpMethod.Get, "/auth/verify?audience=" + Service, credentials.AccessToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return answer.Headers.GetValues("Authorization").Single()["Bearer ".Length..];
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
