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
    AppDb db, CheckToken check, ServiceTokens serviceTokens, RefreshKey refreshKey, RevokeSessions revoke, ChangeRegistry registry, TokenOptions tokens)
{
    /// <summary>Form member <c>token</c>. 200 also where there was nothing to take back (section 2.2); 400 without one; 401 where credentials were shown that aren't good.</summary>
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
        await revokeToken.RunAsync(token, CallingService.From(caller.Principal), http, ct);
        return TypedResults.Ok();
    }

    /// <param name="service">Null for the holder.</param>
    public async Task RunAsync(string token, CallingService? service, HttpContext http, CancellationToken ct)
    {
        if (await serviceTokens.CheckAsync(token) is var (owner, said))
        {
            // Another service's token is none of its business (section 2.1).
            if (service is null || service.Id == owner.Description.Id) await TakeBackAsync(said, ct);
            return;
        }

        if (await FindSessionAsync(token, service, http) is { } id) await revoke.RunAsync(s => s.Id == id, Causes.TokenRevoked, ct);
    }

    private async ValueTask<Guid?> FindSessionAsync(string token, CallingService? service, HttpContext http)
    {
        if (service is not null && await check.RunBoundAsync(token, service.Audience ?? service.Id, http) is { } bound)
            return CurrentUser.From(bound.Principal)!.SessionId;
        if (service?.Audience is { } own && own != tokens.Audience) return null;
        return await check.RunAsync(token.AsMemory(), Carrier.Bearer, http) is { } known
            ? CurrentUser.From(known.Principal)!.SessionId
            : RefreshToken.Parse(token, refreshKey)?.SessionId;
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
