using App.Audit;
using App.Data;
using App.Sessions;
using App.Ui;
using Microsoft.EntityFrameworkCore;

namespace App.Factors;

/// <summary>
/// A change of what signs somebody in needs a proof that it's them, by password, code or passkey, no older than
/// <see cref="Session.ProofLasts"/>: an open browser or a stolen token alone must not be able to make itself at home (ASVS 5.0, 7.5.1).
/// An endpoint says <see cref="RecentProofRoutes.RequireRecentProof"/>; a verb that takes the current password with the request needs none of this.
/// </summary>
internal sealed class RecentProof(AppDb db, Grants grants, RefreshKey refreshKey, SessionCookies cookies, AuditLog audit, TimeProvider time)
{
    public Task<bool> IsGivenAsync(CurrentUser user, CancellationToken ct) => db.IsProofRecentAsync(user, time.GetUtcNow(), ct);

    /// <summary>
    /// The person has just proved it again: their session says so from now on. In the transaction of the proof, so that no code is used up without it;
    /// the caller saves and commits, and then <see cref="SayAsync">says</see> so.
    /// </summary>
    /// <param name="method">How they proved it, RFC 8176.</param>
    /// <returns>False where the session has ended meanwhile: there is nothing that could say so.</returns>
    public async Task<bool> GiveAsync(CurrentUser user, string method, Client client, CancellationToken ct)
    {
        await db.HoldUserAsync(user.Id, ct);
        var session = db.Sessions.Where(s => s.Id == user.SessionId && s.UserId == user.Id && s.RevokedAt == null);
        // Not the token's: that may be older than what was proved since.
        if (await session.Select(s => s.Amr).SingleOrDefaultAsync(ct) is not { } known) return false;
        var (now, amr) = (time.GetUtcNow(), Amr.Join(known.Split(' '), [method]));
        await session.ExecuteUpdateAsync(set => set.SetProperty(s => s.AuthenticatedAt, now).SetProperty(s => s.Amr, amr), ct);
        audit.Add("proved-again", user.Id, user.SessionId, client.Address, method);
        return true;
    }

    /// <summary>
    /// This browser gets a token that says what was just written about its session, or its user: with the new <c>auth_time</c>, for one.
    /// A program renews by itself, or goes on with its token: the session's row is what counts.
    /// </summary>
    public async Task SayAsync(CurrentUser user, HttpContext http, CancellationToken ct)
    {
        try
        {
            await SayNowAsync(user, http, ct);
        }
        catch (Exception e) when (DatabaseFault.Is(e))
        {
            // It is written, and whoever asked must not be told otherwise; the next renewal says it.
        }
    }

    private async Task SayNowAsync(CurrentUser user, HttpContext http, CancellationToken ct)
    {
        // The refresh token stays: rotating it a second time in one request would make a parallel one, with the first, look like a thief.
        // Nor is it written again: another request may have renewed it while this one's proof was being judged.
        if (SessionHandler.BearsToken(http.Request) || RefreshToken.Parse(cookies.Read(http.Request).Refresh.ToString(), refreshKey) is not { } held || held.SessionId != user.SessionId) return;
        if (await db.FindRenewableAsync(user.SessionId, ct) is not ({ RevokedAt: null } session, var owner, var roles)) return;
        var asOf = session.AuthenticatedAt > session.LastSeenAt ? session.AuthenticatedAt : session.LastSeenAt;
        cookies.WriteSession(http, grants.Create(StartSession.Describe(owner, session, roles), held, session, asOf));
    }
}

internal static class RecentProofRoutes
{
    /// <summary>
    /// Lets the request through only with a recent proof; otherwise the answer is the problem <c>proof_required</c>.
    /// A page's verb asks <see cref="RecentProof.IsGivenAsync"/> and leads to <see cref="ReturnUrl.Confirm"/>.
    /// </summary>
    public static TBuilder RequireRecentProof<TBuilder>(this TBuilder route) where TBuilder : IEndpointConventionBuilder =>
        route.AddEndpointFilter(async (context, next) =>
        {
            var http = context.HttpContext;
            var proof = http.RequestServices.GetRequiredService<RecentProof>();
            return CurrentUser.From(http.User) is { } user && await proof.IsGivenAsync(user, http.RequestAborted)
                ? await next(context)
                : Problems.ProofRequired(http, Session.ProofLasts);
        });
}
