namespace App.Factors;

/// <summary>What proves who a person is, beside their password, and how recently it was proved.</summary>
internal static class FactorsModule
{
    public static IServiceCollection AddFactors(this IServiceCollection services)
    {
        services.AddScoped<RecentProof>();
        return services;
    }
}
