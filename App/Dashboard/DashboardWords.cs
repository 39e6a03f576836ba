using System.Globalization;
using App.Ui;
using Microsoft.AspNetCore.Components;

namespace App.Dashboard;

/// <summary>The overview in the reader's language.</summary>
internal static class DashboardWords
{
    // Longer than a verifier's feed may be silent before it does what its service has chosen.
    private const double LongBehind = 15;
    private const string ChecksItself = nameof(OAuth.TrustMode.ChecksItself);

    public static string Verdict(OverviewView view) => view.Problems.Count switch
    {
        0 => Text.Well,
        1 => Text.NeedsOne,
        var many => Sentence.With(Text.NeedsMany, many),
    };

    /// <summary>Why all is well.</summary>
    public static string Well(OverviewView view)
    {
        var (following, seen) = (view.Services.Count(s => s.Following > 0), view.Services.Where(s => s.LastContactAt is not null).ToList());
        return (following, view.LastRevocation) switch
        {
            _ when view.Services.Count == 0 => Text.NoServiceYet,
            (0, _) when seen.Count == 0 => Text.NoneCalled,
            (0, _) when seen.Exists(s => s.Trust == ChecksItself) => Text.NoneFollows,
            (0, _) => seen.Count == 1 ? Text.AskOne : Sentence.With(Text.AskMany, seen.Count),
            (_, { Seconds: { } seconds, Services: var told }) => told == 1 ? Sentence.With(Text.HeardOne, Lasting(seconds)) : Sentence.With(Text.HeardMany, told, Lasting(seconds)),
            _ => following == 1 ? Text.FollowOne : Sentence.With(Text.FollowMany, following),
        };
    }

    public static bool IsBad(ProblemView problem) => problem.Kind is ProblemView.DatabaseAway or ProblemView.NotCurrent or ProblemView.Undelivered or ProblemView.NoMailServer or ProblemView.DrillBehind
        || (problem.Kind == ProblemView.Behind && problem.Seconds >= LongBehind);

    public static RenderFragment Problem(ProblemView problem)
    {
        var (count, lasting) = (Words(Count(problem.Count ?? 0)), Words(Lasting(problem.Seconds ?? 0)));
        var service = Link($"/services/{problem.Service}", problem.Service ?? "");
        var drill = Link("/admin/drill", Text.Drill);
        return problem.Kind switch
        {
            ProblemView.DatabaseAway => Sentence.Of(Text.DatabaseAway, Link("/health/ready", Text.Readiness)),
            ProblemView.NotCurrent => Sentence.Of(Text.NotCurrent, Link("/health/ready", Text.Readiness)),
            ProblemView.Behind => Sentence.Of(Text.Behind, service, lasting),
            ProblemView.Silent => Sentence.Of(Text.Silent, service, lasting),
            ProblemView.Undelivered => Sentence.Of(problem.Count == 1 ? Text.UndeliveredOne : Text.UndeliveredMany, service, count),
            ProblemView.RotationOverdue => Sentence.Of(Text.RotationOverdue, Link("/admin/keys", Text.Keys), lasting),
            ProblemView.LettersWaiting => Sentence.Of(problem.Count == 1 ? Text.LetterWaits : Text.LettersWait, count, lasting),
            ProblemView.NoMailServer => Sentence.Of(problem.Count == 1 ? Text.NoMailOne : Text.NoMailMany, count, lasting),
            ProblemView.DrillBehind => Sentence.Of(problem.Count == 1 ? Text.DrillBehindOne : Text.DrillBehindMany, drill, service, lasting, count),
            ProblemView.DrillLate => Sentence.Of(problem.Count == 1 ? Text.DrillLateOne : Text.DrillLateMany, drill, service, lasting, count),
            ProblemView.DrillAccount => Sentence.Of(Text.DrillAccount, drill),
            _ => Sentence.Of(problem.Count == 1 ? Text.UnavailableOne : Text.UnavailableMany, count),
        };
    }

    /// <returns>In a word or two, and how bad that is, as the style sheet has it.</returns>
    public static (string Words, string Kind) State(ServiceState service) => service switch
    {
        { BehindSeconds: { } behind } => (Sentence.With(Text.StateBehind, Lasting(behind)), behind >= LongBehind ? "bad" : "wait"),
        { Undelivered: > 0 } => (Sentence.With(Text.StateUndelivered, service.Undelivered), "bad"),
        { SilentSeconds: { } silent } => (Sentence.With(Text.StateSilent, Lasting(silent)), "wait"),
        { Following: > 0 } => (Text.StateUpToDate, ""),
        { LastContactAt: null } => (Text.StateWaiting, "wait"),
        { Trust: ChecksItself } => (Text.StateNoFeed, "wait"),
        _ => (Text.StateFresh, ""),
    };

    /// <summary>All figures with their names, and what else is to be said of one.</summary>
    public static IEnumerable<(string Name, string? Note, string Minute, string Hour)> Rows(TrafficView minute, TrafficView hour)
    {
        yield return Counted(Text.RowChecks, t => t.TokenChecks);
        yield return (Text.RowChecksPerSecond, null, Rate(minute.TokenChecksPerSecond), Rate(hour.TokenChecksPerSecond));
        yield return Counted(Text.RowRefused, t => t.TokensRefused, Reasons(hour.TokensRefusedByReason));
        yield return Counted(Text.RowSignIns, t => t.SignIns.Ok);
        yield return Counted(Text.RowWrong, t => t.SignIns.Wrong);
        yield return Counted(Text.RowLimited, t => t.SignIns.Limited);
        yield return Counted(Text.RowRenewals, t => t.Renewals.Renewed + t.Renewals.Replayed);
        yield return Counted(Text.RowRenewalsRefused, t => t.Renewals.Refused + t.Renewals.Reused);
        yield return Counted(Text.RowRequests, t => t.Requests);
        yield return Measured(Text.RowRequestP50, t => t.RequestP50Milliseconds);
        yield return Measured(Text.RowRequestP99, t => t.RequestP99Milliseconds);
        yield return Counted(Text.RowUnavailable, t => t.Unavailable);
        yield return Counted(Text.RowApplied, t => t.EventsApplied);
        yield return Measured(Text.RowReachP50, t => t.PropagationP50Milliseconds);
        yield return Measured(Text.RowReachP99, t => t.PropagationP99Milliseconds);

        (string, string?, string, string) Counted(string name, Func<TrafficView, long> of, string? note = null) => (name, note, Count(of(minute)), Count(of(hour)));
        (string, string?, string, string) Measured(string name, Func<TrafficView, double?> of) => (name, null, Milliseconds(of(minute)), Milliseconds(of(hour)));
    }

    public static string Percentiles(double? half, double? most) => Sentence.With(Text.Percentiles, Milliseconds(half), Milliseconds(most));

    public static string Count(long count) => count.ToString("N0", CultureInfo.CurrentCulture);

    public static string Rate(double perSecond) => perSecond.ToString(perSecond is > 0 and < 10 ? "0.0" : "N0", CultureInfo.CurrentCulture);

    public static string Milliseconds(double? milliseconds) => milliseconds is { } some ? Lasting(some / 1000) : "–";

    /// <summary>"0.03 ms", "41 ms", "12 s", "3 min": as exact as anybody reads it.</summary>
    public static string Lasting(double seconds) => seconds switch
    {
        < 0.001 => Of(seconds * 1000, "0.##", "ms"),
        < 0.01 => Of(seconds * 1000, "0.#", "ms"),
        < 1 => Of(seconds * 1000, "0", "ms"),
        < 10 => Of(seconds, "0.#", "s"),
        < 90 => Of(seconds, "0", "s"),
        < 90 * 60 => Of(seconds / 60, "0", "min"),
        < 36 * 3600 => Of(seconds / 3600, "0", "h"),
        _ => Of(seconds / 86400, "0", Text.Days),
    };

    // Kept together.
    private static string Of(double value, string format, string unit) => value.ToString(format, CultureInfo.CurrentCulture) + "\u00a0" + unit;

    // In the words of /metrics, which an operator's alerts speak.
    private static string? Reasons(IReadOnlyDictionary<string, long> byReason) =>
        byReason.Count == 0 ? null : string.Join(" · ", byReason.Take(3).Select(r => $"{r.Key}\u00a0{Count(r.Value)}"));

    private static RenderFragment Words(string words) => builder => builder.AddContent(0, words);

    private static RenderFragment Link(string href, string words) => builder =>
    {
        builder.OpenElement(0, "a");
        builder.AddAttribute(1, "href", href);
        builder.AddContent(2, words);
        builder.CloseElement();
    };
}
