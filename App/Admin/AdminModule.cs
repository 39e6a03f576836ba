using App.Sessions;

namespace App.Admin;

/// <summary>What an operator does about other people's accounts.</summary>
internal static class AdminModule
{
    public static IServiceCollection AddAdmin(this IServiceCollection services)
    {
        services.AddScoped<ChangeRole>();
        services.AddScoped<LockAccount>();
        services.AddScoped<StartReset>();
        services.AddScoped<FindUsers>();
        services.AddScoped<ShowUser>();
        services.AddScoped<EndTheirSessions>();
        services.AddScoped<ListTheirSessions>();
        services.AddScoped<ListAudit>();
        services.AddScoped<ListEvents>();
        services.AddSingleton(new Command("users", UserCommands.Usage, UserCommands.RunAsync));
        return services;
    }

    public static IEndpointRouteBuilder MapAdmin(this IEndpointRouteBuilder routes)
    {
        var admin = routes.MapGroup("/api/admin").WithTags("Admin").RequireAuthorization(Roles.Admin).ProducesProblem(401).ProducesProblem(403);

        var users = admin.MapGroup("/users");
        users.MapGet("", FindUsers.HandleAsync).ProducesProblem(400);
        users.MapGet("/{id}", ShowUser.HandleAsync).ById().ProducesProblem(404);
        users.MapDelete("/{id}/sessions", EndTheirSessions.HandleAllAsync).ById().ProducesProblem(404);
        users.MapPut("/{id}/roles/{role}", ChangeRole.HandleGrantAsync).ById().ProducesProblem(400).ProducesProblem(404);
        users.MapDelete("/{id}/roles/{role}", ChangeRole.HandleRevokeAsync).ById().ProducesProblem(400).ProducesProblem(404).ProducesProblem(409);
        users.MapPost("/{id}/lock", LockAccount.HandleLockAsync).ById().ProducesProblem(404).ProducesProblem(409);
        users.MapPost("/{id}/unlock", LockAccount.HandleUnlockAsync).ById().ProducesProblem(404);
        users.MapPost("/{id}/reset", StartReset.HandleAsync).ById().ProducesProblem(404).ProducesProblem(409);

        admin.MapGet("/sessions", ListTheirSessions.HandleAsync).ProducesProblem(400);
        admin.MapDelete("/sessions/{id}", EndTheirSessions.HandleOneAsync).ById().ProducesProblem(404);
        admin.MapGet("/audit", ListAudit.HandleAsync).ProducesProblem(400);
        admin.MapGet("/audit/export", ExportLists.AuditAsync).Produces<string>(200, "text/csv").ProducesProblem(400);
        admin.MapGet("/events", ListEvents.HandleAsync).ProducesProblem(400);
        admin.MapGet("/events/export", ExportLists.EventsAsync).Produces<string>(200, "text/csv").ProducesProblem(400);
        return routes;
    }
}
