
namespace App.Admin;

/// <summary>What an operator does about other people's accounts.</summary>
internal static class AdminModule
{
    public static IServiceCollection AddAdmin(this IServiceCollection services)
    {
        services.AddScoped<ChangeRole>();
        services.AddSingleton(new Command("users", UserCommands.Usage, UserCommands.RunAsync));
        return services;
    }
}
