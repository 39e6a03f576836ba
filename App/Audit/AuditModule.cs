using App.Data;

namespace App.Audit;

/// <summary>The record of what happened.</summary>
internal static class AuditModule
{
    private static readonly TimeSpan Kept = TimeSpan.FromDays(365);

    public static IServiceCollection AddAudit(this IServiceCollection services) => services
        .AddScoped<AuditLog>()
        .AddSingleton(new Sweep((db, now, ct) =>
        {
            var horizon = now - Kept;
            return db.ForgetAsync(db.Audit.Where(a => a.At < horizon).OrderBy(a => a.Id), ct);
        }));
}
