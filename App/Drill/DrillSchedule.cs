using App.Accounts;
using App.Data;
using App.Events;
using App.Sessions;
using Microsoft.EntityFrameworkCore;

namespace App.Drill;

/// <summary>
/// When the next drill begins by itself, and in whose name. What the database says counts, at every replica and after a restart: the newest such
/// session of the account, as the log has forgotten a drill long before a day is over.
/// </summary>
internal sealed class DrillSchedule(AppDb db, DrillOptions options, TimeProvider time)
{
    public bool IsOn => options.Every is not null;

    /// <returns>Null where there is no such account, or it is no admin's any more, or locked.</returns>
    public async Task<User?> AccountAsync(CancellationToken ct)
    {
        if (!EmailAddress.TryParse(options.Account, out var email)) return null;
        var admin = Roles.Admin.ToUpperInvariant();
        return await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.NormalizedEmail == email.Key && u.LockoutEnd == null
            && db.UserRoles.Any(held => held.UserId == u.Id && db.Roles.Any(r => r.Id == held.RoleId && r.NormalizedName == admin)), ct);
    }

    /// <returns>Now, where none has begun in that name yet.</returns>
    public async Task<DateTimeOffset> DueAsync(Guid account, CancellationToken ct)
    {
        var last = await Begun(account).OrderByDescending(s => s.StartedAt).Select(s => (DateTimeOffset?)s.StartedAt).FirstOrDefaultAsync(ct);
        return last + options.Every ?? time.GetUtcNow();
    }

    /// <summary>For people: never in the past.</summary>
    /// <returns>Null where none will begin.</returns>
    public async Task<DateTimeOffset?> NextAsync(CancellationToken ct)
    {
        if (!IsOn || await AccountAsync(ct) is not { } account) return null;
        var (due, soon) = (await DueAsync(account.Id, ct), time.GetUtcNow() + TimeSpan.FromSeconds(1));
        return due > soon ? due : soon;
    }

    /// <summary>Drops the sessions of those before the last one, which says when that was and what came of it: of thousands in a week, nobody wants to look back at any.</summary>
    public async Task ForgetEarlierAsync(Guid account, CancellationToken ct)
    {
        var last = await Begun(account).OrderByDescending(s => s.StartedAt).Select(s => s.Id).FirstOrDefaultAsync(ct);
        await All(account).Where(s => s.Id != last).ExecuteDeleteAsync(ct);
    }

    // One of the future was begun by a clock that has been set right since: it would keep the next one waiting until then.
    internal IQueryable<Session> Begun(Guid account)
    {
        var soon = time.GetUtcNow() + TimeSpan.FromMinutes(1);
        return All(account).Where(s => s.StartedAt < soon);
    }

    private IQueryable<Session> All(Guid account) => db.Sessions.Where(s => s.UserId == account && s.RevokedBecause == Causes.ScheduledDrill.Reason);
}
