using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace App.Strategies;

/// <summary>The first strategy: a service that knows nothing of tokens but where they stand in a request, and asks us about each (RFC 7662).</summary>
internal static class AsksUs
{
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(5);

    public static Task<LoopbackHost> StartAsync(Line line, Neighbour us, Credentials credentials, CancellationToken ct)
    {
        var pair = $"{Uri.EscapeDataString(credentials.Id)}:{Uri.EscapeDataString(credentials.Secret)}";
        var client = new HttpClient(line.NewEnd())
        {
            BaseAddress = us.Url,
            Timeout = AnswerWithin,
            DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(pair))) },
        };
        return LoopbackHost.StartAsync(services => services.AddSingleton(client), app => app.Run(http => AnswerAsync(http, client, us.Cookie)), ct);
    }

    private static async Task AnswerAsync(HttpContext http, HttpClient us, string cookie)
    {
        IReadOnlyList<string> tokens;
        try
        {
            tokens = await TokensAsync(http.Request, cookie);
        }
        catch (Exception e) when (e is InvalidDataException or IOException or BadHttpRequestException)
        {
            http.Response.StatusCode = StatusCodes.Status400BadRequest; // a form that is none
            return;
        }

        if (tokens is not [var token])
        {
            // RFC 6750 section 2: one way for each request.
            if (tokens.Count > 1) http.Response.StatusCode = StatusCodes.Status400BadRequest;
            else Replies.Refuse(http, credentials: false);
            return;
        }

        try
        {
            using var answer = await us.PostAsync("/connect/introspect", new FormUrlEncodedContent([new("token", token)]), http.RequestAborted);
            var said = answer.EnsureSuccessStatusCode().Content;
            var about = await said.ReadFromJsonAsync<JsonElement>(http.RequestAborted);
            // A refresh token and a service's own are active, too, and nobody's access token: they name no session and no e-mail.
            if (about.GetProperty("active").GetBoolean() && about.TryGetProperty("sid", out _) && about.TryGetProperty("email", out var email)) await Replies.HelloAsync(http, email.GetString());
            else Replies.Refuse(http, credentials: true);
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            Replies.Unsure(http);
        }
    }

    // RFC 6750 sections 2.1 and 2.2; the cookie counts where neither is there.
    private static async Task<IReadOnlyList<string>> TokensAsync(HttpRequest request, string cookie)
    {
        List<string> tokens = [];
        if (Sessions.SessionHandler.BearerIn(request.Headers.Authorization) is { } bearer) tokens.Add(bearer.ToString());
        if (HttpMethods.IsPost(request.Method) && request.HasFormContentType && (await request.ReadFormAsync())["access_token"] is [{ } field]) tokens.Add(field);
        if (tokens.Count == 0 && request.Cookies[cookie] is { } value && Sessions.SessionCookies.Unwrap(value) is { } inside) tokens.Add(inside);
        return tokens;
    }
}
