using System.Globalization;
using System.Text.RegularExpressions;
using App.Events;
using Microsoft.AspNetCore.WebUtilities;

namespace App.Admin;

/// <summary>What the query of a list asks for, and what is wrong with it, each fault by its name.</summary>
internal sealed partial class Asked
{
    public const int PageSize = 50;

    private const int MostRows = 100;

    /// <summary>
    /// How many rows are looked at for a filter that no index serves. A list that ends there says where to go on, so that nobody waits for
    /// a year of rows to be read for one that is rare.
    /// </summary>
    public const int MostLooked = 50_000;

    private readonly List<Fault> _faults = [];

    public IReadOnlyList<Fault> Faults => _faults;

    public int Take(string? text) => (int)(Number(text, "take", MostRows) ?? PageSize);

    public long? Number(string? text, string field, long most = long.MaxValue)
    {
        if (text is null) return null;
        if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= most && (number > 0 || most == long.MaxValue)) return number;
        _faults.Add(new Fault(most == long.MaxValue ? $"{field} must be a whole number" : $"{field} must be between 1 and {most}", field));
        return null;
    }

    public Guid? Id(string? text, string field)
    {
        if (text is null) return null;
        if (Guid.TryParse(text, out var id)) return id;
        _faults.Add(new Fault($"{field} must be an id", field));
        return null;
    }

    public string? Text(string? text, string field, int longest)
    {
        if (text is null || text.Length <= longest) return text;
        _faults.Add(new Fault($"{field} must be at most {longest} characters", field));
        return null;
    }

    /// <summary>Each end is an instant (RFC 3339), or a day of UTC, all of which is meant.</summary>
    public Period Period(string? from, string? to)
    {
        var (first, last) = (Time(from, "from"), Time(to, "to"));
        if (first?.First >= last?.Until) _faults.Add(new Fault("from must not be after to", "from", () => Admin.Text.FromAfterTo));
        return new Period(first?.First, last?.Until);
    }

    private (DateTimeOffset First, DateTimeOffset Until)? Time(string? text, string field)
    {
        if (text is null) return null;
        if (Day(text, out var day))
        {
            var midnight = new DateTimeOffset(day, TimeOnly.MinValue, TimeSpan.Zero);
            return (midnight, midnight.AddDays(1));
        }

        // In an address a plus that nobody encoded is a space.
        var sent = text.Replace(' ', '+').ToUpperInvariant();
        if (Rfc3339().IsMatch(sent) && DateTimeOffset.TryParse(sent, CultureInfo.InvariantCulture, DateTimeStyles.None, out var at) && at.Year is > 1 and < 9999)
            return (at.ToUniversalTime(), at.ToUniversalTime().AddTicks(1));
        _faults.Add(new Fault($"{field} must be a day such as 2026-01-31, or an instant such as 2026-01-31T13:45:00Z", field, () => Admin.Text.NoDay));
        return null;
    }

    /// <summary>What a form sends for a field that is left empty is nothing.</summary>
    public static string? Typed(string? text) => string.IsNullOrWhiteSpace(text) ? null : text.Trim();

    /// <summary>Of the input that a time is typed in: one for dates alone would show no other, and nothing of what was wrong.</summary>
    public static string InputFor(string? text) => Typed(text) is null || Day(text, out _) ? "date" : "text";

    /// <summary>A list as it is filtered: its page, and where it can be had whole.</summary>
    public static string Address(string path, params IEnumerable<(string Name, string? Value)> filter) =>
        QueryHelpers.AddQueryString(path, filter.Where(f => !string.IsNullOrEmpty(f.Value)).Select(f => KeyValuePair.Create(f.Name, f.Value)));

    public string? EventType(string? text)
    {
        if (text is null || EventTypes.All.Contains(text)) return text;
        _faults.Add(new Fault($"type must be one of {string.Join(", ", EventTypes.All)}", "type"));
        return null;
    }

    private static bool Day(string? text, out DateOnly day) =>
        DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out day) && day.Year is > 1 and < 9999;

    [GeneratedRegex(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?(Z|[+-]\d\d:\d\d)$", RegexOptions.ECMAScript)]
    private static partial Regex Rfc3339();
}
