
namespace App.Services;

/// <summary>Connecting a service: the admin's pages and endpoints over the registry, and the verifier it may take along.</summary>
internal static class ServicesModule
{
    public static IServiceCollection AddServices(this IServiceCollection services)
    {
        services.AddScoped<ListServices>();
        services.AddScoped<AddService>();
        services.AddScoped<ShowService>();
        services.AddScoped<ChangeService>();
        services.AddScoped<ChangePush>();
        return services;
    }

    public static IEndpointRouteBuilder MapServices(this IEndpointRouteBuilder routes)
    {
        var admin = routes.MapGroup("/api/admin/services").WithTags("Admin").RequireAuthorization(Roles.Admin).ProducesProblem(401).ProducesProblem(403);
        admin.MapGet("", ListServices.HandleAsync);
        admin.MapPost("", AddService.HandleAsync).ProducesProblem(400);
        admin.MapGet("/{id}", ShowService.HandleAsync).ProducesProblem(404);
        admin.MapPost("/{id}/rotate", ChangeService.HandleRotateAsync).ProducesProblem(400).ProducesProblem(404);
        admin.MapPost("/{id}/withdraw", ChangeService.HandleWithdrawAsync).ProducesProblem(404);
        admin.MapPut("/{id}/push", ChangePush.HandleSetAsync).ProducesProblem(400).ProducesProblem(404);
        admin.MapDelete("/{id}/push", ChangePush.HandleRemoveAsync).ProducesProblem(400).ProducesProblem(404);
        admin.MapPost("/{id}/push/retry", ChangePush.HandleRetryAsync).ProducesProblem(404);
        admin.MapDelete("/{id}", ChangeService.HandleRemoveAsync).ProducesProblem(400).ProducesProblem(404);

        ServeVerifiers.Map(routes);
        return routes;
    }
}
