using System.Text.Json.Serialization;
using App.Accounts;
using App.Audit;
using App.Data;
using App.Events;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using SessionOptions = App.Sessions.SessionOptions;

namespace App.Profile;

/// <summary>One thing that happened to an account, as its owner sees it.</summary>
/// <param name="Action">A verb in the past, such as <c>signed-in</c>.</param>
/// <param name="By"><c>administrator</c> for what was done to the account by one; absent for what its owner did.</param>
/// <param name="Detail">What the action alone doesn't say: why a session ended, how many recovery codes are left, for how many seconds guesses are locked.</param>
/// <param name="SessionId">The session it happened in; absent where there was none.</param>
/// <param name="Device">The browser and its system, as far as that session is still remembered (a week after its end).</param>
/// <param name="Kind"><c>desktop</c>, <c>phone</c> or <c>program</c>; absent where the device is.</param>
/// <param name="Alive">Whether that session still lives.</param>
/// <param name="Here">Whether it is the one that asks.</param>
/// <param name="Seen">The device once more, for pages to name in their language.</param>
/// <param name="Who">Which administrator, for others of them alone.</param>
/// <param name="Disownable">Whether it is the beginning of a session that its owner can say wasn't theirs, ended or not: it may have left something behind.</param>
internal sealed record ActivityView(DateTimeOffset At, string Action, string? By, string? Detail, string? Address, Guid? SessionId, string? Device, string? Kind, bool Alive, bool Here, [property: JsonIgnore] Device? Seen = null, [property: JsonIgnore] Actor? Who = null, [property: JsonIgnore] bool Disownable = false);

/// <summary>A page of activity, the newest first.</summary>
/// <param name="Before">Ask with this for what came before; absent on the last page.</param>
internal sealed record ActivityList(IReadOnlyList<ActivityView> Entries, long? Before);

/// <summary>What happened to the caller's account: when, what, where, on which device.</summary>
internal sealed class ListActivity(AppDb db, SessionOptions options, TimeProvider time)
{
    private const int PageSize = 50;

    /// <summary>What happened to the caller's account, the newest first, 50 entries at a time.</summary>
    /// <param name="before">The <c>before</c> of the page that came before this one.</param>
    public static async Task<Ok<ActivityList>> HandleAsync(CurrentUser user, ListActivity list, CancellationToken ct, long? before = null) =>
        TypedResults.Ok(await list.OfAsync(user, before, ct));

    public Task<ActivityList> OfAsync(CurrentUser user, long? before, CancellationToken ct) => ReadAsync(user.Id, user, before, forAdmin: false, ct);

    /// <summary>Somebody's, as an admin sees it.</summary>
    public Task<ActivityList> OfAsync(Guid userId, CurrentUser admin, long? before, CancellationToken ct) => ReadAsync(userId, admin, before, forAdmin: true, ct);

    private async Task<ActivityList> ReadAsync(Guid userId, CurrentUser user, long? before, bool forAdmin, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var rows = await db.Audit.AsNoTracking().Where(a => a.UserId == userId && (before == null || a.Id < before)).OrderByDescending(a => a.Id).Take(PageSize + 1).ToListAsync(ct);
        var ids = rows.Select(r => r.SessionId).OfType<Guid>().Distinct().ToList();
        var sessions = await db.Sessions.AsNoTracking().Where(s => s.UserId == userId && ids.Contains(s.Id)).ToDictionaryAsync(s => s.Id, ct);
        var actors = forAdmin ? await Actor.OfAsync(db, rows, ct) : [];
        var entries = rows.Take(PageSize).Select(r => View(r, r.SessionId is { } id ? sessions.GetValueOrDefault(id) : null, user, now) with { Who = actors.GetValueOrDefault(r.Id) });
        return new ActivityList([.. entries], rows.Count > PageSize ? rows[PageSize - 1].Id : null);
    }

    private ActivityView View(AuditEntry row, Session? session, CurrentUser user, DateTimeOffset now)
    {
        // What was refused was in no session: the row itself says what it came from.
        var (detail, device) = row is { Action: GuessLimits.Refused or GuessLimits.LockedOut } && row.Detail?.Split('|') is [var what, var kind, var browser, var os]
            ? (what, new Device(browser, os, kind))
            : (Actor.DetailForOwner(row), session is null ? null : Device.Parse(session.UserAgent));
        var name = device switch
        {
            null => null,
            { Os: "" } => device.Browser,
            _ => $"{device.Browser}, {device.Os}",
        };
        // An ended session bears no address of its own in the audit; where it was is what its owner wants to know.
        return new ActivityView(
            row.At, row.Action, Actor.By(row), detail, row.Address ?? session?.Address, row.SessionId, name, device?.Kind,
            session is { RevokedAt: null } && options.EndOf(session.ExpiresAt, session.LastSeenAt) > now, row.SessionId == user.SessionId, device, null,
            row is { Action: "signed-in" } && session is not null && session.Id != user.SessionId && session.RevokedBecause != Causes.Disowned.Reason);
    }
}
