using Gatehouse;
using Microsoft.AspNetCore.Authentication;
using Yarp.ReverseProxy.Forwarder;

namespace App.Strategies;

/// <summary>The third strategy: a service with our verifier for .NET in it, the very file that <c>/verifiers/dotnet</c> serves.</summary>
internal static class ChecksItself
{
    // What a verifier asks of us: the relay is no second way to all the rest.
    private static readonly string[] Asked = ["/events", "/events/ack", "/connect/introspect", "/.well-known/jwks.json"];

    /// <summary>The verifier brings its own client, so its line is a small relay between it and us.</summary>
    public static Task<LoopbackHost> StartRelayAsync(Line line, Neighbour us, CancellationToken ct)
    {
        var invoker = new HttpMessageInvoker(line.NewEnd());
        return LoopbackHost.StartAsync(services => services.AddSingleton(invoker).AddHttpForwarder(), app =>
        {
            var forwarder = app.Services.GetRequiredService<IHttpForwarder>();
            app.Run(async http =>
            {
                if (!Asked.Contains(http.Request.Path.Value))
                {
                    http.Response.StatusCode = StatusCodes.Status404NotFound;
                    return;
                }

                // Whoever speaks through it is this process, whatever they write about themselves.
                foreach (var name in http.Request.Headers.Keys.Where(name => name.StartsWith("X-Forwarded-", StringComparison.OrdinalIgnoreCase)).ToList()) http.Request.Headers.Remove(name);
                // A stream that is open when the line is cut breaks; and a relay that reaches nobody gives no answer either.
                await using var torn = line.Torn.Register(http.Abort);
                if (await forwarder.SendAsync(http, us.Url.AbsoluteUri, invoker, ForwarderRequestConfig.Empty, HttpTransformer.Empty) != ForwarderError.None) http.Abort();
            });
        }, ct);
    }

    public static Task<LoopbackHost> StartAsync(Uri relay, Neighbour us, Credentials credentials, TimeSpan staleAfter, CancellationToken ct) => LoopbackHost.StartAsync(
        services => services.AddAuthentication().AddGatehouse(verifier =>
        {
            (verifier.Issuer, verifier.Audience, verifier.Url) = (us.Issuer, us.Audience, relay.GetLeftPart(UriPartial.Authority));
            (verifier.ClientId, verifier.ClientSecret) = (credentials.Id, credentials.Secret);
            (verifier.Cookie, verifier.StaleAfter, verifier.WhenStale) = (us.Cookie, staleAfter, WhenStale.Introspect);
        }),
        AnswerTheKnown, ct);

    /// <summary>Whoever the middleware has recognised gets in; everybody else gets its own refusal.</summary>
    public static void AnswerTheKnown(WebApplication app)
    {
        app.UseAuthentication();
        app.Run(http => http.User.FindFirst("email") is { } email ? Replies.HelloAsync(http, email.Value) : http.ChallengeAsync());
    }
}
