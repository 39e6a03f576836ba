using App.Data;
using App.Events;
using App.Mail;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Sessions;

/// <summary>How many sessions were ended.</summary>
internal sealed record EndedSessions(int Ended);

/// <summary>A person ends one of their sessions, or all but this one. Page, circuit and endpoint all end here.</summary>
internal sealed class EndSession(AppDb db, RevokeSessions revoke, Outbox outbox, TimeProvider time)
{
    /// <summary>The draft of the letter about the end of all others, which Recovery writes; its details are the session that stayed.</summary>
    public const string Letter = "others-ended";

    public abstract record Outcome
    {
        public sealed record Ended : Outcome;

        /// <summary>No such session of this user: whether it exists for somebody else is nobody's business.</summary>
        public sealed record NotFound : Outcome;

        /// <summary>Another's end needs a recent proof: whoever finds an open browser must not be able to throw its owner out elsewhere.</summary>
        public sealed record ProofRequired : Outcome;
    }

    /// <summary>
    /// Ends one of the caller's sessions. 204 also where it had ended already; where it is the asking one, by cookie, both cookies are cleared.
    /// 401 <c>proof_required</c> for another than that without a proof within the last ten minutes; 404 for one that isn't the caller's.
    /// </summary>
    /// <param name="id">The session's id.</param>
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        Guid id, CurrentUser user, EndSession end, SessionCookies cookies, HttpContext http, CancellationToken ct)
    {
        switch (await end.TryAsync(user, id, ct))
        {
            case Outcome.Ended:
                if (id == user.SessionId && !SessionHandler.BearsToken(http.Request)) cookies.Clear(http);
                return TypedResults.NoContent();
            case Outcome.ProofRequired:
                return Problems.ProofRequired(http, Session.ProofLasts);
            default:
                return Problems.NotFound();
        }
    }

    /// <summary>Ends all of the caller's sessions but the asking one; if there were any, a letter tells the owner. 401 <c>proof_required</c> without a proof within the last ten minutes.</summary>
    public static async Task<Results<Ok<EndedSessions>, ProblemHttpResult>> HandleOthersAsync(CurrentUser user, EndSession end, HttpContext http, CancellationToken ct)
    {
        // "/api/sessions/" and nothing behind it: somebody's id was empty, and they meant one.
        if (http.Request.Path.Value!.EndsWith('/')) return Problems.NotFound();
        return await end.OthersAsync(user, ct) is { } ended ? TypedResults.Ok(new EndedSessions(ended.Count)) : Problems.ProofRequired(http, Session.ProofLasts);
    }

    /// <summary>Ended also where it already was: asking twice is no error.</summary>
    public async Task<Outcome> TryAsync(CurrentUser user, Guid sessionId, CancellationToken ct)
    {
        if (sessionId != user.SessionId && !await db.IsProofRecentAsync(user, time.GetUtcNow(), ct)) return new Outcome.ProofRequired();
        var ended = await revoke.RunAsync(s => s.Id == sessionId && s.UserId == user.Id, Causes.EndedByUser, ct);
        return ended.Count > 0 || await db.Sessions.AnyAsync(s => s.Id == sessionId && s.UserId == user.Id, ct)
            ? new Outcome.Ended()
            : new Outcome.NotFound();
    }

    /// <returns>Which; null where a recent proof is needed first.</returns>
    public async Task<IReadOnlyList<Guid>?> OthersAsync(CurrentUser user, CancellationToken ct)
    {
        if (!await db.IsProofRecentAsync(user, time.GetUtcNow(), ct)) return null;
        await using var transaction = await db.BeginWriteAsync(ct);
        await db.HoldUserAsync(user.Id, ct);
        var ended = await revoke.InUnitOfWorkAsync(s => s.UserId == user.Id && s.Id != user.SessionId, Causes.EndedByUser, ct);
        // A stranger at an open browser could have done it, so its owner hears of it.
        if (ended.Count > 0) outbox.AddDraft(Letter, user.SessionId.ToString(), userId: user.Id);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return ended;
    }
}
