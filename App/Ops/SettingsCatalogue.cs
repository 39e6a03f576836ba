using System.Collections;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;

namespace App.Ops;

/// <summary>One key that an operator may set: its default is the property's initial value, its bounds are in words, empty where anything goes.</summary>
internal sealed record Setting(string Key, Type Type, object? Default, string Bounds, string Meaning, bool Secret);

/// <summary>Every setting there is, read off the registered options classes: for the README, appsettings.json and the start-up check.</summary>
internal static class SettingsCatalogue
{
    public static IReadOnlyList<Setting> Of(IServiceProvider services) =>
        [.. services.GetServices<SettingsSection>().Distinct().SelectMany(s => Of(s.Section, s.Type))];

    /// <summary>What configuration can fill: public setters, and lists that are there to be added to.</summary>
    public static IEnumerable<PropertyInfo> Keys(Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(p => p.GetIndexParameters().Length == 0 && p.GetMethod is { IsPublic: true })
            .Where(p => p.SetMethod is { IsPublic: true } || ElementOf(p.PropertyType) is not null);

    /// <summary>The type of a list's or table's entries; null for anything else.</summary>
    public static Type? ElementOf(Type type)
    {
        if (type == typeof(string) || type == typeof(byte[])) return null;
        if (type.IsArray) return type.GetElementType();
        var all = type.IsInterface ? type.GetInterfaces().Prepend(type) : type.GetInterfaces();
        var generic = all.Where(i => i.IsGenericType).ToList();
        return generic.FirstOrDefault(i => i.GetGenericTypeDefinition() == typeof(IDictionary<,>))?.GetGenericArguments()[1]
            ?? generic.FirstOrDefault(i => i.GetGenericTypeDefinition() == typeof(IEnumerable<>))?.GetGenericArguments()[0];
    }

    public static bool IsTable(Type type) => typeof(IDictionary).IsAssignableFrom(type)
        || type.GetInterfaces().Prepend(type).Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IDictionary<,>));

    /// <summary>True for what a single text can fill.</summary>
    public static bool IsScalar(Type type) => type == typeof(byte[])
        || (ElementOf(type) is null && TypeDescriptor.GetConverter(Nullable.GetUnderlyingType(type) ?? type).CanConvertFrom(typeof(string)));

    /// <summary>What a value may be, in words that finish "give …".</summary>
    public static string BoundsOf(PropertyInfo property)
    {
        List<string> bounds = [.. property.GetCustomAttributes<ValidationAttribute>().Select(InWords).OfType<string>()];
        var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        if (bounds.Count == 0)
        {
            if (type == typeof(bool)) bounds.Add("true or false");
            else if (type.IsEnum) bounds.Add(string.Join(" or ", Enum.GetNames(type)));
            else if (type == typeof(TimeSpan)) bounds.Add("[days.]hours:minutes:seconds");
            else if (type == typeof(int) || type == typeof(long)) bounds.Add("a whole number");
        }

        return string.Join(", ", bounds);
    }

    /// <summary>A value as appsettings.json and the command line write it.</summary>
    public static string Text(object? value) => value switch
    {
        null => "",
        bool b => b ? "true" : "false",
        TimeSpan t => t.ToString("c", CultureInfo.InvariantCulture),
        string s => s,
        IEnumerable list => string.Join(", ", list.Cast<object>().Select(Text)),
        IFormattable f => f.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    private static IEnumerable<Setting> Of(string section, Type type)
    {
        if (ElementOf(type) is not null)
            return [new Setting(section, type, null, "", type.GetCustomAttribute<DescriptionAttribute>()?.Description ?? "", false)];

        var defaults = Activator.CreateInstance(type);
        return Keys(type).SelectMany(property =>
        {
            var key = section.Length == 0 ? property.Name : $"{section}:{property.Name}";
            return IsScalar(property.PropertyType) || ElementOf(property.PropertyType) is not null
                ? [new Setting(key, property.PropertyType, property.GetValue(defaults), BoundsOf(property),
                    property.GetCustomAttribute<DescriptionAttribute>()?.Description ?? "", property.IsDefined(typeof(SecretAttribute)))]
                : Of(key, property.PropertyType);
        });
    }

    private static string? InWords(ValidationAttribute attribute) => attribute switch
    {
        RangeAttribute r => $"{Text(r.Minimum)} to {Text(r.Maximum)}",
        StringLengthAttribute l => $"{l.MinimumLength} to {l.MaximumLength} characters",
        LengthAttribute l => $"{l.MinimumLength} to {l.MaximumLength} long",
        MinLengthAttribute l => $"at least {l.Length} characters",
        MaxLengthAttribute l => $"at most {l.Length} characters",
        AllowedValuesAttribute a => string.Join(" or ", a.Values.Select(Text)),
        UrlAttribute => "an http or https URL",
        EmailAddressAttribute => "an e-mail address",
        RegularExpressionAttribute r => r.ErrorMessage ?? $"a text that matches `{r.Pattern}`",
        RequiredAttribute => null,
        _ => attribute.ErrorMessage,
    };
}
