using App.Data;
using App.Events;
using Microsoft.EntityFrameworkCore;

namespace App.Connect;

/// <summary>The first ten minutes of somebody with a service of their own: its code, its first call, and a look into a token.</summary>
internal static class ConnectModule
{
    public static IServiceCollection AddConnect(this IServiceCollection services)
    {
        services.AddScoped<ShowConnect>();
        services.AddScoped<ConnectedServices>();
        services.AddScoped<InspectToken>();
        services.AddSingleton(new PersonalData("tokensForServices", async (db, id, ct) => await db.BoundAudiences.Where(b => b.UserId == id).OrderBy(b => b.SessionId).ThenBy(b => b.Audience)
            .Select(b => new { b.SessionId, b.Audience }).ToListAsync(ct)));
        return services;
    }
}
