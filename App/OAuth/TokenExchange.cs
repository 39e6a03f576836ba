using System.Security.Claims;
using App.Sessions;
using Microsoft.AspNetCore;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;
using Oidc = OpenIddict.Abstractions.OpenIddictConstants;

namespace App.OAuth;

/// <summary>
/// A service that has received a person's token gets one for the next service (RFC 8693): the person's claims and times, the next one's audience,
/// and itself as <c>act</c>, before whoever handed it on. It is of the same session, and dies with it like any other.
/// </summary>
internal static class TokenExchange
{
    // A chain longer than this is a loop.
    private const int MostActors = 5;

    private const string Subject = "gatehouse:subject";

    public static void Add(OpenIddictServerBuilder server)
    {
        server.AllowTokenExchangeFlow().DisableAudienceValidation().DisableResourceValidation().IgnoreAudiencePermissions().IgnoreResourcePermissions();
        server.AddEventHandler<ValidateTokenRequestContext>(h => h.UseInlineHandler(DemandAccessTokens).SetOrder(OpenIddictServerHandlers.Exchange.ValidateAuthentication.Descriptor.Order - 500));
        server.AddEventHandler<ValidateTokenContext>(h => h.UseScopedHandler<ReadSubject>().SetOrder(int.MinValue));
        server.AddEventHandler<HandleTokenRequestContext>(h => h.UseScopedHandler<Exchange>().SetOrder(int.MinValue));
    }

    // Before any token is read: OpenIddict takes one that isn't of the type it was said to be for a fault of ours.
    private static ValueTask DemandAccessTokens(ValidateTokenRequestContext context)
    {
        var request = context.Request;
        if (!request.IsTokenExchangeGrantType()) return default;
        var hasActor = Has(Oidc.Parameters.ActorToken) || Has(Oidc.Parameters.ActorTokenType);
        var wantsAnother = Has(Oidc.Parameters.RequestedTokenType) && request.RequestedTokenType != Oidc.TokenTypeIdentifiers.AccessToken;
        if (hasActor || wantsAnother || request.SubjectTokenType != Oidc.TokenTypeIdentifiers.AccessToken)
            context.Reject(Oidc.Errors.InvalidRequest, "Only the caller acts, and only access tokens are taken and given.");
        return default;

        // One without a value is as if it weren't there (RFC 6749 section 3.2); one that is repeated is there, though it reads as null.
        bool Has(string name) => request.GetParameter(name) is { } value && !OpenIddictParameter.IsNullOrEmpty(value);
    }

    /// <summary>The subject token is one of ours, and checked where all of them are.</summary>
    private sealed class ReadSubject(CheckToken check, ServiceRegistry registry, BoundTokens bound) : IOpenIddictServerHandler<ValidateTokenContext>
    {
        public async ValueTask HandleAsync(ValidateTokenContext context)
        {
            if (context.Transaction.Request is not { } request || !request.IsTokenExchangeGrantType() || context.Token != request.SubjectToken) return;
            var service = registry.Find(request.ClientId ?? "");
            // It has proved who it is by now. OpenIddict would ask for the grant after the token, and what a token is worth is none of its business.
            if (service?.Description.Grants.Contains(Oidc.GrantTypes.TokenExchange) == false)
            {
                context.Reject(Oidc.Errors.UnauthorizedClient, "The service was not granted this.");
                return;
            }

            var http = context.Transaction.GetHttpRequest()!.HttpContext;
            var known = service is { Client: var client } && context.Token is { } token
                ? await FindAsync(token, client, http)
                : null;
            if (known is null)
            {
                context.Reject(Oidc.Errors.InvalidGrant, "The subject token is not good for this service.");
                return;
            }

            context.Transaction.SetProperty(Subject, known);
            var identity = new ClaimsIdentity("Session");
            identity.AddClaim(new Claim(Oidc.Claims.Subject, known.Id.ToString()));
            context.Principal = new ClaimsPrincipal(identity).SetTokenType(Oidc.TokenTypeIdentifiers.AccessToken);
        }

        // As introspection tells: its own, and those meant for everybody where it takes them.
        private async ValueTask<CurrentUser?> FindAsync(string token, OAuthClient client, HttpContext http)
        {
            if ((client.Audience is null || bound.IsEverybodys(client.Audience)) && await check.RunAsync(token.AsMemory(), Carrier.Bearer, http) is { } everybodys) return CurrentUser.From(everybodys.Principal);
            return CurrentUser.From((await check.RunBoundAsync(token, client.Audience ?? client.ClientId!, http))?.Principal);
        }
    }

    private sealed class Exchange(BoundTokens bound, Tokens.AccessTokens tokens, TimeProvider time) : IOpenIddictServerHandler<HandleTokenRequestContext>
    {
        public async ValueTask HandleAsync(HandleTokenRequestContext context)
        {
            if (!context.Request.IsTokenExchangeGrantType()) return;
            var user = context.Transaction.GetProperty<CurrentUser>(Subject)!;
            // RFC 8693 section 2.1: whom it is for, by its audience or id; a token that everybody takes is nobody's to hand out.
            if (context.Request.GetAudiences() is not [var name] || context.Request.GetResources().Length > 0 || bound.AudienceOf(name) is not { } audience || bound.IsEverybodys(audience))
            {
                context.Reject(Oidc.Errors.InvalidTarget, "No registered service has this audience.");
                return;
            }

            if (user.Actors.Count >= MostActors || await bound.ForAsync(user with { Actors = [] }, audience, context.Transaction.GetHttpRequest()!.HttpContext) is not { } token)
            {
                context.Reject(Oidc.Errors.InvalidGrant, "The subject token is not good for this service.");
                return;
            }

            var now = time.GetUtcNow();
            var left = DateTimeOffset.FromUnixTimeSeconds(token.Claims.ExpiresAt) - now;
            // What the subject's is good for yet, by the skew alone, is nothing to hand out.
            if (left <= TimeSpan.Zero)
            {
                context.Reject(Oidc.Errors.InvalidGrant, "The subject token has expired.");
                return;
            }

            var claims = tokens.Bind(token.Claims with { Actors = [context.ClientId!, .. user.Actors] }, audience, now);
            TokenEndpoint.Answer(context, tokens.Mint(claims), user.Id, left);
        }
    }
}
