using System.Globalization;
using System.Text;

namespace App.Tests.Attacks;

/// <summary>Hostile input by the thousand: from a seed, so that what fails once fails again.</summary>
internal sealed class Noise
{
    /// <summary>How often each case count is run: once in CI, ten times by hand for the million of TARGETS: <c>FUZZ_TIMES=10</c>.</summary>
    public static readonly int Times = int.TryParse(Environment.GetEnvironmentVariable("FUZZ_TIMES"), out var times) ? times : 1;

    private const long MostGrowth = 8 * 1024 * 1024;

    // Other input than CI's, by hand: FUZZ_SEED=1000.
    private static readonly int Shift = int.TryParse(Environment.GetEnvironmentVariable("FUZZ_SEED"), out var seed) ? seed : 0;

    // Where parsers stumble: controls, what normalises to something else, non-characters, halves of pairs, direction marks, the last plane.
    private static readonly string[] Odd =
    [
        "\0", "\t", "\r\n", "\u001b[31m", "\u007f", "\u0085", "\u00a0", "\u00ad", "\u200b", "\u200d", "\u2025", "\u2028", "\u202e", "\u3002", "\ufeff", "\ufffd", "\ufffe", "\uffff",
        "\ud800", "\udc00", "\ud83d\ude00", "\udbff\udfff", "\uff20", "\uff0e", "\uff0f", "\u0130", "\u03c2", "\u1e9e", "\u212a", "e\u0301", "\u0345", "\ufdfa", "\u09be", "%00", "%zz", "%ef%bf%be", "%25",
    ];

    private static readonly string[] Marks = ["{", "}", "[", "]", "\"", ":", ",", "\\u0000", "\\ud800", "\\ufffe", "null", "true", "1e999", "-0", "//", "\\", "@", ".", "..", "xn--", ";", "=", "/", "?", "#", "+", "a", "B", "7"];

    private readonly Random _random;
    private readonly int _seed;
    private int _case;

    public Noise(int seed) => _random = new(_seed = seed + Shift);

    /// <summary>Says which input it was.</summary>
    public override string ToString() => $"seed {_seed}, case {_case}";

    /// <summary>So many cases, one after the other. What is thrown meanwhile is told with where it was. By hand, with nothing beside it, the memory is looked at, too.</summary>
    public async Task EachAsync(int cases, Func<Task> probe)
    {
        var before = 0L;
        for (_case = 0; _case < cases * Times; _case++)
        {
            if (_case == cases) before = GC.GetTotalMemory(forceFullCollection: true);
            try
            {
                await probe();
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"{this}: {e.Message}", e);
            }
        }

        if (Times > 1) Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, MostGrowth);
    }

    public int Next(int below) => _random.Next(below);

    public bool Chance(int oneIn) => _random.Next(oneIn) == 0;

    public T Pick<T>(params IReadOnlyList<T> from) => from[_random.Next(from.Count)];

    public byte[] Bytes(int most)
    {
        var bytes = new byte[_random.Next(most + 1)];
        _random.NextBytes(bytes);
        return bytes;
    }

    public string Text(int most)
    {
        var text = new StringBuilder();
        for (var left = _random.Next(most + 1); left > 0; left--)
        {
            text.Append(_random.Next(5) switch
            {
                0 => Pick(Odd),
                1 => ((char)_random.Next(0x10000)).ToString(),
                2 => Pick(Marks),
                _ => ((char)_random.Next(' ', 0x7f)).ToString(),
            });
        }

        return text.ToString();
    }

    /// <summary>Good text with a few wounds: cut, doubled, swapped, or something odd put in.</summary>
    public string Wound(string good)
    {
        var text = new StringBuilder(good);
        for (var wounds = 1 + _random.Next(3); wounds > 0; wounds--)
        {
            var at = text.Length == 0 ? 0 : _random.Next(text.Length);
            switch (_random.Next(5))
            {
                case 0 when text.Length > 0: text.Remove(at, 1 + _random.Next(text.Length - at)); break;
                case 1 when text.Length > 0: text[at] = (char)_random.Next(0x100); break;
                case 2: text.Insert(at, Pick(Odd)); break;
                case 3: text.Insert(at, Pick(Marks)); break;
                default: text.Append(good.AsSpan(Math.Min(at, good.Length))); break;
            }
        }

        return text.ToString();
    }

    /// <summary>A JSON value of any shape, not always well-formed.</summary>
    public string Json(int depth = 4) => _random.Next(depth <= 0 ? 4 : 7) switch
    {
        0 => Quoted(Text(12)),
        1 => Pick("null", "true", "false", "0", "-1", "1e400", "9223372036854775808", "NaN", "01"),
        2 => _random.Next().ToString(CultureInfo.InvariantCulture),
        3 => Quoted(Pick(Odd) + Text(3)),
        4 => "[" + string.Join(',', Enumerable.Range(0, _random.Next(4)).Select(_ => Json(depth - 1))) + "]",
        5 => Object(depth),
        _ => Wound(Object(depth)),
    };

    public string Object(int depth) => "{" + string.Join(',', Enumerable.Range(0, _random.Next(5)).Select(_ =>
        Quoted(Pick("email", "password", "name", "refresh_token", "jwt", "em\\u0061il", Text(4))) + ":" + Json(depth - 1))) + "}";

    // Escapes as JSON does, at times too little or too much.
    private string Quoted(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var c in text)
        {
            if (c is '"' or '\\' or < ' ' || char.IsSurrogate(c) || Chance(6)) quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else quoted.Append(c);
        }

        return quoted.Append(Chance(40) ? "" : "\"").ToString();
    }
}
