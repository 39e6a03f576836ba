using App.Strategies;

namespace App.Lab;

/// <summary>The end of a session as four services come to know of it; read while it happens.</summary>
internal sealed class Ending
{
    public IReadOnlyList<Lane> Lanes { get; } = [.. Enum.GetValues<Strategy>().Select(strategy => new Lane(strategy))];

    /// <summary>How long the end itself took, to the commit; null before.</summary>
    public TimeSpan? Took { get; set; }

    /// <summary>How long after the end a token is believed by whoever knows the key alone.</summary>
    public TimeSpan Believed { get; set; }

    public TimeSpan Elapsed { get; set; }

    public bool Over { get; set; }

    /// <summary>True when all who can notice have.</summary>
    public bool Noticed => Lanes.All(lane => lane.Strategy == Strategy.KeyAlone || lane.RefusedAfter is not null);
}

/// <summary>The second experiment: a session ends while every service is being called, with the third one's feed whole or cut.</summary>
internal sealed class WatchEnd(LabTurn turn, LabBench bench, TimeProvider time)
{
    private static readonly TimeSpan Before = TimeSpan.FromMilliseconds(300), After = TimeSpan.FromMilliseconds(700), Slack = TimeSpan.FromSeconds(3);

    /// <param name="ending">Filled while it happens.</param>
    public Task<LabOutcome> TryAsync(CurrentUser user, Ending ending, bool feedCut, CancellationToken ct) => turn.RunAsync(user, async (visit, stop) =>
    {
        using var callers = new Callers(visit, ending.Lanes, stop);
        await Task.Delay(Before, stop);
        if (feedCut) visit.Stands.Single(s => s.Strategy == Strategy.Checks).Line.Set(Cut.Feed);
        ending.Believed = visit.BelievedUntil - time.GetUtcNow();
        callers.Begin();
        await visit.EndSessionAsync();
        ending.Took = callers.Elapsed;
        await callers.UntilAsync(() =>
        {
            ending.Elapsed = callers.Elapsed;
            return ending.Noticed;
        }, bench.StaleAfter + Slack);
        var enough = callers.Elapsed + After;
        await callers.UntilAsync(() => (ending.Elapsed = callers.Elapsed) > enough, enough + After);
        await callers.StopAsync();
        ending.Over = true;
    }, ct);
}
