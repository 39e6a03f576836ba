using System.Security.Claims;
using App.Sessions;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;
using Oidc = OpenIddict.Abstractions.OpenIddictConstants;

namespace App.OAuth;

/// <summary>
/// A service that holds a person's refresh token renews it (RFC 6749 section 6): the very verb of <c>/api/tokens/refresh</c>, with its rotation,
/// its ten seconds for those who lose a race, and the end of the session on any other reuse.
/// Our refresh tokens are issued to a session and to no client. So holding one is what counts, here as there: a service may renew whosever
/// token it was entrusted with, learns nothing that the other route wouldn't tell it, and must besides have proved who it is and be granted this.
/// </summary>
internal static class RefreshGrant
{
    public static void Add(OpenIddictServerBuilder server)
    {
        server.AllowRefreshTokenFlow();
        server.AddEventHandler<ValidateTokenContext>(h => h.UseInlineHandler(Postpone).SetOrder(int.MinValue));
        server.AddEventHandler<HandleTokenRequestContext>(h => h.UseScopedHandler<Renew>().SetOrder(int.MinValue));
    }

    // OpenIddict would look for a token of its own. Ours is spent by being looked at, so not before the service has been found to be granted this.
    private static ValueTask Postpone(ValidateTokenContext context)
    {
        if (context.Transaction.Request is not { } request || !request.IsRefreshTokenGrantType() || context.Token != request.RefreshToken) return default;
        // Granted as asked for, or OpenIddict would blame the token; Renew knows better.
        context.Principal = new ClaimsPrincipal(new ClaimsIdentity("Session")).SetTokenType(Oidc.TokenTypeIdentifiers.RefreshToken).SetScopes(request.GetScopes());
        return default;
    }

    private sealed class Renew(RenewSession renew) : IOpenIddictServerHandler<HandleTokenRequestContext>
    {
        public async ValueTask HandleAsync(HandleTokenRequestContext context)
        {
            if (!context.Request.IsRefreshTokenGrantType()) return;
            if (context.Request.GetScopes().Length > 0)
            {
                context.Reject(Oidc.Errors.InvalidScope, "A person's token has no scopes.");
                return;
            }

            if (await renew.TryAsync(context.Request.RefreshToken, context.CancellationToken) is not RenewSession.Outcome.Renewed(var grant))
            {
                context.Reject(Oidc.Errors.InvalidGrant, "The refresh token is not good.");
                return;
            }

            context.Parameters[Oidc.Parameters.RefreshToken] = grant.RefreshToken;
            context.Parameters["session_id"] = grant.User.SessionId.ToString();
            TokenEndpoint.Answer(context, grant.AccessToken, grant.User.Id, grant.ExpiresIn);
        }
    }
}
