using App.Ops;

namespace App.Gateway;

/// <summary>
/// The request that a proxy asks about, as far as the proxy is one of those that are believed (<c>Proxy:TrustedNetworks</c>).
/// It only serves to lead a person back after sign-in: nothing is allowed or refused because of it.
/// </summary>
/// <param name="Origin">Scheme, host and port; null where they weren't told: then it is one of ours.</param>
/// <param name="Target">Path and query as they were sent; null where they aren't known, were told twice, or are of a place that can't be understood.</param>
/// <param name="IsNavigation">A browser wants a page: it can be sent to another one.</param>
internal readonly record struct OriginalRequest(string? Origin, string? Target, bool IsNavigation)
{
    public static OriginalRequest Of(HttpContext http)
    {
        var (request, headers) = (http.Request, http.Request.Headers);
        if (http.Features.Get<TrustedPeer>() is null) return new(null, null, IsPage(request, request.Method));
        var method = headers["X-Forwarded-Method"] is { Count: > 0 } given ? given.ToString() : request.Method;
        // What the proxy said of scheme and host is by now the request's own; the framework leaves a note that it was said.
        var known = headers.ContainsKey("X-Original-Host") && Uri.TryCreate($"{request.Scheme}://{request.Host}", UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" ? uri : null;
        // Told, and not to be understood: then the path is of nobody knows where.
        var lost = known is null && (headers.ContainsKey("X-Original-Host") || headers.ContainsKey("X-Forwarded-Host"));
        return new(known?.GetLeftPart(UriPartial.Authority), !lost && headers["X-Forwarded-Uri"] is [{ } target] ? target : null, IsPage(request, method));
    }

    // `text/html` is what a navigation asks for and a script hardly ever does; browsers of today also say outright which of the two it is.
    public static bool IsPage(HttpRequest request, string method) =>
        (HttpMethods.IsGet(method) || HttpMethods.IsHead(method))
        && !Sessions.SessionHandler.BearsToken(request)
        && request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase)
        && request.Headers["Sec-Fetch-Mode"].ToString() is "" or "navigate";
}
