using System.Diagnostics;
using App.Strategies;

namespace App.Lab;

/// <summary>What calls of one service took, and what they cost us.</summary>
/// <param name="Milliseconds">Each call's, in their order, as the caller saw it.</param>
/// <param name="Asked">How often we were asked meanwhile, by method and path.</param>
public sealed record Latency(Strategy Strategy, IReadOnlyList<double> Milliseconds, IReadOnlyDictionary<string, int> Asked)
{
    public double Median => Of(0.5);

    public double P99 => Of(0.99);

    public int Requests => Asked.Values.Sum();

    // The nearest rank: a value that was measured, not one between two.
    private double Of(double share) => Milliseconds.Order().ElementAt((int)Math.Ceiling(share * Milliseconds.Count) - 1);
}

/// <summary>The first experiment: a hundred calls of each service, one after the other, timed by the caller and counted where they reach us.</summary>
internal sealed class CallEach(LabTurn turn)
{
    public const int Times = 100;

    // A new connection and new code are slow for everybody alike: they are no part of the comparison.
    private const int WarmUp = 20;

    public static IReadOnlyList<Strategy> Compared { get; } = [Strategy.Asks, Strategy.Gateway, Strategy.Checks];

    /// <summary>What a network adds to each request to us, there and back: about that of a data centre.</summary>
    public static readonly TimeSpan Network = TimeSpan.FromMilliseconds(1);

    /// <param name="networked">Whether to add it.</param>
    /// <param name="show">Called with each service's figures as soon as they are there.</param>
    public Task<LabOutcome> TryAsync(CurrentUser user, bool networked, Action<Latency> show, CancellationToken ct) => turn.RunAsync(user, async (visit, stop) =>
    {
        foreach (var stand in visit.Stands.Where(s => Compared.Contains(s.Strategy)))
        {
            if (networked) stand.Line.Distance = Network;
            using var caller = visit.NewCaller(stand);
            for (var i = 0; i < WarmUp; i++) await CallAsync(caller, stop);
            var before = stand.Line.Requests;
            var took = new double[Times];
            for (var i = 0; i < Times; i++) took[i] = await CallAsync(caller, stop);
            show(new Latency(stand.Strategy, took, Since(before, stand.Line.Requests)));
        }
    }, ct);

    private static async Task<double> CallAsync(HttpClient caller, CancellationToken ct)
    {
        var begun = Stopwatch.GetTimestamp();
        using var answer = await caller.GetAsync("/", ct);
        answer.EnsureSuccessStatusCode();
        return Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
    }

    private static Dictionary<string, int> Since(IReadOnlyDictionary<string, int> before, IReadOnlyDictionary<string, int> after) =>
        after.Select(now => KeyValuePair.Create(now.Key, now.Value - before.GetValueOrDefault(now.Key))).Where(asked => asked.Value > 0).ToDictionary();
}
