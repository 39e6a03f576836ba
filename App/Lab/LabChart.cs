using App.Strategies;
using App.Ui;

namespace App.Lab;

/// <summary>Where on the lab's axes something stands.</summary>
internal static class LabChart
{
    private const double Slowest = 100, Quickest = 0.1;
    private static readonly TimeSpan Soonest = TimeSpan.FromMilliseconds(1), Latest = TimeSpan.FromMinutes(10);

    /// <summary>Of a call, 0.1 to 100 ms by powers of ten.</summary>
    public static double OfCall(double milliseconds) => Chart.Share(milliseconds, Quickest, Slowest);

    public static IReadOnlyList<Tick> CallTicks => [.. new[] { 0.1, 1, 10, 100 }.Select(ms => new Tick(OfCall(ms), LabWords.Say(Text.Ms, ms)))];

    /// <summary>Of what follows upon an end, 1 ms to 10 min by powers of ten: milliseconds and minutes in one picture.</summary>
    public static double OfEnding(TimeSpan after) => Chart.Share(after.TotalMilliseconds, Soonest.TotalMilliseconds, Latest.TotalMilliseconds);

    public static IReadOnlyList<Tick> EndingTicks => [.. new[] { 0.001, 0.01, 0.1, 1, 10, 60, 300 }.Select(TimeSpan.FromSeconds).Select(t => new Tick(OfEnding(t), LabWords.Lasting(t)))];

    /// <summary>How long a service has let an ended session in: short is good, and what goes on is drawn to where it must stop.</summary>
    public static Bar Of(Ending? ending, Lane lane)
    {
        var verdict = LabWords.Verdict(ending, lane);
        if (ending?.Took is null) return new Bar(LabWords.Name(lane.Strategy), [], verdict);
        var until = lane.RefusedAfter ?? ending.Elapsed;
        var kind = lane.RefusedAfter is null && ending.Over ? "bad" : until < TimeSpan.FromSeconds(1) ? "good" : "wait";
        List<Mark> marks = [new Mark(0, Math.Max(OfEnding(until), 0.006), kind)];
        if (lane is { Strategy: Strategy.KeyAlone, RefusedAfter: null } && ending.Over) marks.Add(new Mark(OfEnding(until), OfEnding(ending.Believed), "ahead"));
        return new Bar(LabWords.Name(lane.Strategy), marks, verdict);
    }

    public static double OfOutage(TimeSpan at) => at / StopUs.Whole;

    public static IReadOnlyList<Tick> OutageTicks => [.. Enumerable.Range(0, (int)StopUs.Whole.TotalSeconds + 1).Select(s => new Tick(OfOutage(TimeSpan.FromSeconds(s)), LabWords.Say(Text.Seconds, s)))];

    public static Bar Of(Outage? outage, Lane lane) => new(
        LabWords.Name(lane.Strategy),
        [.. lane.Stretches.Select(s => new Mark(OfOutage(s.From), OfOutage(s.To), s.Reply == Reply.Accepted ? "good" : "bad"))],
        LabWords.Verdict(outage, lane));
}
