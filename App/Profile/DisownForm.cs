using App.Accounts;
using App.Audit;
using App.Data;
using App.Events;
using App.Factors;
using App.Mail;
using App.Sessions;
using App.Ui;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Profile;

/// <summary>
/// "This wasn't me" on the activity page: ends that session, or it and all others, takes away what was added since so as to get in again,
/// and leads to a new password.
/// </summary>
internal static class DisownForm
{
    private const string Page = "/account/activity";

    public static void Map(IEndpointRouteBuilder routes)
    {
        var forms = routes.MapGroup(Page).RequireAuthorization().WithMetadata(new FormOf(Page)).DisableAntiforgery().ExcludeFromDescription();
        forms.MapPost("/end", (CurrentUser user, Disown disown, HttpContext http, CancellationToken ct) => AnswerAsync(user, disown, all: false, http, ct));
        forms.MapPost("/end-others", (CurrentUser user, Disown disown, HttpContext http, CancellationToken ct) => AnswerAsync(user, disown, all: true, http, ct));
    }

    private static async Task<Results<SeeOther, BadRequest>> AnswerAsync(CurrentUser user, Disown disown, bool all, HttpContext http, CancellationToken ct) =>
        !Guid.TryParse(PostedForm.Field(http.Request, "id"), out var id) ? TypedResults.BadRequest()
        : await disown.TryAsync(user, id, all, http, ct) switch
        {
            Disown.Outcome.Ended => new SeeOther("/account/security", told: "disowned"),
            Disown.Outcome.ProofRequired => new SeeOther(ReturnUrl.Via(ReturnUrl.Confirm, Page)),
            _ => new SeeOther(Page),
        };
}

/// <summary>Somebody sees a session of theirs that isn't.</summary>
internal sealed class Disown(AppDb db, RevokeSessions revoke, RemoveFactors factors, LooseEnds looseEnds, KnownDevices devices, Outbox outbox, AuditLog audit, TimeProvider time)
{
    public enum Outcome
    {
        Ended,
        NotFound,
        ProofRequired,
    }

    /// <param name="all">End every other session with it.</param>
    public async Task<Outcome> TryAsync(CurrentUser user, Guid sessionId, bool all, HttpContext http, CancellationToken ct)
    {
        var client = Client.Of(http);
        if (sessionId == user.SessionId) return Outcome.NotFound;
        if (!await db.IsProofRecentAsync(user, time.GetUtcNow(), ct)) return Outcome.ProofRequired;
        await using var transaction = await db.BeginWriteAsync(ct);
        await db.HoldUserAsync(user.Id, ct);
        if (!await db.Sessions.AnyAsync(s => s.Id == sessionId && s.UserId == user.Id, ct)) return Outcome.NotFound;
        var ended = await revoke.InUnitOfWorkAsync(s => s.UserId == user.Id && (s.Id == sessionId || (all && s.Id != user.SessionId)), Causes.Disowned, ct);
        // One that had ended by itself: what its browser looks like is no device of theirs either.
        await db.Sessions.Where(s => s.Id == sessionId && s.RevokedAt != null).ExecuteUpdateAsync(set => set.SetProperty(s => s.RevokedBecause, Causes.Disowned.Reason), ct);
        if (all && ended.Count > 0) outbox.AddDraft(EndSession.Letter, user.SessionId.ToString(), userId: user.Id);
        await factors.OfSessionAsync(user.Id, sessionId, client.Address, ct, kept: user.SessionId);
        await looseEnds.OfPasswordAsync(user.Id, ct);
        // That session's browser knows how to look like one of theirs: all of them become strangers, but for the one that says so.
        var owner = await db.Users.SingleAsync(u => u.Id == user.Id, ct);
        var known = devices.Knows(client, owner);
        owner.SecurityStamp = Guid.NewGuid().ToString("N");
        audit.Add("disowned", user.Id, sessionId, client.Address);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        if (known) await devices.RememberAsync(http, user.Id, ct);
        return Outcome.Ended;
    }
}
