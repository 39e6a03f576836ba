using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace App.Tests.Gateway;

/// <summary>A service behind the gateway that says what reached it: method, raw target, headers and body; on a real socket.</summary>
internal sealed class EchoService : IAsyncDisposable
{
    private readonly WebApplication _app;
    private int _requests;

    private EchoService(Func<HttpContext, Task>? answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.WebHost.ConfigureKestrel(k =>
        {
            k.Limits.MaxRequestBodySize = null;
            k.ResponseHeaderEncodingSelector = _ => System.Text.Encoding.Latin1;
        });
        _app = builder.Build();
        _app.UseWebSockets();
        _app.Run(async http =>
        {
            Interlocked.Increment(ref _requests);
            await (answer ?? EchoAsync)(http);
        });
    }

    public int Requests => Volatile.Read(ref _requests);

    public string Address => _app.Urls.Single();

    public static async Task<EchoService> StartAsync(Func<HttpContext, Task>? answer = null)
    {
        var echo = new EchoService(answer);
        await echo._app.StartAsync();
        return echo;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    public static async Task EchoAsync(HttpContext http)
    {
        using var reader = new StreamReader(http.Request.Body);
        var body = await reader.ReadToEndAsync();
        http.Response.Headers.Append("Set-Cookie", "theme=dark; path=/");
        http.Response.Headers.Append("Set-Cookie", "session=planted; path=/");
        http.Response.Headers.CacheControl = "public, max-age=60";
        http.Response.Headers["X-From"] = "echo";
        await http.Response.WriteAsJsonAsync(new Echo(
            http.Request.Method, http.Features.Get<IHttpRequestFeature>()!.RawTarget,
            http.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase), body.Length));
    }

    public static async Task<Echo> ReadAsync(HttpResponseMessage answer) =>
        JsonSerializer.Deserialize<Echo>(await answer.Content.ReadAsStringAsync(), JsonSerializerOptions.Web) is { } echo
            ? echo with { Headers = new Dictionary<string, string>(echo.Headers, StringComparer.OrdinalIgnoreCase) }
            : throw new InvalidOperationException("No echo.");
}

internal sealed record Echo(string Method, string Target, Dictionary<string, string> Headers, int Body);
