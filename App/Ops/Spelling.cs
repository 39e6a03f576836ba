namespace App.Ops;

/// <summary>Finds what somebody meant who mistyped a name.</summary>
internal static class Spelling
{
    /// <summary>The known name at most two letters (a third of a short name) away; null when none is.</summary>
    public static string? Nearest(string name, IEnumerable<string> known) => known
        .Select(k => (Name: k, Distance: Distance(name.ToUpperInvariant(), k.ToUpperInvariant())))
        .Where(k => k.Distance <= Math.Min(2, k.Name.Length / 3))
        .OrderBy(k => k.Distance)
        .Select(k => k.Name)
        .FirstOrDefault();

    // Levenshtein, with a swap of neighbours as one step: that is how fingers err.
    private static int Distance(string a, string b)
    {
        var d = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++) d[i, 0] = i;
        for (var j = 0; j <= b.Length; j++) d[0, j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            for (var j = 1; j <= b.Length; j++)
            {
                var change = d[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                d[i, j] = Math.Min(change, Math.Min(d[i - 1, j], d[i, j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
            }
        }

        return d[a.Length, b.Length];
    }
}
