namespace App.Push;

/// <summary>The log pushed to those who registered a receiver (RFC 8935): for services that can neither hold a stream nor poll.</summary>
internal static class PushModule
{
    public static IServiceCollection AddPush(this IServiceCollection services)
    {
        services.AddSettings<PushOptions>("Events:Push");
        services.AddSingleton<PushDelivery>();
        services.AddSingleton<PushEvents>();
        services.AddHostedService(sp => sp.GetRequiredService<PushEvents>());
        return services;
    }
}
