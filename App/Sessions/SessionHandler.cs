using System.Text.Encodings.Web;
using App.Ops;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.StaticAssets;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;

namespace App.Sessions;

/// <summary>Marks a route that makes a session of its own: the old one is neither renewed nor cleared on the way in.</summary>
internal sealed class NewSession;

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
        route.ShortCircuit();
        route.Finally(endpoint =>
        {
            var answer = endpoint.RequestDelegate!;
            endpoint.RequestDelegate = http => AnswerAsync(http, answer);
        });
    }

    private static async Task AnswerAsync(HttpContext http, RequestDelegate answer)
    {
        if ((await http.AuthenticateAsync(SessionHandler.Scheme)).Principal is { } caller) http.User = caller;
        await answer(http);
    }
}

/// <summary>
/// One token, two doors: a bearer header, or the session cookie with renewal. If a request has both, the header decides alone:
/// a bad bearer token never falls back to the cookie (contract section 4).
/// </summary>
internal sealed class SessionHandler(
    IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, CheckToken check, SessionCookies cookies)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    // What the cookies show was a session of ours once.
    private bool _ended;

    public new const string Scheme = "Session";

    private static readonly AuthenticateResult Refused = AuthenticateResult.Fail("The token is not good.");

    /// <summary>True where a bearer token is shown, well-formed or not. Another scheme, such as a proxy's Basic, is nobody's token.</summary>
    public static bool BearsToken(HttpRequest request)
    {
        foreach (var line in request.Headers.Authorization)
            if (line?.Contains("bearer", StringComparison.OrdinalIgnoreCase) == true) return true;
        return false;
    }

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        if (BearsToken(Request)) return BearerAsync(Request.Headers.Authorization);
        // What is the same for everybody needs nobody signed in, and must not carry a renewal.
        if (Request.Headers.Cookie.Count == 0 || IsSameForEverybody(Context.GetEndpoint())) return Task.FromResult(AuthenticateResult.NoResult());
        return CookieAsync();
    }

    private static bool IsSameForEverybody(Endpoint? endpoint) =>
        endpoint is not null && (endpoint.Metadata.GetMetadata<StaticAssetDescriptor>() is not null || endpoint.Metadata.GetMetadata<SameForEverybody>() is not null);

    private async Task<AuthenticateResult> BearerAsync(StringValues authorization)
    {
        const string prefix = "Bearer ";
        if (authorization is not [{ } line] || !line.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)) return Refused;
        return await check.RunAsync(line.AsMemory(prefix.Length), Carrier.Bearer, Context) ?? Refused;
    }

    private async Task<AuthenticateResult> CookieAsync()
    {
        var presented = cookies.Read(Request);
        if (!presented.Any) return AuthenticateResult.NoResult();
        var good = presented.Session.IsEmpty ? null : await check.RunAsync(presented.Session, Carrier.Cookie, Context);
        if (good is not null && (presented.Refresh.IsEmpty || !check.IsExpired(CurrentUser.From(good.Principal)!))) return good;
        if (Context.GetEndpoint()?.Metadata.GetMetadata<NewSession>() is not null) return good ?? AuthenticateResult.NoResult();

        var genuine = false;
        if (!presented.Refresh.IsEmpty)
        {
            var renew = Context.RequestServices.GetRequiredService<RenewSession>();
            var outcome = await renew.TryAsync(presented.Refresh.ToString(), Context.RequestAborted);
            if (outcome is RenewSession.Outcome.Renewed(var grant))
            {
                if (!Response.HasStarted) cookies.Write(Context, grant);
                Context.Features.Set(grant);
                return AuthenticateResult.Success(new AuthenticationTicket(grant.User.ToPrincipal(), Scheme));
            }

            genuine = outcome is RenewSession.Outcome.Refused { Genuine: true };
        }

        // Cookies that were once ours may be on their way out already, overtaken by a new sign-in whose answer this one must not undo.
        if (!genuine && !Response.HasStarted) cookies.Clear(Context);
        if (good is not null && check.IsInForce(CurrentUser.From(good.Principal)!)) return good;
        _ended = genuine;
        return Refused;
    }

    /// <summary>A page sends a stranger to sign-in and remembers where they wanted to go, and says so where their session was ended; everything else gets 401 (RFC 6750 section 3).</summary>
    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        if (!ApiPaths.Contain(Request.Path))
        {
            var wanted = HttpMethods.IsGet(Request.Method) ? $"{Request.PathBase}{Request.Path}{Request.QueryString}" : "/account";
            Response.Redirect("/account/sign-in?returnUrl=" + Uri.EscapeDataString(wanted) + (_ended ? "&ended=1" : ""));
            return Task.CompletedTask;
        }

        Response.Headers.WWWAuthenticate = BearsToken(Request) ? """Bearer error="invalid_token" """.TrimEnd() : "Bearer";
        return Problems.NotAuthorized().ExecuteAsync(Context);
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties)
    {
        if (ApiPaths.Contain(Request.Path)) return Problems.Forbidden().ExecuteAsync(Context);
        Response.StatusCode = StatusCodes.Status403Forbidden; // the page follows from the status
        return Task.CompletedTask;
    }
}
