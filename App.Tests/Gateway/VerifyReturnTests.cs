using System.Net;
using App.Tests.Attacks;

namespace App.Tests.Gateway;

/// <summary>The way to sign-in and back that a refusal names. RED (103-106) and HOST (113) at the forward-auth door; FWD-03, FWD-05 (164, 166).</summary>
public sealed class VerifyReturnTests(VerifyReturnTests.Proxied proxied) : IClassFixture<VerifyReturnTests.Proxied>
{
    private const string Shop = "https://shop.example.com";
    private const string Page = "https://id.example.com/account/sign-in";

    private readonly KestrelApp _app = proxied.App;

    /// <summary>One app for all: no test here changes anything for another.</summary>
    public sealed class Proxied : IAsyncLifetime
    {
        public KestrelApp App { get; } = KestrelApp.Start(("Issuer", "https://id.example.com"), ("Proxy:TrustedNetworks:0", "127.0.0.1"), ("Gateway:AllowedOrigins:0", Shop), ("Gateway:AllowedOrigins:1", "http://localhost:8081"));

        public Task InitializeAsync() => Task.CompletedTask;

        public async Task DisposeAsync() => await App.DisposeAsync();
    }

    [Theory]
    [InlineData("https", "shop.example.com", "/orders?q=a%20b&c=d", Shop + "/orders?q=a%20b&c=d")]
    [InlineData("https", "SHOP.example.com:443", "/", Shop + "/")]
    [InlineData("http", "localhost:8081", "/x", "http://localhost:8081/x")]
    [InlineData("https", "id.example.com", "/account/sessions", "/account/sessions")]
    public async Task The_refusal_names_sign_in_and_the_way_back(string scheme, string host, string target, string returnUrl)
    {
        var answer = await AskAsync("", ("X-Forwarded-Proto", scheme), ("X-Forwarded-Host", host), ("X-Forwarded-Uri", target), ("X-Forwarded-Method", "GET"));
        Assert.Equal((HttpStatusCode.Unauthorized, "Bearer", "no-store"), (answer.StatusCode, answer.Headers.WwwAuthenticate.ToString(), answer.Headers.CacheControl!.ToString()));
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType!.MediaType);
        Assert.Equal($"{Page}?returnUrl={Uri.EscapeDataString(returnUrl)}", answer.Header("Location"));
    }

    [Theory] // 103-106, 113, 166: whatever isn't plainly a known place, sign-in leads home
    [InlineData("https", "evil.test", "/x")]
    [InlineData("http", "shop.example.com", "/x")]
    [InlineData("https", "shop.example.com.evil.test", "/x")]
    [InlineData("https", "shop.example.com:444", "/x")]
    [InlineData("https", "shop.example.com@evil.test", "/x")]
    [InlineData("javascript", "shop.example.com", "/x")]
    [InlineData("https", "shop.example.com", "@evil.test/x")]
    [InlineData("https", "shop.example.com", ".evil.test/x")]
    [InlineData("https", "shop.example.com", "//evil.test/x")]
    [InlineData("https", "shop.example.com", "/\\evil.test")]
    [InlineData("https", "shop.example.com", "/%5cevil.test")]
    [InlineData("https", "shop.example.com", "/%2f%2fevil.test")]
    [InlineData("https", "shop.example.com", "/%0d%0aLocation:%20https://evil.test")]
    [InlineData("https", "shop.example.com", "http://[::1")]
    [InlineData("https", "shop.example.com", "javascript:alert(1)")]
    [InlineData("https", "shop.example.com", "")]
    [InlineData("https", "id.example.com", "//evil.test")]
    [InlineData("https", "id.example.com", "/\\evil.test")]
    public async Task Anywhere_else_is_not_led_back_to(string scheme, string host, string target)
    {
        var answer = await AskAsync("?redirect=true", ("X-Forwarded-Proto", scheme), ("X-Forwarded-Host", host), ("X-Forwarded-Uri", target), ("Accept", "text/html"));
        Assert.Equal((HttpStatusCode.Redirect, Page), (answer.StatusCode, answer.Header("Location")));
    }

    [Fact] // 166
    public async Task What_is_told_twice_or_far_too_long_is_not_believed()
    {
        (string, string)[] place = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "shop.example.com")];
        Assert.Equal(Page, (await AskAsync("", [.. place, ("X-Forwarded-Uri", "/a"), ("X-Forwarded-Uri", "/b")])).Header("Location"));
        Assert.Equal(Page, (await AskAsync("", [.. place, ("X-Forwarded-Uri", "/" + new string('a', 8000))])).Header("Location"));
        // Each proxy adds its word at the end; what stands before it is the client's.
        Assert.Equal(Page, (await AskAsync("", ("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "shop.example.com, evil.test"), ("X-Forwarded-Uri", "/a"))).Header("Location"));
    }

    [Theory] // a proxy that doesn't say where: then it is here
    [InlineData("/account/sessions?x=1", "/account/sessions?x=1")]
    [InlineData("/a", "/a")]
    [InlineData("//evil.test/x", null)]
    [InlineData("/\\evil.test", null)]
    [InlineData("/%2f%2fevil.test", null)]
    [InlineData("https://evil.test/x", null)]
    [InlineData("", null)]
    public async Task A_path_without_its_host_is_one_of_ours(string target, string? returnUrl)
    {
        var expected = returnUrl is null ? Page : $"{Page}?returnUrl={Uri.EscapeDataString(returnUrl)}";
        Assert.Equal(expected, (await AskAsync("", ("X-Forwarded-Uri", target))).Header("Location"));
        Assert.Equal(expected, (await AskAsync("", ("X-Forwarded-Uri", target), ("X-Forwarded-Proto", "https"), ("Host", "shop.example.com"))).Header("Location"));
        // One that says it, and not so that it can be understood, has said nothing of a place here.
        Assert.Equal(Page, (await AskAsync("", ("X-Forwarded-Uri", target), ("X-Forwarded-Host", "sh op"))).Header("Location"));
    }

    [Theory]
    [InlineData("GET", "text/html,*/*;q=0.8", "navigate", null, 302)]
    [InlineData("HEAD", "text/html", null, null, 302)]
    [InlineData("GET", "application/json", null, null, 401)]
    [InlineData("GET", "*/*", null, null, 401)]
    [InlineData("GET", "text/html", "cors", null, 401)]
    [InlineData("POST", "text/html", "navigate", null, 401)]
    [InlineData("GET,GET", "text/html", "navigate", null, 401)]
    [InlineData("GET", "text/html", "navigate", "Bearer x", 401)]
    public async Task Only_a_browser_that_navigates_is_sent_to_another_page(string method, string accept, string? mode, string? authorization, int status)
    {
        (string, string)[] headers = [("X-Forwarded-Method", method), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "shop.example.com"), ("X-Forwarded-Uri", "/x"), ("Accept", accept)];
        if (mode is not null) headers = [.. headers, ("Sec-Fetch-Mode", mode)];
        if (authorization is not null) headers = [.. headers, ("Authorization", authorization)];
        var answer = await AskAsync("?redirect=true", headers);
        Assert.Equal((status, Page + "?returnUrl=https%3A%2F%2Fshop.example.com%2Fx"), ((int)answer.StatusCode, answer.Header("Location")));
        Assert.Equal(401, (int)(await AskAsync("", headers)).StatusCode);
        Assert.Equal(401, (int)(await AskAsync("?redirect=1", headers)).StatusCode);
    }

    [Theory] // FWD-03, FWD-05 (164, 166), FWD-06, FWD-07 (167, 168): no word about the original request makes a stranger pass
    [InlineData("/public"), InlineData("/account/sign-in"), InlineData("http://[::1"), InlineData("%zz"), InlineData(""), InlineData("/public/../admin"), InlineData("/health/live"), InlineData("/x?y=/public/")]
    public async Task No_forwarded_address_decides(string target)
    {
        foreach (var name in new[] { "X-Forwarded-Uri", "X-Original-URL", "X-Rewrite-URL", "X-Original-URI" })
            Assert.Equal(401, (int)(await AskAsync("", (name, target), ("X-Forwarded-Host", "id.example.com"), ("X-Forwarded-Method", "OPTIONS"))).StatusCode);
    }

    [Fact] // FWD-03 (164)
    public async Task By_default_nobody_is_believed()
    {
        await using var app = KestrelApp.Start(("Issuer", "https://id.example.com"), ("Gateway:AllowedOrigins:0", Shop));
        var answer = await AskAsync(app, "", ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "shop.example.com"), ("X-Original-Host", "shop.example.com"), ("X-Forwarded-Uri", "/orders"));
        Assert.Equal((HttpStatusCode.Unauthorized, Page), (answer.StatusCode, answer.Header("Location")));
        Assert.Equal(Page, (await AskAsync(app, "", ("X-Forwarded-Uri", "/orders"))).Header("Location"));
    }

    [Fact]
    public async Task Sign_in_leads_back_to_an_allowed_origin_and_lets_its_form_go_there()
    {
        var page = await _app.Client.GetAsync("/account/sign-in?returnUrl=" + Uri.EscapeDataString(Shop + "/orders"));
        Assert.Contains("form-action 'self' https://shop.example.com;", page.Header("Content-Security-Policy")!, StringComparison.Ordinal);
        var elsewhere = await _app.Client.GetAsync("/account/sign-in?returnUrl=" + Uri.EscapeDataString("https://evil.test/orders"));
        Assert.Contains("form-action 'self';", elsewhere.Header("Content-Security-Policy")!, StringComparison.Ordinal);

        foreach (var (wanted, location) in new[]
        {
            (Shop + "/orders?x=1", Shop + "/orders?x=1"), (Shop + "//evil.test", "/account"), (Shop + ".evil.test/", "/account"), (Shop + "@evil.test/", "/account"),
            (Shop + "/\\evil.test", "/account"), ("https://evil.test/", "/account"), (Shop, "/account"), ("/account/sessions", "/account/sessions"),
        })
        {
            var email = $"{Guid.NewGuid():N}@example.test";
            var answer = await _app.Client.PostAsync("/account/sign-up?returnUrl=" + Uri.EscapeDataString(wanted), new FormUrlEncodedContent(
                [new("_handler", "sign-up"), new("email", email), new("password", TestApp.Password)]));
            Assert.Equal((HttpStatusCode.SeeOther, location), (answer.StatusCode, answer.Header("Location")));
        }
    }

    private Task<HttpResponseMessage> AskAsync(string query, params (string Name, string Value)[] headers) => AskAsync(_app, query, headers);

    private static Task<HttpResponseMessage> AskAsync(KestrelApp app, string query, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "/auth/verify" + query);
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        return app.Client.SendAsync(request);
    }
}
