using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Ops;

/// <summary>
/// Each request that is refused for who asks, or how often, is one line of the log: at which route, and why in a word. Nothing that a stranger can choose is in it,
/// nor anything of a person. A flood of them is ten lines a second, and one that counts the others.
/// </summary>
internal sealed partial class Refusals : IDisposable
{
    /// <summary>A link of a letter that is used, too old, or nobody's.</summary>
    public const string Link = "link";

    /// <summary>Where events of a service would be pushed to, and may not be.</summary>
    public const string Receiver = "receiver";

    private const int PerSecond = 10;
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly TimeProvider _time;
    private readonly ILogger<Refusals> _logger;
    private readonly ITimer _timer;
    private long _since;
    private int _written, _more;

    public Refusals(TimeProvider time, ILogger<Refusals> logger)
    {
        (_time, _logger) = (time, logger);
        _timer = time.CreateTimer(static self => ((Refusals)self!).CountOthers(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <param name="why">A word or two of ours. Whoever says it first in a request knows best: what comes after only follows from it.</param>
    public static void Note(HttpContext http, string why)
    {
        if (http.Features.Get<Noted>() is not null) return;
        http.Features.Set(Noted.Mark);
        http.RequestServices.GetRequiredService<Refusals>().Write(http, why);
    }

    /// <summary>What a program is told of such a link; people are by their pages.</summary>
    public static ProblemHttpResult LinkOver(HttpContext http)
    {
        Note(http, Link);
        return Problems.BadRequest("This link has been used or is too old");
    }

    private void Write(HttpContext http, string why)
    {
        if (MayWrite()) Refused((http.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText?.Trim('/') ?? "no route", why);
    }

    private bool MayWrite()
    {
        lock (_gate)
        {
            if (_more == 0 && _time.GetElapsedTime(_since) >= Second) (_since, _written) = (_time.GetTimestamp(), 0);
            if (_written < PerSecond)
            {
                _written++;
                return true;
            }

            // The others are counted until the second is over, whether another comes after it or not.
            if (_more++ == 0) _timer.Change(Second, Timeout.InfiniteTimeSpan);
            return false;
        }
    }

    private void CountOthers()
    {
        int more;
        lock (_gate) (more, _more, _written) = (_more, 0, 0);
        if (more > 0) Others(more);
    }

    public void Dispose()
    {
        _timer.Dispose();
        CountOthers();
    }

    /// <summary>The feature of a request whose refusal has been written down.</summary>
    private sealed class Noted
    {
        public static readonly Noted Mark = new();
    }

    [LoggerMessage(2021, LogLevel.Information, "Refused at {Route}: {Why}")]
    private partial void Refused(string route, string why);

    [LoggerMessage(2022, LogLevel.Information, "Refused {Count} more within a second")]
    private partial void Others(int count);
}
