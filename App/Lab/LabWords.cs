using System.Globalization;
using App.Strategies;

namespace App.Lab;

/// <summary>Names, times and verdicts in the reader's language.</summary>
internal static class LabWords
{
    public static string Say(string text, params object[] values) => string.Format(CultureInfo.CurrentCulture, text, values);

    public static string Name(Strategy strategy) => strategy switch
    {
        Strategy.Asks => Text.Asks,
        Strategy.Gateway => Text.Gateway,
        Strategy.Checks => Text.Checks,
        _ => Text.KeyAlone,
    };

    public static string Name(Carriage carriage) => carriage switch
    {
        Carriage.Header => Text.ByHeader,
        Carriage.Cookie => Text.ByCookie,
        _ => Text.ByForm,
    };

    public static string Figure(double milliseconds) => milliseconds.ToString(milliseconds < 10 ? "0.00" : "0.0", CultureInfo.CurrentCulture);

    /// <summary>"12 ms", "5.0 s", "5 min 29 s": as exact as anybody reads it.</summary>
    public static string Lasting(TimeSpan span) => span switch
    {
        _ when span < TimeSpan.FromSeconds(1) => Say(Text.Ms, Math.Max(1, Math.Round(span.TotalMilliseconds))),
        _ when span < TimeSpan.FromMinutes(1) => Say(Text.Seconds, span.TotalSeconds.ToString(span.Milliseconds == 0 ? "0" : "0.0", CultureInfo.CurrentCulture)),
        { Seconds: 0 } => Say(Text.Minutes, (int)span.TotalMinutes),
        _ => Say(Text.MinutesSeconds, (int)span.TotalMinutes, span.Seconds),
    };

    /// <summary>What is to be said of a service after, or during, the end of a session.</summary>
    public static string Verdict(Ending? ending, Lane lane) => ending switch
    {
        { Took: not null } when lane.RefusedAfter is { } after => Say(Text.RefusedAfter, Lasting(after)),
        { Over: true } when lane.Strategy == Strategy.KeyAlone => Say(Text.LetInFor, Lasting(ending.Believed)),
        { Over: true } => Text.NotNoticed,
        { Took: not null } => Text.StillLetIn,
        _ => "–",
    };

    /// <summary>The same for five seconds without us.</summary>
    public static string Verdict(Outage? outage, Lane lane) => (outage, lane.Failed) switch
    {
        ({ From: not null }, > 0) => Say(Text.FailedFor, Lasting(lane.Down), lane.Failed, lane.Calls),
        ({ Over: true }, _) => Say(Text.NoneFailed, lane.Calls),
        ({ From: not null }, _) => Text.GoesOn,
        _ => "–",
    };
}
