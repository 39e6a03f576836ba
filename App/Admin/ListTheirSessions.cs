using App.Data;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using SessionOptions = App.Sessions.SessionOptions;

namespace App.Admin;

/// <summary>A page of living sessions, the newest first.</summary>
/// <param name="Before">Ask with this for those that began before; absent on the last page.</param>
internal sealed record SessionList(IReadOnlyList<SessionView> Sessions, Guid? Before);

/// <summary>Who is signed in, for admins: everybody, or one person.</summary>
internal sealed class ListTheirSessions(AppDb db, ListSessions sessions, SessionOptions options, TimeProvider time)
{
    /// <summary>
    /// The living sessions of everybody, or of one person, the newest first: by their absolute end, which is their beginning and <c>Sessions:AbsoluteLifetime</c>, as it was then.
    /// 400 with the <c>field</c> at fault.
    /// </summary>
    /// <param name="user">A person's id: only theirs.</param>
    /// <param name="before">The <c>before</c> of the page that came before this one.</param>
    /// <param name="take">How many at a time, 1 to 100; 50 by default.</param>
    public static async Task<Results<Ok<SessionList>, ProblemHttpResult>> HandleAsync(
        CurrentUser admin, ListTheirSessions list, CancellationToken ct, string? user = null, string? before = null, string? take = null)
    {
        var asked = new Asked();
        var (whose, last, count) = (asked.Id(user, "user"), asked.Id(before, "before"), asked.Take(take));
        if (asked.Faults.Count > 0) return Problems.Invalid(asked.Faults);
        return await list.RunAsync(whose, last, count, admin, ct) is { } page ? TypedResults.Ok(page) : Problems.Invalid([new Fault("before must be the id of a session", "before")]);
    }

    /// <returns>Null where there is no such session (any more) to go on after.</returns>
    public async Task<SessionList?> RunAsync(Guid? user, Guid? before, int take, CurrentUser admin, CancellationToken ct)
    {
        var living = db.Sessions.AsNoTracking().Living(time.GetUtcNow(), options);
        if (user is not null) living = living.Where(s => s.UserId == user);
        if (before is not null)
        {
            if (await db.Sessions.Where(s => s.Id == before).Select(s => new { s.Id, s.ExpiresAt }).SingleOrDefaultAsync(ct) is not { } last) return null;
            living = living.Where(s => s.ExpiresAt <= last.ExpiresAt && (s.ExpiresAt < last.ExpiresAt || s.Id < last.Id));
        }

        // Of a million nobody waits for all of them: there is an index of their ends, and none of their beginnings.
        var found = await living.OrderByDescending(s => s.ExpiresAt).ThenByDescending(s => s.Id).Take(take + 1).ToListAsync(ct);
        return new SessionList([.. found.Take(take).Select(s => sessions.View(s, admin) with { User = s.UserId })], found.Count > take ? found[take - 1].Id : null);
    }
}
