
namespace App.Admin;

/// <summary>What an operator does about other people's accounts.</summary>
internal static class AdminModule
{
    public static IServiceCollection AddAdmin(this IServiceCollection services)
    {
        services.AddScoped<ChangeRole>();
        services.AddSingleton(new Command("users", UserCommands.Usage, UserCommands.RunAsync));
        return services;
    }

    public static void MapAdmin(this IEndpointRouteBuilder routes)
    {
        var keys = routes.MapGroup("/api/admin/keys").WithTags("Admin").RequireAuthorization(Roles.Admin).ProducesProblem(401).ProducesProblem(403);
        keys.MapGet("", ManageKeys.ListAsync);
        keys.MapPost("/rotate", ManageKeys.RotateAsync);
        keys.MapPost("/{id}/revoke", ManageKeys.RevokeAsync).ProducesProblem(404);
    }
}
