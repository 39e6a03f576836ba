using Microsoft.AspNetCore.Components.Endpoints;
using Microsoft.Net.Http.Headers;

namespace App.Ops;

/// <summary>
/// What can't be read is refused before anybody tries: a body in a charset that nobody knows, a POST to a page that isn't a form,
/// a form that breaks off. The framework's readers throw on each, and that would be a server error for bad input. Nor is a page told one thing twice.
/// </summary>
internal static class FormPosts
{
    public static Task RefuseUnreadable(HttpContext http, RequestDelegate next) =>
        HttpMethods.IsGet(http.Request.Method) || HttpMethods.IsHead(http.Request.Method) || AboutAnother.Is(http) || PassedOn.IsWanted(http) ? next(http) : JudgeAsync(http, next);

    private static async Task JudgeAsync(HttpContext http, RequestDelegate next)
    {
        if (await IsReadableAsync(http)) await next(http);
        else http.Response.StatusCode = http.Request.HasFormContentType || IsPage(http) ? StatusCodes.Status400BadRequest : StatusCodes.Status415UnsupportedMediaType;
    }

    private static async ValueTask<bool> IsReadableAsync(HttpContext http)
    {
        var request = http.Request;
        // The course's routes take anything that isn't JSON for no body at all, and read what is by themselves.
        if (request.Path.StartsWithSegments("/api/users", StringComparison.OrdinalIgnoreCase)) return true;
        // Each of these answers what it can't read in OAuth's words.
        if (request.Path.StartsWithSegments("/connect", StringComparison.OrdinalIgnoreCase)) return true;
        if (!IsKnownCharset(request.ContentType)) return false;
        if (!HttpMethods.IsPost(request.Method)) return true;
        if (!request.HasFormContentType) return !IsPage(http);
        try
        {
            var form = await request.ReadFormAsync(http.RequestAborted);
            // No form of ours sends a field twice: which of two values is meant would be anybody's guess.
            return !IsPage(http) || !form.Any(field => field.Value.Count > 1);
        }
        catch (Exception e) when (e is InvalidDataException or NotSupportedException || (e is IOException and not BadHttpRequestException))
        {
            return false;
        }
    }

    private static bool IsPage(HttpContext http) => http.GetEndpoint()?.Metadata.GetMetadata<ComponentTypeMetadata>() is not null;

    private static bool IsKnownCharset(string? contentType)
    {
        if (!MediaTypeHeaderValue.TryParse(contentType, out var type) || type.Charset.Length == 0) return true;
        var name = HeaderUtilities.RemoveQuotes(type.Charset).ToString();
        return name.Equals("utf-8", StringComparison.OrdinalIgnoreCase) || name.Equals("us-ascii", StringComparison.OrdinalIgnoreCase)
            || name.Equals("iso-8859-1", StringComparison.OrdinalIgnoreCase) || name.Equals("utf-16", StringComparison.OrdinalIgnoreCase);
    }
}
