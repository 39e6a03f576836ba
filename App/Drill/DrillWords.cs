using App.Events;
using App.Ui;

namespace App.Drill;

/// <summary>A drill in words and as a picture: one bar for each service, 1 ms to 60 s by powers of ten.</summary>
internal static class DrillWords
{
    /// <summary>Who hasn't answered by then is named.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private const int MostShown = 50;

    private static readonly TimeSpan Soonest = TimeSpan.FromMilliseconds(1);

    public static IReadOnlyList<Tick> Ticks => [.. new[] { 0.001, 0.01, 0.1, 1, 10, 60 }.Select(s => new Tick(At(s), Lasting(s)))];

    /// <summary>"34 ms", "1.2 s", "3 minutes": as exact as anybody reads it.</summary>
    public static string Lasting(double seconds) => seconds switch
    {
        < 1 => Sentence.With(Text.Ms, Math.Max(1, Math.Round(seconds * 1000))),
        < 120 => Sentence.With(Text.Seconds, seconds),
        _ => When.Lasting(TimeSpan.FromSeconds(seconds)),
    };

    /// <summary>Where on the axis the target stands.</summary>
    public static double Goal(DrillView drill) => At(drill.TargetSeconds);

    public static IReadOnlyList<Bar> Bars(DrillView drill, DateTimeOffset now) => [.. drill.Services.Select(s => new Bar(s.Service, Marks(s, drill, now), Of(s.State, s.Seconds, s.BehindSeconds)))];

    /// <summary>Of a service or an instance.</summary>
    public static string Of(string state, double? seconds, double? behind) => state switch
    {
        DrillState.Applied => seconds is { } took ? Sentence.With(Text.RefusedAfter, Lasting(took)) : Text.RefusedUntimed,
        DrillState.Waiting when behind > Patience.TotalSeconds => Sentence.With(Text.WaitingBehind, Lasting(behind.Value)),
        DrillState.Waiting => Text.Waiting,
        DrillState.Refused => Text.NotTaken,
        DrillState.Left => Text.Left,
        DrillState.Silent => Text.Silent,
        _ => "–",
    };

    /// <summary>Of a service with hundreds of instances those that matter first; a program is told of all.</summary>
    public static IEnumerable<DrillInstance> Shown(DrillService service) =>
        service.Instances.Count <= MostShown ? service.Instances : service.Instances.OrderByDescending(i => i.State is DrillState.Waiting or DrillState.Refused).ThenByDescending(i => i.Seconds).Take(MostShown);

    public static string Instance(DrillInstance one) => one.Instance switch
    {
        "" => Text.Unnamed,
        FeedReader.Poll => Text.Polls,
        FeedReader.Push => Text.Pushed,
        _ => one.Instance,
    };

    /// <summary>The drill in a sentence or two.</summary>
    public static string Verdict(DrillView drill, DateTimeOffset now)
    {
        var silent = drill.Services.Where(s => s.Instances.Any(i => i.State == DrillState.Silent)).Select(s => s.Service).ToList();
        return string.Join(' ', new[] { Alone(drill, now), Later(drill), silent.Count == 0 ? null : Sentence.With(Text.NotInContact, Names(silent)) }.OfType<string>());
    }

    /// <summary>The service to look at, where one keeps the others waiting.</summary>
    public static string? Late(DrillView drill, DateTimeOffset now) => IsLate(drill, now) ? Waited(drill)[0].Service : null;

    /// <summary>For the colour of the sentence.</summary>
    public static string Kind(DrillView drill, DateTimeOffset now) => drill.State switch
    {
        DrillState.Applied => drill.Late > 0 ? "wait" : "",
        DrillState.Ready => "still",
        DrillState.Behind => "bad",
        DrillState.Running when IsLate(drill, now) => "bad",
        _ => "wait",
    };

    private static string Alone(DrillView drill, DateTimeOffset now)
    {
        switch (drill)
        {
            case { State: DrillState.Ready }: return Text.Ready;
            case { State: DrillState.Nobody }: return Text.Nobody;
            case { State: DrillState.Applied, MaxSeconds: null }: return Text.AllUntimed;
            case { State: DrillState.Applied, Expected: 1 }: return Sentence.With(Text.AllOne, drill.Services.First(s => s.State == DrillState.Applied).Service, Lasting(drill.MaxSeconds.Value));
            case { State: DrillState.Applied }: return Sentence.With(Text.All, drill.Expected, Lasting(drill.MaxSeconds.Value));
        }

        var waited = Waited(drill);
        if (!IsLate(drill, now)) return drill.Expected == 1 ? Sentence.With(Text.RunningOne, waited[0].Service) : Sentence.With(Text.RunningMany, drill.Applied, drill.Expected);
        // An open page says this for as long as it is open, whatever they do later.
        if (drill.State == DrillState.Behind && waited[0].State != DrillState.Refused)
            return $"{Sentence.With(Text.GaveUp, Names([.. waited.Select(s => s.Service)]), Lasting(ShowDrill.Watched.TotalSeconds))} {Text.GaveUpNext}";

        // While it runs the limit stands for the time, which would change with every look.
        var after = Lasting(Patience.TotalSeconds);
        return waited switch
        {
            [{ State: DrillState.Refused } one] => Sentence.With(Text.LateRefused, one.Service),
            [var one] => Sentence.With(Text.LateOne, one.Service, after, Lasting(one.BehindSeconds ?? 0)),
            _ => Sentence.With(Text.LateMany, Names([.. waited.Select(s => s.Service)]), after, Lasting(waited.Max(s => s.BehindSeconds) ?? 0)),
        };
    }

    // Of those that have answered; who hasn't is named as that.
    private static string? Later(DrillView drill)
    {
        if (drill.State is not (DrillState.Applied or DrillState.Behind)) return null;
        var later = drill.Services.Where(s => s is { State: DrillState.Applied, Late: true }).OrderByDescending(s => s.Seconds).ToList();
        return later.Count == 0 ? null
            : Sentence.With(later.Count == 1 ? Text.LaterOne : Text.LaterMany, Names([.. later.Select(s => s.Service)]), Lasting(later[0].Seconds!.Value - drill.TargetSeconds), Lasting(drill.TargetSeconds));
    }

    private static bool IsLate(DrillView drill, DateTimeOffset now) =>
        drill.State == DrillState.Behind || (drill.State == DrillState.Running && (now - drill.At >= Patience || Waited(drill) is [{ State: DrillState.Refused }]));

    // The farthest behind first.
    private static List<DrillService> Waited(DrillView drill) =>
        [.. drill.Services.Where(s => s.State is DrillState.Waiting or DrillState.Refused).OrderByDescending(s => s.BehindSeconds ?? double.MaxValue)];

    private static string Names(List<string> services) => services switch
    {
        [var one] => one,
        [var one, var two] => Sentence.With(Text.NamesTwo, one, two),
        [var one, var two, .. var more] => Sentence.With(Text.NamesMore, one, two, more.Count),
        _ => "",
    };

    private static List<Mark> Marks(DrillService service, DrillView drill, DateTimeOffset now) => service switch
    {
        { State: DrillState.Applied, Seconds: { } took } => [Line(took, service.Late == true ? "wait" : "good")],
        { State: DrillState.Waiting or DrillState.Refused } => [Line((now - drill.At).TotalSeconds, now - drill.At < Patience ? "wait" : "bad")],
        _ => [],
    };

    // As short as it may be, it is seen.
    private static Mark Line(double seconds, string kind) => new(0, Math.Max(At(seconds), 0.012), kind);

    private static double At(double seconds) => seconds <= 0 ? 0 : Chart.Share(seconds, Soonest.TotalSeconds, ShowDrill.Watched.TotalSeconds);
}
