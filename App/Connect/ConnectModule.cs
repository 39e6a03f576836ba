namespace App.Connect;

/// <summary>The first ten minutes of somebody with a service of their own: its code, its first call, and a look into a token.</summary>
internal static class ConnectModule
{
    public static IServiceCollection AddConnect(this IServiceCollection services)
    {
        services.AddScoped<ShowConnect>();
        services.AddScoped<ConnectedServices>();
        services.AddScoped<InspectToken>();
        return services;
    }
}
