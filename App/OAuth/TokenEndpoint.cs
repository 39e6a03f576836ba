using System.Security.Claims;
using System.Text.Json;
using App.Data;
using App.Ops;
using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Abstractions;
using OpenIddict.Core;
using OpenIddict.Server;
using OpenIddict.Server.AspNetCore;
using static OpenIddict.Server.OpenIddictServerEvents;
using Oidc = OpenIddict.Abstractions.OpenIddictConstants;

namespace App.OAuth;

/// <summary>
/// <c>POST /connect/token</c>: OpenIddict reads, judges and answers the request (RFC 6749); who the client is comes from the registry,
/// and the token is minted and signed where all our tokens are, so a rotated key is in use at once.
/// </summary>
internal static class TokenEndpoint
{
    public const string Path = "/connect/token";

    private const string Minted = "gatehouse:minted", Lasts = "gatehouse:lasts";

    public static IServiceCollection Add(IServiceCollection services)
    {
        services.AddOpenIddict()
            .AddCore(core =>
            {
                core.UseEntityFrameworkCore().UseDbContext<AppDb>().ReplaceDefaultEntities<OAuthClient, OAuthAuthorization, OAuthScope, OAuthToken, Guid>();
                core.ReplaceApplicationManager<OAuthClient, RegisteredClients>();
            })
            .AddServer(server =>
            {
                server.SetTokenEndpointUris(Path).AllowClientCredentialsFlow().DisableTokenStorage().DisableScopeValidation().IgnoreScopePermissions();
                TokenExchange.Add(server);
                RefreshGrant.Add(server);
                server.UseAspNetCore().DisableTransportSecurityRequirement();
                // Complete asks as our other routes do.
                server.RemoveEventHandler(OpenIddictServerAspNetCoreHandlers.AttachWwwAuthenticateHeader<ApplyTokenResponseContext>.Descriptor);
                // One that is malformed is a target that nobody has, too.
                server.RemoveEventHandler(OpenIddictServerHandlers.Exchange.ValidateResourceParameter.Descriptor);
                server.AddEventHandler<ValidateTokenRequestContext>(h => h.UseInlineHandler(DemandGrantedAlone).SetOrder(OpenIddictServerHandlers.Exchange.ValidateEndpointPermissions.Descriptor.Order + 500));
                server.AddEventHandler<HandleTokenRequestContext>(h => h.UseInlineHandler(SignIn));
                server.AddEventHandler<GenerateTokenContext>(h => h.UseScopedHandler<MintToken>().SetOrder(int.MinValue));
                server.AddEventHandler<ApplyTokenResponseContext>(h => h.UseInlineHandler(Complete).SetOrder(int.MinValue));
            });
        services.AddSingleton<IConfigureOptions<OpenIddictServerOptions>, ServerKeys>();
        services.AddSingleton<IAuthenticationSchemeProvider, NoRequestHandlers>();
        return services;
    }

    /// <summary>
    /// A token for the service itself (RFC 6749 section 4.4), a person's renewed (section 6), or a person's for the next service (RFC 8693).
    /// Errors follow section 5.2, with our <c>errors</c> beside them.
    /// </summary>
    public static async Task<Results<EmptyHttpResult, JsonHttpResult<OAuthRefusal>, ProblemHttpResult>> HandleAsync(HttpContext http, IAuthenticationHandlerProvider handlers)
    {
        // OpenIddict doesn't expect a form that can't be read.
        var form = await ConnectForm.ReadAsync(http);
        if (form is null && ConnectForm.IsUnread(http))
        {
            var refusal = ConnectForm.Refuse(http, ConnectDocs.NoToken);
            return refusal.StatusCode == StatusCodes.Status400BadRequest ? OAuthRefusal.InvalidRequest(refusal.ProblemDetails.Title!) : refusal;
        }

        if (HeaderRefusal(http, form) is { } refused) return refused;
        var handler = (IAuthenticationRequestHandler)(await handlers.GetHandlerAsync(http, OpenIddictServerAspNetCoreDefaults.AuthenticationScheme))!;
        return await handler.HandleRequestAsync() ? TypedResults.Empty : OAuthRefusal.InvalidRequest("Bad request");
    }

    /// <summary>Lets OpenIddict answer with a person's token that has been minted already.</summary>
    public static void Answer(HandleTokenRequestContext context, string accessToken, Guid userId, TimeSpan expiresIn)
    {
        context.Transaction.SetProperty(Minted, accessToken);
        context.Transaction.SetProperty<object>(Lasts, (long)expiresIn.TotalSeconds);
        var identity = new ClaimsIdentity("OpenIddict");
        identity.AddClaim(new Claim(Oidc.Claims.Subject, userId.ToString()));
        var principal = new ClaimsPrincipal(identity);
        principal.SetAccessTokenLifetime(expiresIn);
        context.SignIn(principal);
    }

    // OpenIddict looks past a header that it can't read, and past an id in the form that isn't the header's.
    private static JsonHttpResult<OAuthRefusal>? HeaderRefusal(HttpContext http, IFormCollection? form)
    {
        if (http.Request.Headers.Authorization is not { Count: > 0 } header) return null;
        var credentials = header is [{ } line] ? ServiceHandler.ReadBasic(line) : null;
        JsonHttpResult<OAuthRefusal> refusal;
        var inForm = ServiceHandler.IsInForm(form, "client_secret");
        // Something in between may have put its own beside a service's.
        if (inForm && credentials is null) return null;
        if (inForm || (credentials is var (id, _) && ServiceHandler.NamesAnother(form, id)))
        {
            refusal = OAuthRefusal.InvalidRequest(ServiceHandler.OneWayAlone);
        }
        else if (credentials is not { Secret.Length: > 0 })
        {
            refusal = OAuthRefusal.InvalidClient();
            http.Response.Headers.WWWAuthenticate = ServiceHandler.BasicChallenge;
        }
        else
        {
            return null;
        }

        http.Response.Headers.CacheControl = "no-store";
        Refusals.Note(http, refusal.Value!.Error);
        return refusal;
    }

    private static ValueTask DemandGrantedAlone(ValidateTokenRequestContext context)
    {
        // It has proved who it is by now: a stranger must not learn from the answer what somebody was granted.
        var services = context.Transaction.GetHttpRequest()!.HttpContext.RequestServices;
        var granted = services.GetRequiredService<ServiceRegistry>().Find(context.ClientId ?? "")?.Description.Scopes ?? [];
        if (context.Request.GetScopes().Any(s => !granted.Contains(s, StringComparer.Ordinal)))
            context.Reject(Oidc.Errors.InvalidScope, "A scope was asked for that this service was not granted.");
        // RFC 8707 section 2: whom all tokens are for that aren't exchanged. An exchange has its own say, once it knows the subject.
        else if (!context.Request.IsTokenExchangeGrantType() && context.Request.GetResources().Any(r => r != services.GetRequiredService<Tokens.TokenOptions>().Audience))
            context.Reject(Oidc.Errors.InvalidTarget, "The token would not be for this resource.");
        return default;
    }

    private static ValueTask SignIn(HandleTokenRequestContext context)
    {
        if (!context.Request.IsClientCredentialsGrantType()) return default;
        var identity = new ClaimsIdentity("OpenIddict");
        identity.AddClaim(new Claim(Oidc.Claims.Subject, context.ClientId!));
        var principal = new ClaimsPrincipal(identity);
        principal.SetScopes(context.Request.GetScopes());
        context.SignIn(principal);
        return default;
    }

    private static ValueTask Complete(ApplyTokenResponseContext context)
    {
        if (context.Response.Error is null)
        {
            // What the token itself says: OpenIddict counts what is left when it answers, a second less.
            if (context.Transaction.GetProperty<object>(Lasts) is long seconds) context.Response.ExpiresIn = seconds;
            return default;
        }

        context.Response.ErrorUri = null;
        if (context.Response.Error == Oidc.Errors.InvalidRequest) context.Response.Error = InvalidBecause(context);
        var sentence = context.Response.Error switch
        {
            Oidc.Errors.InvalidClient => "Not authorized",
            Oidc.Errors.InvalidScope => "A scope was asked for that this service was not granted",
            Oidc.Errors.UnauthorizedClient => "This service may not use this grant",
            Oidc.Errors.InvalidTarget => "There is no token for this audience or resource here",
            Oidc.Errors.InvalidGrant => "The token is not good for this service",
            Oidc.Errors.UnsupportedGrantType => "There is no such grant here",
            _ => "Bad request",
        };
        var http = context.Transaction.GetHttpRequest()!.HttpContext;
        if (context.Response.Error == Oidc.Errors.InvalidClient) http.Response.Headers.WWWAuthenticate = ServiceHandler.BasicChallenge;
        Refusals.Note(http, context.Response.Error);
        context.Response.ErrorDescription = sentence;
        context.Response["errors"] = JsonSerializer.SerializeToElement(new[] { new { message = sentence } });
        return default;
    }

    // OpenIddict finds no fault with a client that doesn't say who it is, or doesn't prove it; section 5.2 does.
    private static string InvalidBecause(ApplyTokenResponseContext context)
    {
        // Asked of the request itself: OpenIddict has put what the header said beside what the form did.
        var http = context.Transaction.GetHttpRequest()!;
        var form = http.HasFormContentType ? http.Form : null;
        var proves = http.Headers.Authorization.Count > 0 || (ServiceHandler.IsInForm(form, "client_id") && ServiceHandler.IsInForm(form, "client_secret"));
        if (!proves) return Oidc.Errors.InvalidClient;
        return context.Request?.HasScope(Oidc.Scopes.OfflineAccess) == true ? Oidc.Errors.InvalidScope : Oidc.Errors.InvalidRequest;
    }

    /// <summary>Our own token in the place of OpenIddict's.</summary>
    private sealed class MintToken(ServiceTokens tokens, OpenIddictApplicationManager<OAuthClient> clients) : IOpenIddictServerHandler<GenerateTokenContext>
    {
        public ValueTask HandleAsync(GenerateTokenContext context)
        {
            if (context.TokenType != Oidc.TokenTypeIdentifiers.AccessToken) return default;
            if (context.Transaction.GetProperty<string>(Minted) is { } minted)
            {
                context.Token = minted;
                return default;
            }

            var id = context.Principal.GetClaim(Oidc.Claims.Subject)!;
            if (clients is not RegisteredClients { SecretId: { } secretId }) throw new InvalidOperationException("No client has proved who it is.");
            context.Token = tokens.Mint(id, secretId, string.Join(' ', context.Principal.GetScopes()));
            context.Transaction.SetProperty<object>(Lasts, (long)tokens.Lifetime.TotalSeconds);
            return default;
        }
    }

    /// <summary>OpenIddict demands keys of its own, though nothing leaves here that they signed or sealed.</summary>
    private sealed class ServerKeys(MasterKey masterKey, ServiceTokens tokens) : IConfigureOptions<OpenIddictServerOptions>
    {
        public void Configure(OpenIddictServerOptions options)
        {
            options.AccessTokenLifetime = tokens.Lifetime;
            options.EncryptionCredentials.Add(new EncryptingCredentials(new SymmetricSecurityKey(masterKey.Derive("oauth")), SecurityAlgorithms.Aes256KW, SecurityAlgorithms.Aes256CbcHmacSha512));
            options.SigningCredentials.Add(new SigningCredentials(new ECDsaSecurityKey(System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256)), SecurityAlgorithms.EcdsaSha256));
        }
    }

    /// <summary>OpenIddict's handler would look at every request of every route; ours asks it where its route is.</summary>
    private sealed class NoRequestHandlers(IOptions<AuthenticationOptions> options) : AuthenticationSchemeProvider(options)
    {
        public override Task<IEnumerable<AuthenticationScheme>> GetRequestHandlerSchemesAsync() => Task.FromResult<IEnumerable<AuthenticationScheme>>([]);
    }
}
