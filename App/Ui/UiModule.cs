using Microsoft.AspNetCore.Components.Forms;

namespace App.Ui;

/// <summary>What all pages share: the document, its layouts and parts, the style sheet, the theme, the error pages.</summary>
internal static class UiModule
{
    public static IServiceCollection AddUi(this IServiceCollection services)
    {
        services.AddSettings<ReturnOrigins>("Gateway");
        services.AddScoped<AntiforgeryStateProvider, NoFormTokens>();
        services.AddRazorComponents().AddInteractiveServerComponents();
        services.AddCascadingAuthenticationState();
        // The framework's own two services would leave a kilobyte of protected state in every page, interactive or not;
        // none of our islands reads it. What a component persists by itself is untouched.
        foreach (var registration in services.Where(s => s.ServiceType.Name == "IPersistentServiceRegistration").ToList())
            services.Remove(registration);
        return services;
    }

    public static IEndpointRouteBuilder MapUi(this IEndpointRouteBuilder app)
    {
        app.MapStaticAssets();
        app.MapPost("/ui/theme", Theme.Handle).DisableAntiforgery().ExcludeFromDescription();
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
            .DisableAntiforgery();
        return app;
    }
}
