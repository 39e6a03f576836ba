using Microsoft.AspNetCore.Components.Endpoints;

namespace App.Ops;

/// <summary>
/// A page takes a form or nothing: a POST without a form's content type is refused with 400.
/// The page renderer reads a form all the same, and its exception would be a server error for bad input.
/// </summary>
internal static class FormPosts
{
    public static Task RefuseOthers(HttpContext http, RequestDelegate next)
    {
        if (!HttpMethods.IsPost(http.Request.Method) || http.Request.HasFormContentType
            || http.GetEndpoint()?.Metadata.GetMetadata<ComponentTypeMetadata>() is null) return next(http);
        http.Response.StatusCode = StatusCodes.Status400BadRequest;
        return Task.CompletedTask;
    }
}
