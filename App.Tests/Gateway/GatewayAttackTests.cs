using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using App.Admin;
using App.Data;
using App.Events;
using App.Tests.Attacks;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Gateway;

/// <summary>The built-in gateway under attack, on real sockets (ATTACKS 103-106, 113, 162-178).</summary>
public sealed class GatewayAttackTests : IAsyncLifetime
{
    private const string Host = "wiki.example.test", Password = "seven brass lanterns", SignIn = "/account/sign-in";
    private EchoService _echo = null!;
    private KestrelApp _app = null!;
    private string _token = "";

    public async Task InitializeAsync()
    {
        _echo = await EchoService.StartAsync();
        _app = KestrelApp.Start(
            ("Gateway:Routes:0:Path", "/shop"), ("Gateway:Routes:0:Destinations:0", _echo.Address), ("Gateway:Routes:0:Public", "true"), ("Gateway:Routes:0:StripPath", "true"),
            ("Gateway:Routes:1:Path", "/back/admin"), ("Gateway:Routes:1:Destinations:0", _echo.Address), ("Gateway:Routes:1:Role", "admin"), ("Gateway:Routes:1:Audience", "orders"), ("Gateway:Routes:1:IdentityHeaders", "true"),
            ("Gateway:Routes:2:Path", "/back"), ("Gateway:Routes:2:Destinations:0", _echo.Address),
            ("Gateway:Routes:3:Host", Host), ("Gateway:Routes:3:Destinations:0", _echo.Address), ("Gateway:AllowedOrigins:0", "http://" + Host),
            ("Services:0:Id", "orders"), ("Services:0:Secret", new string('s', 40)), ("Services:0:Audience", "https://orders.example.test"));
        using var signedUp = await _app.Client.PostAsJsonAsync("/api/users/signup", new { email = "ada@example.test", password = Password });
        signedUp.EnsureSuccessStatusCode();
        _token = await TokenAsync();
    }

    public async Task DisposeAsync()
    {
        await _app.DisposeAsync();
        await _echo.DisposeAsync();
    }

    [Theory] // ATTACKS 167-169, 171, 178: what isn't read by everybody alike is refused, and method and case change no rule
    [InlineData("GET /back/admin", 403)]
    [InlineData("GET /BACK/Admin/x", 403)]
    [InlineData("GET /back/%61dmin", 403)]
    [InlineData("HEAD /back/admin", 403)]
    [InlineData("OPTIONS /back/admin", 403)]
    [InlineData("DELETE /back/admin", 403)]
    [InlineData("GET /back/admin/?x=/shop/", 403)]
    [InlineData("GET /shop/../back/admin", 400)]
    [InlineData("GET /shop/%2e%2e/back/admin", 400)]
    [InlineData("GET /shop/..%2fback/admin", 400)]
    [InlineData("GET /shop/%252e%252e/back/admin", 400)]
    [InlineData("GET /shop/..;/back/admin", 400)]
    [InlineData("GET /back/admin;x/users", 400)]
    [InlineData("GET /back/admin%2fusers", 400)]
    [InlineData("GET /back/admin%5cusers", 400)]
    [InlineData("GET /back/admin%00", 400)]
    [InlineData("GET /back//admin", 400)]
    [InlineData("GET /back/x/./admin", 400)]
    [InlineData("GET /back/admin#/shop/", 400)]
    [InlineData("GET /shop#/../back/admin", 400)]
    [InlineData("GET /back/%zz", 400)]
    [InlineData("GET %zz", 400)]
    [InlineData("GET http://[::1", 400)]
    [InlineData("GET ", 400)]
    public async Task No_spelling_of_a_path_slips_past_its_rule(string request, int status)
    {
        var before = _echo.Requests;
        var answer = await _app.SendRawAsync($"{request} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {_token}\r\nX-HTTP-Method-Override: GET\r\nConnection: close\r\n\r\n");
        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
        Assert.Equal(before, _echo.Requests);
    }

    [Fact] // ATTACKS 178
    public async Task Nobody_chooses_where_a_request_goes()
    {
        await using var elsewhere = await EchoService.StartAsync();
        var other = new Uri(elsewhere.Address).Authority;
        foreach (var (target, host, line) in new[]
        {
            ($"http://{other}/back", "localhost", "X-Own: 1"), ($"http://{other}/back", other, "X-Own: 1"), ("/back", other, "X-Own: 1"), ("/back", "localhost", "X-Forwarded-Host: " + other),
            ($"//{other}/back", "localhost", "X-Own: 1"), ($"/back//{other}", "localhost", "X-Own: 1"), ($"/shop/@{other}/", "localhost", "X-Own: 1"), ($"/shop/.{other}/", "localhost", "X-Own: 1"), ("/back", "localhost", "X-Original-URL: http://" + other),
        })
        {
            var before = _echo.Requests;
            var answer = await _app.SendRawAsync($"GET {target} HTTP/1.1\r\nHost: {host}\r\n{line}\r\nAuthorization: Bearer {_token}\r\nConnection: close\r\n\r\n");
            // Answered by the one service of the route, or by nobody.
            Assert.Matches(target.Contains("//", StringComparison.Ordinal) ? "^HTTP/1.1 40[04] " : "^HTTP/1.1 200 ", answer);
            Assert.Equal(before + (answer.StartsWith("HTTP/1.1 200 ", StringComparison.Ordinal) ? 1 : 0), _echo.Requests);
        }

        Assert.Equal(0, elsewhere.Requests);
    }

    [Theory] // ATTACKS 174: one request of the client's is one request of ours
    [InlineData("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /orders HTTP/1.1\r\n\r\n")]
    [InlineData("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n")]
    [InlineData("Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd")]
    [InlineData("Content-Length: 6\r\nTransfer-Encoding: \tchunked \r\n\r\n0\r\n\r\nGET /shop/second HTTP/1.1\r\n\r\n")]
    [InlineData("Content-Length: 6\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\nGET /shop/second HTTP/1.1\r\n\r\n")]
    [InlineData("Content-Length: 6\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\nGET /shop/second HTTP/1.1\r\n\r\n")]
    [InlineData("Content-Length: 6\r\nX-Own: 1\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /shop/second HTTP/1.1\r\n\r\n")]
    [InlineData("Content-Length: 6\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /shop/second HTTP/1.1\r\n\r\n")]
    [InlineData("Content-Length: 6\r\nX-Own: 1\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /shop/second HTTP/1.1\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\nGET /shop/second HTTP/1.1\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n47\r\n0\r\n\r\nGET /shop/second HTTP/1.1\r\n\r\n")]
    public async Task Nothing_is_smuggled(string rest)
    {
        // Returns when the connection has been closed.
        var answer = await _app.SendRawAsync($"POST /shop/first HTTP/1.1\r\nHost: localhost\r\n{rest}");
        Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
        Assert.Single(Regex.Matches(answer, "^HTTP/1", RegexOptions.Multiline));
        // Where it is a chunk that is wrong, the request may have been on its way already; a second one never is.
        Assert.InRange(_echo.Requests, 0, rest.StartsWith("Transfer-Encoding: chunked\r\n\r\n", StringComparison.Ordinal) ? 1 : 0);
    }

    [Theory] // ATTACKS 174: what comes after an upgrade nobody looks at, so none but a websocket's is passed on
    [InlineData("Upgrade: h2c")]
    [InlineData("Upgrade: h2c, websocket")]
    [InlineData("Upgrade: websocket\r\nUpgrade: h2c")]
    [InlineData("Upgrade: TLS/1.0")]
    [InlineData("Upgrade: anything")]
    public async Task Nobody_talks_to_a_service_past_us(string upgrade)
    {
        using var willing = new WillingService();
        await using var app = KestrelApp.Start(("Gateway:Routes:0:Path", "/live"), ("Gateway:Routes:0:Destinations:0", willing.Address), ("Gateway:Routes:0:Public", "true"));
        var answer = await app.SendRawAsync($"GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n{upgrade}\r\n\r\nGET /live/admin HTTP/1.1\r\nX-Auth-User: villain\r\n\r\n", "400 Bad");
        Assert.DoesNotContain("HTTP/1.1 101 ", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("villain", willing.Heard, StringComparison.Ordinal);
    }

    [Fact] // ATTACKS 103-106, 113
    public async Task Neither_an_address_nor_a_header_leads_a_browser_elsewhere()
    {
        foreach (var path in new[]
        {
            "//evil.test", "/\\evil.test", "\\\\evil.test", "/%5cevil.test", "/%2f%2fevil.test", "///evil.test", "https:evil.test", "http:///evil.test", "https://evil.test/", $"http://{Host}@evil.test/",
            $"http://{Host}.evil.test/", "/%09/evil.test", "/\t/evil.test", "/%0d%0aLocation:%20https://evil.test", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,<script>", "vbscript:x", "@evil.test/", ".evil.test/",
        })
            await LookAsync(path, "Host: " + Host);
        foreach (var line in new[] { "X-Forwarded-Host: evil.test", "Forwarded: host=evil.test", "X-Host: evil.test", "X-Original-Host: evil.test", "X-Forwarded-Prefix: //evil.test", "X-Forwarded-Proto: javascript", "X-Forwarded-Uri: //evil.test" })
            Assert.EndsWith($"{SignIn}?returnUrl={Uri.EscapeDataString($"http://{Host}/page")}", await LookAsync("/page", "Host: " + Host, line), StringComparison.Ordinal);
        foreach (var host in new[] { "evil.test", Host + ".evil.test", Host + "@evil.test", "" })
            await LookAsync("/back", "Host: " + host);
        Assert.Equal(0, _echo.Requests);

        async Task<string> LookAsync(string path, params string[] lines)
        {
            var answer = await _app.SendRawAsync($"GET {path} HTTP/1.1\r\n{string.Join("\r\n", lines)}\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
            var locations = answer.Split("\r\n\r\n")[0].Split("\r\n").Where(line => line.StartsWith("location:", StringComparison.OrdinalIgnoreCase)).Select(line => line["location:".Length..].Trim()).ToList();
            if (locations.Count == 0) return "";
            var location = Assert.Single(locations);
            var wanted = Uri.UnescapeDataString(Regex.Match(location, $"^(?:https?://[^/]+)?{SignIn}(?:[?]returnUrl=(.*))?$") is { Success: true } match ? match.Groups[1].Value : throw new InvalidOperationException(location));
            Assert.True(wanted.Length == 0 || wanted.StartsWith($"http://{Host}/", StringComparison.Ordinal) || Regex.IsMatch(wanted, @"^/[^/\\]"), location);
            return location;
        }
    }

    [Fact]
    public async Task Who_lacks_the_role_is_refused_and_unknown_to_the_service_and_who_has_it_passes_by_it()
    {
        using var refused = await SendAsync("/back/admin/x");
        await Answers.AssertProblemAsync(refused, 403);
        Assert.Equal((0, 0), (_echo.Requests, await BoundAsync()));

        await using (var scope = _app.Services.CreateAsyncScope())
            await scope.ServiceProvider.GetRequiredService<ChangeRole>().RunAsync("ada@example.test", "admin", granted: true, CancellationToken.None);
        _token = await TokenAsync();
        using var passed = await SendAsync("/back/admin/x");
        Assert.Equal("admin", (await EchoService.ReadAsync(passed)).Headers["X-Auth-Roles"]);
        Assert.Equal(1, await BoundAsync());
    }

    private async Task<int> BoundAsync()
    {
        await using var scope = _app.Services.CreateAsyncScope();
        return await scope.ServiceProvider.GetRequiredService<AppDb>().Set<BoundAudience>().CountAsync();
    }

    private async Task<string> TokenAsync()
    {
        using var answer = await _app.Client.PostAsJsonAsync("/api/tokens", new { email = "ada@example.test", password = Password });
        return JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("access_token").GetString()!;
    }

    private async Task<HttpResponseMessage> SendAsync(string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path) { Headers = { Authorization = new("Bearer", _token) } };
        return await _app.Client.SendAsync(request);
    }

    /// <summary>Agrees to whatever its connection is to become, and remembers all that it heard.</summary>
    private sealed class WillingService : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly StringBuilder _heard = new();

        public WillingService()
        {
            _listener.Start();
            _ = AcceptAsync();
        }

        public string Address => $"http://{_listener.LocalEndpoint}";

        public string Heard
        {
            get { lock (_heard) return _heard.ToString(); }
        }

        public void Dispose() => _listener.Dispose();

        private async Task AcceptAsync()
        {
            try
            {
                while (true) _ = TalkAsync(await _listener.AcceptTcpClientAsync());
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The listener is closed.
            }
        }

        private async Task TalkAsync(TcpClient client)
        {
            using (client)
            {
                var (stream, buffer) = (client.GetStream(), new byte[4096]);
                while (await stream.ReadAsync(buffer) is > 0 and var read)
                {
                    var said = Encoding.Latin1.GetString(buffer, 0, read);
                    lock (_heard) _heard.Append(said);
                    var upgrades = said.Contains("\r\nUpgrade:", StringComparison.OrdinalIgnoreCase);
                    await stream.WriteAsync(upgrades ? "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"u8.ToArray() : "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"u8.ToArray());
                }
            }
        }
    }
}
