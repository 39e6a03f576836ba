using System.Text.Encodings.Web;
using App.Data;
using App.Events;
using App.Ops;
using App.Tokens;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Components.Endpoints;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.StaticAssets;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;

namespace App.Sessions;

/// <summary>Marks a route that makes a session of its own, or only looks: the one that is there is neither renewed nor cleared on the way in.</summary>
internal sealed class NewSession;

/// <summary>Marks a route at which a service may show a token of its own as well: whether what was shown is refused, the route knows.</summary>
internal sealed class ServicesToo;

/// <summary>Marks a route that answers a form of <paramref name="Page"/> and is no page itself.</summary>
internal sealed record FormOf(string Page);

/// <summary>What a request whose cookies are of an ended session is told: nobody else is.</summary>
/// <param name="Because">The reason of its <see cref="Cause"/>, or <see cref="RenewSession.RanOut"/>; null where it isn't known.</param>
internal sealed record EndedSession(string? Because);

/// <summary>
/// The busiest routes, asked with every request to every service: they need to know who is calling, and nothing else of the pipeline.
/// </summary>
internal static class BusyRoute
{
    /// <summary>
    /// Answers as soon as the route has been found and the caller been told, past what could only say yes: nobody is refused here, and nothing changes.
    /// Foreign pages, where some are allowed, need the rest of the way.
    /// </summary>
    public static void On(IEndpointConventionBuilder route, IServiceProvider services)
    {
        if (services.GetRequiredService<CorsOptions>().AllowedOrigins.Length > 0) return;
        var caller = services.GetRequiredService<ReadCaller>();
        route.ShortCircuit();
        route.Finally(endpoint =>
        {
            var answer = endpoint.RequestDelegate!;
            endpoint.RequestDelegate = http => AnswerAsync(http, caller, answer);
        });
    }

    private static async Task AnswerAsync(HttpContext http, ReadCaller caller, RequestDelegate answer)
    {
        if ((await caller.RunAsync(http)).Principal is { } principal) http.User = principal;
        await answer(http);
    }
}

/// <summary>
/// One token, two doors: a bearer header, or the session cookie with renewal. If a request has both, the header decides alone:
/// a bad bearer token never falls back to the cookie (contract section 4).
/// </summary>
internal sealed class ReadCaller(CheckToken check, SessionCookies cookies, Figures figures)
{
    /// <summary>What the cookies show was a session of ours once; the feature <see cref="EndedSession"/> says why it is over.</summary>
    public static readonly AuthenticateResult Ended = AuthenticateResult.Fail("The session has ended.");

    private static readonly AuthenticateResult Refused = AuthenticateResult.Fail("The token is not good.");

    public ValueTask<AuthenticateResult> RunAsync(HttpContext http)
    {
        var request = http.Request;
        // A service proves who it is elsewhere: its token is no person's, and no refused one either.
        if (http.GetEndpoint()?.Metadata.GetMetadata<IAuthorizeData>()?.Policy == CallingService.Policy) return new(AuthenticateResult.NoResult());
        if (SessionHandler.BearsToken(request)) return BearerAsync(http, request.Headers.Authorization);
        // What is the same for everybody needs nobody signed in, and must not carry a renewal.
        if (request.Headers.Cookie.Count == 0 || IsSameForEverybody(http.GetEndpoint())) return new(AuthenticateResult.NoResult());
        return CookieAsync(http);
    }

    private static bool IsSameForEverybody(Endpoint? endpoint) =>
        endpoint is not null && (endpoint.Metadata.GetMetadata<StaticAssetDescriptor>() is not null || endpoint.Metadata.GetMetadata<SameForEverybody>() is not null);

    private async ValueTask<AuthenticateResult> BearerAsync(HttpContext http, StringValues authorization)
    {
        if (SessionHandler.BearerIn(authorization) is not { } token) return Refuse(http, TokenRefusal.For(TokenFault.Form));
        return await check.RunAsync(token, Carrier.Bearer, http) ?? Refuse(http, http.Features.Get<TokenRefusal>());
    }

    private async ValueTask<AuthenticateResult> CookieAsync(HttpContext http)
    {
        // The page of an error asks once more about a request whose cookies may have been renewed already: shown again later, they would be taken for stolen.
        if (http.Features.Get<Grant>() is { } already) return SignedIn(already);
        var presented = cookies.Read(http.Request);
        if (!presented.Any) return AuthenticateResult.NoResult();
        var good = presented.Session.IsEmpty ? null : await check.RunAsync(presented.Session, Carrier.Cookie, http);
        if (good is not null && (presented.Refresh.IsEmpty || !check.IsExpired(CurrentUser.From(good.Principal)!))) return good;
        if (http.GetEndpoint()?.Metadata.GetMetadata<NewSession>() is not null || http.Features.Get<IStatusCodeReExecuteFeature>() is not null) return good ?? AuthenticateResult.NoResult();

        var genuine = false;
        if (!presented.Refresh.IsEmpty)
        {
            var renew = http.RequestServices.GetRequiredService<RenewSession>();
            RenewSession.Outcome outcome;
            try
            {
                outcome = await renew.TryAsync(presented.Refresh.ToString(), http.RequestAborted);
            }
            // What was written and couldn't be flushed is there, though: whoever isn't told so, and comes again later with what they hold, would be taken for a thief.
            catch (Exception e) when (good is not null && DatabaseFault.Of(e) is not UnflushedException { IsWritten: true } && DatabaseFault.Is(e) && check.IsInForce(CurrentUser.From(good.Principal)!))
            {
                return good; // Within the skew its holder needs no database; the next request tries again.
            }

            if (outcome is RenewSession.Outcome.Renewed(var grant))
            {
                if (!http.Response.HasStarted) cookies.Write(http, grant);
                http.Features.Set(grant);
                return SignedIn(grant);
            }

            if (outcome is RenewSession.Outcome.Refused { Genuine: true, Because: var because })
            {
                genuine = true;
                http.Features.Set(new EndedSession(because));
            }
        }

        // Cookies that were once ours may be on their way out already, overtaken by a new sign-in whose answer this one must not undo.
        if (!genuine && !http.Response.HasStarted) cookies.Clear(http);
        if (good is not null && check.IsInForce(CurrentUser.From(good.Principal)!)) return good;
        if (presented.Session.IsEmpty)
        {
            Refusals.Note(http, "refresh token");
            return genuine ? Ended : Refused;
        }

        var refused = Refuse(http, http.Features.Get<TokenRefusal>());
        return genuine ? Ended : refused;
    }

    private AuthenticateResult Refuse(HttpContext http, TokenRefusal? why)
    {
        if (http.GetEndpoint()?.Metadata.GetMetadata<ServicesToo>() is not null) return Refused;
        if (why is not null) figures.TokenRefused(why.Reason);
        Refusals.Note(http, $"token {why?.Reason ?? "over"}");
        return Refused;
    }

    private static AuthenticateResult SignedIn(Grant grant) => AuthenticateResult.Success(new AuthenticationTicket(grant.User.ToPrincipal(), SessionHandler.Scheme));
}

/// <summary>The caller, as the framework asks for one; and what somebody is told who isn't, or may not.</summary>
internal sealed class SessionHandler(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, ReadCaller caller)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public new const string Scheme = "Session";

    /// <summary>True where a bearer token is shown, well-formed or not. Another scheme, such as a proxy's Basic, is nobody's token.</summary>
    public static bool BearsToken(HttpRequest request)
    {
        foreach (var line in request.Headers.Authorization)
            if (line?.Contains("bearer", StringComparison.OrdinalIgnoreCase) == true) return true;
        return false;
    }

    /// <summary>The token of a bearer header, behind one space or several (RFC 6750 section 2.1); null for any other header, or more than one.</summary>
    public static ReadOnlyMemory<char>? BearerIn(StringValues authorization)
    {
        const string prefix = "Bearer ";
        if (authorization is not [{ } line] || !line.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)) return null;
        return line.AsMemory(prefix.Length).TrimStart(' ');
    }

    protected override Task<AuthenticateResult> HandleAuthenticateAsync() => caller.RunAsync(Context).AsTask();

    /// <summary>A page sends a stranger to sign-in and remembers where they wanted to go; everything else gets 401 (RFC 6750 section 3).</summary>
    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        if (!ApiPaths.Contain(Request.Path))
        {
            // A page's form is sent to the page's own address, which can be fetched as well.
            var page = Context.GetEndpoint()?.Metadata;
            var wanted = page?.GetMetadata<FormOf>()?.Page
                ?? (HttpMethods.IsGet(Request.Method) || page?.GetMetadata<ComponentTypeMetadata>() is not null ? $"{Request.PathBase}{Request.Path}{Request.QueryString}" : "/account");
            Response.Redirect("/account/sign-in?returnUrl=" + Uri.EscapeDataString(wanted));
            return Task.CompletedTask;
        }

        Refusals.Note(Context, "nobody");
        Response.Headers.WWWAuthenticate = BearsToken(Request) ? Problems.InvalidToken : "Bearer";
        return Problems.NotAuthorized().ExecuteAsync(Context);
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties)
    {
        if (ApiPaths.Contain(Request.Path)) return Problems.Forbidden().ExecuteAsync(Context);
        Response.StatusCode = StatusCodes.Status403Forbidden; // the page follows from the status
        return Task.CompletedTask;
    }
}
