using System.ComponentModel;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Numerics;

namespace App.Ops;

/// <summary>Figures for Prometheus (section <c>Metrics</c>).</summary>
public sealed class MetricsOptions
{
    [Description("Serves figures for Prometheus at `/metrics`; otherwise that is 404.")]
    public bool Enabled { get; set; } = true;
}

/// <summary>
/// What an operator has alerts for, counted in this process since its start. Each label has a handful of fixed values, and says nothing of anybody.
/// Those that are known beforehand are there from the start, at 0: Prometheus sees an increase only from a value it has read.
/// </summary>
public sealed class Figures
{
    private readonly Counter<long> _signIns, _renewals, _refusals, _unavailable, _drills;
    private double _slowest = double.NaN;

    /// <summary>What is too frequent for an instrument.</summary>
    internal Traffic Traffic { get; } = new();

    public Figures(IMeterFactory meters)
    {
        _signIns = Counter("gatehouse_sign_ins", "Sign-ins by outcome: ok, second_step (right so far), wrong, or limited, where too many were wrong before.");
        _renewals = Counter("gatehouse_renewals", "Refresh tokens shown, by outcome: renewed, replayed (once more within the grace), reused (which has ended the session), or refused.");
        _refusals = Counter("gatehouse_tokens_refused", "Access tokens refused at our own doors, by reason. A cookie that is renewed instead isn't one.");
        _unavailable = Counter("gatehouse_requests_unavailable", "Requests answered 503. Not counted: what asks for health, and what a service behind the gateway has answered.");
        _drills = Counter("gatehouse_drills", "Fire drills that began here, by themselves or not, by outcome: within the target, late, behind (somebody hasn't refused the session after a minute), or nobody, where no service was in contact.");
        meters.Create(OpsModule.OwnMeter).CreateObservableGauge(
            "gatehouse_drill_seconds", () => Volatile.Read(ref _slowest) is var seconds && double.IsNaN(seconds) ? (Measurement<double>[])[] : [new(seconds)], unit: null,
            "The slowest service of the last fire drill that began here and is over: how long it took to refuse the session, or was waited for.");
        foreach (var outcome in (string[])["ok", "second_step", "wrong", "limited"]) _signIns.Add(0, new KeyValuePair<string, object?>("outcome", outcome));
        foreach (var outcome in (string[])["renewed", "replayed", "reused", "refused"]) _renewals.Add(0, new KeyValuePair<string, object?>("outcome", outcome));
        foreach (var outcome in (string[])["within", "late", "behind", "nobody"]) _drills.Add(0, new KeyValuePair<string, object?>("outcome", outcome));
        _unavailable.Add(0);

        // The exporter adds _total.
        Counter<long> Counter(string name, string description) => meters.Create(OpsModule.OwnMeter).CreateCounter<long>(name, unit: null, description);
    }

    public void SignIn(string outcome) => _signIns.Add(1, new KeyValuePair<string, object?>("outcome", outcome));

    public void Renewal(string outcome) => _renewals.Add(1, new KeyValuePair<string, object?>("outcome", outcome));

    public void TokenRefused(string reason) => _refusals.Add(1, new KeyValuePair<string, object?>("reason", reason));

    /// <param name="slowest">Null where nobody was timed.</param>
    public void Drill(string outcome, double? slowest)
    {
        Volatile.Write(ref _slowest, slowest ?? double.NaN);
        _drills.Add(1, new KeyValuePair<string, object?>("outcome", outcome));
    }

    /// <returns>What <see cref="Answered"/> is to be told.</returns>
    internal long Began() => Traffic.IsToBeTimed() ? Stopwatch.GetTimestamp() : 0;

    internal void Answered(HttpContext http, long began)
    {
        if (PassedOn.IsAnswered(http)) return;
        if (!LastsByDesign(http.Request.Path)) Traffic.Answered(began == 0 ? null : Stopwatch.GetElapsedTime(began));
        if (http.Response.StatusCode == StatusCodes.Status503ServiceUnavailable && !http.Request.Path.StartsWithSegments("/health")) _unavailable.Add(1);
    }

    // A reader of the feed waits for what comes next, and a page's connection is open as long as the page: that says nothing of how quick we are.
    private static bool LastsByDesign(PathString path) =>
        path.Value is ['/', 'e' or '_', ..] && (path.StartsWithSegments("/events") || path.StartsWithSegments("/_blazor"));
}

/// <summary>
/// What happens with every request, at some ten nanoseconds a time: each core counts in a row of its own, so that no two fight over one, and nothing is allocated.
/// The counts only grow; whoever wants to know what happened since looks twice.
/// </summary>
internal sealed class Traffic
{
    /// <summary>Which cell is what: the buckets of <see cref="LogScale"/> come first.</summary>
    public const int TokenChecks = LogScale.Buckets, Requests = TokenChecks + 1, Cells = Requests + 1;

    // Only of use here: when a request was timed last, and how many there had been.
    private const int Timed = Cells, StoodFor = Timed + 1;
    private const int MostRows = 16;
    private readonly long[][] _rows = [.. Enumerable.Range(0, (int)Math.Min(MostRows, BitOperations.RoundUpToPowerOf2((uint)Environment.ProcessorCount))).Select(_ => new long[StoodFor + 1])];

    public void TokenChecked() => Interlocked.Increment(ref Row[TokenChecks]);

    /// <summary>
    /// Two looks at the exact clock cost several times as much as all the rest. So of those that begin within the same
    /// one to four milliseconds only the first is timed, and stands for the others: everyone where there are few.
    /// </summary>
    public bool IsToBeTimed()
    {
        ref var timed = ref Row[Timed];
        var now = Environment.TickCount64;
        if (Volatile.Read(ref timed) == now) return false;
        Volatile.Write(ref timed, now);
        return true;
    }

    /// <param name="took">Null where it wasn't timed.</param>
    public void Answered(TimeSpan? took)
    {
        var row = Row;
        var count = Interlocked.Increment(ref row[Requests]);
        if (took is { } time) Interlocked.Add(ref row[LogScale.BucketOf(time)], Math.Max(0, count - Interlocked.Exchange(ref row[StoodFor], count)));
    }

    public long Sum(int cell)
    {
        var sum = 0L;
        foreach (var row in _rows) sum += Volatile.Read(ref row[cell]);
        return sum;
    }

    private long[] Row => _rows[Thread.GetCurrentProcessorId() & (_rows.Length - 1)];
}

/// <summary>Durations from 4 µs to 9 minutes in buckets, four to each power of two: a bucket's middle is off by an eighth at most. What is beyond an end is in the last one there.</summary>
internal static class LogScale
{
    private const int Least = 2, Most = 29;
    public const int Buckets = (Most - Least) * 4;

    public static int BucketOf(TimeSpan span)
    {
        var microseconds = (ulong)Math.Clamp(span.Ticks / TimeSpan.TicksPerMicrosecond, 1L << Least, (1L << Most) - 1);
        var power = BitOperations.Log2(microseconds);
        return ((power - Least) << 2) | (int)((microseconds >> (power - 2)) & 3);
    }

    public static TimeSpan MiddleOf(int bucket) => TimeSpan.FromMicroseconds((1L << ((bucket >> 2) + Least)) * (4.5 + (bucket & 3)) / 4);
}
