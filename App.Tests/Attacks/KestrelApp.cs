using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace App.Tests.Attacks;

/// <summary>The whole service behind a real socket, for what the in-memory server never sees: raw bytes, limits, half a request.</summary>
public sealed class KestrelApp : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gatehouse-").FullName;
    private readonly WebApplicationFactory<Program> _factory;
    private readonly string? _database;

    private KestrelApp(TimeProvider time, (string Key, string? Value)[] settings, X509Certificate2? certificate = null)
    {
        _factory = new WebApplicationFactory<Program>().WithWebHostBuilder(host =>
        {
            host.UseEnvironment("Development");
            host.UseSetting("DataDir", _folder);
            host.UseSetting("Urls", "http://127.0.0.1:0");
            host.UseSetting("RateLimits:PerAddressPerMinute", "100000");
            foreach (var (key, value) in settings) host.UseSetting(key, value);
            host.ConfigureTestServices(services => services.Replace(ServiceDescriptor.Singleton(time)));
            host.ConfigureLogging(logging => logging.AddProvider(Log));
        });
        if (certificate is null) _factory.UseKestrel(0);
        else _factory.UseKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(certificate)));
        _factory.StartServer();
        Address = _factory.ClientOptions.BaseAddress;
        _database = TestApp.ConnectionStringOf(Services);
        // Who asks before they send waits for the answer: past a second they would send all the same, and be reset by whom the head was enough.
        var handler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, Expect100ContinueTimeout = TimeSpan.FromSeconds(30) };
        Trusts = (_, shown, _, _) => shown?.GetCertHashString() == certificate?.Thumbprint;
        if (certificate is not null) handler.SslOptions.RemoteCertificateValidationCallback = Trusts;
        Client = new HttpClient(handler) { BaseAddress = Address };
    }

    public Uri Address { get; }

    public HttpClient Client { get; }

    public CapturedLog Log { get; } = new();

    /// <summary>Its own certificate, and no other.</summary>
    public RemoteCertificateValidationCallback Trusts { get; }

    public IServiceProvider Services => _factory.Services;

    public static KestrelApp Start(params (string Key, string? Value)[] settings) => new(TimeProvider.System, settings);

    /// <summary>With a clock that stands still until the test moves it; the sockets keep to the machine's.</summary>
    public static KestrelApp Start(TimeProvider time, params (string Key, string? Value)[] settings) => new(time, settings);

    /// <summary>With TLS, by a certificate of its own that nobody else trusts.</summary>
    public static KestrelApp StartTls(params (string Key, string? Value)[] settings)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var made = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return new(TimeProvider.System, settings, X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null));
    }

    /// <summary>Sends bytes as they are and reads until the server closes or has said <paramref name="until"/>.</summary>
    public Task<string> SendRawAsync(string bytes, string? until = null) => SendRawAsync(Encoding.Latin1.GetBytes(bytes), until);

    public async Task<string> SendRawAsync(ReadOnlyMemory<byte> bytes, string? until = null)
    {
        using var socket = new TcpClient();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await socket.ConnectAsync(Address.Host, Address.Port, patience.Token);
        await using var stream = socket.GetStream();
        var answer = new StringBuilder();
        var reading = ReadAsync(stream, answer, until, patience.Token);
        try
        {
            await stream.WriteAsync(bytes, patience.Token);
        }
        catch (IOException)
        {
            // The server had heard enough before we had said it all.
        }

        await reading;
        return answer.ToString();
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _factory.DisposeAsync();
        TestApp.CloseIdleConnections(_database);
        Directory.Delete(_folder, recursive: true);
    }

    private static async Task ReadAsync(NetworkStream stream, StringBuilder answer, string? until, CancellationToken ct)
    {
        var buffer = new byte[8192];
        try
        {
            while (await stream.ReadAsync(buffer, ct) is > 0 and var read)
            {
                answer.Append(Encoding.Latin1.GetString(buffer, 0, read));
                if (until is not null && answer.ToString().Contains(until, StringComparison.Ordinal)) return;
            }
        }
        catch (IOException)
        {
            // Reset: closed all the same.
        }
    }
}
