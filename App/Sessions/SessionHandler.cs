using System.Text.Encodings.Web;
using App.Ops;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.StaticAssets;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;

namespace App.Sessions;

/// <summary>
/// One token, two doors: a bearer header, or the session cookie with renewal. If a request has both, the header decides alone:
/// a bad bearer token never falls back to the cookie (contract section 4).
/// </summary>
internal sealed class SessionHandler(
    IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, CheckToken check, SessionCookies cookies)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public new const string Scheme = "Session";

    private static readonly AuthenticateResult Refused = AuthenticateResult.Fail("The token is not good.");

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var authorization = Request.Headers.Authorization;
        if (authorization.Count > 0) return BearerAsync(authorization);
        // Styles and scripts are the same for everybody; a renewal there would be spent on nothing.
        if (Request.Headers.Cookie.Count == 0 || Context.GetEndpoint()?.Metadata.GetMetadata<StaticAssetDescriptor>() is not null)
            return Task.FromResult(AuthenticateResult.NoResult());
        return CookieAsync();
    }

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
        if (!presented.Session.IsEmpty && await check.RunAsync(presented.Session, Carrier.Cookie, Context) is { } good) return good;

        var renew = Context.RequestServices.GetRequiredService<RenewSession>();
        if (!presented.Refresh.IsEmpty && await renew.TryAsync(presented.Refresh.ToString(), Context.RequestAborted) is RenewSession.Outcome.Renewed(var grant))
        {
            if (!Response.HasStarted) cookies.Write(Context, grant);
            return AuthenticateResult.Success(new AuthenticationTicket(grant.User.ToPrincipal(), Scheme));
        }

        if (!Response.HasStarted) cookies.Clear(Context);
        return Refused;
    }

    /// <summary>A page sends a stranger to sign-in and remembers where they wanted to go; everything else gets 401 (RFC 6750 section 3).</summary>
    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        if (!ApiPaths.Contain(Request.Path))
        {
            var wanted = HttpMethods.IsGet(Request.Method) ? $"{Request.PathBase}{Request.Path}{Request.QueryString}" : "/account";
            Response.Redirect("/account/sign-in?returnUrl=" + Uri.EscapeDataString(wanted));
            return Task.CompletedTask;
        }

        Response.Headers.WWWAuthenticate = Request.Headers.Authorization.Count > 0 ? """Bearer error="invalid_token" """.TrimEnd() : "Bearer";
        return Problems.NotAuthorized().ExecuteAsync(Context);
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties)
    {
        if (ApiPaths.Contain(Request.Path)) return Problems.Forbidden().ExecuteAsync(Context);
        Response.StatusCode = StatusCodes.Status403Forbidden; // the page follows from the status
        return Task.CompletedTask;
    }
}
