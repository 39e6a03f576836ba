using System.Collections;

namespace App.Shared;

/// <summary>Marks a setting whose value is never printed, logged or shown.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class SecretAttribute : Attribute
{
    /// <summary>White space around it is no part of it.</summary>
    public bool Trimmed { get; set; }
}

/// <summary>One options class and the section of the configuration that fills it ("" is the root); open where keys that the class doesn't name are nobody's mistake.</summary>
public sealed record SettingsSection(string Section, Type Type, bool Open = false);

/// <summary>A demand that no single section can see, such as "Production needs a master key".</summary>
/// <param name="Faults">One line per fault: it names the key, says what is wrong, and gives the cure.</param>
public sealed record SettingsRule(Func<IServiceProvider, IEnumerable<string>> Faults);

/// <summary>The settings don't allow a start. The message is one line per fault, for the operator's eyes.</summary>
public sealed class SettingsException(IReadOnlyList<string> faults) : Exception(string.Join(Environment.NewLine, faults))
{
    public IReadOnlyList<string> Faults { get; } = faults;
}

public static class SettingsExtensions
{
    /// <summary>
    /// Binds <typeparamref name="T"/> to a section ("" is the root), makes it injectable as itself,
    /// and enters it in the catalogue that the start-up check and the README's table read.
    /// Bounds are its DataAnnotations, meanings its <c>[Description]</c>s, defaults its initial values.
    /// <paramref name="open"/> tolerates keys in the section that the class doesn't name.
    /// </summary>
    public static IServiceCollection AddSettings<T>(this IServiceCollection services, string section, bool open = false) where T : class, new()
    {
        services.AddSingleton(new SettingsSection(section, typeof(T), open));
        services.AddSingleton(sp =>
        {
            var configuration = sp.GetRequiredService<IConfiguration>();
            return Bind<T>(section.Length == 0 ? configuration : configuration.GetSection(section));
        });
        return services;
    }

    /// <summary>Adds faults that take more than one section to see; they are reported together with all others.</summary>
    public static IServiceCollection AddSettingsRule(this IServiceCollection services, Func<IServiceProvider, IEnumerable<string>> faults) =>
        services.AddSingleton(new SettingsRule(faults));

    internal static T Bind<T>(IConfiguration section) where T : class, new()
    {
        var settings = new T();

        // The binder adds to a list that isn't empty; whoever sets a list means that list alone.
        foreach (var property in typeof(T).GetProperties())
        {
            if (property.CanWrite && property.PropertyType.IsArray && section.GetSection(property.Name).Exists())
                property.SetValue(settings, Array.CreateInstance(property.PropertyType.GetElementType()!, 0));
            else if (property.GetIndexParameters().Length == 0 && property.GetValue(settings) is IList { IsFixedSize: false } list && section.GetSection(property.Name).Exists())
                list.Clear();
        }

        section.Bind(settings);
        return settings;
    }
}
