using System.Diagnostics;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Ops;

/// <summary>The feature of a request that failed: what its line of the log is found by.</summary>
internal sealed record FailureTrace(string TraceId);

/// <summary>
/// Every error leaves in the form its reader expects: API routes get a problem (RFC 9457), people get the page
/// <c>/error/{status}</c>, run in place so that the address stays. An exception is told to the log alone, once.
/// </summary>
internal sealed partial class ErrorAnswers(RequestDelegate next, IEnumerable<ExceptionProblem> known, IServiceScopeFactory scopes, Figures figures, ILogger<ErrorAnswers> logger)
{
    public async Task InvokeAsync(HttpContext http)
    {
        var began = figures.Began();
        ProblemHttpResult? problem = null;
        try
        {
            await next(http);
        }
        catch (Exception e) when (http.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there to read an answer.
            ClientLeft(e.GetType().Name);
            if (!http.Response.HasStarted) http.Response.StatusCode = StatusCodes.Status499ClientClosedRequest;
            return;
        }
        catch (Exception e) when (!http.Response.HasStarted)
        {
            Empty(http);
            problem = ProblemFor(e, http);
            http.Response.StatusCode = problem.StatusCode;
        }

        figures.Answered(http, began);
        NoteRefusal(http);
        if (problem is null && (!IsBare(http.Response) || PassedOn.IsAnswered(http))) return;
        if (ApiPaths.Contain(http.Request.Path)) await WriteProblemAsync(http, problem);
        else await WritePageAsync(http);
    }

    // Those that have said more already are left as they are, and so is what a service behind the gateway answers.
    private static void NoteRefusal(HttpContext http)
    {
        if (http.Response.StatusCode is not (StatusCodes.Status403Forbidden or StatusCodes.Status429TooManyRequests) || PassedOn.IsAnswered(http)) return;
        Refusals.Note(http, http.Response.StatusCode == StatusCodes.Status403Forbidden ? "forbidden" : "too many");
    }

    private static async Task WriteProblemAsync(HttpContext http, ProblemHttpResult? problem)
    {
        // A route that exists under another method is as unknown as one that doesn't (contract section 4).
        if (http.Response.StatusCode == StatusCodes.Status405MethodNotAllowed)
        {
            http.Response.Headers.Remove("Allow");
            http.Response.StatusCode = StatusCodes.Status404NotFound;
        }

        await (problem ?? Problems.ForStatus(http.Response.StatusCode)).ExecuteAsync(http);
    }

    private async Task WritePageAsync(HttpContext http)
    {
        var request = http.Request;
        var (status, path, query, method) = (http.Response.StatusCode, request.Path, request.QueryString, request.Method);
        var (endpoint, values, services) = (http.GetEndpoint(), request.RouteValues, http.RequestServices);

        // A page that failed half-way has used its renderer up, so the error page gets services of its own.
        await using var scope = scopes.CreateAsyncScope();
        http.Features.Set<IStatusCodeReExecuteFeature>(new Origin(path.Value ?? "", request.PathBase.Value ?? "", query.Value, status, endpoint, values));
        try
        {
            http.RequestServices = scope.ServiceProvider;
            http.SetEndpoint(null);
            request.RouteValues = [];
            (request.Path, request.QueryString) = ($"/error/{status}", QueryString.Empty);

            // A POST would be taken for a form of the error page.
            if (!HttpMethods.IsHead(method)) request.Method = HttpMethods.Get;
            await next(http);
        }
        catch (Exception e) when (!http.Response.HasStarted)
        {
            Empty(http);
            Failed(e, TraceOf(http));
        }
        finally
        {
            http.RequestServices = services;
            http.SetEndpoint(endpoint);
            request.RouteValues = values;
            (request.Path, request.QueryString, request.Method) = (path, query, method);
            http.Features.Set<IStatusCodeReExecuteFeature>(null);
        }

        if (http.Response.HasStarted) return;

        // The page itself is missing or failing: the plainest that is still true.
        if (IsBare(http.Response) || http.Response.StatusCode < 400)
        {
            http.Response.StatusCode = status;
            http.Response.ContentType = "text/html; charset=utf-8";
            var sentence = Problems.ForStatus(status).ProblemDetails.Title;
            await http.Response.WriteAsync($"<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{sentence}</title><h1>{sentence}</h1><p>{http.Features.Get<FailureTrace>()?.TraceId}</p><p><a href=\"/\">Home</a></p></html>");
        }
    }

    private ProblemHttpResult ProblemFor(Exception exception, HttpContext http)
    {
        for (var e = exception; e is not null; e = e.InnerException)
        {
            foreach (var candidate in known)
            {
                if (!candidate.Type.IsInstanceOfType(e) || candidate.Problem(http, e) is not { } problem) continue;
                if (problem.StatusCode >= 500) Unavailable(problem.StatusCode, e.GetType().Name, e.Message);
                else Refused(problem.StatusCode, e.GetType().Name);
                return problem;
            }
        }

        var trace = TraceOf(http);
        Failed(exception, trace);
        http.Features.Set(new FailureTrace(trace));
        var unknown = Problems.ForStatus(StatusCodes.Status500InternalServerError);
        unknown.ProblemDetails.Extensions["traceId"] = trace;
        return unknown;
    }

    private static bool IsBare(HttpResponse response) =>
        response is { HasStarted: false, StatusCode: >= 400 and < 600, ContentLength: null } && string.IsNullOrEmpty(response.ContentType);

    // Cookies stay: a renewal that happened before the error has used its refresh token up, and the browser must get the successor.
    private static void Empty(HttpContext http)
    {
        var cookies = http.Response.Headers.SetCookie;
        http.Response.Clear();
        http.Response.Headers.SetCookie = cookies;
        SecurityHeaders.Write(http);
    }

    private static string TraceOf(HttpContext http) => Activity.Current?.TraceId.ToString() ?? http.TraceIdentifier;

    // What the framework's own re-execution leaves behind; the page renderer looks for it.
    private sealed record Origin(string OriginalPath, string OriginalPathBase, string? OriginalQueryString, int OriginalStatusCode, Endpoint? Endpoint, RouteValueDictionary? RouteValues)
        : IStatusCodeReExecuteFeature
    {
        public string OriginalPath { get; set; } = OriginalPath;
        public string OriginalPathBase { get; set; } = OriginalPathBase;
        public string? OriginalQueryString { get; set; } = OriginalQueryString;
    }

    [LoggerMessage(2001, LogLevel.Error, "A request failed; trace {TraceId}")]
    private partial void Failed(Exception exception, string traceId);

    [LoggerMessage(2002, LogLevel.Warning, "Answered {Status}: {Exception}: {Reason}")]
    private partial void Unavailable(int status, string exception, string reason);

    [LoggerMessage(2003, LogLevel.Debug, "Refused with {Status}: {Exception}")]
    private partial void Refused(int status, string exception);

    [LoggerMessage(2004, LogLevel.Debug, "The client left: {Exception}")]
    private partial void ClientLeft(string exception);
}
