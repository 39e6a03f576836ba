using System.Globalization;
using App.Events;

namespace App.Admin;

/// <summary>What the query of a list asks for, and what is wrong with it, each fault by its name.</summary>
internal sealed class Asked
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
    public string? EventType(string? text)
    {
        if (text is null || EventTypes.All.Contains(text)) return text;
        _faults.Add(new Fault($"type must be one of {string.Join(", ", EventTypes.All)}", "type"));
        return null;
    }
}
