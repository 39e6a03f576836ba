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
internal sealed record SessionView(
    Guid Id, bool Current, string Browser, string Os, string Kind, string Address, IReadOnlyList<string> Amr,
    DateTimeOffset StartedAt, DateTimeOffset LastSeenAt, DateTimeOffset ExpiresAt, DateTimeOffset? EndedAt,
    ConvergenceView? Convergence = null);

/// <summary>The live sessions of a person, the asking one first, then the most recently seen.</summary>
internal sealed class ListSessions(AppDb db, Convergence convergence, SessionOptions options, TimeProvider time)
{
    private const int Most = 200;

    /// <summary>The caller's living sessions, the asking one first, then the most recently seen; 200 at most.</summary>
    public static async Task<Ok<IReadOnlyList<SessionView>>> HandleAsync(CurrentUser user, ListSessions list, CancellationToken ct) =>
        TypedResults.Ok(await list.OfAsync(user, ct));

    /// <summary>One of the caller's own, living or ended; an ended one for a week. 404 for any other.</summary>
    /// <param name="id">The session's id.</param>
    public static async Task<Results<Ok<SessionView>, ProblemHttpResult>> HandleOneAsync(Guid id, CurrentUser user, ListSessions list, CancellationToken ct) =>
        await list.OneAsync(user, id, ct) is { } session ? TypedResults.Ok(session) : Problems.NotFound();

    public Task<IReadOnlyList<SessionView>> OfAsync(CurrentUser user, CancellationToken ct) => OfAsync(user.Id, user, ct);

    /// <summary>Somebody's, as an admin sees them.</summary>
    public async Task<IReadOnlyList<SessionView>> OfAsync(Guid userId, CurrentUser user, CancellationToken ct)
    {
        var rows = await db.Sessions.AsNoTracking().Living(time.GetUtcNow(), options)
            .Where(s => s.UserId == userId)
            .OrderByDescending(s => s.Id == user.SessionId).ThenByDescending(s => s.LastSeenAt)
            .Take(Most)
            .ToListAsync(ct);
        return rows.ConvertAll(s => View(s, user));
    }

    public async Task<SessionView?> OneAsync(CurrentUser user, Guid id, CancellationToken ct)
    {
        if (await db.Sessions.AsNoTracking().SingleOrDefaultAsync(s => s.Id == id && s.UserId == user.Id, ct) is not { } session) return null;
        var view = View(session, user);
        return session.RevokedAt is null ? view : view with { Convergence = await convergence.OfSessionAsync(id, ct) };
    }

    private SessionView View(Session session, CurrentUser user)
    {
        var device = Device.Parse(session.UserAgent);
        return new SessionView(
            session.Id, session.Id == user.SessionId, device.Browser, device.Os, device.Kind, session.Address,
            session.Amr.Split(' ', StringSplitOptions.RemoveEmptyEntries),
            session.StartedAt, session.LastSeenAt, options.EndOf(session.ExpiresAt, session.LastSeenAt), session.RevokedAt);
    }
}
