using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace App.Passwords;

/// <summary>Passwords: what is accepted, how they are hashed, and on which threads.</summary>
internal static class PasswordsModule
{
    /// <summary>
    /// Needs the type of the user, since Identity registers its own hasher for exactly that type:
    /// this one wins whether it is added before or after Identity.
    /// </summary>
    public static IServiceCollection AddPasswords<TUser>(this IServiceCollection services) where TUser : class
    {
        services.AddSettings<PasswordOptions>("Passwords");
        services.AddSingleton<HashingThreads>();
        services.AddSingleton<PasswordChecks>();
        services.AddSingleton<PasswordPolicy>();
        services.AddSingleton<ShortPassword>();
        services.AddSingleton<JudgePassword>();
        services.Replace(ServiceDescriptor.Singleton<IPasswordHasher<TUser>, PasswordHasher<TUser>>());
        return services;
    }
}
