using System.Text.Json.Serialization;
using App.Audit;
using App.Data;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Admin;

/// <summary>One row of the audit.</summary>
/// <param name="Action">A verb in the past, such as <c>signed-in</c>.</param>
/// <param name="User">Whom it is about; for what an admin did to services, the admin.</param>
/// <param name="Detail">What the action alone doesn't say; in rows of older making also which admin did it.</param>
/// <param name="Actor">The admin who did it; absent where the user did it themself, or the command line, or nobody.</param>
/// <param name="Who">The same for pages, with the address.</param>
/// <param name="Email">Of the user, for pages; null where there is no such account any more.</param>
internal sealed record AuditView(
    long Id, DateTimeOffset At, string Action, Guid? User, Guid? Session, string? Address, string? Detail, Guid? Actor, [property: JsonIgnore] Actor? Who, [property: JsonIgnore] string? Email);

/// <summary>A page of the audit, the newest first.</summary>
/// <param name="Before">Ask with this for what came before; absent on the last page. With a filter a page may hold fewer, or none, and yet go on.</param>
internal sealed record AuditList(IReadOnlyList<AuditView> Entries, long? Before);

/// <summary>The audit, for admins: everybody's, or one person's, or one kind of thing, or of some time.</summary>
internal sealed class ListAudit(AppDb db)
{
    public const int LongestAction = 40;

    /// <summary>The audit, the newest first: everybody's, or what the filters leave of it. 400 with the <c>field</c> at fault.</summary>
    /// <param name="user">A person's id: only what is about them.</param>
    /// <param name="action">A verb in the past, such as <c>signed-in</c>, at most 40 characters: only those.</param>
    /// <param name="from">An instant (RFC 3339), or a day of UTC: the first that is listed.</param>
    /// <param name="to">The same: the last that is listed, the whole of a day.</param>
    /// <param name="before">The <c>before</c> of the page that came before this one.</param>
    /// <param name="take">How many at a time, 1 to 100; 50 by default.</param>
    public static async Task<Results<Ok<AuditList>, ProblemHttpResult>> HandleAsync(
        ListAudit list, CancellationToken ct, string? user = null, string? action = null, string? from = null, string? to = null, string? before = null, string? take = null)
    {
        var asked = new Asked();
        var (whose, what, period, end, count) = (asked.Id(user, "user"), asked.Text(action, "action", LongestAction), asked.Period(from, to), asked.Number(before, "before"), asked.Take(take));
        return asked.Faults.Count > 0 ? Problems.Invalid(asked.Faults) : TypedResults.Ok(await list.RunAsync(whose, what, period, end, count, ct));
    }

    public async Task<AuditList> RunAsync(Guid? user, string? action, Period period, long? before, int take, CancellationToken ct)
    {
        var rows = await period.OfAsync(
            db.Audit.AsNoTracking().Where(a => before == null || a.Id < before).Select(a => new Moment<AuditEntry> { Number = a.Id, At = a.At, Row = a }), ct);
        long? floor = null;
        if (user is not null)
        {
            rows = rows.Where(a => a.UserId == user);
        }
        else if (!string.IsNullOrEmpty(action))
        {
            floor = await rows.OrderByDescending(a => a.Id).Skip(Asked.MostLooked - 1).Select(a => (long?)a.Id).FirstOrDefaultAsync(ct);
            if (floor is { } lowest) rows = rows.Where(a => a.Id >= lowest);
        }

        if (!string.IsNullOrEmpty(action)) rows = rows.Where(a => a.Action == action);
        var found = await rows.OrderByDescending(a => a.Id).Take(take + 1).ToListAsync(ct);
        var next = found.Count > take ? found[take - 1].Id : floor;
        var actors = await Actor.OfAsync(db, found, ct);
        var emails = await FindUsers.AddressesAsync(db, found.Select(a => a.UserId), ct);
        return new AuditList([.. found.Take(take).Select(a => new AuditView(
            a.Id, a.At, a.Action, a.UserId, a.SessionId, a.Address, a.Detail, a.ActorId, actors.GetValueOrDefault(a.Id), a.UserId is { } id ? emails.GetValueOrDefault(id) : null))], next);
    }
}
