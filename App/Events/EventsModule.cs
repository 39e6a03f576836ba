using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace App.Events;

/// <summary>The ordered log of security events, and what this process knows of it.</summary>
internal static class EventsModule
{
    public static IServiceCollection AddEvents(this IServiceCollection services)
    {
        services.AddScoped<SecurityEventLog>();
        services.AddSingleton<RevocationIndex>();
        services.AddSingleton<IInterceptor, ApplyOnCommit>();
        services.AddSingleton<FollowLog>();
        services.AddHostedService(sp => sp.GetRequiredService<FollowLog>());
        services.AddSingleton(new StartStep((sp, ct) => sp.GetRequiredService<FollowLog>().LoadAsync(ct)));
        services.AddSingleton(new Sweep((db, now, ct) =>
        {
            // An hour of grace: a replica that was away looks back no further than that.
            var horizon = now - TimeSpan.FromHours(1);
            return db.SecurityEvents.Where(e => e.ExpiresAt < horizon).ExecuteDeleteAsync(ct);
        }));
        return services;
    }
}
