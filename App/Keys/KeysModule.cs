namespace App.Keys;

/// <summary>What an operator sees of the signing keys, and does about them; their life is in Tokens.</summary>
internal static class KeysModule
{
    public static IServiceCollection AddKeys(this IServiceCollection services) => services.AddScoped<ManageKeys>();

    public static IEndpointRouteBuilder MapKeys(this IEndpointRouteBuilder routes)
    {
        var keys = routes.MapGroup("/api/admin/keys").WithTags("Admin").RequireAuthorization(Roles.Admin).ProducesProblem(401).ProducesProblem(403);
        keys.MapGet("", ManageKeys.HandleListAsync);
        keys.MapPost("/rotate", ManageKeys.HandleRotateAsync).ProducesProblem(409);
        keys.MapPost("/{id}/revoke", ManageKeys.HandleRevokeAsync).ProducesProblem(404);
        return routes;
    }
}
