using System.Net;

namespace App.Strategies;

/// <summary>
/// A program of its own in everything but the process: its own listener, on a free port of 127.0.0.1 alone, and its own services.
/// It shares no settings and no objects with ours, and reaches us by HTTP like anybody else.
/// </summary>
internal sealed class LoopbackHost : IAsyncDisposable
{
    private const int LargestBody = 16 * 1024;

    private readonly WebApplication _app;

    private LoopbackHost(WebApplication app) => _app = app;

    public Uri Address => new(_app.Urls.Single());

    public IServiceProvider Services => _app.Services;

    public static async Task<LoopbackHost> StartAsync(Action<IServiceCollection> add, Action<WebApplication> use, CancellationToken ct)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = LargestBody;
            kestrel.Listen(IPAddress.Loopback, 0);
        });
        add(builder.Services);
        var app = builder.Build();
        use(app);
        await app.StartAsync(ct);
        return new LoopbackHost(app);
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
