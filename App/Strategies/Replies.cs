using System.Text.Json;

namespace App.Strategies;

/// <summary>What such a service says: hello, no, or that it can't know. It never repeats what it was sent.</summary>
internal static class Replies
{
    public static Task HelloAsync(HttpContext http, string? email)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, string?> { ["hello"] = email });
        http.Response.ContentType = "application/json";
        http.Response.ContentLength = body.Length;
        return http.Response.Body.WriteAsync(body).AsTask();
    }

    /// <summary>401 (RFC 6750 section 3); a stranger is told the scheme and nothing else.</summary>
    public static void Refuse(HttpContext http, bool credentials)
    {
        http.Response.StatusCode = StatusCodes.Status401Unauthorized;
        http.Response.Headers.WWWAuthenticate = credentials ? Problems.InvalidToken : "Bearer";
    }

    /// <summary>503: whoever can't ask lets nobody in.</summary>
    public static void Unsure(HttpContext http) => http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
}
