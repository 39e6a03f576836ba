using System.Text.Json.Serialization;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace App.Ops;

/// <summary>What keeps the service up and its edges tight: settings, limits, errors, headers, guards, health, the API's description.</summary>
public static partial class OpsModule
{
    /// <summary>The meter of all our own instruments.</summary>
    public const string OwnMeter = "Gatehouse";

    public static WebApplicationBuilder AddOps(this WebApplicationBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var services = builder.Services;
        services.AddSettings<HostSettings>("");
        services.AddSettings<Brand>("Brand");
        services.AddSettings<ProxyOptions>("Proxy");
        services.AddSettings<CorsOptions>("Cors");
        services.AddSettings<RateLimitOptions>("RateLimits");
        services.AddSettings<DocsOptions>("Docs");
        services.AddSettings<MetricsOptions>("Metrics");
        services.AddSettings<ShutdownOptions>("Shutdown");
        services.AddSettingsRule(Proxy.Faults);
        services.AddSingleton(new StartStep(WarnOfOneAddressAsync, ServingOnly: true));

        services.AddSingleton(TimeProvider.System);
        services.AddSingleton<PublicUrl>();

        // Members that are null are absent, where they may be; one member has one value, a number is no text, and nothing of ours nests deeply.
        services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
            json.SerializerOptions.RespectNullableAnnotations = true;
            json.SerializerOptions.AllowDuplicateProperties = false;
            json.SerializerOptions.NumberHandling = JsonNumberHandling.Strict;
            json.SerializerOptions.MaxDepth = 16;
        });
        services.AddSingleton<Health>();
        services.AddSingleton<Figures>();
        services.AddSingleton<Refusals>();
        services.AddSingleton<Drain>();
        services.AddHostedService(sp => sp.GetRequiredService<Drain>());
        services.AddFrameworkProblems();
        services.AddCors();
        services.AddRateLimits();
        services.AddApiDocs();
        // Our own figures alone: the framework's would cost on every request.
        services.AddOpenTelemetry().ConfigureResource(resource => resource.AddService("gatehouse")).WithMetrics(metrics => metrics.AddMeter(OwnMeter).AddPrometheusExporter());
        return builder;
    }

    /// <summary>Something that <c>/health/ready</c> asks before it says yes.</summary>
    public static IServiceCollection AddReadiness(this IServiceCollection services, string name, Func<IServiceProvider, CancellationToken, Task<bool>> check) =>
        services.AddSingleton(new Readiness(name, check));

    /// <summary>Throws a <see cref="SettingsException"/> with every fault of every section, or does nothing.</summary>
    public static void CheckSettings(this WebApplication app)
    {
        ArgumentNullException.ThrowIfNull(app);
        if (SettingsCheck.Faults(app.Services) is { Count: > 0 } faults) throw new SettingsException(faults);
    }

    /// <summary>All that comes before authentication. The order is what makes an error, a refusal and a redirect alike bear the headers.</summary>
    public static WebApplication UseOps(this WebApplication app)
    {
        app.Use(app.Services.GetRequiredService<Drain>().EndConnection);
        app.UseProxy();
        app.UseMiddleware<SecurityHeaders>();
        app.UseMiddleware<ErrorAnswers>();
        app.Use(HeadAsGet);
        app.UseRouting();
        app.Use(SecurityHeaders.LeaveCachingToAssets);
        app.UseOwnCors();
        app.UseMiddleware<CrossSiteGuard>();
        app.Use(FormPosts.RefuseUnreadable);
        app.UseRateLimiter();
        return app;
    }

    // RFC 9110 section 9.3.2: HEAD is GET without the body, which the server leaves away by itself.
    private static Task HeadAsGet(HttpContext http, RequestDelegate next)
    {
        if (!HttpMethods.IsHead(http.Request.Method)) return next(http);
        http.Request.Method = HttpMethods.Get;
        http.Features.Set(CameAsHead.Mark);
        return next(http);
    }

    public static WebApplication MapOps(this WebApplication app)
    {
        ArgumentNullException.ThrowIfNull(app);
        Health.Map(app);
        ApiDocs.Map(app);
        if (app.Services.GetRequiredService<MetricsOptions>().Enabled) app.MapPrometheusScrapingEndpoint("/metrics").AllowAnonymous().WithMetadata(new HttpMethodMetadata([HttpMethods.Get]));
        return app;
    }

    private static Task WarnOfOneAddressAsync(IServiceProvider services, CancellationToken ct)
    {
        if (services.GetRequiredService<ProxyOptions>() is { TerminatesTls: true, TrustedNetworks: [] }) OneAddress(services.GetRequiredService<ILogger<ProxyOptions>>());
        return Task.CompletedTask;
    }

    [LoggerMessage(2012, LogLevel.Warning, "Proxy:TerminatesTls is set and Proxy:TrustedNetworks isn't: everybody has the proxy's address, shares its rate limit, and sees it in the list of their sessions. Name the proxy there.")]
    private static partial void OneAddress(ILogger logger);
}
