using App.Ops;
using App.Sessions;

namespace App.Drill;

/// <summary>The fire drill: a session is ended for nothing but to see who refuses it, and how soon.</summary>
internal static class DrillModule
{
    public static IServiceCollection AddDrill(this IServiceCollection services) => services
        .AddSettings<DrillOptions>("Drill")
        .AddScoped<BeginDrill>()
        .AddScoped<ShowDrill>()
        .AddScoped<DrillSchedule>()
        .AddScoped<DrillTroubles>()
        .AddSingleton(new TroubleSource((services, ct) => services.GetRequiredService<DrillTroubles>().FindAsync(ct)))
        .AddSingleton<WatchDrill>()
        .AddSingleton<DrillOnSchedule>()
        .AddHostedService(sp => sp.GetRequiredService<DrillOnSchedule>());

    public static IEndpointRouteBuilder MapDrill(this IEndpointRouteBuilder routes)
    {
        var drills = routes.MapGroup("/api/admin/drills").WithTags("Admin").RequireAuthorization(Roles.Admin).ProducesProblem(401).ProducesProblem(403);
        drills.MapPost("", BeginDrill.HandleAsync).ProducesProblem(409);
        drills.MapGet("/{id}", ShowDrill.HandleAsync).ById().ProducesProblem(404);
        return routes;
    }
}
