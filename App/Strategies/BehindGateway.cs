using App.Gateway;
using Microsoft.Net.Http.Headers;
using Yarp.ReverseProxy.Forwarder;

namespace App.Strategies;

/// <summary>The second strategy: a service that reads who it is from a header, and in front of it the only one who may reach it, a gateway that asks us about each request.</summary>
internal static class BehindGateway
{
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(5);

    /// <summary>The service. It believes its gateway, and so it must be reached by nobody else.</summary>
    public static Task<LoopbackHost> StartServiceAsync(CancellationToken ct) => LoopbackHost.StartAsync(
        _ => { },
        app => app.Run(http => Replies.HelloAsync(http, http.Request.Headers[IdentityHeaders.Email])), ct);

    public static Task<LoopbackHost> StartGatewayAsync(Line line, Neighbour us, Uri service, CancellationToken ct)
    {
        var client = new HttpClient(line.NewEnd()) { BaseAddress = us.Url, Timeout = AnswerWithin };
        var behind = new HttpMessageInvoker(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = false, ActivityHeadersPropagator = null });
        return LoopbackHost.StartAsync(services => services.AddSingleton(client).AddSingleton(behind).AddHttpForwarder(), app =>
        {
            var forwarder = app.Services.GetRequiredService<IHttpForwarder>();
            app.Run(async http =>
            {
                if (await AskAsync(http, client)) await forwarder.SendAsync(http, service.AbsoluteUri, behind);
            });
        }, ct);
    }

    private static async Task<bool> AskAsync(HttpContext http, HttpClient us)
    {
        using var question = new HttpRequestMessage(HttpMethod.Get, "/auth/verify");
        foreach (var name in new[] { HeaderNames.Authorization, HeaderNames.Cookie })
            if (http.Request.Headers[name] is { Count: > 0 } value) question.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)value);
        try
        {
            using var answer = await us.SendAsync(question, http.RequestAborted);
            if (!answer.IsSuccessStatusCode)
            {
                http.Response.StatusCode = (int)answer.StatusCode;
                http.Response.Headers.WWWAuthenticate = answer.Headers.WwwAuthenticate.ToString();
                return false;
            }

            // Who it is comes from us alone, whatever the caller wrote under such a name; and the service needs no credentials.
            foreach (var name in http.Request.Headers.Keys.Where(StrippedHeaders.IsIdentity).ToList()) http.Request.Headers.Remove(name);
            http.Request.Headers.Remove(HeaderNames.Cookie);
            http.Request.Headers.Remove(HeaderNames.Authorization);
            http.Request.Headers[IdentityHeaders.Email] = answer.Headers.GetValues(IdentityHeaders.Email).ToArray();
            return true;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            Replies.Unsure(http);
            return false;
        }
    }
}
