using App.Ops;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace App.Tests.Ops;

/// <summary>The edges of the service on a real Kestrel, with routes of the test's own behind them.</summary>
internal sealed class OpsHost : IAsyncDisposable
{
    private OpsHost(WebApplication app, Journal log)
    {
        App = app;
        Log = log;
        Address = new Uri(app.Urls.First());
        Client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = Address };
    }

    public WebApplication App { get; }
    public HttpClient Client { get; }
    public Uri Address { get; }
    public Journal Log { get; }

    public static async Task<OpsHost> StartAsync(Action<WebApplication>? map = null, Action<IServiceCollection>? add = null, string environment = "Development", params string[] settings)
    {
        var log = new Journal();
        var builder = Hosting.CreateBuilder([$"--environment={environment}", "--urls=http://127.0.0.1:0", .. settings.Select(s => "--" + s)]);
        builder.Logging.ClearProviders().AddProvider(log);
        builder.AddOps();
        add?.Invoke(builder.Services);
        var app = builder.Build();
        app.CheckSettings();
        app.UseOps();
        map?.Invoke(app);
        app.MapOps();
        await app.StartAsync();
        return new OpsHost(app, log);
    }

    public Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? body = null, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(method, path) { Content = body };
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        return Client.SendAsync(request);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await App.DisposeAsync();
    }
}

/// <summary>What was logged, warnings and worse.</summary>
internal sealed class Journal : ILoggerProvider, ILogger
{
    private readonly Lock one = new();
    private readonly List<string> lines = [];

    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (one) return [.. lines];
        }
    }

    public ILogger CreateLogger(string categoryName) => this;
    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;
    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel)) return;
        lock (one) lines.Add($"{logLevel} {formatter(state, exception)} {exception?.GetType().Name}");
    }

    public void Dispose()
    {
    }
}
