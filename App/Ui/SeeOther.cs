namespace App.Ui;

/// <summary>303 See Other (RFC 9110 section 15.4.4): a form's answer is a page to fetch with GET, so that reloading never posts twice.</summary>
internal sealed class SeeOther(string location) : IResult
{
    public string Location { get; } = location;

    public Task ExecuteAsync(HttpContext httpContext)
    {
        httpContext.Response.StatusCode = StatusCodes.Status303SeeOther;
        httpContext.Response.Headers.Location = Location;
        return Task.CompletedTask;
    }
}
