using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace App.Tests.Ops;

/// <summary>ATTACKS.md, groups CSRF and RT; contract section 4, "CSRF and CORS".</summary>
public sealed class CrossSiteGuardTests(CrossSiteGuardTests.Host fixture) : IClassFixture<CrossSiteGuardTests.Host>
{
    // {self} is scheme, host and port of the service; the issuer is its public name.
    private const string Cookie = "Cookie: session=x";

    [Theory] // ATTACKS 211, 212, by the lines on /_blazor
    [InlineData(200, "POST", "/api/users/signin", "Sec-Fetch-Site: same-origin")]
    [InlineData(200, "POST", "/api/users/signin", "Sec-Fetch-Site: none")]
    [InlineData(403, "POST", "/api/users/signin", "Sec-Fetch-Site: same-site")]
    [InlineData(403, "POST", "/api/users/signin", "Sec-Fetch-Site: cross-site")]
    [InlineData(403, "POST", "/api/users/signin", "Sec-Fetch-Site: same-origin, cross-site")]
    [InlineData(403, "POST", "/api/users/signin", "Sec-Fetch-Site: cross-site", "Origin: {self}")]
    [InlineData(200, "POST", "/api/users/signin", "Origin: {self}")]
    [InlineData(200, "POST", "/api/users/signin", "Origin: https://id.example.com")]
    [InlineData(403, "POST", "/api/users/signin", "Origin: https://evil.example")]
    [InlineData(403, "POST", "/api/users/signin", "Origin: https://id.example.com.evil.example")]
    [InlineData(403, "POST", "/api/users/signin", "Origin: https://id.example.com@evil.example")]
    [InlineData(403, "POST", "/api/users/signin", "Origin: http://id.example.com")]
    [InlineData(403, "POST", "/api/users/signin", "Origin: null")]
    [InlineData(403, "POST", "/api/users/signin", "Origin: rubbish")]
    [InlineData(200, "POST", "/api/users/signin")]
    [InlineData(403, "POST", "/API/Users/signin", "Origin: https://evil.example")]
    [InlineData(200, "POST", "/api/tokens", "Origin: https://evil.example")]
    [InlineData(403, "POST", "/api/tokens", "Origin: https://evil.example", Cookie)]
    [InlineData(403, "DELETE", "/api/sessions", "Sec-Fetch-Site: cross-site", Cookie)]
    [InlineData(200, "DELETE", "/api/sessions", "Sec-Fetch-Site: same-origin", Cookie)]
    [InlineData(200, "DELETE", "/api/sessions", Cookie)]
    [InlineData(200, "DELETE", "/api/sessions", "Sec-Fetch-Site: cross-site", Cookie, "Authorization: Bearer x")]
    [InlineData(403, "DELETE", "/api/sessions", "Sec-Fetch-Site: cross-site", Cookie, "Authorization: Basic x")]
    [InlineData(403, "DELETE", "/api/sessions", "Sec-Fetch-Site: cross-site", Cookie, "Authorization: Bearer")]
    [InlineData(403, "PROPFIND", "/api/sessions", "Sec-Fetch-Site: cross-site", Cookie)]
    [InlineData(403, "POST", "/account/sign-in", "Origin: https://evil.example")]
    [InlineData(403, "POST", "/account/sign-in", "Origin: null")]
    [InlineData(200, "POST", "/account/sign-in", "Sec-Fetch-Site: same-origin")]
    [InlineData(200, "GET", "/account/sign-in", "Sec-Fetch-Site: cross-site", Cookie)]
    [InlineData(200, "GET", "/api/users/currentuser", "Sec-Fetch-Site: cross-site", Cookie)]
    [InlineData(200, "GET", "/_blazor", "Upgrade: websocket", "Connection: Upgrade", "Origin: {self}", Cookie)]
    [InlineData(200, "GET", "/_blazor", "Upgrade: websocket", "Connection: Upgrade", "Origin: https://id.example.com", Cookie)]
    [InlineData(403, "GET", "/_blazor", "Upgrade: websocket", "Connection: Upgrade", "Origin: https://evil.example", Cookie)]
    [InlineData(403, "GET", "/_blazor", "Upgrade: websocket", "Connection: Upgrade", "Origin: null", Cookie)]
    [InlineData(403, "GET", "/_blazor", "Upgrade: websocket", "Connection: Upgrade", Cookie)]
    [InlineData(403, "GET", "/_blazor", "Upgrade: websocket", "Connection: Upgrade", "Authorization: Bearer x")]
    [InlineData(403, "GET", "/_blazor", "Origin: https://evil.example", Cookie)]
    [InlineData(403, "POST", "/_blazor/negotiate", "Origin: https://evil.example")]
    [InlineData(200, "POST", "/_blazor/negotiate", "Origin: {self}")]
    public async Task A_browser_acts_only_for_our_own_pages(int status, string method, string path, params string[] headers)
    {
        var host = fixture.Ops;
        var self = host.Address.GetLeftPart(UriPartial.Authority);
        using var response = await host.SendAsync(new HttpMethod(method), path, null, [.. headers
            .Select(h => h.Replace("{self}", self, StringComparison.Ordinal).Split(": ", 2))
            .Select(h => (h[0], h[1]))]);

        Assert.Equal((HttpStatusCode)status, response.StatusCode);
        if (status != 403) return;
        if (path.StartsWith("/api", StringComparison.OrdinalIgnoreCase)) await ErrorAnswersTests.AssertProblemAsync(response, 403, "Cross-origin request refused");
        else Assert.Equal("text/html", response.Content.Headers.ContentType?.MediaType);
    }

    public sealed class Host : IAsyncLifetime
    {
        internal OpsHost Ops { get; private set; } = null!;

        public async Task InitializeAsync() => Ops = await OpsHost.StartAsync(
            app => app.Map("{**all}", (HttpContext http) => Results.Ok()).WithOrder(-1),
            settings: ["Issuer=https://id.example.com"]);

        public async Task DisposeAsync() => await Ops.DisposeAsync();
    }
}
