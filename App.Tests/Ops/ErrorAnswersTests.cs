using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using App.Ops;
using App.Shared;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Data.Sqlite;

namespace App.Tests.Ops;

public sealed class ErrorAnswersTests : IAsyncLifetime
{
    // The driver's own words (ADP_PooledOpenTimeout).
    private const string PoolTimeout = "Timeout expired.  The timeout period elapsed prior to obtaining a connection from the pool.  This may have occurred because all pooled connections were in use and max pool size was reached.";

    private OpsHost host = null!;

    public async Task InitializeAsync() => host = await OpsHost.StartAsync(
        app =>
        {
            app.MapPost("/api/echo", (Echo echo) => echo);
            app.MapGet("/api/boom", () => Throw(new InvalidOperationException("secret detail")));
            app.MapGet("/api/full", () => Throw(new InvalidOperationException("outer", new SqliteException("database or disk is full", 13))));
            app.MapGet("/api/pool", () => Throw(new InvalidOperationException(PoolTimeout) { Source = "Microsoft.Data.SqlClient" }));
            app.MapGet("/api/constraint", () => Throw(new SqliteException("UNIQUE constraint failed", 19)));
            app.MapGet("/api/tea", () => Throw(new AggregateException(new TeapotException())));
            app.MapGet("/api/status/{status:int}", (int status) => TypedResults.StatusCode(status));
            app.MapGet("/api/renewed", (HttpContext http) =>
            {
                http.Response.Headers.SetCookie = "session_refresh=successor";
                return Throw(new InvalidOperationException("after the renewal"));
            });
            app.MapGet("/api/own", () => Problems.EmailInUse());
            app.MapPost("/api/form", async (HttpRequest request) => (await request.ReadFormAsync()).Count);
            app.MapGet("/account/boom", () => Throw(new InvalidOperationException("secret detail")));
            app.MapPost("/account/form", () => TypedResults.StatusCode(400));
            app.MapGet("/error/{status:int}", (int status, HttpContext http) => TypedResults.Text($"<h1>page for {status} of {http.Request.Method}</h1>", "text/html", statusCode: status));
        },
        services => services.AddProblemFor<TeapotException>((_, _) => Problems.ForStatus(418)));

    public async Task DisposeAsync() => await host.DisposeAsync();

    [Fact]
    public async Task A_cookie_that_was_renewed_before_the_error_still_reaches_the_browser()
    {
        using var answer = await host.Client.GetAsync("/api/renewed");
        Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        Assert.Equal("session_refresh=successor", Assert.Single(answer.Headers.GetValues("Set-Cookie")));
    }

    [Theory]
    [InlineData("GET", "/api/nothing", 404, "Not Found")]
    [InlineData("GET", "/api/echo", 404, "Not Found")]
    [InlineData("DELETE", "/API/users/signup", 404, "Not Found")]
    [InlineData("PURGE", "/auth/nothing", 404, "Not Found")]
    [InlineData("GET", "/connect/nothing", 404, "Not Found")]
    [InlineData("GET", "/events/nothing", 404, "Not Found")]
    [InlineData("GET", "/.well-known/nothing", 404, "Not Found")]
    [InlineData("DELETE", "/health/live", 404, "Not Found")]
    [InlineData("GET", "/api/status/401", 401, "Not authorized")]
    [InlineData("GET", "/api/status/405", 404, "Not Found")]
    [InlineData("GET", "/api/status/429", 429, "Too many attempts. Try again later.")]
    [InlineData("GET", "/api/status/503", 503, "The service is busy. Try again in a moment.")]
    [InlineData("GET", "/api/own", 400, "Email in use")]
    [InlineData("GET", "/api/tea", 418, "Something went wrong")]
    public async Task An_api_error_is_a_problem_with_errors(string method, string path, int status, string message)
    {
        using var response = await host.SendAsync(new HttpMethod(method), path);

        await AssertProblemAsync(response, status, message);
        Assert.Equal("nosniff", response.Headers.GetValues("X-Content-Type-Options").Single());
    }

    [Theory]
    [InlineData("{", "application/json", 400)]
    [InlineData("{\"name\":{}}", "application/json", 400)]
    [InlineData("", "application/json", 400)]
    [InlineData("name=x", "text/plain", 415)]
    public async Task Bad_input_is_never_a_server_error(string body, string type, int status)
    {
        using var response = await host.SendAsync(HttpMethod.Post, "/api/echo", new StringContent(body, Encoding.UTF8, type));

        await AssertProblemAsync(response, status);
        Assert.Empty(host.Log.Lines);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_body_over_the_limit_is_413(bool chunked)
    {
        var body = new StringContent("{\"name\":\"" + new string('x', 70_000) + "\"}", Encoding.UTF8, "application/json");
        if (chunked) body.Headers.ContentLength = null;
        var request = new HttpRequestMessage(HttpMethod.Post, "/api/echo") { Content = body };
        request.Headers.TransferEncodingChunked = chunked;
        using var response = await host.Client.SendAsync(request);

        await AssertProblemAsync(response, 413, "The request is too large");
    }

    [Fact]
    public async Task A_form_with_too_many_fields_is_400()
    {
        using var form = new FormUrlEncodedContent(Enumerable.Range(0, 200).Select(i => KeyValuePair.Create($"f{i}", "x")));
        using var response = await host.SendAsync(HttpMethod.Post, "/api/form", form);

        await AssertProblemAsync(response, 400);
    }

    [Fact]
    public async Task An_exception_says_nothing_to_the_client_and_everything_once_to_the_log()
    {
        using var response = await host.SendAsync(HttpMethod.Get, "/api/boom");

        var problem = await AssertProblemAsync(response, 500, "Something went wrong");
        Assert.DoesNotContain("secret detail", problem.GetRawText(), StringComparison.Ordinal);
        var line = Assert.Single(host.Log.Lines);
        Assert.Contains(problem.GetProperty("traceId").GetString()!, line, StringComparison.Ordinal);
        Assert.Contains(nameof(InvalidOperationException), line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/api/full")]
    [InlineData("/api/pool")]
    public async Task A_database_that_is_full_or_has_no_connection_left_is_503_with_a_time_to_come_back(string path)
    {
        using var response = await host.SendAsync(HttpMethod.Get, path);

        await AssertProblemAsync(response, 503);
        Assert.Equal(TimeSpan.FromSeconds(2), response.Headers.RetryAfter!.Delta);
        Assert.Equal("no-store", response.Headers.CacheControl!.ToString());
    }

    [Fact]
    public async Task A_wronged_database_is_a_fault_of_ours()
    {
        using var response = await host.SendAsync(HttpMethod.Get, "/api/constraint");

        await AssertProblemAsync(response, 500);
    }

    [Theory]
    [InlineData(5, true)]
    [InlineData(10, true)]
    [InlineData(14, true)]
    [InlineData(1, false)]
    [InlineData(11, false)]
    [InlineData(19, false)]
    public void Only_some_sqlite_errors_pass_by_themselves(int code, bool away) => Assert.Equal(away, ExceptionProblems.IsAway(new SqliteException("x", code)));

    [Theory]
    [InlineData(-2, true)]
    [InlineData(53, true)]
    [InlineData(1205, true)]
    [InlineData(547, false)]
    [InlineData(2601, false)]
    [InlineData(2627, false)]
    public void Only_some_sql_server_errors_pass_by_themselves(int number, bool away) => Assert.Equal(away, ExceptionProblems.IsAway(number));

    [Theory]
    [InlineData("GET", "/nowhere", 404)]
    [InlineData("GET", "/app.db", 404)]
    [InlineData("GET", "/account/boom", 500)]
    [InlineData("POST", "/account/form", 400)]
    public async Task A_person_gets_the_error_page_under_the_address_asked_for(string method, string path, int status)
    {
        using var response = await host.SendAsync(new HttpMethod(method), path);

        Assert.Equal((HttpStatusCode)status, response.StatusCode);
        Assert.Equal("text/html", response.Content.Headers.ContentType?.MediaType);
        Assert.Equal($"<h1>page for {status} of GET</h1>", await response.Content.ReadAsStringAsync());
        Assert.Contains("frame-ancestors 'none'", response.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_an_error_page_there_is_still_html()
    {
        await using var bare = await OpsHost.StartAsync();
        using var response = await bare.SendAsync(HttpMethod.Get, "/nowhere");

        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.Contains("<h1>Not Found</h1>", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failing_error_page_is_still_html()
    {
        await using var broken = await OpsHost.StartAsync(app =>
        {
            app.MapGet("/boom", () => Throw(new InvalidOperationException()));
            app.MapGet("/error/{status:int}", (int status) => Throw(new InvalidOperationException()));
        });
        using var response = await broken.SendAsync(HttpMethod.Get, "/boom");

        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.Contains("<h1>Something went wrong</h1>", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    internal static async Task<JsonElement> AssertProblemAsync(HttpResponseMessage response, int status, string? message = null)
    {
        Assert.Equal((HttpStatusCode)status, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        var problem = await response.Content.ReadFromJsonAsync<JsonElement>();
        var first = problem.GetProperty("errors")[0].GetProperty("message").GetString();
        Assert.Equal(message ?? first, first);
        return problem;
    }

    private static string Throw(Exception exception) => throw exception;

    internal sealed record Echo(string Name);

    private sealed class TeapotException : Exception;
}
