using App.Ops;

namespace App.Gateway;

/// <summary>Gateways ask us about each request; what they are answered, and how they are set up.</summary>
internal static class GatewayModule
{
    public static IServiceCollection AddGateway(this IServiceCollection services)
    {
        services.AddSingleton<SignInAddress>();
        services.AddSingleton<SharedTokens>();
        services.AddSingleton<Verify>();
        return services;
    }

    public static void MapGateway(this IEndpointRouteBuilder routes)
    {
        // Any method: it is that of the request asked about, and proxies differ in whether they keep it.
        var auth = routes.MapGroup("/auth").WithTags("Gateway").AllowAnonymous().DisableAntiforgery().WithMetadata(new AboutAnother());
        auth.MapGet("/verify", Verify.HandleAsync).Produces(200).Produces(302).ProducesProblem(400).ProducesProblem(401).ProducesProblem(403);
        auth.MapGroup("").ExcludeFromDescription().Map("/verify", Verify.HandleAsync);
    }
}
