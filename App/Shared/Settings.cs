namespace App.Shared;

/// <summary>Marks a setting whose value is never printed, logged or shown.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class SecretAttribute : Attribute;

/// <summary>One options class and the section of the configuration that fills it.</summary>
public sealed record SettingsSection(string Section, Type Type);

public static class SettingsExtensions
{
    /// <summary>
    /// Binds <typeparamref name="T"/> to a section ("" is the root), makes it injectable as itself,
    /// and enters it in the catalogue that the start-up check and the README's table read.
    /// </summary>
    public static IServiceCollection AddSettings<T>(this IServiceCollection services, string section) where T : class, new()
    {
        services.AddSingleton(new SettingsSection(section, typeof(T)));
        services.AddSingleton(sp =>
        {
            var configuration = sp.GetRequiredService<IConfiguration>();
            return (section.Length == 0 ? configuration : configuration.GetSection(section)).Get<T>() ?? new T();
        });
        return services;
    }
}
