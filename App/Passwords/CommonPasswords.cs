using System.Collections.Frozen;

namespace App.Passwords;

/// <summary>The embedded list of passwords and words that are guessed first. Read on first use.</summary>
internal static class CommonPasswords
{
    private static readonly Lazy<FrozenSet<string>> List = new(() => Read().ToFrozenSet(StringComparer.Ordinal));

    /// <summary>The longest entry that is looked for inside a longer password.</summary>
    public const int LongestPart = 24;

    public static bool Contains(ReadOnlySpan<char> lowerCase) =>
        List.Value.GetAlternateLookup<ReadOnlySpan<char>>().Contains(lowerCase);

    public static IEnumerable<string> Read()
    {
        using var stream = typeof(CommonPasswords).Assembly.GetManifestResourceStream("App.Passwords.CommonPasswords.txt")!;
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line.Length > 0 && line[0] != '#') yield return line;
        }
    }
}
