namespace App.Dashboard;

/// <summary>The operator's overview: whether all is well, and what this process has counted in the last hour.</summary>
internal static class DashboardModule
{
    public static IServiceCollection AddDashboard(this IServiceCollection services)
    {
        services.AddSingleton<Recorder>();
        services.AddHostedService(sp => sp.GetRequiredService<Recorder>());
        services.AddSingleton<LookAround>();
        services.AddScoped<ServiceStates>();
        services.AddScoped<ShowOverview>();
        return services;
    }

    public static IEndpointRouteBuilder MapDashboard(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/api/admin/overview", ShowOverview.HandleAsync).WithTags("Admin").RequireAuthorization(Roles.Admin).ProducesProblem(401).ProducesProblem(403);
        return routes;
    }
}
