using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using App.Tests.Attacks;
using Microsoft.AspNetCore.Http;
using Microsoft.IdentityModel.JsonWebTokens;

namespace App.Tests.Gateway;

/// <summary>The built-in gateway on real sockets, in front of a real service (contract section 5; ATTACKS 162-178).</summary>
public sealed class GatewayTests : IAsyncLifetime
{
    private const string Password = "seven brass lanterns";
    private EchoService _echo = null!;
    private KestrelApp _app = null!;
    private string _token = "";
    private string _cookies = "";
    private Guid _session;

    public async Task InitializeAsync()
    {
        _echo = await EchoService.StartAsync();
        _app = KestrelApp.Start(
            ("Gateway:Routes:0:Path", "/orders"), ("Gateway:Routes:0:Destinations:0", _echo.Address), ("Gateway:Routes:0:Audience", "orders"),
            ("Gateway:Routes:1:Path", "/shop"), ("Gateway:Routes:1:Destinations:0", _echo.Address), ("Gateway:Routes:1:Public", "true"), ("Gateway:Routes:1:StripPath", "true"),
            ("Gateway:Routes:2:Path", "/back/admin"), ("Gateway:Routes:2:Destinations:0", _echo.Address), ("Gateway:Routes:2:Role", "admin"),
            ("Gateway:Routes:3:Path", "/back"), ("Gateway:Routes:3:Destinations:0", _echo.Address), ("Gateway:Routes:3:IdentityHeaders", "true"),
            ("Gateway:Routes:4:Path", "/gone"), ("Gateway:Routes:4:Destinations:0", "http://127.0.0.1:1"), ("Gateway:Routes:4:Destinations:1", _echo.Address), ("Gateway:Routes:4:Public", "true"), ("Gateway:Routes:4:Retries", "3"),
            ("Gateway:Routes:5:Host", "wiki.example.test"), ("Gateway:Routes:5:Destinations:0", _echo.Address),
            ("Gateway:Routes:6:Path", "/nobody"), ("Gateway:Routes:6:Destinations:0", "http://127.0.0.1:1"), ("Gateway:Routes:6:Public", "true"),
            ("Gateway:Routes:7:Host", "shop.example.test"), ("Gateway:Routes:7:Path", "/cart"), ("Gateway:Routes:7:Destinations:0", _echo.Address),
            ("Gateway:AllowedOrigins:0", "http://wiki.example.test"),
            ("Services:0:Id", "orders"), ("Services:0:Secret", new string('s', 40)), ("Services:0:Audience", "https://orders.example.test"));
        var credentials = new { email = "ada@example.test", password = Password };
        using var signedUp = await _app.Client.PostAsJsonAsync("/api/users/signup", credentials);
        _cookies = string.Join("; ", signedUp.EnsureSuccessStatusCode().Headers.GetValues("Set-Cookie").Select(line => line.Split(';')[0]));
        using var answer = await _app.Client.PostAsJsonAsync("/api/tokens", credentials);
        var grant = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
        (_token, _session) = (grant.GetProperty("access_token").GetString()!, grant.GetProperty("session_id").GetGuid());
    }

    public async Task DisposeAsync()
    {
        await _app.DisposeAsync();
        await _echo.DisposeAsync();
    }

    [Fact]
    public async Task A_service_gets_a_token_that_is_bound_to_it_and_neither_of_our_cookies()
    {
        foreach (var (name, value) in new[] { ("Authorization", $"Bearer {_token}"), ("Cookie", $"theme=dark; {_cookies}") })
        {
            using var answer = await SendAsync(HttpMethod.Get, "/orders/7?x=1", (name, value));
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            var echo = await EchoService.ReadAsync(answer);
            Assert.Equal(("GET", "/orders/7?x=1"), (echo.Method, echo.Target));
            var token = new JsonWebToken(echo.Headers["Authorization"]["Bearer ".Length..]);
            Assert.Equal(["https://orders.example.test"], token.Audiences);
            Assert.Equal("ada@example.test", token.GetClaim("email").Value);
            Assert.Equal(name == "Cookie" ? "theme=dark" : null, echo.Headers.GetValueOrDefault("Cookie"));
            Assert.DoesNotContain("X-Auth-User", echo.Headers.Keys);
        }
    }

    [Fact]
    public async Task The_services_own_answer_comes_back_without_our_headers_and_without_a_planted_cookie()
    {
        using var answer = await SendAsync(HttpMethod.Get, "/orders", ("Authorization", $"Bearer {_token}"));
        Assert.Equal(["theme=dark; path=/"], answer.Headers.GetValues("Set-Cookie"));
        Assert.Equal("public, max-age=60", answer.Headers.CacheControl!.ToString());
        Assert.Equal("echo", answer.Headers.GetValues("X-From").Single());
        Assert.False(answer.Headers.Contains("Content-Security-Policy"));
    }

    [Fact] // RFC 9110 section 5.5: what is beyond ASCII is nobody's business on the way
    public async Task Headers_beyond_ascii_pass_both_ways()
    {
        await using var resume = await EchoService.StartAsync(http =>
        {
            // As the bytes came: this service reads them as UTF-8.
            http.Response.Headers["X-Cookie"] = Convert.ToHexString(Encoding.UTF8.GetBytes(http.Request.Headers.Cookie.ToString()));
            http.Response.Headers.ContentDisposition = "attachment; filename=\"r\u00e9sum\u00e9.pdf\"";
            (http.Response.Headers.ETag, http.Response.Headers.ContentType, http.Response.Headers.CacheControl) = ("\"\u00fc\"", "application/pdf; name=\"\u00fc.pdf\"", "private, ext=\"\u00fc\"");
            return http.Response.WriteAsync("done");
        });
        await using var app = KestrelApp.Start(("Gateway:Routes:0:Path", "/files"), ("Gateway:Routes:0:Destinations:0", resume.Address), ("Gateway:Routes:0:Public", "true"));
        var cookie = Encoding.UTF8.GetBytes("name=Jos\u00e9");
        var answer = await app.SendRawAsync((byte[])[.. "GET /files/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: "u8, .. cookie, .. "\r\n\r\n"u8]);
        Assert.StartsWith("HTTP/1.1 200", answer, StringComparison.Ordinal);
        Assert.Contains("X-Cookie: " + Convert.ToHexString(cookie), answer, StringComparison.OrdinalIgnoreCase);
        foreach (var passed in new[] { "filename=\"r\u00e9sum\u00e9.pdf\"", "ETag: \"\u00fc\"", "name=\"\u00fc.pdf\"", "ext=\"\u00fc\"" }) Assert.Contains(passed, answer, StringComparison.Ordinal);
    }

    [Fact] // RFC 9110 section 7.6.1
    public async Task What_a_connection_header_names_goes_no_further()
    {
        await using var hop = await EchoService.StartAsync(http =>
        {
            http.Response.Headers.Connection = "X-Internal";
            http.Response.Headers["X-Internal"] = "1";
            http.Response.Headers["X-Seen"] = string.Join(',', http.Request.Headers.Select(h => h.Key).Where(name => name.StartsWith("X-Hop", StringComparison.OrdinalIgnoreCase)));
            return Task.CompletedTask;
        });
        await using var app = KestrelApp.Start(("Gateway:Routes:0:Path", "/hop"), ("Gateway:Routes:0:Destinations:0", hop.Address), ("Gateway:Routes:0:Public", "true"));
        using var request = new HttpRequestMessage(HttpMethod.Get, "/hop") { Headers = { { "Connection", "x-hop" }, { "X-Hop", "1" }, { "X-Hop-Stays", "1" } } };
        using var answer = await app.Client.SendAsync(request);
        Assert.Equal("X-Hop-Stays", answer.Headers.GetValues("X-Seen").Single());
        Assert.False(answer.Headers.Contains("X-Internal"));
    }

    [Theory] // ATTACKS 162, 163
    [InlineData("X-Auth-User")]
    [InlineData("x_auth_user")]
    [InlineData("X-User")]
    [InlineData("Remote-User")]
    [InlineData("X-Forwarded-User")]
    [InlineData("X-Roles")]
    [InlineData("X-Auth-Request-User")]
    [InlineData("X-Authentik-Username")]
    [InlineData("X-Goog-Authenticated-User-Email")]
    [InlineData("Tailscale-User-Login")]
    [InlineData("CF_Connecting_IP")]
    [InlineData("True-Client-IP")]
    [InlineData("Proxy")]
    public async Task Identity_from_outside_never_arrives(string name)
    {
        using var answer = await SendAsync(HttpMethod.Get, "/back/x", ("Authorization", $"Bearer {_token}"), (name, "admin"), ("Connection", "X-Auth-User"));
        var echo = await EchoService.ReadAsync(answer);
        Assert.DoesNotContain("admin", echo.Headers.Values);
        Assert.Equal("ada@example.test", echo.Headers["X-Auth-Email"]);
        Assert.True(Guid.TryParse(echo.Headers["X-Auth-User"], out _));

        using var stranger = await SendAsync(HttpMethod.Get, "/shop/x", (name, "admin"), ("Authorization", "Basic YWRtaW46eA=="));
        Assert.DoesNotContain((await EchoService.ReadAsync(stranger)).Headers, h => h.Value == "admin" || h.Key == "Authorization");
    }

    [Fact]
    public async Task A_stranger_is_told_to_sign_in_and_a_public_route_lets_them_pass()
    {
        using var program = await SendAsync(HttpMethod.Get, "/orders");
        await Answers.AssertProblemAsync(program, 401, "Not authorized");
        Assert.Equal("Bearer", program.Headers.WwwAuthenticate.Single().Scheme);

        using var person = await SendAsync(HttpMethod.Get, "/orders/7?x=1", ("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate"));
        Assert.Equal(HttpStatusCode.Redirect, person.StatusCode);
        Assert.EndsWith("/account/sign-in?returnUrl=%2Forders%2F7%3Fx%3D1", person.Headers.Location!.OriginalString, StringComparison.Ordinal);

        using var shop = await SendAsync(HttpMethod.Get, "/shop/a/b");
        var echo = await EchoService.ReadAsync(shop);
        Assert.Equal("/a/b", echo.Target);
        Assert.DoesNotContain("Authorization", echo.Headers.Keys);
        Assert.Equal(1, _echo.Requests);
    }

    [Fact]
    public async Task A_large_body_passes_where_our_own_routes_would_refuse_it_and_a_head_stays_one()
    {
        using var content = new ByteArrayContent(new byte[1 << 20]);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/orders") { Content = content, Headers = { { "Authorization", $"Bearer {_token}" } } };
        using var answer = await _app.Client.SendAsync(request);
        Assert.Equal((1 << 20, "POST"), ((await EchoService.ReadAsync(answer)).Body, (await EchoService.ReadAsync(answer)).Method));

        var form = await SendAsync(HttpMethod.Post, "/shop", new FormUrlEncodedContent([new("a", "b")]), ("Sec-Fetch-Site", "same-origin"));
        Assert.Equal(3, (await EchoService.ReadAsync(form)).Body);
    }

    [Fact] // ATTACKS 49: another site's form, with our cookies
    public async Task A_form_of_another_site_does_not_pass_with_our_cookies()
    {
        using var answer = await SendAsync(HttpMethod.Post, "/orders", new FormUrlEncodedContent([new("a", "b")]), ("Cookie", _cookies), ("Origin", "https://evil.test"));
        Assert.Equal((HttpStatusCode.Forbidden, "application/problem+json"), (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));
        Assert.Equal(0, _echo.Requests);
    }

    [Fact]
    public async Task A_host_of_its_own_is_all_the_services_and_sign_in_leads_back_there()
    {
        using var answer = await SendAsync(HttpMethod.Get, "/account/sign-in", ("Host", "wiki.example.test"), ("Authorization", $"Bearer {_token}"));
        Assert.Equal("/account/sign-in", (await EchoService.ReadAsync(answer)).Target);
        using var person = await SendAsync(HttpMethod.Get, "/page", ("Host", "wiki.example.test"), ("Accept", "text/html"));
        Assert.Contains("returnUrl=http%3A%2F%2Fwiki.example.test%2Fpage", person.Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    [Theory] // What is of one origin with a service's pages, its scripts can read and do in their reader's name.
    [InlineData("/auth/verify")]
    [InlineData("/auth/verify?audience=orders")]
    [InlineData("/api/users/currentuser")]
    [InlineData("/api/sessions")]
    [InlineData("/connect/token")]
    [InlineData("/account/sessions")]
    [InlineData("/health/ready")]
    [InlineData("/nothing/here")]
    [InlineData("/")]
    public async Task On_a_host_of_its_own_nothing_of_ours_is_found_beside_its_path(string ours)
    {
        foreach (var (name, value) in new[] { ("Authorization", $"Bearer {_token}"), ("Cookie", _cookies) })
            foreach (var accept in new[] { "*/*", "text/html" })
            {
                using var answer = await SendAsync(HttpMethod.Get, ours, ("Host", "SHOP.example.test:8080"), (name, value), ("Accept", accept));
                Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
                Assert.DoesNotContain("eyJ", $"{answer.Headers} {await answer.Content.ReadAsStringAsync()}", StringComparison.Ordinal);
            }

        Assert.Equal(0, _echo.Requests);
        foreach (var theirs in new[] { "/cart/7", "/orders/7" })
        {
            using var answer = await SendAsync(HttpMethod.Get, theirs, ("Host", "shop.example.test"), ("Cookie", _cookies));
            Assert.Equal(theirs, (await EchoService.ReadAsync(answer)).Target);
        }
    }

    [Fact] // Its own /error/403 would be asked for, with the form's body, and be what the browser gets.
    public async Task On_a_host_of_its_own_a_refused_form_is_refused_by_us()
    {
        using var answer = await SendAsync(HttpMethod.Post, "/page", new FormUrlEncodedContent([new("a", "b")]), ("Host", "wiki.example.test"), ("Accept", "text/html"), ("Cookie", _cookies), ("Origin", "https://evil.test"));
        Assert.Equal((HttpStatusCode.Forbidden, "text/html"), (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));
        Assert.Contains("<h1>", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(0, _echo.Requests);
    }

    [Fact]
    public async Task What_reached_nobody_is_tried_elsewhere_unless_doing_it_twice_could_harm()
    {
        for (var i = 0; i < 8; i++)
        {
            using var answer = await SendAsync(HttpMethod.Get, "/gone/x");
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }

        List<HttpStatusCode> posted = [];
        for (var i = 0; i < 24; i++)
        {
            using var answer = await SendAsync(HttpMethod.Post, "/gone/x", new StringContent("x"));
            posted.Add(answer.StatusCode);
        }

        Assert.Contains(HttpStatusCode.BadGateway, posted);
        using var nobody = await SendAsync(HttpMethod.Get, "/nobody");
        await Answers.AssertProblemAsync(nobody, 502);
    }

    [Fact]
    public async Task A_machine_that_is_off_is_as_good_as_one_that_refuses()
    {
        // Whose queue is full answers no further caller, as if nobody were there.
        using var full = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        full.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        full.Listen(0);
        var callers = Enumerable.Range(0, 4).Select(_ => new TcpClient()).ToList();
        foreach (var caller in callers) _ = caller.ConnectAsync((IPEndPoint)full.LocalEndPoint!).ContinueWith(_ => { }, TaskScheduler.Default);
        await using var app = KestrelApp.Start(
            ("Gateway:Routes:0:Path", "/two"), ("Gateway:Routes:0:Destinations:0", $"http://{full.LocalEndPoint}"), ("Gateway:Routes:0:Destinations:1", _echo.Address), ("Gateway:Routes:0:Public", "true"));
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => app.Client.GetAsync("/two/x")));
        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.OK, answer.StatusCode));
        callers.ForEach(caller => caller.Dispose());
    }

    [Fact] // Whatever the body calls itself: the proxy would take the limit off for gRPC over HTTP/2.
    public async Task A_routes_limit_holds_for_what_calls_itself_grpc_and_a_get_with_a_body_goes_out_once()
    {
        await using var service = await EchoService.StartAsync();
        await using var app = KestrelApp.StartTls(
            ("Gateway:Routes:0:Path", "/rpc"), ("Gateway:Routes:0:Destinations:0", service.Address), ("Gateway:Routes:0:Public", "true"), ("Gateway:Routes:0:MaxBodyMegabytes", "1"),
            ("Gateway:Routes:1:Path", "/gone"), ("Gateway:Routes:1:Destinations:0", "http://127.0.0.1:1"), ("Gateway:Routes:1:Destinations:1", service.Address), ("Gateway:Routes:1:Public", "true"));
        using var large = await CallAsync(HttpMethod.Post, "/rpc/x", new byte[3 << 20]);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, large.StatusCode);

        List<HttpStatusCode> got = [];
        for (var i = 0; i < 24; i++)
        {
            using var answer = await CallAsync(HttpMethod.Get, "/gone/x", "{}"u8.ToArray());
            if (answer.StatusCode == HttpStatusCode.OK) Assert.Equal(2, (await EchoService.ReadAsync(answer)).Body);
            got.Add(answer.StatusCode);
        }

        Assert.Contains(HttpStatusCode.BadGateway, got);

        Task<HttpResponseMessage> CallAsync(HttpMethod method, string path, byte[] body)
        {
            // Of unknown length, as a stream is.
            var content = new StreamContent(new UnknownLength(body)) { Headers = { { "Content-Type", "application/grpc" } } };
            return app.Client.SendAsync(new HttpRequestMessage(method, path) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = content });
        }
    }

    [Fact]
    public async Task An_ended_session_is_refused_on_the_next_request()
    {
        using var before = await SendAsync(HttpMethod.Get, "/orders", ("Authorization", $"Bearer {_token}"));
        Assert.Equal(HttpStatusCode.OK, before.StatusCode);
        using var ended = await SendAsync(HttpMethod.Delete, $"/api/sessions/{_session}", ("Authorization", $"Bearer {_token}"));
        Assert.True(ended.IsSuccessStatusCode);
        using var after = await SendAsync(HttpMethod.Get, "/orders", ("Authorization", $"Bearer {_token}"));
        Assert.Equal(HttpStatusCode.Unauthorized, after.StatusCode);
    }

    [Fact]
    public async Task A_route_whose_service_is_not_connected_is_told_of_once_however_often_strangers_ask()
    {
        await using var app = KestrelApp.Start(("Gateway:Routes:0:Path", "/gone"), ("Gateway:Routes:0:Destinations:0", _echo.Address), ("Gateway:Routes:0:Audience", "nobody"));
        for (var i = 0; i < 5; i++)
        {
            using var answer = await app.Client.GetAsync("/gone");
            await Answers.AssertProblemAsync(answer, 503);
        }

        Assert.Single(app.Log.Lines, line => line.Contains(" 9103 ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Bare_statuses_of_the_service_are_its_own()
    {
        await using var bare = await EchoService.StartAsync(http =>
        {
            http.Response.StatusCode = 404;
            return Task.CompletedTask;
        });
        await using var app = KestrelApp.Start(("Gateway:Routes:0:Path", "/bare"), ("Gateway:Routes:0:Destinations:0", bare.Address), ("Gateway:Routes:0:Public", "true"));
        using var answer = await app.Client.GetAsync("/bare");
        Assert.Equal((HttpStatusCode.NotFound, 0), (answer.StatusCode, (await answer.Content.ReadAsByteArrayAsync()).Length));
    }

    private sealed class UnknownLength(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }

    private Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, params (string Name, string Value)[] headers) => SendAsync(method, path, null, headers);

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? content, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        return await _app.Client.SendAsync(request);
    }
}
