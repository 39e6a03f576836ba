using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using App.Shared;
using App.Tests.Admin;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Routing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Attacks;

/// <summary>Who may look after the service, at every door there is for that, those too that are built after this was written (ATTACKS 154), and how the first one comes to be (160).</summary>
public sealed partial class AdminDoorsTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact] // ATTACKS 154
    public async Task No_admin_s_door_opens_for_a_person_nobody_or_an_admin_whose_token_is_over()
    {
        var (user, admin) = (await _app.SignUpAsync(), await _app.NewAdminAsync());
        var doors = Doors().ToList();
        foreach (var known in new[] { ("GET", "/api/admin/users"), ("POST", "/api/admin/keys/rotate"), ("DELETE", "/api/admin/sessions/{id}"), ("GET", "/admin/users"), ("POST", "/services/new") }) Assert.Contains(known, doors);
        var (before, wrong) = (await State.OfAsync(_app), new List<string>());
        foreach (var (method, pattern) in doors)
        {
            foreach (var id in new[] { user.Id.ToString(), Guid.NewGuid().ToString(), "nonsense" }) await AskAsync("a person", method, pattern, id, user.AccessToken, 403, 403);
            await AskAsync("nobody", method, pattern, user.Id.ToString(), null, 401, 302);
        }

        _app.Time.Advance(TimeSpan.FromSeconds(331)); // 5 minutes, and the skew
        foreach (var (method, pattern) in doors) await AskAsync("an expired admin", method, pattern, user.Id.ToString(), admin.AccessToken, 401, 302);
        Assert.Equal([], wrong);
        Assert.Equal(before, await State.OfAsync(_app));

        async Task AskAsync(string who, string method, string pattern, string id, string? bearer, int api, int page)
        {
            if (!pattern.Contains('{', StringComparison.Ordinal) && id == "nonsense") return;
            using var request = new HttpRequestMessage(new HttpMethod(method), Parameter().Replace(pattern, id));
            if (method != "GET") request.Content = pattern.StartsWith("/api/", StringComparison.Ordinal) ? JsonContent.Create(new { id = "planted" }) : new FormUrlEncodedContent([new("_handler", "x")]);
            if (bearer is not null) request.Headers.Add("Authorization", "Bearer " + bearer);
            using var answer = await _app.Client.SendAsync(request);
            var expected = pattern.StartsWith("/api/", StringComparison.Ordinal) ? api : page;
            if ((int)answer.StatusCode != expected) wrong.Add($"{who}: {method} {pattern} with {id} is {(int)answer.StatusCode}, not {expected}");
        }
    }

    [Fact] // ATTACKS 160: it takes somebody with the machine, at the command line (AdminTests)
    public async Task There_is_no_account_to_begin_with_and_no_address_that_makes_an_admin()
    {
        Assert.Equal((0, 0), await _app.DbAsync(async db => (await db.Users.CountAsync(), await db.UserRoles.CountAsync())));
        Assert.Equal([], _app.Services.GetServices<EndpointDataSource>().SelectMany(s => s.Endpoints).OfType<RouteEndpoint>().Select(e => e.RoutePattern.RawText!).Where(path => Setup().IsMatch(path)));
        foreach (var path in new[] { "/setup", "/install", "/api/setup", "/api/admin/setup", "/api/users/first", "/admin/setup", "/account/setup" })
        {
            using var answer = await _app.SendAsync(HttpMethod.Post, path, json: new { email = "first@example.test", password = TestApp.Password });
            Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        }

        // Of those who come first, and at the same time, nobody is more than the others.
        var first = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => _app.SignUpAsync()));
        Assert.All(first, user => Assert.False(user.Claims.TryGetProperty("roles", out JsonElement _)));
        Assert.Equal(0, await _app.DbAsync(db => db.UserRoles.CountAsync()));
        foreach (var user in first) Assert.Equal(HttpStatusCode.Forbidden, (await _app.SendAsync(HttpMethod.Get, "/api/admin/users", user.AccessToken)).StatusCode);
    }

    private IEnumerable<(string Method, string Path)> Doors() => _app.Services.GetServices<EndpointDataSource>().SelectMany(s => s.Endpoints).OfType<RouteEndpoint>()
        .Where(e => e.RoutePattern.RawText!.Trim('/').StartsWith("api/admin", StringComparison.Ordinal) || e.Metadata.GetOrderedMetadata<IAuthorizeData>().Any(a => a.Policy == Roles.Admin))
        .SelectMany(e => (e.Metadata.GetMetadata<HttpMethodMetadata>()?.HttpMethods ?? ["GET"]).Select(method => (method, "/" + e.RoutePattern.RawText!.Trim('/')))).Distinct();

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex Parameter();

    [GeneratedRegex("set-?up|install|bootstrap|first-?run", RegexOptions.IgnoreCase)]
    private static partial Regex Setup();
}
