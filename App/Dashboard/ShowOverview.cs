using App.Data;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using SessionOptions = App.Sessions.SessionOptions;

namespace App.Dashboard;

/// <summary>What the page shows at one moment.</summary>
internal sealed record Overview(OverviewView View, IReadOnlyList<Window> Minutes);

/// <summary>Whether all is well, and the figures that say so.</summary>
internal sealed class ShowOverview(AppDb db, LookAround around, Recorder recorder, SessionOptions sessions, TimeProvider time)
{
    /// <summary>
    /// Whether all is well, at a glance: what needs somebody, the services and how they keep up, and the figures of the last minute and hour.
    /// Sessions, services and problems are everybody's and at most two seconds old; the figures are those of the process that answers, since its start.
    /// </summary>
    public static async Task<Ok<OverviewView>> HandleAsync(ShowOverview show, CancellationToken ct) => TypedResults.Ok((await show.NowAsync(ct)).View);

    public async Task<Overview> NowAsync(CancellationToken ct) => Compose(await around.LookAsync(ct));

    /// <summary>The same from what was seen last, for a page that must not wait; null where nobody has looked yet.</summary>
    public Overview? Latest() => around.Latest is { } seen ? Compose(seen) : null;

    /// <summary>The same for a page that stays open; null once its reader is no admin any more, or signed out.</summary>
    public async Task<Overview?> ForAsync(CurrentUser admin, CancellationToken ct)
    {
        var seen = await around.LookAsync(ct);
        // While the database is away nobody can take a role, and whom the process knows to be signed out the page asks by itself.
        return seen.Problems.Any(p => p.Kind == ProblemView.DatabaseAway) || await db.HoldsStillAsync(admin, Roles.Admin, time.GetUtcNow(), sessions, ct) ? Compose(seen) : null;
    }

    private Overview Compose(Surroundings seen)
    {
        var reading = recorder.Read();
        var process = ProcessView.Of(reading);
        var problems = process.LastMinute.Unavailable > 0 ? seen.Problems.Append(new(ProblemView.Unavailable, Count: process.LastMinute.Unavailable)) : seen.Problems;
        return new(new OverviewView(time.GetUtcNow(), ProblemView.Sorted(problems), seen.ActiveSessions, seen.LastRevocation, seen.Services, process), reading.Minutes);
    }
}
