using System.Globalization;

namespace App.Drill;

/// <summary>
/// What came of a drill that is over. It stands in the row of its session, where others name their device: the row was made for nothing else, all
/// replicas read it, and a busy log forgets within seconds how long somebody took.
/// </summary>
/// <param name="Word">One of the constants.</param>
/// <param name="Seconds">The slowest service: how long it took, or was waited for. Absent where there was none, or nobody can say.</param>
/// <param name="Late">How many weren't within the target.</param>
/// <param name="Service">The slowest of these, by id; absent where there is none.</param>
internal sealed record DrillOutcome(string Word, double? Seconds, int Late, string? Service)
{
    public const string Within = "within", Belated = "late", Behind = "behind", Nobody = "nobody";

    /// <summary>What the session of a drill names as its device.</summary>
    public const string Canary = "Fire-drill";

    /// <returns>Null while it runs.</returns>
    public static DrillOutcome? Of(DrillView drill, DateTimeOffset now)
    {
        var waited = (now - drill.At).TotalSeconds;
        var slowest = drill.Services.Where(s => s.Late == true).OrderByDescending(s => s.State != DrillState.Applied).ThenByDescending(s => s.Seconds ?? s.BehindSeconds).FirstOrDefault();
        return drill.State switch
        {
            DrillState.Nobody => new(Nobody, null, 0, null),
            DrillState.Applied => new(slowest is null ? Within : Belated, drill.MaxSeconds, drill.Late, slowest?.Service),
            DrillState.Behind => new(Behind, Math.Round(waited, 3), drill.Late, slowest?.Service),
            _ => null,
        };
    }

    public string Write() => string.Create(CultureInfo.InvariantCulture, $"{Canary} {Word} {Seconds} {Late} {Service}");

    /// <returns>Null for a drill that isn't over, or that nobody has seen the end of.</returns>
    public static DrillOutcome? Read(string text) => text.Split(' ') is [Canary, var word, var seconds, var late, var service] && int.TryParse(late, CultureInfo.InvariantCulture, out var count)
        ? new(word, double.TryParse(seconds, CultureInfo.InvariantCulture, out var took) ? took : null, count, service.Length == 0 ? null : service)
        : null;
}
