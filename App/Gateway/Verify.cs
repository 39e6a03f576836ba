using App.OAuth;
using App.Ops;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Gateway;

/// <summary>
/// "May this request pass, and as whom?" (contract section 5), asked by a proxy for each request to the services behind it.
/// Who is calling, and whether cookies are renewed, was decided where it always is; no header of the original request has a say in it.
/// </summary>
internal sealed class Verify(BoundTokens bound, SharedTokens shared, SignInAddress signIn)
{
    private static readonly Results<EmptyHttpResult, ProblemHttpResult, RedirectHttpResult> Passed = TypedResults.Empty;

    private const string UnknownAudience = "No registered service has this audience", UnknownName = "The query of /auth/verify knows audience, role, redirect and path, and no other name";

    /// <summary>
    /// 200 with the identity in <c>X-Auth-User</c>, <c>-Email</c>, <c>-Roles</c>, <c>-Session</c> and a token in <c>Authorization</c>.
    /// <c>?audience=</c>, a registered service's audience or id, makes it a token for that service alone; <c>?role=</c> demands a role,
    /// several demand each. Renewed cookies are in <c>Set-Cookie</c>, and for a proxy that can hand on but one of
    /// several, and says so by <c>Sec-Renewed-Cookies: ?1</c>, each by itself in <c>X-Renewed-Session</c> and <c>X-Renewed-Refresh</c>. 401 holds <c>WWW-Authenticate</c> (RFC 6750 section 3) and the address to sign in at, as <c>Location</c>;
    /// with <c>?redirect=true</c> a browser that navigates gets 302. 400 is the proxy's mistake: an audience that nobody has, or two, or a name in the query that is none of these; what follows Envoy's <c>path=</c> is the original's own, and may at most demand a role more.
    /// </summary>
    public static ValueTask<Results<EmptyHttpResult, ProblemHttpResult, RedirectHttpResult>> HandleAsync(CurrentUser? user, Verify verify, HttpContext http) =>
        verify.TryAsync(user, Wanted.Read(http.Request.QueryString), http);

    private ValueTask<Results<EmptyHttpResult, ProblemHttpResult, RedirectHttpResult>> TryAsync(CurrentUser? user, Wanted wanted, HttpContext http)
    {
        if (user is null) return new(Refuse(http, wanted));
        // Whatever comes of it: renewed cookies that got lost on the way would be taken for stolen ones the next time.
        if (http.Response.Headers.SetCookie.Count > 0 && http.Request.Headers[IdentityHeaders.AsksForRenewed] == "?1") IdentityHeaders.WriteRenewed(http.Response.Headers);
        if (wanted.IsMisspelled) return new(Misasked(http, "query", UnknownName));
        if (!wanted.AreRolesOf(user)) return new(Forbid(http));
        if (wanted.Audience is null) return new(Pass(http, user, shared.Of(http)));
        if (wanted.IsAmbiguous || bound.AudienceOf(wanted.Audience) is not { } audience) return new(Misasked(http, "audience", UnknownAudience));
        if (!bound.IsEverybodys(audience)) return PassBoundAsync(http, user, audience, wanted);
        LetThrough(http, wanted.Audience);
        return new(Pass(http, user, shared.Of(http)));
    }

    private async ValueTask<Results<EmptyHttpResult, ProblemHttpResult, RedirectHttpResult>> PassBoundAsync(HttpContext http, CurrentUser user, string audience, Wanted wanted)
    {
        if (await bound.ForAsync(user, audience, http) is not { } token) return Refuse(http, wanted);
        LetThrough(http, wanted.Audience!);
        return Pass(http, user, token.Authorization);
    }

    // Anybody who is signed in may ask here; that a service was reached, a proxy alone can tell. Where one of them is also in front of us,
    // it brings people along whose own request this is: those say nothing of another.
    private void LetThrough(HttpContext http, string name)
    {
        if (http.Features.Get<TrustedPeer>() is not null && http.Request.Headers.ContainsKey("X-Forwarded-Uri")) bound.Reached(name);
    }

    private static Results<EmptyHttpResult, ProblemHttpResult, RedirectHttpResult> Pass(HttpContext http, CurrentUser user, string authorization)
    {
        IdentityHeaders.Of(user).Write(http.Response.Headers, authorization);
        return Passed;
    }

    private static ProblemHttpResult Misasked(HttpContext http, string why, string message)
    {
        Refusals.Note(http, why);
        return Problems.BadRequest(message);
    }

    private static ProblemHttpResult Forbid(HttpContext http)
    {
        http.Response.Headers.WWWAuthenticate = """Bearer error="insufficient_scope" """.TrimEnd();
        return Problems.Forbidden();
    }

    private Results<EmptyHttpResult, ProblemHttpResult, RedirectHttpResult> Refuse(HttpContext http, Wanted wanted)
    {
        var original = OriginalRequest.Of(http);
        var address = signIn.For(original);
        if (wanted.Redirect && original.IsNavigation) return TypedResults.Redirect(address);
        Refusals.Note(http, "nobody");
        http.Response.Headers.Location = address;
        http.Response.Headers.WWWAuthenticate = shared.Any(http) ? Problems.InvalidToken : "Bearer";
        return Problems.NotAuthorized();
    }
}
