using App.Ops;
using App.Sessions;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Transforms;

namespace App.Gateway;

/// <summary>Gateways ask us about each request; what they are answered, and how they are set up.</summary>
internal static class GatewayModule
{
    public const string RoutesSection = "Gateway:Routes";

    /// <summary>Past it a destination isn't there, and another is tried. The kernel asks a second and a third time, after one second and three.</summary>
    private static readonly TimeSpan ConnectsWithin = TimeSpan.FromSeconds(5);

    public static IServiceCollection AddGateway(this IServiceCollection services)
    {
        services.AddSettings<GatewayRoutes>(RoutesSection);
        services.AddSettingsRule(sp => sp.GetRequiredService<GatewayRoutes>().Faults(sp.GetRequiredService<PublicUrl>()));
        services.AddSingleton<SignInAddress>();
        services.AddSingleton<SharedTokens>();
        services.AddSingleton<Verify>();
        services.AddSingleton<Gate>();
        services.AddSingleton<OpenStreams>();
        services.AddSingleton<GatewayConfig>();
        services.AddSingleton<MatcherPolicy, GivenHosts>();
        services.AddHostedService<FollowSettings>();
        services.AddSingleton(ProvideRoutes);
        services.AddReverseProxy().ConfigureHttpClient((_, handler) => handler.ConnectTimeout = ConnectsWithin).AddTransforms(context =>
        {
            var gate = context.Services.GetRequiredService<Gate>();
            context.AddRequestTransform(request => gate.WriteRequestAsync(request.HttpContext, request.ProxyRequest));
            context.AddResponseTransform(answer => gate.WriteResponseAsync(answer.HttpContext, answer.ProxyResponse));
        });
        return services;
    }

    public static IEndpointRouteBuilder MapGateway(this IEndpointRouteBuilder routes)
    {
        var gate = routes.ServiceProvider.GetRequiredService<Gate>();
        routes.MapReverseProxy(proxy =>
        {
            proxy.Use(next => http => gate.InvokeAsync(http, next));
            proxy.UseLoadBalancing();
            proxy.UsePassiveHealthChecks();
        }).WithMetadata(PassedOn.Mark);

        // Any method: it is that of the request asked about, and proxies differ in whether they keep it.
        var auth = routes.MapGroup("/auth").WithTags("Gateway").AllowAnonymous().DisableAntiforgery().WithMetadata(new AboutAnother());
        BusyRoute.On(auth, routes.ServiceProvider);
        auth.MapGet("/verify", Verify.HandleAsync).Produces(200).Produces(302).ProducesProblem(400).ProducesProblem(401).ProducesProblem(403).ProducesProblem(503);
        auth.MapGroup("").ExcludeFromDescription().Map("/verify", Verify.HandleAsync);
        return routes;
    }

    private static IProxyConfigProvider ProvideRoutes(IServiceProvider services)
    {
        var gateway = services.GetRequiredService<GatewayConfig>();
        gateway.Begin(services.GetRequiredService<GatewayRoutes>());
        return gateway.Provider;
    }
}
