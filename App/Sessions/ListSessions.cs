using App.Data;
using App.Events;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Sessions;

/// <summary>A session as its owner sees it.</summary>
/// <param name="Current">The one that asks.</param>
/// <param name="Kind"><c>desktop</c>, <c>phone</c> or <c>program</c>.</param>
/// <param name="Amr">How the person proved who they are (RFC 8176).</param>
/// <param name="LastSeenAt">The last renewal.</param>
/// <param name="ExpiresAt">When it ends by itself if it isn't used until then.</param>
/// <param name="EndedAt">When it was ended; absent while it lives.</param>
/// <param name="Convergence">Which services refuse its tokens by now; absent while it lives, and where no service follows the feed.</param>
/// <param name="User">Whose it is; absent where it is the caller's, who asks for their own.</param>
internal sealed record SessionView(
    Guid Id, bool Current, string Browser, string Os, string Kind, string Address, IReadOnlyList<string> Amr,
    DateTimeOffset StartedAt, DateTimeOffset LastSeenAt, DateTimeOffset ExpiresAt, DateTimeOffset? EndedAt,
    ConvergenceView? Convergence = null, Guid? User = null);

/// <summary>Some of a person's living sessions.</summary>
/// <param name="Asking">The one that asks; null where it lives no more, or is another person's.</param>
/// <param name="Others">The most recently seen first.</param>
/// <param name="All">How many others there are, here or on another page.</param>
/// <param name="Before">Ask with this one's id for those seen before; null on the last page.</param>
internal sealed record SessionPage(SessionView? Asking, IReadOnlyList<SessionView> Others, int All, Guid? Before)
{
    public IReadOnlyList<SessionView> Shown => Asking is null ? Others : [Asking, .. Others];
}

/// <summary>A place in the list: what was seen before that, or then and has a lower id, comes after it. A session that is renewed is at the front again, and where a place is named by its id, so is the place: what was listed may come twice, nothing is left out.</summary>
internal sealed record SeenBefore(DateTimeOffset At, Guid Id);

/// <summary>The live sessions of a person, the asking one first, then the most recently seen.</summary>
internal sealed class ListSessions(AppDb db, Convergence convergence, SessionOptions options, TimeProvider time)
{
    private const int OthersOnAPage = 199;

    /// <summary>
    /// The caller's living sessions, 200 at most: the asking one first, then the most recently seen. With <c>before</c>, 199 at most of those that come after that one; none
    /// where there are no more. 400 where <c>before</c> is no session of the caller's.
    /// </summary>
    /// <param name="before">The id of the last session of the page that came before this one.</param>
    public static async Task<Results<Ok<IReadOnlyList<SessionView>>, ProblemHttpResult>> HandleAsync(CurrentUser user, ListSessions list, CancellationToken ct, string? before = null)
    {
        if (before is null) return TypedResults.Ok((await list.PageAsync(user.Id, user, null, ct)).Shown);
        return await list.PlaceAsync(user.Id, before, ct) is { } place
            ? TypedResults.Ok((await list.PageAsync(user.Id, user, place, ct)).Others)
            : Problems.Invalid([new Fault("before must be the id of a session of yours", "before")]);
    }

    /// <summary>One of the caller's own, living or ended; an ended one for a week. 404 for any other.</summary>
    /// <param name="id">The session's id.</param>
    public static async Task<Results<Ok<SessionView>, ProblemHttpResult>> HandleOneAsync(Guid id, CurrentUser user, ListSessions list, CancellationToken ct) =>
        await list.OneAsync(user, id, ct) is { } session ? TypedResults.Ok(session) : Problems.NotFound();

    /// <summary>The first page.</summary>
    public async Task<IReadOnlyList<SessionView>> OfAsync(CurrentUser user, CancellationToken ct) => (await PageAsync(user.Id, user, null, ct)).Shown;

    /// <summary>Somebody's, as <paramref name="user"/> sees them.</summary>
    /// <param name="before">Null for the first page.</param>
    public async Task<SessionPage> PageAsync(Guid userId, CurrentUser user, SeenBefore? before, CancellationToken ct)
    {
        var living = db.Sessions.AsNoTracking().Living(time.GetUtcNow(), options).Where(s => s.UserId == userId);
        var page = before is null ? living : living.Where(s => s.Id == user.SessionId || (s.LastSeenAt <= before.At && (s.LastSeenAt < before.At || s.Id < before.Id)));
        var rows = await page.OrderByDescending(s => s.Id == user.SessionId).ThenByDescending(s => s.LastSeenAt).ThenByDescending(s => s.Id).Take(OthersOnAPage + 2).ToListAsync(ct);
        var asking = rows.Find(s => s.Id == user.SessionId);
        if (asking is not null) rows.Remove(asking);
        var shown = rows.Take(OthersOnAPage).Select(s => View(s, user)).ToList();
        var all = before is null && rows.Count == shown.Count ? shown.Count : await living.CountAsync(s => s.Id != user.SessionId, ct);
        return new SessionPage(asking is null ? null : View(asking, user), shown, all, rows.Count > shown.Count ? shown[^1].Id : null);
    }

    /// <returns>Null for what is no session of theirs, living or ended.</returns>
    public async Task<SeenBefore?> PlaceAsync(Guid userId, string? id, CancellationToken ct) =>
        Guid.TryParse(id, out var session) ? await db.Sessions.Where(s => s.Id == session && s.UserId == userId).Select(s => new SeenBefore(s.LastSeenAt, s.Id)).SingleOrDefaultAsync(ct) : null;

    /// <summary>Those of the caller's that live among these.</summary>
    public async Task<IReadOnlyList<SessionView>> AmongAsync(CurrentUser user, IReadOnlyList<Guid> ids, CancellationToken ct)
    {
        var found = new List<SessionView>();
        foreach (var some in ids.Chunk(OthersOnAPage))
            found.AddRange((await db.Sessions.AsNoTracking().Living(time.GetUtcNow(), options).Where(s => s.UserId == user.Id && some.Contains(s.Id)).ToListAsync(ct)).ConvertAll(s => View(s, user)));
        return found;
    }

    public async Task<SessionView?> OneAsync(CurrentUser user, Guid id, CancellationToken ct)
    {
        if (await db.Sessions.AsNoTracking().SingleOrDefaultAsync(s => s.Id == id && s.UserId == user.Id, ct) is not { } session) return null;
        var view = View(session, user);
        return session.RevokedAt is null ? view : view with { Convergence = await convergence.OfSessionAsync(id, ct) };
    }

    public SessionView View(Session session, CurrentUser user)
    {
        var device = Device.Parse(session.UserAgent);
        return new SessionView(
            session.Id, session.Id == user.SessionId, device.Browser, device.Os, device.Kind, session.Address,
            session.Amr.Split(' ', StringSplitOptions.RemoveEmptyEntries),
            session.StartedAt, session.LastSeenAt, options.EndOf(session.ExpiresAt, session.LastSeenAt), session.RevokedAt);
    }
}
