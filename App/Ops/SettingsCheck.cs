using System.Collections;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Reflection;
using Microsoft.Extensions.Configuration.EnvironmentVariables;
using Microsoft.Extensions.Configuration.Json;

namespace App.Ops;

/// <summary>
/// All that is wrong with the settings, at once, before anything starts:
/// each line names the key, the value unless it is secret, the fault, and the cure.
/// </summary>
internal sealed class SettingsCheck
{
    private readonly List<string> faults = [];
    private readonly IConfiguration configuration;
    private readonly List<SettingsSection> sections;

    private SettingsCheck(IConfiguration configuration, List<SettingsSection> sections) => (this.configuration, this.sections) = (configuration, sections);

    public static IReadOnlyList<string> Faults(IServiceProvider services)
    {
        var check = new SettingsCheck(services.GetRequiredService<IConfiguration>(), [.. services.GetServices<SettingsSection>().Distinct()]);

        check.Misspelt();
        foreach (var section in check.sections) check.Section(section, services);
        foreach (var rule in services.GetServices<SettingsRule>()) check.Rule(rule, services);
        return [.. check.faults.Select(Hosting.OneLine).Distinct()];
    }

    /// <summary>One section of another configuration than the one of the start.</summary>
    /// <returns>The settings, empty where there are faults.</returns>
    public static (T Settings, IReadOnlyList<string> Faults) Read<T>(IConfiguration configuration, string section) where T : class, new()
    {
        var check = new SettingsCheck(configuration, []);
        check.Value(configuration.GetSection(section), section, typeof(T), null, open: false);
        if (check.faults.Count > 0) return (new T(), check.faults);
        var settings = SettingsExtensions.Bind<T>(configuration.GetSection(section));
        check.Whole(settings, section);
        return (settings, check.faults);
    }

    private void Section(SettingsSection section, IServiceProvider services)
    {
        var before = faults.Count;
        if (section.Section.Length == 0) Group(configuration, "", section.Type, open: true);
        else Value(configuration.GetSection(section.Section), section.Section, section.Type, null, section.Open);

        // What the class itself demands needs the class filled, which a faulty text prevents.
        if (faults.Count == before) Whole(services.GetRequiredService(section.Type), section.Section);
    }

    private void Group(IConfiguration section, string path, Type type, bool open)
    {
        var properties = SettingsCatalogue.Keys(type).ToList();
        var defaults = Activator.CreateInstance(type);
        foreach (var property in properties)
        {
            var key = Join(path, property.Name);
            Value(section.GetSection(property.Name), key, property.PropertyType, property, open: false, property.GetValue(defaults));
        }

        if (open) return;
        foreach (var child in section.GetChildren())
        {
            // A section may stand inside another's, each with a class of its own.
            if (!properties.Exists(p => p.Name.Equals(child.Key, StringComparison.OrdinalIgnoreCase)) && !sections.Exists(s => s.Section.Equals($"{path}:{child.Key}", StringComparison.OrdinalIgnoreCase)))
                faults.Add($"{path}:{child.Key} is no setting.{Nearest(child.Key, properties.Select(p => p.Name), path)}");
        }
    }

    private void Value(IConfigurationSection section, string key, Type type, PropertyInfo? property, bool open, object? initial = null)
    {
        if (SettingsCatalogue.IsScalar(type))
        {
            if (section.GetChildren().Any()) faults.Add($"{key} is one value, not a group of them.{Cure(property)}");
            else if (initial is not null && section is ConfigurationSection s && s.TryGetValue(null, out var given) && given is null)
                faults.Add($"{key} is null. Leave it out or give it a value.");
            else if (section.Value is not { } text) Attributes(key, initial, null, property);
            // Nobody sees the one at the end of a file or a variable, and with it the secret is another.
            else if (property?.GetCustomAttribute<SecretAttribute>() is { Trimmed: false } && text.Any(char.IsControl)) faults.Add($"{key} is set to a secret that holds a line break or another control character, perhaps at its end. Give it without, here and to whoever else has it.");
            else if (Convert(type, text, out var value)) Attributes(key, value, text, property);
            else faults.Add($"{key} {Is(text, property)}{Kind(type)}.{Cure(property)}");
        }
        else if (SettingsCatalogue.ElementOf(type) is { } element)
        {
            if (section.Value is { Length: > 0 } single && !IsOthers(key, single))
                faults.Add($"{key} {Is(single, property)}, but it is a list. Give {key}:0, {key}:1, … one value each.");
            foreach (var entry in section.GetChildren())
            {
                if (!SettingsCatalogue.IsTable(type) && !int.TryParse(entry.Key, out _))
                    faults.Add($"{key}:{entry.Key} is no place in a list. Give {key}:0, {key}:1, …");
                else Value(entry, $"{key}:{entry.Key}", element, property, open: false);
            }
        }
        else if (section.Value is { Length: > 0 } text && !IsOthers(key, text))
        {
            faults.Add($"{key} {Is(text, property)}, but it is a group of settings: {string.Join(", ", SettingsCatalogue.Keys(type).Select(p => $"{key}:{p.Name}"))}.");
        }
        else
        {
            Group(section, key, type, open);
        }
    }

    // A variable of one word may be meant for any program: who signs in to a machine has a path as MAIL in their environment.
    private bool IsOthers(string key, string value) =>
        value.StartsWith('/') && !key.Contains(':', StringComparison.Ordinal) && configuration is IConfigurationRoot root
        && root.Providers.Reverse().FirstOrDefault(p => p.TryGet(key, out _)) is EnvironmentVariablesConfigurationProvider;

    private void Attributes(string key, object? value, string? text, PropertyInfo? property)
    {
        // A list's attributes speak of the list, not of its entries.
        if (property is null || !SettingsCatalogue.IsScalar(property.PropertyType)) return;
        foreach (var attribute in property.GetCustomAttributes<ValidationAttribute>())
        {
            if (attribute.GetValidationResult(value, new ValidationContext(this) { MemberName = property.Name, DisplayName = key }) is null) continue;
            if (attribute is RequiredAttribute) faults.Add($"{key} isn't set.{Cure(property)}");
            else faults.Add($"{key} {Is(text ?? SettingsCatalogue.Text(value), property)}, which is out of bounds.{Cure(property)}");
        }
    }

    private void Whole(object settings, string path)
    {
        if (settings is IValidatableObject validatable)
        {
            foreach (var result in validatable.Validate(new ValidationContext(settings)))
            {
                var property = result.MemberNames.FirstOrDefault() is { } member ? settings.GetType().GetProperty(member) : null;
                var key = property is null ? path : Join(path, property.Name);
                var value = property?.GetValue(settings);
                faults.Add(value is null or ICollection ? $"{key} {result.ErrorMessage}" : $"{key} {Is(SettingsCatalogue.Text(value), property)}: {result.ErrorMessage}");
            }
        }

        if (SettingsCatalogue.ElementOf(settings.GetType()) is not null)
        {
            var place = 0;
            foreach (var entry in (IEnumerable)settings)
            {
                if (entry is not null && !SettingsCatalogue.IsScalar(entry.GetType())) Whole(entry, Join(path, $"{place}"));
                place++;
            }

            return;
        }

        foreach (var property in SettingsCatalogue.Keys(settings.GetType()).Where(p => !SettingsCatalogue.IsScalar(p.PropertyType)))
        {
            if (property.GetValue(settings) is { } inner) Whole(inner, Join(path, property.Name));
        }
    }

    private static string Join(string path, string name) => path.Length == 0 ? name : $"{path}:{name}";

    private void Rule(SettingsRule rule, IServiceProvider services)
    {
        try
        {
            faults.AddRange(rule.Faults(services));
        }
        catch (Exception) when (faults.Count > 0)
        {
            // It wanted a section that can't be filled; why is in the list already.
        }
    }

    // The root also holds the whole environment, so only what is almost a name of ours is called a mistake there.
    private void Misspelt()
    {
        var groups = sections.Select(s => s.Section.Split(':')[0]).Where(s => s.Length > 0).Distinct(StringComparer.OrdinalIgnoreCase).ToList();
        var roots = sections.Where(s => s.Section.Length == 0).SelectMany(s => SettingsCatalogue.Keys(s.Type)).Select(p => p.Name).ToList();
        var files = (configuration as IConfigurationRoot)?.Providers.OfType<JsonConfigurationProvider>().ToList() ?? [];

        foreach (var child in configuration.GetChildren())
        {
            var known = child.GetChildren().Any() ? groups : files.Exists(f => f.TryGet(child.Key, out _)) ? roots : [];
            if (!groups.Concat(roots).Contains(child.Key, StringComparer.OrdinalIgnoreCase) && Spelling.Nearest(child.Key, known) is { } meant)
                faults.Add($"{child.Key} is no setting. Did you mean {meant}?");
        }
    }

    private static bool Convert(Type type, string text, out object? value)
    {
        var underlying = Nullable.GetUnderlyingType(type) ?? type;
        value = null;
        if (text.Length == 0 && underlying != type) return true;
        try
        {
            value = underlying == typeof(byte[]) ? System.Convert.FromBase64String(text) : TypeDescriptor.GetConverter(underlying).ConvertFromInvariantString(text);
            return !underlying.IsEnum || Enum.IsDefined(underlying, value!);
        }
        catch (Exception e) when (e is FormatException or ArgumentException or NotSupportedException or OverflowException or InvalidCastException)
        {
            return false;
        }
    }

    private static string Kind(Type type) => (Nullable.GetUnderlyingType(type) ?? type) switch
    {
        { IsEnum: true } => "",
        var t when t == typeof(bool) => "",
        var t when t == typeof(TimeSpan) => ", which isn't a length of time",
        var t when t == typeof(byte[]) => ", which isn't base64",
        var t when t == typeof(int) || t == typeof(long) => ", which isn't a whole number",
        { IsPrimitive: true } => ", which isn't a number",
        var t => $", which isn't a {t.Name}",
    };

    private static string Is(string text, PropertyInfo? property) =>
        property?.IsDefined(typeof(SecretAttribute)) == true ? "is set to a secret" : $"is \"{(text.Length > 80 ? text[..80] + "…" : text)}\"";

    private static string Cure(PropertyInfo? property) =>
        property is null ? "" : SettingsCatalogue.BoundsOf(property) is { Length: > 0 } bounds ? $" Give {bounds}." : " Give it a value, or leave it out for its default.";

    private static string Nearest(string key, IEnumerable<string> known, string path) =>
        Spelling.Nearest(key, known) is { } meant ? $" Did you mean {path}:{meant}?" : $" {path} has: {string.Join(", ", known)}.";
}
