using System.Text.Json;
using System.Text.RegularExpressions;
using App.Ops;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Attacks;

/// <summary>Every route that programs call, under every method, asked by nobody (contract section 4, "Errors").</summary>
public sealed partial class MethodsTests(OneApp fixture) : IClassFixture<OneApp>
{
    private static readonly string[] Methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"];

    [Fact] // ATTACKS 80
    public async Task A_method_that_is_not_the_routes_is_as_unknown_as_no_route_and_each_refusal_says_what_is_wrong()
    {
        var routes = fixture.App.Services.GetServices<EndpointDataSource>().SelectMany(s => s.Endpoints).OfType<RouteEndpoint>()
            .GroupBy(e => "/" + Parameter().Replace(e.RoutePattern.RawText!.Trim('/'), "none")).Where(r => ApiPaths.Contain(r.Key)).ToList();
        Assert.Equal(["/auth/verify"], routes.Where(r => r.Any(e => e.Metadata.GetMetadata<HttpMethodMetadata>() is null)).Select(r => r.Key));
        var wrong = new List<string>();
        foreach (var route in routes)
        {
            var own = route.Select(e => (Methods: e.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? Methods, NeedsCaller: e.Metadata.GetMetadata<IAuthorizeData>() is not null && e.Metadata.GetMetadata<IAllowAnonymous>() is null)).ToList();
            foreach (var method in Methods)
            {
                var meant = own.Find(o => o.Methods.Contains(method == "HEAD" ? "GET" : method));
                using var answer = await fixture.App.SendAsync(new HttpMethod(method), route.Key);
                var status = (int)answer.StatusCode;
                var right = meant.Methods is null ? status == 404 : meant.NeedsCaller ? status == 401 : status is < 500 and not 403 and not 405;
                if (!right || answer.Content.Headers.Contains("Allow")) wrong.Add($"{method} {route.Key} is {status}");
                if (status < 400 || method == "HEAD") continue;
                var type = answer.Content.Headers.ContentType?.MediaType;
                if (type != "application/problem+json" && route.Key != "/connect/token") wrong.Add($"{method} {route.Key} is {status} as {type}");
                else Assert.NotEmpty(Answers.Faults(JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement));
            }
        }

        Assert.Empty(wrong);
        Assert.True(routes.Count > 50, $"{routes.Count} routes");
    }

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex Parameter();
}
