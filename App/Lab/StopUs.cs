using App.Strategies;

namespace App.Lab;

/// <summary>Five seconds without us, as four services get through them; read while it happens.</summary>
internal sealed class Outage
{
    public IReadOnlyList<Lane> Lanes { get; } = [.. Enum.GetValues<Strategy>().Select(strategy => new Lane(strategy))];

    public TimeSpan? From { get; set; }

    public TimeSpan? To { get; set; }

    public TimeSpan Elapsed { get; set; }

    public bool Over { get; set; }
}

/// <summary>The third experiment: every service's line to us is cut for five seconds while all are being called. Nobody's session ends.</summary>
internal sealed class StopUs(LabTurn turn)
{
    public static readonly TimeSpan Lasts = TimeSpan.FromSeconds(5), Before = TimeSpan.FromSeconds(1), After = TimeSpan.FromSeconds(1);

    public static readonly TimeSpan Whole = Before + Lasts + After;

    /// <param name="outage">Filled while it happens.</param>
    public Task<LabOutcome> TryAsync(CurrentUser user, Outage outage, CancellationToken ct) => turn.RunAsync(user, async (visit, stop) =>
    {
        using var callers = new Callers(visit, outage.Lanes, stop);
        callers.Begin();
        await PassAsync(Before);
        outage.From = callers.Elapsed;
        foreach (var stand in visit.Stands) stand.Line.Set(Cut.Everything);
        await PassAsync(Before + Lasts);
        outage.To = callers.Elapsed;
        foreach (var stand in visit.Stands) stand.Line.Set(Cut.Nothing);
        await PassAsync(Whole);
        await callers.StopAsync();
        outage.Over = true;

        Task PassAsync(TimeSpan until) => callers.UntilAsync(() => (outage.Elapsed = callers.Elapsed) >= until, Whole);
    }, ct);
}
