using App.Events;

namespace App.Drill;

/// <summary>A fire drill as it stands now.</summary>
/// <param name="Id">The <c>sid</c> of the session that it ended.</param>
/// <param name="Cursor">Of its entry in the event log.</param>
/// <param name="At">When that was written; every time counts from here.</param>
/// <param name="State">
/// <c>running</c> while somebody is waited for, which is for 60 s at most; then <c>applied</c> where all services in contact refuse the session,
/// <c>behind</c> where one doesn't, <c>nobody</c> where none was in contact.
/// </param>
/// <param name="Expected">How many services were in contact.</param>
/// <param name="Applied">How many of these refuse the session.</param>
/// <param name="Late">How many took longer than the target, or haven't answered and it is over.</param>
/// <param name="TargetSeconds">What every service in contact is held to (<c>Drill:Target</c>).</param>
/// <param name="P50Seconds">Half of their instances took no longer; absent until one has answered, and where it is too long ago to say.</param>
/// <param name="MaxSeconds">The slowest instance so far.</param>
/// <param name="Services">Those that have followed the feed within a day, by id.</param>
/// <param name="NotFollowing">Those that haven't, by id: they ask about each token, or know of no end at all.</param>
/// <param name="Scheduled">Whether it began by itself (<c>Drill:Every</c>).</param>
internal sealed record DrillView(
    Guid Id, long Cursor, DateTimeOffset At, string State, int Expected, int Applied, int Late, double TargetSeconds, double? P50Seconds, double? MaxSeconds,
    IReadOnlyList<DrillService> Services, IReadOnlyList<string> NotFollowing, bool Scheduled)
{
    public static DrillView Of(
        Guid id, long cursor, DateTimeOffset at, IEnumerable<(string Service, DrillInstance Instance)> answers, IReadOnlyList<string> notFollowing, DateTimeOffset now, TimeSpan target, bool scheduled = false)
    {
        var services = answers.GroupBy(a => a.Service, a => a.Instance).OrderBy(s => s.Key, StringComparer.Ordinal)
            .Select(s => DrillService.Of(s.Key, [.. s.OrderBy(i => i.Instance, StringComparer.OrdinalIgnoreCase)], now - at, target)).ToList();
        var applied = services.Count(s => s.State == DrillState.Applied);
        var expected = applied + services.Count(s => s.State is DrillState.Waiting or DrillState.Refused);
        var seconds = services.SelectMany(s => s.Instances).Select(i => i.Seconds).OfType<double>().Order().ToList();
        var state = expected == 0 ? DrillState.Nobody : applied == expected ? DrillState.Applied : now - at < ShowDrill.Watched ? DrillState.Running : DrillState.Behind;
        return new(
            id, cursor, at, state, expected, applied, services.Count(s => s.Late == true), target.TotalSeconds, Convergence.Percentile(seconds, 50), seconds.Count == 0 ? null : seconds[^1],
            services, notFollowing, scheduled);
    }

    /// <summary>With the times that an earlier look found: of a busy log, few acknowledgements are kept, and they are soon of later events.</summary>
    public DrillView Remembering(DrillView before, DateTimeOffset now)
    {
        var times = before.Services.SelectMany(s => s.Instances.Select(i => (s.Service, i))).Where(a => a.i.Seconds is not null).ToDictionary(a => (a.Service, a.i.Instance), a => a.i.Seconds);
        return Of(Id, Cursor, At, Services.SelectMany(s => s.Instances.Select(i => (s.Service, i with { Seconds = i.Seconds ?? times.GetValueOrDefault((s.Service, i.Instance)) }))), NotFollowing, now, TimeSpan.FromSeconds(TargetSeconds), Scheduled);
    }
}

/// <param name="Service">Its id.</param>
/// <param name="State"><c>applied</c>, <c>waiting</c>, <c>refused</c> (was told, and didn't take it), <c>left</c> (has said goodbye) or <c>silent</c> (not in contact within the life of an access token, and not waited for).</param>
/// <param name="Seconds">From the drill until the last of its instances said that it had applied it; absent until all have, and where it is too long ago to say.</param>
/// <param name="Late">Whether it took longer than the target, or hasn't answered and that is over; absent while that can't be said, and for those that aren't waited for.</param>
/// <param name="BehindSeconds">While it is waited for: how old the first event is that it hasn't applied.</param>
internal sealed record DrillService(string Service, string State, double? Seconds, bool? Late, double? BehindSeconds, IReadOnlyList<DrillInstance> Instances)
{
    private static readonly string[] Order = [DrillState.Waiting, DrillState.Refused, DrillState.Applied, DrillState.Silent, DrillState.Left];

    // It has applied it when each of its instances has that is there and was in contact.
    internal static DrillService Of(string service, IReadOnlyList<DrillInstance> instances, TimeSpan age, TimeSpan target)
    {
        var state = Order.First(s => instances.Any(i => i.State == s));
        var seconds = state == DrillState.Applied ? instances.Max(i => i.Seconds) : null;
        bool? late = state switch
        {
            DrillState.Applied => seconds is { } took ? took > target.TotalSeconds : null,
            DrillState.Waiting or DrillState.Refused => age > target ? true : null,
            _ => null,
        };
        return new(service, state, seconds, late, instances.Max(i => i.BehindSeconds), instances);
    }
}

/// <param name="Instance">As it calls itself; empty where it has no name, <c>(poll)</c> and <c>(PUSH)</c> for the ways without one.</param>
/// <param name="State">As for the service.</param>
/// <param name="ContactAt">When it was last heard of; absent for a receiver that nothing was pushed to yet.</param>
internal sealed record DrillInstance(string Instance, string State, double? Seconds, double? BehindSeconds, DateTimeOffset? ContactAt);

/// <summary>How far a drill, a service or an instance is.</summary>
internal static class DrillState
{
    public const string Running = "running", Applied = "applied", Behind = "behind", Nobody = "nobody";
    public const string Waiting = "waiting", Refused = "refused", Left = "left", Silent = "silent";

    /// <summary>Of a drill that hasn't begun: on the page alone.</summary>
    public const string Ready = "ready";
}
