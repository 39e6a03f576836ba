using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace App.Tests.Attacks;

/// <summary>Bytes as no client library sends them, to the whole service on a real socket (ATTACKS 39, 68, 78, 80, 99, 199).</summary>
public sealed class RawHttpTests(RawHttpTests.Fixture fixture) : IClassFixture<RawHttpTests.Fixture>
{
    private const string Credentials = """{"email":"raw@example.test","password":"not the password of anybody"}""";
    private readonly KestrelApp _app = fixture.App;

    [Theory] // ATTACKS 68, 78
    [InlineData("/api/users/signup")]
    [InlineData("/api/users/signin")]
    [InlineData("/api/tokens")]
    [InlineData("/api/tokens/refresh")]
    [InlineData("/api/users/forgot")]
    [InlineData("/api/users/reset")]
    [InlineData("/api/account/password")]
    [InlineData("/api/account/email")]
    [InlineData("/api/account/delete")]
    public async Task A_body_beyond_64_KiB_is_413_before_it_is_read(string path)
    {
        var token = path.StartsWith("/api/account", StringComparison.Ordinal) ? await TokenAsync("ada") : null;
        foreach (var size in new[] { 65_537, 1 << 20, 11 << 20 })
        {
            using var content = new StringContent("{\"password\":\"" + new string('x', size) + "\"}", Encoding.UTF8, "application/json");
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = content };
            if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            request.Headers.ExpectContinue = true; // so that the client hears the refusal instead of a reset
            using var answer = await _app.Client.SendAsync(request);
            await Answers.AssertProblemAsync(answer, 413, "The request is too large");
        }
    }

    [Fact] // ATTACKS 68: a hundred megabytes of passwords cost no hash
    public async Task A_hundred_huge_passwords_at_once_are_refused()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => _app.SendRawAsync(
            $"POST /api/users/signin HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1048576\r\n\r\n{{\"password\":\"{new string('x', 4096)}", "\r\n\r\n")));
        Assert.All(answers, a => Assert.StartsWith("HTTP/1.1 413", a, StringComparison.Ordinal));
    }

    [Fact] // What a connection said before is remembered beside it; the next to speak on it must not be taken for the one before.
    public async Task Each_request_of_one_connection_is_judged_by_its_own_token()
    {
        var (ada, bob) = (await TokenAsync("ada"), await TokenAsync("bob"));
        var forged = ada[..^10] + (ada[^10] == 'A' ? 'B' : 'A') + ada[^9..];
        string[] shown = [.. new[] { ada, ada, bob, forged, ada, bob, bob }.Select(token => $"Authorization: Bearer {token}"), .. new[] { bob, bob, forged, ada, ada }.Select(InCookie)];

        var answer = await _app.SendRawAsync(string.Concat(shown.Select((header, number) =>
            $"GET /api/users/currentuser HTTP/1.1\r\nHost: x\r\n{(number == shown.Length - 1 ? "Connection: close\r\n" : "")}{header}\r\n\r\n")));

        string[] expected = ["ada", "ada", "bob", "null", "ada", "bob", "bob", "bob", "bob", "null", "ada", "ada"];
        Assert.Equal(expected, answer.Split("\"currentUser\":")[1..].Select(a => a.StartsWith("null", StringComparison.Ordinal) ? "null" : a.Split("\"email\":\"")[1][..3]));
    }

    private async Task<string> TokenAsync(string name)
    {
        var credentials = new { email = $"{name}-{Guid.NewGuid():N}@example.test", password = "not the password of anybody" };
        using var signedUp = await _app.Client.PostAsJsonAsync("/api/users/signup", credentials);
        signedUp.EnsureSuccessStatusCode();
        using var answer = await _app.Client.PostAsJsonAsync("/api/tokens", credentials);
        return JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.GetProperty("access_token").GetString()!;
    }

    private static string InCookie(string token) => $"Cookie: session={Convert.ToBase64String(Encoding.UTF8.GetBytes($$"""{"jwt":"{{token}}"}"""))}";

    [Fact] // ATTACKS 78
    public async Task An_endless_chunked_body_is_cut_off()
    {
        var chunk = "1000\r\n" + new string('x', 4096) + "\r\n";
        var answer = await _app.SendRawAsync("POST /api/users/signin HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + string.Concat(Enumerable.Repeat(chunk, 64)));
        Assert.StartsWith("HTTP/1.1 413", answer, StringComparison.Ordinal);
    }

    [Fact] // ATTACKS 78
    public async Task A_content_length_that_lies_gets_a_refusal_and_no_second_request()
    {
        // Shorter than the body: the rest is no request.
        var shorter = await _app.SendRawAsync($"POST /api/users/signin HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{Credentials}\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 400", shorter, StringComparison.Ordinal);
        Assert.DoesNotContain("HTTP/1.1 200", shorter, StringComparison.Ordinal);

        // Both lengths, two lengths, an unknown coding.
        foreach (var framing in new[] { "Content-Length: 2\r\nContent-Length: 3", "Transfer-Encoding: xchunked", "Content-Length: -1", "Content-Length: 2x", "Transfer-Encoding: chunked, identity" })
        {
            var answer = await _app.SendRawAsync($"POST /api/users/signin HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{framing}\r\n\r\n{{}}\r\n\r\nGET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            Assert.StartsWith("HTTP/1.1 400", answer, StringComparison.Ordinal);
            Assert.DoesNotContain("HTTP/1.1 200", answer, StringComparison.Ordinal);
        }
    }

    [Fact] // ATTACKS 78: compressed bodies aren't unpacked, so there is no bomb
    public async Task A_compressed_body_is_no_json()
    {
        using var packed = new MemoryStream();
        await using (var gzip = new System.IO.Compression.GZipStream(packed, System.IO.Compression.CompressionLevel.SmallestSize, leaveOpen: true)) await gzip.WriteAsync(new byte[10 << 20]);
        foreach (var path in new[] { "/api/users/signin", "/api/tokens" })
        {
            using var content = new ByteArrayContent(packed.ToArray());
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            content.Headers.ContentEncoding.Add("gzip");
            using var answer = await _app.Client.PostAsync(path, content);
            Assert.True(answer.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.UnsupportedMediaType, answer.StatusCode.ToString());
        }
    }

    [Theory] // ATTACKS 39
    [InlineData(4_096, 200)]
    [InlineData(16_384, 200)]
    [InlineData(32_768, 431)]
    public async Task A_huge_cookie_is_nobodys_and_the_connection_survives_or_says_why(int size, int status)
    {
        var answer = await _app.SendRawAsync($"GET /api/users/currentuser HTTP/1.1\r\nHost: x\r\nCookie: session={new string('x', size)}\r\n\r\nGET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        Assert.StartsWith($"HTTP/1.1 {status}", answer, StringComparison.Ordinal);
        if (status == 200) Assert.Equal(2, answer.Split("HTTP/1.1 200").Length - 1);
    }

    [Theory] // ATTACKS 78, for what comes before the body: one line too long, too many lines, too much in all
    [InlineData(9_000, 0, 0, 414)]
    [InlineData(1, 101, 1, 431)]
    [InlineData(1, 40, 1_000, 431)]
    [InlineData(1, 60, 200, 200)]
    public async Task A_head_has_its_bounds_and_says_which(int line, int count, int size, int status)
    {
        var headers = string.Concat(Enumerable.Range(0, count).Select(i => $"X-{i}: {new string('x', size)}\r\n"));
        var answer = await _app.SendRawAsync($"GET /health/live?{new string('x', line)} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\nGET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
        Assert.StartsWith($"HTTP/1.1 {status}", answer, StringComparison.Ordinal);
        Assert.Equal(1, answer.Split("HTTP/1.1 ").Length - 1); // what comes behind it is no request
    }

    [Fact] // ATTACKS 39
    public async Task Two_hundred_cookies_are_no_error()
    {
        var cookies = string.Join("; ", Enumerable.Range(0, 200).Select(i => $"session={i}"));
        var one = await _app.SendRawAsync($"GET /api/users/currentuser HTTP/1.1\r\nHost: x\r\nCookie: {cookies}\r\nConnection: close\r\n\r\n");
        Assert.Contains("{\"currentUser\":null}", one, StringComparison.Ordinal);
        var lines = string.Concat(Enumerable.Range(0, 90).Select(i => $"Cookie: session={i}\r\n"));
        var many = await _app.SendRawAsync($"GET /api/users/currentuser HTTP/1.1\r\nHost: x\r\n{lines}Connection: close\r\n\r\n");
        Assert.Contains("{\"currentUser\":null}", many, StringComparison.Ordinal);
    }

    [Theory] // ATTACKS 80, 199
    [InlineData("TRACE / HTTP/1.1", "404|405")]
    [InlineData("TRACE /api/users/currentuser HTTP/1.1", "404")]
    [InlineData("GET /%2e%2e/ HTTP/1.1", "200|404")]
    [InlineData("GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1", "404|400")]
    [InlineData("GET /../../../etc/passwd HTTP/1.1", "404|400")]
    [InlineData("GET /..%2f..%2fdata/gatehouse.db HTTP/1.1", "404|400")]
    [InlineData("GET /..%5cdata HTTP/1.1", "404|400")]
    [InlineData("GET //etc/passwd HTTP/1.1", "404|400")]
    [InlineData("GET /data%00.html HTTP/1.1", "404|400")]
    [InlineData("GET /%ff%fe HTTP/1.1", "404|400")]
    [InlineData("GET /%ef%bf%be HTTP/1.1", "404|400")]
    [InlineData("GET /account/sign-in?returnUrl=%ff%fe%ef%bf%be%00 HTTP/1.1", "200")]
    [InlineData("GET http://evil.test/account HTTP/1.1", "302|400")]
    [InlineData("GET * HTTP/1.1", "400|404|405")]
    [InlineData("OPTIONS * HTTP/1.1", "400|404")]
    [InlineData("CONNECT evil.test:443 HTTP/1.1", "400|404|405")]
    [InlineData("PROPFIND /api/sessions HTTP/1.1", "404")]
    [InlineData("GET /api/sessions/%7b%7d HTTP/1.1", "401")]
    public async Task An_odd_request_line_is_no_server_error(string line, string statuses)
    {
        var answer = await _app.SendRawAsync($"{line}\r\nHost: x\r\nConnection: close\r\n\r\n");
        Assert.Matches($"^HTTP/1.1 ({statuses}) ", answer);
        Assert.DoesNotContain("evil.test", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("root:", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("SQLite format", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bytes_beyond_ascii_in_headers_are_no_server_error()
    {
        foreach (var header in new[] { "Cookie: session=\u00ff\u00fe; session_refresh=\u0080", "Authorization: Bearer \u00ff\u00fe.\u00e9.x", "Origin: \u00ff", "Sec-Fetch-Site: \u00e9", "Content-Type: \u00ff/\u00ff", "User-Agent: \u0001\u00ff", "Cookie: session=\u0000" })
        {
            var answer = await _app.SendRawAsync($"POST /api/users/signout HTTP/1.1\r\nHost: x\r\n{header}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            Assert.Matches("^HTTP/1.1 (200|400|403) ", answer);
        }
    }

    [Fact] // ATTACKS 99: what a client says of its own address counts for nothing
    public async Task The_address_limit_is_not_evaded_by_headers()
    {
        await using var limited = KestrelApp.Start(("RateLimits:PerAddressPerMinute", "5"));
        var statuses = new List<int>();
        foreach (var header in new[] { "X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP", "X-Forwarded-For", "X-Original-For", "X-Cluster-Client-IP" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, statuses.Count % 2 == 0 ? "/api/users/signin" : "/api/tokens") { Content = new StringContent("{}", Encoding.UTF8, "application/json") };
            request.Headers.TryAddWithoutValidation(header, header == "Forwarded" ? $"for=192.0.2.{statuses.Count}" : $"192.0.2.{statuses.Count}");
            using var answer = await limited.Client.SendAsync(request);
            statuses.Add((int)answer.StatusCode);
            if (answer.StatusCode == HttpStatusCode.TooManyRequests) await Answers.AssertProblemAsync(answer, 429, "Too many attempts. Try again later.");
        }

        Assert.Equal([400, 400, 400, 400, 400, 429, 429, 429, 429], statuses);
    }

    [Fact] // the whole way once, over a socket: what the browser gets is what it sends back
    public async Task A_person_signs_up_over_plain_http_and_is_known_by_the_cookies_as_sent()
    {
        using var answer = await _app.Client.PostAsync("/api/users/signup", new StringContent(JsonSerializer.Serialize(new { email = "socket@example.test", password = TestApp.Password }), Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        var cookies = string.Join("; ", Answers.CookieLines(answer).Select(l => l[..l.IndexOf(';', StringComparison.Ordinal)]));
        var known = await _app.SendRawAsync($"GET /api/users/currentuser HTTP/1.1\r\nHost: x\r\nCookie: {cookies}\r\nConnection: close\r\n\r\n");
        Assert.Contains("socket@example.test", known, StringComparison.Ordinal);
        var left = await _app.SendRawAsync($"POST /api/users/signout HTTP/1.1\r\nHost: x\r\nCookie: {cookies}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        Assert.Contains("\r\nSet-Cookie: session=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT; httponly\r\nSet-Cookie: session_refresh=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT; httponly\r\n", left, StringComparison.Ordinal);
        Assert.DoesNotContain("\r\nServer:", left, StringComparison.OrdinalIgnoreCase);
    }

    public sealed class Fixture : IAsyncLifetime
    {
        public KestrelApp App { get; private set; } = null!;

        public Task InitializeAsync()
        {
            App = KestrelApp.Start();
            return Task.CompletedTask;
        }

        public async Task DisposeAsync() => await App.DisposeAsync();
    }
}
