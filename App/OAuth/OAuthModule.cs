using App.Data;
using App.Events;
using App.Ops;
using App.Push;
using App.Sessions;
using App.Tokens;
using Microsoft.AspNetCore.Authentication;
using Microsoft.EntityFrameworkCore;

namespace App.OAuth;

/// <summary>The services that trust us, how they prove who they are, and what they may ask about tokens.</summary>
internal static class OAuthModule
{
    public static IServiceCollection AddOAuth(this IServiceCollection services)
    {
        services.AddSettings<ServiceDeclarations>("Services");
        services.AddSettingsRule(DeclaredServices.Faults);
        services.AddSingleton<ServiceSecretKey>();
        services.AddSingleton<PushTargets>();
        services.AddSingleton<HasReceiver>((db, service, ct) => db.OAuthClients.AnyAsync(c => c.ClientId == service && c.PushUrl != null, ct));
        services.AddSingleton<RegisteredServices>(ChangeRegistry.StillRegisteredAsync);
        services.AddSingleton<ServiceRegistry>();
        services.AddSingleton<ServiceTokens>();
        services.AddSingleton<BoundTokens>();
        services.AddScoped<ChangeRegistry>();
        services.AddScoped<DeclaredServices>();
        services.AddSingleton<Introspect>();
        services.AddScoped<RevokeToken>();
        services.AddSingleton(new StartStep(BeginAsync, ServingOnly: true));
        services.AddHostedService<FollowRegistry>();
        services.AddSingleton(new Sweep((db, now, ct) => db.ForgetAsync(db.RevokedTokens.Where(t => t.ExpiresAt < now - RevocationIndex.Slack).OrderBy(t => t.ExpiresAt), ct)));
        services.AddSingleton(new DiscoveryPart(Discovery.Describe));
        services.AddAuthentication().AddScheme<AuthenticationSchemeOptions, ServiceHandler>(ServiceHandler.Scheme, null);
        services.AddAuthorizationBuilder()
            .AddPolicy(CallingService.Policy, policy => policy.AddAuthenticationSchemes(ServiceHandler.Scheme).RequireAuthenticatedUser());
        return TokenEndpoint.Add(services);
    }

    public static IEndpointRouteBuilder MapOAuth(this IEndpointRouteBuilder routes)
    {
        var connect = routes.MapGroup("/connect").WithTags("OAuth").DisableAntiforgery();
        connect.MapPost("/token", TokenEndpoint.HandleAsync).AllowAnonymous().DescribeToken();
        connect.MapPost("/introspect", Introspect.HandleAsync).RequireAuthorization(CallingService.Policy).DescribeIntrospection();
        connect.MapPost("/revoke", RevokeToken.HandleAsync).AllowAnonymous().WithMetadata(new ServicesToo()).DescribeRevocation();
        SameForEverybody.On(routes.MapGet(Discovery.SharedSignals, Discovery.Configuration).WithTags("Keys").AllowAnonymous(), routes.ServiceProvider)
            .Produces<object>(200, "application/json");
        return routes;
    }

    private static async Task BeginAsync(IServiceProvider services, CancellationToken ct)
    {
        await services.GetRequiredService<ServiceRegistry>().LoadAsync(ct);
        await using var scope = services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<DeclaredServices>().ReconcileAsync(ct);
    }
}
