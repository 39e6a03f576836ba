using App.Ops;
using App.Shared;
using App.Frame;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Frame;

/// <summary>The pages alone, on a test server: what they need from the slices below is given by the test.</summary>
internal sealed class FrameHost : IAsyncDisposable
{
    private readonly WebApplication _app;

    private FrameHost(WebApplication app) => _app = app;

    public static async Task<FrameHost> StartAsync(CurrentUser? user = null, Action<IServiceCollection>? services = null)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ApplicationName = "App", ContentRootPath = AppContext.BaseDirectory, EnvironmentName = "Production" });
        builder.WebHost.UseTestServer().UseStaticWebAssets();
        builder.Configuration["ReloadStaticAssetsAtRuntime"] = "false"; // cached as in a published app
        builder.Services.AddSingleton(TimeProvider.System).AddSingleton(new Brand()).AddSingleton<Figures>().AddSingleton<Refusals>().AddFrame();
        services?.Invoke(builder.Services);
        var app = builder.Build();
        app.Use((http, next) =>
        {
            if (user is not null) http.User = user.ToPrincipal();
            return next();
        });
        app.UseMiddleware<ErrorAnswers>(); // an unknown address becomes a page here
        app.UseRouting();
        app.UseFrame();
        app.MapFrame();
        await app.StartAsync();
        return new FrameHost(app);
    }

    /// <summary>A browser without script that follows nothing by itself.</summary>
    public HttpClient Browser()
    {
        var client = _app.GetTestClient();
        client.DefaultRequestHeaders.Accept.ParseAdd("text/html");
        return client;
    }

    public static CurrentUser Ada { get; } = new()
    {
        Id = Guid.Parse("0199a2c0-0000-7000-8000-000000000001"),
        SessionId = Guid.Parse("0199a2c0-0000-7000-8000-000000000002"),
        TokenId = "t1",
        Email = "ada@example.test",
        IssuedAt = 0,
        ExpiresAt = 0,
        AuthTime = 0,
        KeyId = "k1",
    };

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
