namespace App.Dashboard;

/// <summary>All that the overview shows, but for the course of the last hour.</summary>
/// <param name="Problems">What needs somebody, the worst first; empty while all is well.</param>
/// <param name="ActiveSessions">Of everybody, at all replicas; absent where the database doesn't say. Counted anew every few seconds, and less often where that takes long.</param>
/// <param name="LastRevocation">The newest entry of the log that ends tokens and concerns a service; absent where there is none.</param>
/// <param name="Services">Those that need somebody first.</param>
/// <param name="ThisProcess">What this process alone has counted: of several replicas each has its own.</param>
internal sealed record OverviewView(
    DateTimeOffset At, IReadOnlyList<ProblemView> Problems, long? ActiveSessions, LastRevocationView? LastRevocation, IReadOnlyList<ServiceState> Services, ProcessView ThisProcess);

/// <summary>Something that needs somebody.</summary>
/// <param name="Kind">
/// <c>database_away</c>; <c>not_current</c>: what other replicas revoke can't be read; <c>service_behind</c>; <c>undelivered</c>: events that a receiver didn't take;
/// <c>rotation_overdue</c>: the signing key is too old; <c>letters_waiting</c>; <c>no_mail_server</c>: they wait because <c>Mail:Host</c> isn't set; <c>service_silent</c>:
/// it followed the feed and isn't heard of; <c>unavailable</c>: requests answered 503 in the last minute; <c>drill_behind</c>, <c>drill_late</c>: in the last
/// fire drill not every service refused the session within a minute, or within the target; <c>drill_account</c>: none can begin by itself.
/// </param>
/// <param name="Service">The id of the service concerned, or of the slowest.</param>
/// <param name="Count">How many events, letters, requests or services.</param>
/// <param name="Seconds">How long it has been so, or took.</param>
internal sealed record ProblemView(string Kind, string? Service = null, long? Count = null, double? Seconds = null)
{
    public const string DatabaseAway = "database_away", NotCurrent = "not_current", Behind = "service_behind", Undelivered = "undelivered", RotationOverdue = "rotation_overdue";
    public const string LettersWaiting = "letters_waiting", NoMailServer = "no_mail_server", Silent = "service_silent", Unavailable = "unavailable";
    public const string DrillBehind = Ops.Trouble.DrillBehind, DrillLate = Ops.Trouble.DrillLate, DrillAccount = Ops.Trouble.DrillAccount;

    // The worst first.
    private static readonly string[] Order = [DatabaseAway, NotCurrent, Behind, DrillBehind, Undelivered, RotationOverdue, NoMailServer, LettersWaiting, DrillLate, DrillAccount, Silent, Unavailable];

    public static IReadOnlyList<ProblemView> Sorted(IEnumerable<ProblemView> problems) => [.. problems.OrderBy(p => Array.IndexOf(Order, p.Kind)).ThenByDescending(p => p.Seconds ?? p.Count)];
}

/// <param name="Applied">How many services have applied it, of those that it concerns.</param>
/// <param name="Services">How many it concerns.</param>
/// <param name="Seconds">How long the slowest took; absent while one is behind, and where that is forgotten.</param>
internal sealed record LastRevocationView(DateTimeOffset At, int Applied, int Services, double? Seconds);

/// <summary>A service, and how it keeps up with revocations.</summary>
/// <param name="Trust"><c>ChecksItself</c>, <c>Asks</c> or <c>Gateway</c>.</param>
/// <param name="Following">How many of its instances follow the events: heard of in the last half minute, or without a line of their own, as who polls or is pushed to.</param>
/// <param name="BehindSeconds">How old the first event is that it should have applied and hasn't; absent where there is none.</param>
/// <param name="SilentSeconds">For how long none of its instances was heard of, where some followed the events in the last day; absent otherwise.</param>
/// <param name="Undelivered">How many events its receiver didn't take.</param>
/// <param name="LastContactAt">When it last proved who it is, correct to a minute; absent for never.</param>
internal sealed record ServiceState(string Id, string Name, string Trust, int Following, double? BehindSeconds, double? SilentSeconds, int Undelivered, DateTimeOffset? LastContactAt);

/// <param name="Since">When the process began.</param>
internal sealed record ProcessView(DateTimeOffset Since, TrafficView LastMinute, TrafficView LastHour)
{
    public static ProcessView Of(Reading reading) => new(reading.Since, TrafficView.Of(reading.Minute), TrafficView.Of(reading.Hour));
}

/// <summary>What was counted within some time. Percentiles are right to within an eighth; where there are more than some hundred requests a second, those of a sample.</summary>
/// <param name="Seconds">How long that is: less than a minute or an hour where the process doesn't run for as long.</param>
/// <param name="Requests">Answers of our own; without the readers of the feed, what the gateway passed on, and the lines of open pages.</param>
/// <param name="RequestP50Milliseconds">How long half of these took at most; absent where there are none.</param>
/// <param name="Unavailable">Answered 503.</param>
/// <param name="TokenChecks">How often somebody wanted to know whether an access token is good: with each request that shows one, forward-auth and introspection among them.</param>
/// <param name="TokensRefusedByReason">As <c>gatehouse_tokens_refused_total</c> has them.</param>
/// <param name="EventsApplied">How many times a service said here that it has applied an event.</param>
/// <param name="PropagationP50Milliseconds">From the commit of an event until a service said so, of half of these at most; absent where there are none.</param>
internal sealed record TrafficView(
    double Seconds, long Requests, double? RequestP50Milliseconds, double? RequestP99Milliseconds, long Unavailable, long TokenChecks, double TokenChecksPerSecond,
    SignInsView SignIns, RenewalsView Renewals, long TokensRefused, IReadOnlyDictionary<string, long> TokensRefusedByReason,
    long EventsApplied, double? PropagationP50Milliseconds, double? PropagationP99Milliseconds)
{
    public static TrafficView Of(Window window)
    {
        var refused = window.Refused().ToDictionary(r => r.Reason, r => r.Count);
        var (seconds, checks) = (window.Length.TotalSeconds, window[Recorder.Cell.TokenChecks]);
        return new(
            Math.Round(seconds, 1), window[Recorder.Cell.Requests], Milliseconds(Recorder.Cell.Took, 50), Milliseconds(Recorder.Cell.Took, 99), window[Recorder.Cell.Unavailable],
            checks, Math.Round(checks / Math.Max(1, seconds), 2),
            new SignInsView(window.SignIns("ok"), window.SignIns("wrong"), window.SignIns("limited")),
            new RenewalsView(window.Renewals("renewed"), window.Renewals("replayed"), window.Renewals("reused"), window.Renewals("refused")),
            refused.Values.Sum(), refused,
            window.Measured(Recorder.Cell.Heard), Milliseconds(Recorder.Cell.Heard, 50), Milliseconds(Recorder.Cell.Heard, 99));

        double? Milliseconds(int first, int percent) => window.Percentile(first, percent) is { } span ? Math.Round(span.TotalMilliseconds, 3) : null;
    }
}

/// <param name="Limited">Not tried, because too many were wrong before.</param>
internal sealed record SignInsView(long Ok, long Wrong, long Limited);

/// <summary>Refresh tokens that were shown.</summary>
/// <param name="Replayed">Once more within the grace.</param>
/// <param name="Reused">After it, which has ended the session.</param>
internal sealed record RenewalsView(long Renewed, long Replayed, long Reused, long Refused);
