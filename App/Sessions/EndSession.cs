using App.Data;
using App.Events;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Sessions;

/// <summary>How many sessions were ended.</summary>
internal sealed record EndedSessions(int Ended);

/// <summary>A person ends one of their sessions, or all but this one. Page, circuit and endpoint all end here.</summary>
internal sealed class EndSession(AppDb db, RevokeSessions revoke)
{
    public abstract record Outcome
    {
        public sealed record Ended : Outcome;

        /// <summary>No such session of this user: whether it exists for somebody else is nobody's business.</summary>
        public sealed record NotFound : Outcome;
    }

    public static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        Guid id, CurrentUser user, EndSession end, SessionCookies cookies, HttpContext http, CancellationToken ct)
    {
        if (await end.TryAsync(user, id, ct) is not Outcome.Ended) return Problems.NotFound();
        if (id == user.SessionId) cookies.Clear(http);
        return TypedResults.NoContent();
    }

    public static async Task<Ok<EndedSessions>> HandleOthersAsync(CurrentUser user, EndSession end, CancellationToken ct) =>
        TypedResults.Ok(new EndedSessions(await end.OthersAsync(user, ct)));

    /// <summary>Ended also where it already was: asking twice is no error.</summary>
    public async Task<Outcome> TryAsync(CurrentUser user, Guid sessionId, CancellationToken ct)
    {
        var ended = await revoke.RunAsync(s => s.Id == sessionId && s.UserId == user.Id, Causes.EndedByUser, ct);
        return ended.Count > 0 || await db.Sessions.AnyAsync(s => s.Id == sessionId && s.UserId == user.Id, ct)
            ? new Outcome.Ended()
            : new Outcome.NotFound();
    }

    public async Task<int> OthersAsync(CurrentUser user, CancellationToken ct) =>
        (await revoke.RunAsync(s => s.UserId == user.Id && s.Id != user.SessionId, Causes.EndedByUser, ct)).Count;
}
