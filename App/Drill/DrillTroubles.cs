using App.Data;
using App.Events;
using App.Ops;
using App.Sessions;
using Microsoft.EntityFrameworkCore;

namespace App.Drill;

/// <summary>What of the drills needs somebody: the last one that is over wasn't within the target, or none can begin by itself.</summary>
internal sealed class DrillTroubles(AppDb db, EventFeed feed, DrillSchedule schedule, DrillOptions options, TimeProvider time)
{
    private static readonly TimeSpan Recent = TimeSpan.FromHours(1);
    private const int MostLooked = 8;

    public async Task<IReadOnlyList<Trouble>> FindAsync(CancellationToken ct)
    {
        var found = new List<Trouble>();
        var account = schedule.IsOn ? await schedule.AccountAsync(ct) : null;
        if (schedule.IsOn && account is null) found.Add(new(Trouble.DrillAccount));
        if (await LastAsync(account?.Id, ct) is { Word: DrillOutcome.Belated or DrillOutcome.Behind } last)
            found.Add(new(last.Word == DrillOutcome.Behind ? Trouble.DrillBehind : Trouble.DrillLate, last.Service, last.Late, last.Seconds));
        return found;
    }

    // Those that began by themselves the database finds by their account, all others the log in memory: as long as it holds them, for nothing.
    private async Task<DrillOutcome?> LastAsync(Guid? account, CancellationToken ct)
    {
        var ids = feed.Recent().Where(entry => entry.Reason == Causes.FireDrill.Reason).Select(entry => entry.SessionId).OfType<Guid>().Take(MostLooked).ToList();
        var began = await db.Sessions.AsNoTracking().Where(s => ids.Contains(s.Id)).Select(s => new { s.StartedAt, s.UserAgent }).ToListAsync(ct);
        if (account is { } own) began.AddRange(await schedule.Begun(own).AsNoTracking().Select(s => new { s.StartedAt, s.UserAgent }).ToListAsync(ct));
        var since = time.GetUtcNow() - (options.Every is { } every && every * 2 > Recent ? every * 2 : Recent);
        return began.Where(s => s.StartedAt > since).OrderByDescending(s => s.StartedAt).Select(s => DrillOutcome.Read(s.UserAgent)).FirstOrDefault(outcome => outcome is not null);
    }
}
