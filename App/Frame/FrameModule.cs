using App.Ui;
using Microsoft.AspNetCore.Components.Forms;

namespace App.Frame;

/// <summary>What stands around every page: the document, its layouts, language and colours, the start page and the error pages.</summary>
internal static class FrameModule
{
    public static IServiceCollection AddFrame(this IServiceCollection services)
    {
        services.AddSettings<ReturnOrigins>("Gateway");
        services.AddScoped<AntiforgeryStateProvider, NoFormTokens>();
        services.AddScoped<FormAnswer>();
        services.AddSingleton<Told>();
        services.AddRazorComponents().AddInteractiveServerComponents();
        CircuitJson.Add(services);
        services.AddCascadingAuthenticationState();
        // The framework's own two services would leave a kilobyte of protected state in every page, interactive or not;
        // none of our islands reads it. What a component persists by itself is untouched.
        foreach (var registration in services.Where(s => s.ServiceType.Name == "IPersistentServiceRegistration").ToList())
            services.Remove(registration);
        return services;
    }

    /// <summary>After routing: the route says who reads the answer.</summary>
    public static void UseFrame(this IApplicationBuilder app) => Languages.Use(app);

    public static IEndpointRouteBuilder MapFrame(this IEndpointRouteBuilder app)
    {
        var isDevelopment = app.ServiceProvider.GetRequiredService<IHostEnvironment>().IsDevelopment();
        app.MapStaticAssets();
        BrandFiles.Map(app);
        app.MapPost("/ui/theme", Theme.Handle).DisableAntiforgery().ExcludeFromDescription();
        app.MapPost("/ui/language", Languages.HandleAsync).DisableAntiforgery().ExcludeFromDescription();
        // One middleware refuses foreign origins at every door, pages included (contract section 4, CSRF);
        // a token in each form would add a cookie and break the second tab after a sign-in.
        app.MapRazorComponents<Shell>()
            .AddInteractiveServerRenderMode(options =>
            {
                // The whole policy is one header, set for every answer alike. Without compression, secrets and an
                // attacker's text never share a compressed frame, which is what this option's own header is for.
                options.ContentSecurityFrameAncestorsPolicy = null;
                options.DisableWebSocketCompression = true;
            })
            .DisableAntiforgery()
            .Finally(page =>
            {
                if (!isDevelopment && page.Metadata.OfType<DevelopmentOnlyAttribute>().Any()) page.RequestDelegate = NotFound;
            });
        return app;
    }

    private static Task NotFound(HttpContext http)
    {
        http.Response.StatusCode = StatusCodes.Status404NotFound;
        return Task.CompletedTask;
    }
}
