using Microsoft.AspNetCore.StaticAssets;
using Microsoft.Extensions.Primitives;

namespace App.Ops;

/// <summary>
/// The headers that every answer bears, errors and redirects included (OWASP Secure Headers; ASVS 5.0 section 3.4).
/// They are set before anything else runs, so a route that needs another value just assigns its own.
/// </summary>
internal sealed class SecurityHeaders(RequestDelegate next)
{
    public const string PagePolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
        + "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'; manifest-src 'self'";

    private static readonly StringValues Page = PagePolicy;
    private static readonly StringValues Api = "default-src 'none'; frame-ancestors 'none'";
    private static readonly StringValues NoSniff = "nosniff";

    // Not no-referrer: with that, browsers send `Origin: null` for our own forms, which the cross-site guard refuses.
    // The address of a page behind a letter's link is a key, and this keeps it from every other site.
    private static readonly StringValues Referrer = "same-origin";
    private static readonly StringValues SameOrigin = "same-origin";
    private static readonly StringValues CrossOrigin = "cross-origin";
    private static readonly StringValues Deny = "DENY";
    private static readonly StringValues Permissions = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()";
    private static readonly StringValues Hsts = "max-age=31536000; includeSubDomains";
    private static readonly StringValues NoStore = "no-store";

    // What antiforgery wants to see on a page with a form; told otherwise, it warns and overwrites.
    private static readonly StringValues NoStorePage = "no-cache, no-store";

    public Task InvokeAsync(HttpContext http)
    {
        Write(http);
        if (ApiPaths.Contain(http.Request.Path)) http.Response.OnStarting(Challenge, http.Response);
        return next(http);
    }

    // Each 401 says how else one proves who one is (RFC 9110 section 15.5.2), also where a password or a code was wrong.
    private static Task Challenge(object state)
    {
        var answer = (HttpResponse)state;
        if (answer.StatusCode == StatusCodes.Status401Unauthorized && answer.Headers.WWWAuthenticate.Count == 0) answer.Headers.WWWAuthenticate = "Bearer";
        return Task.CompletedTask;
    }

    /// <summary>Also called again after an error has emptied the answer.</summary>
    public static void Write(HttpContext http)
    {
        var headers = http.Response.Headers;
        var path = http.Request.Path;
        var api = ApiPaths.Contain(path);

        headers.XContentTypeOptions = NoSniff;
        headers["Referrer-Policy"] = Referrer;
        headers.ContentSecurityPolicy = api ? Api : Page;
        headers.CacheControl = api ? NoStore : NoStorePage;
        headers["Cross-Origin-Opener-Policy"] = SameOrigin;
        headers["Cross-Origin-Resource-Policy"] = api && IsPublic(path) ? CrossOrigin : SameOrigin;

        // They speak of documents, and every header costs on the busiest routes.
        if (!api)
        {
            headers.XFrameOptions = Deny;
            headers["Permissions-Policy"] = Permissions;
        }

        // A developer's browser would keep it for every other service on localhost.
        if (http.Request.IsHttps && !http.Request.Host.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase))
            headers.StrictTransportSecurity = Hsts;
    }

    /// <summary>After routing: a static asset says itself how long it keeps, and adds that to what is there.</summary>
    public static Task LeaveCachingToAssets(HttpContext http, RequestDelegate next)
    {
        if (http.GetEndpoint()?.Metadata.GetMetadata<StaticAssetDescriptor>() is not null) http.Response.Headers.CacheControl = default;
        return next(http);
    }

    // Keys, metadata, the API's description and verifiers are there for everybody to embed.
    private static bool IsPublic(PathString path) =>
        path.StartsWithSegments("/.well-known", StringComparison.Ordinal) || path.StartsWithSegments("/openapi", StringComparison.Ordinal) || path.StartsWithSegments("/verifiers", StringComparison.Ordinal);
}
