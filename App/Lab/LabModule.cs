using App.Frame;

namespace App.Lab;

/// <summary>The three strategies side by side, live: what a call costs, how soon an ended session is refused, and what breaks where.</summary>
internal static class LabModule
{
    private const string Page = "/lab";

    public static IServiceCollection AddLab(this IServiceCollection services)
    {
        services.AddSettings<LabOptions>("Lab");
        services.AddSingleton(sp => new LabDoor(sp.GetRequiredService<LabOptions>().Enabled ?? sp.GetRequiredService<IHostEnvironment>().IsDevelopment()));
        services.AddScoped<RegisterLab>();
        services.AddScoped<LabSession>();
        services.AddSingleton<LabBench>();
        services.AddSingleton<LabTurn>();
        services.AddSingleton<CallEach>();
        services.AddSingleton<WatchEnd>();
        services.AddSingleton<StopUs>();
        services.AddSingleton<TryToken>();
        return services;
    }

    public static IEndpointRouteBuilder MapLab(this IEndpointRouteBuilder routes)
    {
        if (routes.ServiceProvider.GetRequiredService<LabDoor>().IsOpen) return routes;

        // In front of the page of that address, which then is nobody's.
        routes.Map(Page, http =>
        {
            http.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        }).WithOrder(-1).AllowAnonymous();
        return routes;
    }
}
