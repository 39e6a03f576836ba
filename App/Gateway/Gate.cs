using System.Collections.Concurrent;
using App.OAuth;
using App.Ops;
using App.Sessions;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http.Features;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Model;

namespace App.Gateway;

/// <summary>Who passes through the built-in gateway, and with what: the same decision as <see cref="Verify"/> makes for other proxies.</summary>
internal sealed partial class Gate(BoundTokens bound, SharedTokens shared, SignInAddress signIn, CookieNames cookies, OpenStreams streams, ILogger<Gate> logger)
{
    private readonly ConcurrentDictionary<string, byte> _unknown = new(StringComparer.Ordinal);

    /// <summary>A route's rules, where the proxy keeps them beside the route that was matched.</summary>
    public static IReadOnlyDictionary<string, string> Write(GatewayRoute route)
    {
        var rules = new Dictionary<string, string> { ["retries"] = $"{route.Retries}", ["body"] = $"{route.MaxBodyMegabytes * 1024L * 1024L}" };
        if (route.Public) rules["public"] = "";
        if (route.IdentityHeaders) rules["identity"] = "";
        if (route.Role is not null) rules["role"] = route.Role;
        if (route.Audience is not null) rules["audience"] = route.Audience;
        return rules;
    }

    public async Task InvokeAsync(HttpContext http, RequestDelegate next)
    {
        // Our error page, where all of the host is a service's: it would be asked for it, and its answer stand for the error.
        if (http.Features.Get<IStatusCodeReExecuteFeature>() is not null) return;
        var proxy = http.GetReverseProxyFeature();
        var rules = proxy.Route.Config.Metadata!;
        if (!SafePath.Is(http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget))
        {
            Refusals.Note(http, "ambiguous address");
            await Problems.BadRequest("The address can be read in more than one way").ExecuteAsync(http);
            return;
        }

        if (HasTwoLengths(http.Request))
        {
            Refusals.Note(http, "two lengths");
            http.Response.Headers.Connection = "close";
            await Problems.BadRequest("The body has two lengths").ExecuteAsync(http);
            return;
        }

        var user = CurrentUser.From(http.User);
        var audience = rules.GetValueOrDefault("audience") is { } name ? bound.AudienceOf(name) : "";
        if (audience is null)
        {
            // A service that isn't registered any more gets nobody's token. Said once: whoever asks may be a stranger, who asks a thousand times a second.
            if (_unknown.TryAdd(rules["audience"], 0)) UnknownAudience(proxy.Route.Config.RouteId, rules["audience"]);
            Refusals.Note(http, "audience");
            await Problems.NotConnected().ExecuteAsync(http);
            return;
        }

        if (audience.Length > 0) _unknown.TryRemove(rules["audience"], out _);
        // Before a token is made for the service: of whom it never sees it needs to know nothing.
        if (user is not null && rules.TryGetValue("role", out var role) && !user.Roles.Contains(role, StringComparer.Ordinal))
        {
            await Problems.Forbidden().ExecuteAsync(http);
            return;
        }

        var authorization = user is null ? null : await AuthorizeAsync(http, user, audience);
        if (authorization is null && (user is not null || !rules.ContainsKey("public")))
        {
            await RefuseAsync(http);
            return;
        }

        if (user is not null && audience.Length > 0) bound.Reached(rules["audience"]);
        var passage = new Passage(user, authorization, rules.ContainsKey("identity"), http.Response.Headers.SetCookie);
        http.Features.Set(passage);
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } body)
        {
            body.MaxRequestBodySize = long.Parse(rules["body"], System.Globalization.CultureInfo.InvariantCulture);
            http.Features.Set<IHttpMaxRequestBodySizeFeature>(new Settled(body.MaxRequestBodySize));
        }

        if (http.Features.Get<CameAsHead>() is not null) http.Request.Method = HttpMethods.Head;
        using (streams.Watch(http, user)) await PassAsync(http, proxy, next, passage, int.Parse(rules["retries"], System.Globalization.CultureInfo.InvariantCulture));
    }

    private async ValueTask<string?> AuthorizeAsync(HttpContext http, CurrentUser user, string audience) =>
        audience.Length == 0 || bound.IsEverybodys(audience) ? shared.Of(http) : (await bound.ForAsync(user, audience, http))?.Authorization;

    // RFC 9112 section 6.1: the server has read the chunks and put the other length aside, under this name; somebody before us may have read the other.
    private static bool HasTwoLengths(HttpRequest request) => request.Headers.TransferEncoding.Count > 0 && request.Headers.ContainsKey("X-Content-Length");

    // What got no answer may be tried again, if doing it twice does no harm (RFC 9110 section 9.2.2) and nothing had to be sent along: it may have arrived.
    private static async Task PassAsync(HttpContext http, IReverseProxyFeature proxy, RequestDelegate next, Passage passage, int retries)
    {
        var all = proxy.AvailableDestinations;
        for (var attempt = 0; ; attempt++)
        {
            Clear(http, passage);
            await next(http);
            if (http.GetForwarderErrorFeature() is not { } failed)
            {
                http.Features.Set(PassedOn.Mark);
                return;
            }

            if (http.Response.HasStarted || http.RequestAborted.IsCancellationRequested) return;
            if (attempt < retries && IsUnreached(failed) && IsRepeatable(http.Request))
            {
                var others = all.Where(d => d != proxy.ProxiedDestination).ToList();
                proxy.AvailableDestinations = others.Count > 0 ? others : all;
                http.Features.Set<IForwarderErrorFeature>(null);
                continue;
            }

            var status = http.Response.StatusCode;
            Clear(http, passage);
            SecurityHeaders.Write(http);
            await Problems.ForStatus(status).ExecuteAsync(http);
            return;
        }
    }

    // A machine that is off refuses nothing: to reach it takes too long, which isn't the route's own time being over.
    private static bool IsUnreached(IForwarderErrorFeature failed) =>
        failed.Error == ForwarderError.Request || failed is { Error: ForwarderError.RequestTimedOut, Exception.InnerException: TimeoutException };

    private static bool IsRepeatable(HttpRequest request) =>
        (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method) || HttpMethods.IsOptions(request.Method))
        && request.HttpContext.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody != true && request.HttpContext.Features.Get<IHttpUpgradeFeature>()?.IsUpgradableRequest != true;

    // The policies of our own pages aren't those of another service's; a renewed cookie is on its way with whatever is answered.
    private static void Clear(HttpContext http, Passage passage)
    {
        var transport = http.Response.Headers.StrictTransportSecurity;
        http.Response.Clear();
        http.Response.Headers.SetCookie = passage.Renewed;
        http.Response.Headers.StrictTransportSecurity = transport;
    }

    private async Task RefuseAsync(HttpContext http)
    {
        var request = http.Request;
        var wanted = new OriginalRequest($"{request.Scheme}://{request.Host}", $"{request.PathBase}{request.Path}{request.QueryString}", OriginalRequest.IsPage(request, request.Method));
        if (wanted.IsNavigation)
        {
            http.Response.Redirect(signIn.For(wanted));
            return;
        }

        Refusals.Note(http, "nobody");
        http.Response.Headers.WWWAuthenticate = shared.Any(http) ? Problems.InvalidToken : "Bearer";
        await Problems.NotAuthorized().ExecuteAsync(http);
    }

    /// <summary>What goes along with a request that passes.</summary>
    public ValueTask WriteRequestAsync(HttpContext http, HttpRequestMessage request)
    {
        var passage = http.Features.Get<Passage>() ?? throw new InvalidOperationException("A request is passed on that nobody let through.");
        var headers = request.Headers;
        // RFC 9110 section 7.6.1; beside "close" or "keep-alive" Kestrel forgets what else the header names.
        var hop = http.Request.Headers.GetCommaSeparatedValues("Connection");
        foreach (var name in headers.NonValidated.Select(h => h.Key).Where(name => StrippedHeaders.IsIdentity(name) || hop.Contains(name, StringComparer.OrdinalIgnoreCase)).ToList()) headers.Remove(name);
        headers.Remove("Cookie");
        if (StrippedHeaders.Cookies(http.Request.Headers.Cookie, cookies) is { } kept) headers.TryAddWithoutValidation("Cookie", kept);
        headers.Remove("Authorization");
        if (passage.Authorization is not null) headers.TryAddWithoutValidation("Authorization", passage.Authorization);
        if (passage is { Identified: true, User: { } user })
        {
            var identity = new HeaderDictionary();
            IdentityHeaders.Of(user).Write(identity, "");
            foreach (var (name, value) in identity)
                if (name.StartsWith("X-Auth-", StringComparison.Ordinal)) headers.TryAddWithoutValidation(name, value.ToString());
        }

        return default;
    }

    /// <summary>What comes back: never one of our cookies, and nothing with a renewed one in it is kept by a cache.</summary>
    public ValueTask WriteResponseAsync(HttpContext http, HttpResponseMessage? answer)
    {
        if (answer is null || http.Features.Get<Passage>() is not { } passage) return default;
        foreach (var name in answer.Headers.Connection) http.Response.Headers.Remove(name);
        string[] theirs = answer.Headers.TryGetValues("Set-Cookie", out var set) ? [.. StrippedHeaders.SetCookies(set, cookies)] : [];
        http.Response.Headers.SetCookie = passage.Renewed.Count == 0 ? theirs : (string?[])[.. passage.Renewed, .. theirs];
        if (passage.Renewed.Count > 0) http.Response.Headers.CacheControl = "no-store";
        return default;
    }

    [LoggerMessage(9103, LogLevel.Error, "Route {Route} is for the audience {Audience}, which no registered service has: connect a service with that id or audience at /services, or name it in Services")]
    private partial void UnknownAudience(string route, string audience);

    /// <summary>The route's limit, which the proxy would otherwise lift for whatever calls itself gRPC.</summary>
    private sealed class Settled(long? most) : IHttpMaxRequestBodySizeFeature
    {
        public bool IsReadOnly => true;

        public long? MaxRequestBodySize { get => most; set => throw new InvalidOperationException("The limit is the route's."); }
    }

    private sealed record Passage(CurrentUser? User, string? Authorization, bool Identified, Microsoft.Extensions.Primitives.StringValues Renewed);
}
