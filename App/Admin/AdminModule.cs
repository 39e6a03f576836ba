using App.Sessions;

namespace App.Admin;

/// <summary>What an operator does about other people's accounts.</summary>
internal static class AdminModule
{
    public static IServiceCollection AddAdmin(this IServiceCollection services)
    {
        services.AddScoped<ChangeRole>();
        services.AddScoped<LockAccount>();
        services.AddSingleton(new Command("users", UserCommands.Usage, UserCommands.RunAsync));
        return services;
    }

    public static void MapAdmin(this IEndpointRouteBuilder routes)
    {
        var admin = routes.MapGroup("/api/admin").WithTags("Admin").RequireAuthorization(Roles.Admin).ProducesProblem(401).ProducesProblem(403);

        var users = admin.MapGroup("/users");
        users.MapPost("/{id}/lock", LockAccount.HandleLockAsync).ById().ProducesProblem(404).ProducesProblem(409);
        users.MapPost("/{id}/unlock", LockAccount.HandleUnlockAsync).ById().ProducesProblem(404);

        var keys = admin.MapGroup("/keys");
        keys.MapGet("", ManageKeys.ListAsync);
        keys.MapPost("/rotate", ManageKeys.RotateAsync);
        keys.MapPost("/{id}/revoke", ManageKeys.RevokeAsync).ProducesProblem(404);
    }
}
