namespace App.Ui;

/// <summary>303 See Other (RFC 9110 section 15.4.4): a form's answer is a page to fetch with GET, so that reloading never posts twice.</summary>
/// <param name="told">What that page says once, if it has anything to say: see <see cref="Told"/>.</param>
internal sealed class SeeOther(string path, string? told = null) : IResult
{
    public string Path { get; } = path;

    public Task ExecuteAsync(HttpContext httpContext)
    {
        Set(httpContext, Path, told);
        return Task.CompletedTask;
    }

    /// <summary>
    /// The same from inside a page. The path stands in the header as it is:
    /// the framework's own navigation would build an absolute address from the request's <c>Host</c>, which anybody can forge.
    /// </summary>
    public static void Set(HttpContext http, string path, string? told = null)
    {
        if (told is not null) http.RequestServices.GetRequiredService<Told>().Say(http, told);
        http.Response.StatusCode = HttpMethods.IsPost(http.Request.Method) ? StatusCodes.Status303SeeOther : StatusCodes.Status302Found;
        http.Response.Headers.Location = path;
    }
}

/// <summary>The fields of a small form that isn't a component's. It has been read by now, or was refused where all forms are judged.</summary>
internal static class PostedForm
{
    /// <returns>Null for none, for several, and where there is no form.</returns>
    public static string? Field(HttpRequest request, string name) => request.HasFormContentType && request.Form[name] is [{ } one] ? one : null;
}
