using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using App.E2E.Harness;

namespace App.E2E.Proxies;

/// <summary>The configurations that we show under attack: ATTACKS RED and HOST (103-106, 113), FWD-01 to FWD-17 (162-178) as far as they concern a proxy.</summary>
[Collection(OnTheStreet.Name)]
public sealed partial class ProxyAttackTests(Street street)
{
    public static TheoryData<string> Asking => [.. Street.Asking];

    public static TheoryData<string> All => [.. Street.Asking, .. Street.Checking];

    [Theory] // 162, 164, 166, 167, 168, 169, 171: neither a header, nor a path, nor a method makes a stranger pass
    [MemberData(nameof(All))]
    public async Task A_stranger_never_reaches_the_service(string id)
    {
        var (front, before) = (street.Of(id), street.Echo.Requests);
        using (var plain = await front.SendAsync("GET"))
        {
            Assert.Equal(HttpStatusCode.Unauthorized, plain.StatusCode);
            Assert.StartsWith("Bearer", plain.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
        }

        foreach (var method in new[] { "HEAD", "OPTIONS", "POST", "PUT", "DELETE" })
        {
            using var answer = await front.SendAsync(method, headers: [("X-Auth-User", "evil"), ("X-HTTP-Method-Override", "GET"), ("X-Forwarded-Uri", "/public"), ("X-Original-URL", "http://[::1"), ("Authorization", "Bearer x")]);
            Assert.True(answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.BadRequest, $"{method}: {answer.StatusCode}");
        }

        foreach (var path in new[] { "/public/../orders", "/%2e%2e/orders", "/public/..%2forders", "//orders", "/./orders", "/%61dmin", "/admin%5cusers", "/public/..;/orders", "/orders?x=/public/", "/orders;/public", "/gatehouse", "/auth/verify",
            "/public#/../orders", "/orders#/public", "/public/%252e%252e/orders", "/admin%2fusers", "/admin%00", "/%zz", "%zz", "http://[::1", "", "/" + new string('a', 8 * 1024) })
            Assert.Matches("^HTTP/1.[01] (40[0134]|414|302) ", await front.SendRawAsync($"GET {path} HTTP/1.1", $"Host: 127.0.0.1:{front.Port}", "Connection: close"));
        Assert.Equal(before, street.Echo.Requests);
    }

    [Theory] // 162, 163: each spelling by itself, repeated, and named in Connection
    [MemberData(nameof(All))]
    public async Task What_the_client_says_of_itself_never_arrives(string id)
    {
        var front = street.Of(id);
        var token = await street.TokenForAsync(id);
        var user = Credentials.Claims(token)["sub"]!.GetValue<string>();
        var passed = 0;
        // A word longer than any that a token's signature spells now and then.
        foreach (var lines in new string[][]
        {
            ["X-Auth-User: villain"], ["x-auth-user: villain", "X-AUTH-USER: villain2"], ["X_Auth_User: villain"], ["X-Auth_User: villain"], ["X_Auth-User: villain"], ["X.Auth.User: villain"],
            ["X-Auth-Roles: villain"], ["X_Auth_Roles: villain"], ["X-Auth-Email: villain@x.test"], ["X-Auth-Session: villain"], ["Remote-User: villain"], ["X-Forwarded-User: villain"],
            ["X-User: villain"], ["X-Roles: villain"], ["X_User: villain"], ["x.user: villain", "X_USER: villain2"], ["X_Roles: villain"], ["X.Roles: villain"], ["Remote_User: villain"], ["remote.user: villain"],
            ["X_Forwarded_User: villain"], ["X-Forwarded_User: villain"], ["x_forwarded-user: villain"], ["X.Forwarded.User: villain"], ["X-Auth-Request-User: villain"],
            ["X-Auth-Request-Email: villain@x.test", "X-Auth-Request-Groups: villain"], ["X-Auth-Request-Preferred-Username: villain", "X-Auth-Request-Access-Token: villain"],
            ["X-Auth-Groups: villain", "X-Auth-Name: villain", "X-Auth-Username: villain", "X-Auth-Token: villain"], ["Connection: X-Auth-User"], ["Connection: close, x-auth-user, Authorization"], ["X-Auth-User : villain"],
        })
        {
            var answer = await front.SendRawAsync(["GET /orders HTTP/1.1", $"Host: 127.0.0.1:{front.Port}", "Authorization: Bearer " + token, .. lines, "Connection: close"]);
            if (answer.StartsWith("HTTP/1.1 400 ", StringComparison.Ordinal)) continue;
            Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
            var arrived = JsonSerializer.Deserialize<Arrived>(answer[answer.IndexOf('{', StringComparison.Ordinal)..(answer.LastIndexOf('}') + 1)])!;
            Assert.Equal(user, arrived.Of("X-Auth-User"));
            Assert.DoesNotContain(arrived.Headers, h => h[1].Contains("villain", StringComparison.Ordinal));
            Assert.DoesNotContain(arrived.Headers, h => h[0].Equals("Connection", StringComparison.OrdinalIgnoreCase) && h[1].Contains("auth", StringComparison.OrdinalIgnoreCase));
            passed++;
        }

        Assert.NotEqual(0, passed);
    }

    [Theory] // 103-106, 113
    [MemberData(nameof(Asking))]
    public async Task Neither_an_address_nor_a_host_leads_a_browser_elsewhere(string id)
    {
        var (front, before) = (street.Of(id), street.Echo.Requests);
        var here = $"127.0.0.1:{front.Port}";
        foreach (var path in new[]
        {
            "//evil.test", "/\\evil.test", "\\\\evil.test", "/%5cevil.test", "/%2f%2fevil.test", "///evil.test", "https:evil.test", "http:///evil.test", "https://evil.test/", $"http://{here}@evil.test/",
            $"http://{here}.evil.test/", "/%09/evil.test", "/\t/evil.test", "/%0d%0aLocation:%20https://evil.test", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,<script>", "vbscript:x", "@evil.test/", ".evil.test/",
        })
            await LookAsync(path, "Host: " + here);
        foreach (var line in new[] { "X-Forwarded-Host: evil.test", "X-Forwarded-Host: evil.test, " + here, "Forwarded: host=evil.test", "X-Host: evil.test", "X-Original-Host: evil.test", "X-Forwarded-Prefix: //evil.test", "X-Forwarded-Proto: javascript", "X-Forwarded-Uri: //evil.test", "X-Forwarded-Method: POST" })
            Assert.Equal($"{street.Issuer}/account/sign-in?returnUrl={Uri.EscapeDataString(front.Origin + "/orders")}", await LookAsync("/orders", "Host: " + here, line));
        foreach (var host in new[] { "evil.test", here + ".evil.test", here + "@evil.test", "localhost", "127.0.0.1:1", "" })
            await LookAsync("/orders", "Host: " + host);
        Assert.Equal(before, street.Echo.Requests);

        async Task<string?> LookAsync(string path, params string[] lines)
        {
            var answer = await front.SendRawAsync([$"GET {path} HTTP/1.1", .. lines, "Accept: text/html", "Connection: close"]);
            var head = answer.Split("\r\n\r\n")[0].Split("\r\n");
            var location = head.Where(line => line.StartsWith("location:", StringComparison.OrdinalIgnoreCase)).Select(line => line["location:".Length..].Trim()).SingleOrDefault();
            if (location is null) return null;
            Assert.Matches($"^{street.Issuer}/account/sign-in($|[?]returnUrl=)", location);
            var wanted = new Uri(Uri.UnescapeDataString(location.Split("returnUrl=") is [_, var returnUrl] ? returnUrl : front.Origin + "/"));
            Assert.Equal(front.Origin, wanted.GetLeftPart(UriPartial.Authority));
            Assert.False(wanted.AbsolutePath.StartsWith("//", StringComparison.Ordinal), location);
            return location;
        }
    }

    [Theory] // 178
    [MemberData(nameof(All))]
    public async Task Nobody_chooses_where_a_request_goes(string id)
    {
        var (front, elsewhere) = (street.Of(id), street.Elsewhere.Address);
        var token = await street.TokenForAsync(id);
        foreach (var (target, host, line) in new[]
        {
            ($"http://{elsewhere}/orders", "127.0.0.1:" + front.Port, "X-Own: 1"), ($"http://{elsewhere}/orders", elsewhere, "X-Own: 1"), ("/orders", elsewhere, "X-Own: 1"),
            ($"//{elsewhere}/orders", "127.0.0.1:" + front.Port, "X-Own: 1"), ("/orders", "127.0.0.1:" + front.Port, "X-Forwarded-Host: " + elsewhere), ($"@{elsewhere}/orders", "127.0.0.1:" + front.Port, "X-Own: 1"),
        })
        {
            Assert.StartsWith("HTTP/1.", await front.SendRawAsync($"GET {target} HTTP/1.1", "Host: " + host, line, "Authorization: Bearer " + token, "Connection: close"), StringComparison.Ordinal);
        }

        Assert.Equal(0, street.Elsewhere.Requests);
    }

    [Theory] // 173, 174: what comes after an upgrade nobody looks at, and nobody cuts a websocket when its session ends
    [MemberData(nameof(All))]
    public async Task No_connection_turns_into_something_else(string id)
    {
        var front = street.Of(id);
        var token = await street.TokenForAsync(id);
        foreach (var lines in new string[][]
        {
            ["Upgrade: websocket"], ["Upgrade: WebSocket", "Upgrade: h2c"],
            ["Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"], ["Upgrade: h2c, websocket"], ["Upgrade: HTTP/2.0"], ["Upgrade: TLS/1.0"], ["Upgrade: wEbsocket x"],
        })
        {
            string[] handshake = ["GET /orders HTTP/1.1", $"Host: 127.0.0.1:{front.Port}", "Connection: Upgrade, HTTP2-Settings", .. lines];
            // HAProxy refuses a handshake that isn't whole.
            Assert.Matches("^HTTP/1.1 40[01] ", await front.SendRawUntilAsync("\r\n\r\n", handshake));

            var answers = await front.SendRawAsync([.. handshake, "Authorization: Bearer " + token, "", "GET /smuggled HTTP/1.1", $"Host: 127.0.0.1:{front.Port}", "X-Auth-User: evil", "Connection: close"]);
            Assert.Matches("^HTTP/1.1 (200|400) ", answers);
            Assert.DoesNotContain("HTTP/1.1 101 ", answers, StringComparison.Ordinal);
            Assert.DoesNotContain("/smuggled HTTP/1.1\",\"Headers", answers, StringComparison.Ordinal);
        }

        string[] whole = ["GET /orders HTTP/1.1", $"Host: 127.0.0.1:{front.Port}", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];
        Assert.StartsWith("HTTP/1.1 401 ", await front.SendRawUntilAsync("\r\n\r\n", whole), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 200 ", await front.SendRawUntilAsync("\r\n\r\n", [.. whole, "Authorization: Bearer " + token]), StringComparison.Ordinal);
        Assert.Empty(street.Echo.Upgrades);
    }

    [Theory] // 174: a length said twice or in a way that not everybody reads, and chunks likewise
    [MemberData(nameof(All))]
    public async Task One_request_is_never_two(string id)
    {
        var front = street.Of(id);
        var token = await street.TokenForAsync(id);
        // RFC 9112 section 6.3: of two lengths the chunks decide, and the other one is taken off before the request goes on; nginx refuses it instead.
        // Section 5.2: a line that is folded may be read as one. Section 2.2: a bare LF may end a line. Whoever does so passes one request on, said once.
        const string Nobody = "", TheChunks = "caddy haproxy apache", ChunksAfterLf = "caddy haproxy", Everybody = "nginx caddy haproxy apache";
        foreach (var (takers, arrives, first, length) in new (string, string, string, string[])[]
        {
            (TheChunks, "", "0", ["Content-Length: 6", "Transfer-Encoding:chunked"]), (Nobody, "", "0", ["Content-Length: 6", "Transfer-Encoding:xchunked"]), (TheChunks, "", "0", ["Content-Length: 6", "Transfer-Encoding: chunked "]),
            (Nobody, "", "0", ["Content-Length: 6", "Transfer-Encoding:chunked, identity"]), (Nobody, "", "0", ["Content-Length: 6", "Transfer-Encoding:identity, chunked"]), (TheChunks, "", "0", ["Content-Length: 6", "Transfer-Encoding:\tchunked"]),
            (Nobody, "", "0", ["Transfer-Encoding: xchunked"]), (Nobody, "", "0", ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"]), (Nobody, "", "0", ["Content-Length: 5", "Content-Length: 6"]),
            (TheChunks, "", "0", ["Content-Length: 6", "Transfer-Encoding:", " chunked"]), (ChunksAfterLf, "", "0", ["Content-Length: 6", "X-Own: 1\nTransfer-Encoding: chunked"]), (ChunksAfterLf, "", "0", ["Content-Length: 6\nTransfer-Encoding: chunked"]),
            // The second is no header of that name: its length is the one that was said.
            (Nobody, "", "0", ["Content-Length: 6", "Transfer-Encoding : chunked"]), (Everybody, "0", "0", ["Content-Length: 6", "Transfer_Encoding: chunked"]),
            // Whoever ends a chunk's extension at the bare LF reads one long chunk after it, everybody else a second request.
            ("nginx caddy haproxy", "xx0", "2;\nxx\r\n47\r\n0", ["Transfer-Encoding: chunked"]), (Nobody, "", "2;a=\"\n\"\r\nxx\r\n0", ["Transfer-Encoding: chunked"]), ("nginx haproxy", "x", "1\nx\n0", ["Transfer-Encoding: chunked"]),
        })
        {
            var (before, takes, sent) = (street.Echo.Requests, takers.Contains(id.Split('-')[0], StringComparison.Ordinal), string.Join(" | ", length.Append(first)));
            // What is refused ends the connection, asked to or not: nothing after it is read.
            foreach (var end in takes ? new[] { "Connection: close" } : ["Connection: close", "X-Own: 2"])
            {
                var answers = await front.SendRawAsync(
                    ["POST /orders HTTP/1.1", $"Host: 127.0.0.1:{front.Port}", "Authorization: Bearer " + token, end, .. length, "",
                    first, "", "GET /smuggled HTTP/1.1", $"Host: 127.0.0.1:{front.Port}", "X-Auth-User: evil", "", "0"]);
                Assert.True(street.Echo.Requests - before == (takes ? 1 : 0), $"{sent}: {street.Echo.Requests - before} requests, and {answers}");
                Assert.True(OneAnswer().Count(answers) == 1, $"{sent}: {answers}");
                Assert.True(takes ? answers.StartsWith("HTTP/1.1 200 ", StringComparison.Ordinal) : Refusal().IsMatch(answers), $"{sent}: {answers}");
                if (!takes) continue;
                // In a body it may stand: that is where whoever sent it has put it.
                var arrived = JsonSerializer.Deserialize<Arrived>(answers[answers.IndexOf('{', StringComparison.Ordinal)..(answers.LastIndexOf('}') + 1)])!;
                Assert.Equal(("POST /orders HTTP/1.1", arrives), (arrived.Line, arrived.Body.Split("\r\n")[0]));
                Assert.True(arrived.Of("Transfer-Encoding") is null || arrived.Of("Content-Length") is null, $"{sent}: {answers}");
                Assert.DoesNotContain(arrived.Headers, h => h[1].Contains("smuggled", StringComparison.Ordinal));
            }
        }
    }

    [GeneratedRegex("^HTTP/1[.][01] (4(00|22)|50[013]) ")]
    private static partial Regex Refusal();

    [GeneratedRegex("^HTTP/1", RegexOptions.Multiline)]
    private static partial Regex OneAnswer();
}
