using App.Data;
using App.Events;
using App.Sessions;
using App.Tokens;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.OAuth;

/// <summary>
/// A token is taken back (RFC 7009). A person's access or refresh token ends its session, as signing out does; a service's own token
/// goes alone. Asked by a registered service, or by whoever holds the token: holding it is the proof.
/// </summary>
internal sealed class RevokeToken(
    AppDb db, CheckToken check, TokenVerifier verifier, ServiceTokens serviceTokens, RefreshKey refreshKey, RenewSession renew, RevokeSessions revoke, ChangeRegistry registry,
    TokenOptions tokens)
{
    /// <summary>
    /// Form member <c>token</c>. 200: it is dead now, or was no good token of ours before (section 2.2). 400 without one, or where it stays good, since it was
    /// not issued to the service that asks (section 2.1); 401 where credentials were shown that aren't good.
    /// </summary>
    public static async Task<Results<Ok, ProblemHttpResult, EmptyHttpResult>> HandleAsync(RevokeToken revokeToken, HttpContext http, CancellationToken ct)
    {
        http.Response.Headers.CacheControl = "no-store";
        var caller = await http.AuthenticateAsync(ServiceHandler.Scheme);
        // Holders may show the token in the header too, as they do everywhere.
        var holder = SessionHandler.BearsToken(http.Request) && CurrentUser.From(http.User) is not null;
        if (caller.Failure is not null && !holder)
        {
            await http.ChallengeAsync(ServiceHandler.Scheme);
            return TypedResults.Empty;
        }

        var form = await ConnectForm.ReadAsync(http);
        if (form?["token"] is not [{ Length: > 0 } token]) return ConnectForm.Refuse(http, ConnectDocs.NoToken);
        return await revokeToken.TryAsync(token, CallingService.From(caller.Principal), http, ct) ? TypedResults.Ok() : NotTheirs();
    }

    /// <param name="service">Null for the holder.</param>
    /// <returns>False where the token stays good: it is another's.</returns>
    public async Task<bool> TryAsync(string token, CallingService? service, HttpContext http, CancellationToken ct)
    {
        if (await serviceTokens.CheckAsync(token) is var (owner, said))
        {
            if (service is not null && service.Id != owner.Description.Id) return false;
            await TakeBackAsync(said, ct);
            return true;
        }

        var user = await FindUserAsync(token, http);
        var refresh = user is null ? RefreshToken.Parse(token, refreshKey) : null;
        if ((user?.SessionId ?? refresh?.SessionId) is not { } session) return true;
        if (service is not null && !IsTheirs(service, user)) return user is null && await renew.FindAsync(refresh!, ct) is null;
        await revoke.RunAsync(s => s.Id == session, Causes.TokenRevoked, ct);
        return true;
    }

    // By the audience that it names itself, whoever asks.
    private async ValueTask<CurrentUser?> FindUserAsync(string token, HttpContext http)
    {
        var known = verifier.AudienceIn(token) is { } audience && audience != tokens.Audience
            ? await check.RunBoundAsync(token, audience, http)
            : await check.RunAsync(token.AsMemory(), Carrier.Bearer, http);
        return CurrentUser.From(known?.Principal);
    }

    // Whoever it is for, and whoever it was issued to by exchange. What is meant for everybody is nobody's who takes no such token; a refresh token goes with that.
    private bool IsTheirs(CallingService service, CurrentUser? user) =>
        user?.Audience is not { } bound
            ? service.Audience is null || service.Audience == tokens.Audience
            : bound == (service.Audience ?? service.Id) || (user.Actors is [var issuedTo, ..] && issuedTo == service.Id);

    private static ProblemHttpResult NotTheirs()
    {
        var problem = Problems.BadRequest("The token was not issued to this service");
        problem.ProblemDetails.Extensions["error"] = "unauthorized_client"; // RFC 6749 section 5.2, by RFC 7009 section 2.2.1
        return problem;
    }

    private async Task TakeBackAsync(ServiceToken token, CancellationToken ct)
    {
        try
        {
            await registry.RunAsync(() =>
            {
                db.RevokedTokens.Add(new RevokedToken { Id = token.TokenId, ExpiresAt = DateTimeOffset.FromUnixTimeSeconds(token.ExpiresAt) });
                return Task.FromResult(true);
            }, ct);
        }
        catch (DbUpdateException e) when (UniqueViolation.Is(e))
        {
            // Taken back twice at once: it is gone either way.
        }
    }
}
