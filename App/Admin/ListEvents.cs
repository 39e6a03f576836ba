using System.Text.Json.Serialization;
using App.Data;
using App.Events;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using SessionOptions = App.Sessions.SessionOptions;

namespace App.Admin;

/// <summary>An entry of the log as the feed's JSON has it, unsigned.</summary>
/// <param name="Sub">The user.</param>
/// <param name="Sid">The session; absent where the event concerns all of the user's, or a key.</param>
/// <param name="Kid">The signing key.</param>
/// <param name="NotBefore">Seconds since 1970: the user's tokens issued then or before are refused.</param>
/// <param name="Expires">Seconds since 1970: when the last token that it concerns has expired.</param>
/// <param name="Reason">Why, in a word.</param>
/// <param name="Email">Of the user, for pages; null where there is no such account any more.</param>
internal sealed record EventView(long Cursor, string Type, Guid? Sub, Guid? Sid, string? Kid, long? NotBefore, long Expires, string Reason, DateTimeOffset At, [property: JsonIgnore] string? Email = null);

/// <param name="After">Ask with this for what comes next. With a filter there may be fewer entries, or none, and yet more to come: the end is where it stays the same.</param>
internal sealed record EventList(IReadOnlyList<EventView> Events, long After);

/// <summary>The event log, for admins, as far back as it is kept: an hour beyond the life of the tokens.</summary>
internal sealed class ListEvents(AppDb db, SessionOptions sessions, TimeProvider time)
{
    /// <summary>The log of security events, the oldest first, as far back as it is kept: an hour beyond the life of the tokens. 400 with the <c>field</c> at fault.</summary>
    /// <param name="after">A cursor: what comes after it is listed; from the beginning by default.</param>
    /// <param name="type">The short name of a type of event, such as <c>session-revoked</c>: only those.</param>
    /// <param name="user">A person's id: only what is about them.</param>
    /// <param name="from">An instant (RFC 3339), or a day of UTC: the first that is listed.</param>
    /// <param name="to">The same: the last that is listed, the whole of a day.</param>
    /// <param name="take">How many at a time, 1 to 100; 50 by default.</param>
    public static async Task<Results<Ok<EventList>, ProblemHttpResult>> HandleAsync(
        ListEvents list, CancellationToken ct, string? after = null, string? type = null, string? user = null, string? from = null, string? to = null, string? take = null)
    {
        var asked = new Asked();
        var (last, what, whose, period, count) = (asked.Number(after, "after") ?? 0, asked.EventType(type), asked.Id(user, "user"), asked.Period(from, to), asked.Take(take));
        return asked.Faults.Count > 0 ? Problems.Invalid(asked.Faults) : TypedResults.Ok(await list.RunAsync(last, what, whose, period, count, ct));
    }

    /// <summary>In the order of the log.</summary>
    public async Task<EventList> RunAsync(long after, string? type, Guid? user, Period period, int take, CancellationToken ct)
    {
        var rows = await OfAsync(period, db.SecurityEvents.AsNoTracking().Where(e => e.Cursor > after), ct);
        var seen = await rows.OrderBy(e => e.Cursor).Skip(Asked.MostLooked - 1).Select(e => (long?)e.Cursor).FirstOrDefaultAsync(ct) ?? await rows.MaxAsync(e => (long?)e.Cursor, ct) ?? after;
        var found = await Filter(rows.Where(e => e.Cursor <= seen), type, user).OrderBy(e => e.Cursor).Take(take + 1).ToListAsync(ct);
        return new EventList(View(found, take), found.Count > take ? found[take - 1].Cursor : seen);
    }

    /// <summary>The newest first.</summary>
    /// <returns>Also where to go on, if there is more.</returns>
    public async Task<(IReadOnlyList<EventView> Events, long? Before)> RecentAsync(long? before, string? type, Guid? user, Period period, int take, CancellationToken ct)
    {
        var rows = await OfAsync(period, db.SecurityEvents.AsNoTracking().Where(e => before == null || e.Cursor < before), ct);
        var seen = await rows.OrderByDescending(e => e.Cursor).Skip(Asked.MostLooked - 1).Select(e => (long?)e.Cursor).FirstOrDefaultAsync(ct);
        var found = await Filter(rows.Where(e => seen == null || e.Cursor >= seen), type, user).OrderByDescending(e => e.Cursor).Take(take + 1).ToListAsync(ct);
        var emails = await FindUsers.AddressesAsync(db, found.Select(e => e.UserId), ct);
        return ([.. View(found, take).Select(e => e.Sub is { } user ? e with { Email = emails.GetValueOrDefault(user) } : e)], found.Count > take ? found[take - 1].Cursor : seen);
    }

    /// <summary>Whether an admin may go on looking.</summary>
    public Task<bool> MayAsync(CurrentUser admin, CancellationToken ct) => db.HoldsStillAsync(admin, Roles.Admin, time.GetUtcNow(), sessions, ct);

    private static Task<IQueryable<LoggedEvent>> OfAsync(Period period, IQueryable<LoggedEvent> rows, CancellationToken ct) =>
        period.OfAsync(rows.Select(e => new Moment<LoggedEvent> { Number = e.Cursor, At = e.OccurredAt, Row = e }), ct);

    private static IQueryable<LoggedEvent> Filter(IQueryable<LoggedEvent> rows, string? type, Guid? user)
    {
        if (!string.IsNullOrEmpty(type)) rows = rows.Where(e => e.Type == type);
        return user is null ? rows : rows.Where(e => e.UserId == user);
    }

    private static IReadOnlyList<EventView> View(List<LoggedEvent> rows, int take) => [.. rows.Take(take).Select(e => new EventView(
        e.Cursor, e.Type, e.UserId, e.SessionId, e.KeyId, e.NotBefore, EntryText.ExpiresOf(e), e.Reason, e.OccurredAt))];
}
