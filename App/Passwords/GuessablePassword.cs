namespace App.Passwords;

/// <summary>
/// Splits a password into the parts a guesser would try (list entries, runs, repeats, years, the person's own words),
/// finds the cheapest split, and calls it guessable below <see cref="EnoughBits"/>.
/// So a word with digits, or one word twice, is refused; three unrelated words are not, nor anything without a pattern.
/// </summary>
internal static class GuessablePassword
{
    // Bits a guesser pays. A list entry is one of about 11 500 (13.5 bits), a little cheaper as the top ones come first.
    private const int Entry = 12, Run = 6, Year = 6, Again = 2, OwnWord = 2;

    /// <summary>Fewer are refused.</summary>
    public const int EnoughBits = 30;

    private const int ShortestEntry = 4, ShortestRun = 3;

    // Rows and columns of keyboards (also AZERTY's and QWERTZ's) and the usual ways to weave through them.
    private static readonly string[] Tracks = [.. new[]
    {
        "abcdefghijklmnopqrstuvwxyzabc", "12345678901234567890", "qwertyuiop[]\\", "asdfghjkl;'", "zxcvbnm,./",
        "azertyuiop", "qsdfghjklm", "wxcvbn", "qwertzuiop", "yxcvbnm", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
        "qazwsxedcrfvtgbyhnujmikolp", "1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0", "a1b2c3d4e5f6g7h8i9j0",
        "1a2b3c4d5e6f7g8h9i0j", "!@#$%^&*()_+", "qweasdzxc", "14789632", "147258369", "741852963", "789456123",
    }.SelectMany(track => new[] { track, new string([.. track.Reverse()]) })];

    /// <param name="text">NFKC and lower case; at most a few thousand characters.</param>
    /// <param name="own">The person's and the site's words, in the same form.</param>
    public static bool Is(string text, IReadOnlySet<string> own)
    {
        if (IsPaddedEntry(text, own)) return true;
        var bits = BitsOf(text, own);
        // A short password that the settings allow isn't refused for being short, only for being a pattern.
        return bits < EnoughBits && bits * 4 < Head(text).Sum(BitsOf) * 3;
    }

    /// <summary>What it costs to guess, in bits.</summary>
    public static int BitsOf(string text, IReadOnlySet<string> own) =>
        CheapestSplit([.. new[] { Head(text), Unleet(Head(text), 'i'), Unleet(Head(text), 'l') }.Distinct()], own);

    // What comes after that many characters doesn't make the beginning harder, but it would cost time.
    private static string Head(string text) => text.Length <= 256 ? text : text[..256];

    // "password", "pass word 8392", "2024-ada.lovelace!", "p4ssw0rd-8392": one thing is left without digits, signs and spaces.
    private static bool IsPaddedEntry(string text, IReadOnlySet<string> own)
    {
        var core = text.AsSpan();
        while (!core.IsEmpty && IsPadding(core[0])) core = core[1..];
        while (!core.IsEmpty && IsPadding(core[^1])) core = core[..^1];
        string[] readings = [text, Unleet(core.ToString(), 'i'), Unleet(core.ToString(), 'l')];
        return readings.Select(reading => string.Concat(reading.Where(c => !IsPadding(c))))
            .Any(letters => letters.Length >= ShortestEntry && (CommonPasswords.Contains(letters) || own.Contains(letters)));
    }

    private static bool IsPadding(char c) => char.IsWhiteSpace(c) || (char.IsAscii(c) && !char.IsAsciiLetter(c));

    private static int CheapestSplit(string[] readings, IReadOnlySet<string> own)
    {
        var text = readings[0];
        var best = new int[text.Length + 1];
        Array.Fill(best, int.MaxValue, 1, text.Length);
        for (var start = 0; start < text.Length; start++)
        {
            Offer(start, 1, BitsOf(text[start]));
            if (RunAt(text, start) is >= ShortestRun and var run) Offer(start, run, Run);
            if (IsYear(text.AsSpan(start))) Offer(start, 4, Year);
            foreach (var word in own)
            {
                if (readings.Any(reading => reading.AsSpan(start).StartsWith(word, StringComparison.Ordinal))) Offer(start, word.Length, OwnWord);
            }
            var longest = Math.Min(CommonPasswords.LongestPart, text.Length - start);
            for (var length = ShortestEntry; length <= longest; length++)
            {
                if (!readings.Any(reading => CommonPasswords.Contains(reading.AsSpan(start, length)))) continue;
                var before = text.AsSpan(0, start).IndexOf(text.AsSpan(start, length));
                Offer(start, length, before < 0 ? Entry : Again);
            }
            for (var unit = 1; unit <= start && unit <= text.Length - start; unit++)
            {
                var again = text.AsSpan(start).CommonPrefixLength(text.AsSpan(start - unit));
                if (again >= unit) Offer(start, again, Again);
            }
        }
        return best[text.Length];

        void Offer(int start, int length, int bits) =>
            best[start + length] = Math.Min(best[start + length], best[start] + bits);
    }

    // The longest piece from here that lies on one track, or goes up or down by even steps: fedcba, 13579.
    private static int RunAt(string text, int start)
    {
        var longest = Math.Min(2, text.Length - start);
        if (longest < 2) return longest;
        var step = text[start + 1] - text[start];
        if (Math.Abs(step) is > 0 and <= 3 && char.IsAsciiLetterOrDigit(text[start]))
        {
            while (start + longest < text.Length && text[start + longest] - text[start + longest - 1] == step) longest++;
        }
        foreach (var track in Tracks)
        {
            while (start + longest < text.Length && track.AsSpan().IndexOf(text.AsSpan(start, longest + 1)) >= 0) longest++;
        }
        return longest;
    }

    private static bool IsYear(ReadOnlySpan<char> text) =>
        text.Length >= 4 && (text.StartsWith("19") || text.StartsWith("20")) && char.IsAsciiDigit(text[2]) && char.IsAsciiDigit(text[3]);

    private static int BitsOf(char c) => c switch
    {
        >= '0' and <= '9' or ' ' => 3,
        >= 'a' and <= 'z' => 4,
        < (char)128 => 3,
        _ => 6,
    };

    private static string Unleet(string text, char one) => string.Create(text.Length, (text, one), static (span, from) =>
    {
        for (var i = 0; i < span.Length; i++)
        {
            span[i] = from.text[i] switch
            {
                '0' => 'o',
                '1' or '!' or '|' => from.one,
                '3' => 'e',
                '4' or '@' => 'a',
                '5' or '$' => 's',
                '7' or '+' => 't',
                '8' => 'b',
                var other => other,
            };
        }
    });
}
