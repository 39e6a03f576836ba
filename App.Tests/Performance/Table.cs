/// <summary>Shows each figure as it is measured, and all of them at the end as a table to keep.</summary>
internal sealed class Table
{
    private readonly List<(string Name, string Measured, string Target)> _rows = [];

    public void Add(string name, string measured, string target)
    {
        _rows.Add((name, measured, target));
        Console.Error.WriteLine($"{name}: {measured}");
    }

    public void Print()
    {
        Console.WriteLine("| job | measured | target |\n|---|---|---|");
        foreach (var (name, measured, target) in _rows) Console.WriteLine($"| {name} | {measured} | {target} |");
    }
}
