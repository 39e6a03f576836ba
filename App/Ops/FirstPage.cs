using App.Data;

namespace App.Ops;

/// <summary>
/// A page that nobody asked for, and that nobody gets: rendered once while the database is brought in, so that the first person doesn't wait for
/// what the runtime compiles on the way. It passes no middleware, and is nobody's.
/// </summary>
internal static class FirstPage
{
    private const string Path = "/account/sign-in";

    // What is compiled is compiled for the process, however many hosts it has.
    private static int _begun;

    /// <summary>Puts all routes together, and then begins. Whatever may fail, whoever asks for the page is told by the page itself.</summary>
    public static void Begin(WebApplication app)
    {
        var page = Find(((IEndpointRouteBuilder)app).DataSources);
        if (page is not null && Interlocked.Exchange(ref _begun, 1) == 0) _ = Task.Run(() => BeginAsync(app.Services, page));
    }

    // It looks for the keys of Data Protection.
    internal static async Task BeginAsync(IServiceProvider services, Endpoint page)
    {
        await services.GetRequiredService<SchemaState>().There;
        await RenderAsync(services, page);
    }

    internal static Endpoint? Find(IEnumerable<EndpointDataSource> routes) =>
        routes.SelectMany(source => source.Endpoints).OfType<RouteEndpoint>().ToList().Find(endpoint => endpoint.RoutePattern.RawText == Path);

    /// <returns>The status of the answer.</returns>
    internal static async Task<int> RenderAsync(IServiceProvider services, Endpoint page)
    {
        await using var scope = services.CreateAsyncScope();
        var http = new DefaultHttpContext { RequestServices = scope.ServiceProvider, Response = { Body = Stream.Null } };
        (http.Request.Method, http.Request.Scheme, http.Request.Host, http.Request.Path) = (HttpMethods.Get, Uri.UriSchemeHttp, new HostString("localhost"), Path);
        http.SetEndpoint(page);
        await page.RequestDelegate!(http);
        return http.Response.StatusCode;
    }
}
