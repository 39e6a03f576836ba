using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace App.Tests.Attacks;

/// <summary>The whole service behind a real socket, for what the in-memory server never sees: raw bytes, limits, half a request.</summary>
public sealed class KestrelApp : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gatehouse-").FullName;
    private readonly WebApplicationFactory<Program> _factory;

    private KestrelApp(TimeProvider time, (string Key, string? Value)[] settings)
    {
        _factory = new WebApplicationFactory<Program>().WithWebHostBuilder(host =>
        {
            host.UseEnvironment("Development");
            host.UseSetting("DataDir", _folder);
            host.UseSetting("Urls", "http://127.0.0.1:0");
            host.UseSetting("RateLimits:PerAddressPerMinute", "100000");
            foreach (var (key, value) in settings) host.UseSetting(key, value);
            host.ConfigureTestServices(services => services.Replace(ServiceDescriptor.Singleton(time)));
        });
        _factory.UseKestrel(0);
        _factory.StartServer();
        Address = _factory.ClientOptions.BaseAddress;
        Client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = Address };
    }

    public Uri Address { get; }

    public HttpClient Client { get; }

    public IServiceProvider Services => _factory.Services;

    public static KestrelApp Start(params (string Key, string? Value)[] settings) => new(TimeProvider.System, settings);

    /// <summary>With a clock that stands still until the test moves it; the sockets keep to the machine's.</summary>
    public static KestrelApp Start(TimeProvider time, params (string Key, string? Value)[] settings) => new(time, settings);

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
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
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
