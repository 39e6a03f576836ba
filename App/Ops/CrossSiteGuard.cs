using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace App.Ops;

/// <summary>
/// Marks a route that a proxy asks about another request: method, type of body and origin are that one's, and say nothing about this one.
/// Such a route changes nothing that its caller could be tricked into.
/// </summary>
internal sealed class AboutAnother
{
    public static bool Is(HttpContext http) => http.GetEndpoint()?.Metadata.GetMetadata<AboutAnother>() is not null;
}

/// <summary>
/// Refuses what another site makes a browser send (contract section 4, "CSRF and CORS"):
/// a state-changing request that bears cookies, goes to the course API or posts a page's form
/// must come from our own origin by <c>Sec-Fetch-Site</c>, else by <c>Origin</c>.
/// With neither header it is no browser's and passes; a bearer token carries no ambient authority and is exempt.
/// Blazor's connection is a GET that acts for the user, so there <c>Origin</c> must always be ours.
/// </summary>
internal sealed class CrossSiteGuard(RequestDelegate next, PublicUrl publicUrl)
{
    public Task InvokeAsync(HttpContext http)
    {
        if (IsAllowed(http)) return next(http);
        Refusals.Note(http, "cross-site");
        if (ApiPaths.Contain(http.Request.Path) || (PassedOn.IsWanted(http) && !TakesHtml(http.Request))) return Problems.CrossOrigin().ExecuteAsync(http);

        http.Response.StatusCode = StatusCodes.Status403Forbidden;
        return Task.CompletedTask;
    }

    private static bool TakesHtml(HttpRequest request) => request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase);

    private bool IsAllowed(HttpContext http)
    {
        var request = http.Request;
        var blazor = request.Path.StartsWithSegments("/_blazor", StringComparison.OrdinalIgnoreCase);
        if (blazor && IsUpgrade(http)) return IsOurs(request.Headers.Origin, request);
        // No browser asks first before it opens a websocket elsewhere, and it sends the cookies along.
        if (PassedOn.IsWanted(http) && IsUpgrade(http) && request.Headers.Cookie.Count > 0 && request.Headers.Origin.Count > 0) return IsOurs(request.Headers.Origin, request);
        if (blazor && request.Headers.Origin.Count > 0 && !IsOurs(request.Headers.Origin, request)) return false;

        if (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method) || HttpMethods.IsOptions(request.Method) || HttpMethods.IsTrace(request.Method)) return true;
        if (BearsToken(request.Headers.Authorization) || !IsGuarded(request) || AboutAnother.Is(http)) return true;

        var site = request.Headers["Sec-Fetch-Site"];
        if (site.Count > 0) return site.ToString() is "same-origin" or "none";

        var origin = request.Headers.Origin;
        return origin.Count == 0 || IsOurs(origin, request);
    }

    // Any cookie counts as one of ours: stricter than reading names, and no honest program minds.
    private static bool IsGuarded(HttpRequest request) =>
        request.Headers.Cookie.Count > 0
        || request.Path.StartsWithSegments("/api/users", StringComparison.OrdinalIgnoreCase)
        || !ApiPaths.Contain(request.Path);

    // Only a bearer token: a form's URL (https://user:password@…) can make a browser send Basic.
    private static bool BearsToken(StringValues authorization) =>
        authorization.Count > 0 && authorization[0]!.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase);

    // `null` is the origin of a sandbox, a data: URL or a redirect across sites: nobody's, so not ours.
    private bool IsOurs(StringValues origin, HttpRequest request) =>
        origin.Count == 1
        && Uri.TryCreate(origin[0], UriKind.Absolute, out var uri)
        && uri.GetLeftPart(UriPartial.Authority) is var given
        && (given.Equals(publicUrl.Origin, StringComparison.OrdinalIgnoreCase)
            || (Uri.TryCreate($"{request.Scheme}://{request.Host}", UriKind.Absolute, out var own)
                && given.Equals(own.GetLeftPart(UriPartial.Authority), StringComparison.OrdinalIgnoreCase)));

    // RFC 6455 section 4.1 over HTTP/1.1, RFC 8441 over HTTP/2.
    private static bool IsUpgrade(HttpContext http) =>
        http.Request.Headers[HeaderNames.Upgrade].Count > 0 || http.Features.Get<IHttpExtendedConnectFeature>()?.IsExtendedConnect == true;
}
