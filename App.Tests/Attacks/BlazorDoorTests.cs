using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace App.Tests.Attacks;

/// <summary>The door of our own pages' connections, at the whole service and on a real socket (ATTACKS 211, 212, 217). The rule, header by header: CrossSiteGuardTests.</summary>
public sealed partial class BlazorDoorTests : IAsyncLifetime
{
    private readonly KestrelApp _app = KestrelApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact] // ATTACKS 211, 212
    public async Task Another_site_s_page_opens_no_connection_with_the_cookies_of_ours()
    {
        var cookies = await SignUpAsync();
        var own = _app.Address.GetLeftPart(UriPartial.Authority);
        foreach (var path in new[] { "/_blazor", "/_blazor?id=" + await ConnectionAsync(cookies), "/_BLAZOR" })
        {
            foreach (var origin in new[] { "https://evil.test", "null", own + ".evil.test", own.Replace("http:", "https:", StringComparison.Ordinal), null })
                Assert.StartsWith("HTTP/1.1 403", await UpgradeAsync(path, origin), StringComparison.Ordinal);
            Assert.StartsWith("HTTP/1.1 101", await UpgradeAsync(path, own), StringComparison.Ordinal);
        }

        foreach (var path in new[] { "/_blazor/negotiate?negotiateVersion=1", "/_blazor/disconnect" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Headers = { { "Cookie", cookies }, { "Origin", "https://evil.test" } } };
            Assert.Equal(HttpStatusCode.Forbidden, (await _app.Client.SendAsync(request)).StatusCode);
        }

        Task<string> UpgradeAsync(string path, string? origin) => _app.SendRawAsync(
            $"GET {path} HTTP/1.1\r\nHost: {_app.Address.Authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            + $"{(origin is null ? "" : $"Origin: {origin}\r\n")}Cookie: {cookies}\r\n\r\n", "\r\n\r\n");
    }

    [Fact] // ATTACKS 217: what a page hands to the browser to keep is sealed, so there is nothing in it to edit
    public async Task A_live_page_s_markers_hold_nothing_that_can_be_read_or_made()
    {
        var cookies = await SignUpAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/account/sessions") { Headers = { { "Cookie", cookies } } };
        var html = await (await _app.Client.SendAsync(request)).Content.ReadAsStringAsync();
        var comments = Comment().Matches(html).Select(m => m.Groups[1].Value).Where(c => c.StartsWith("Blazor", StringComparison.Ordinal)).ToList();
        var markers = comments.Where(c => c.StartsWith("Blazor:", StringComparison.Ordinal)).Select(c => JsonDocument.Parse(c["Blazor:".Length..]).RootElement).ToList();
        var begun = markers.Where(m => m.TryGetProperty("type", out _)).ToList();
        Assert.NotEmpty(begun);
        foreach (var marker in begun)
        {
            Assert.Equal("server", marker.GetProperty("type").GetString());
            AssertSealed(marker.GetProperty("descriptor").GetString()!);
            Assert.Empty(marker.EnumerateObject().Select(m => m.Name).Except(["type", "prerenderId", "key", "sequence", "descriptor"]));
        }

        // Whatever else is handed over is sealed too, or the settings of the connection.
        foreach (var other in comments.Where(c => !c.StartsWith("Blazor:", StringComparison.Ordinal)))
        {
            var (kind, value) = (other.Split(':')[0], other[(other.IndexOf(':', StringComparison.Ordinal) + 1)..]);
            Assert.Contains(kind, new[] { "Blazor-Server-Component-State", "Blazor-Web-Initializers", "Blazor-Web-JS-Module-Initializers" });
            if (kind == "Blazor-Server-Component-State") AssertSealed(value);
        }

        foreach (var comment in comments) Assert.DoesNotContain("blazor-door@", comment, StringComparison.Ordinal);
    }

    // Data Protection's own first bytes, and nothing legible behind them.
    private static void AssertSealed(string text) => Assert.StartsWith("CfDJ8", text, StringComparison.Ordinal);

    private async Task<string> SignUpAsync()
    {
        using var answer = await _app.Client.PostAsJsonAsync("/api/users/signup", new { email = $"blazor-door@{Guid.NewGuid():N}.test", password = TestApp.Password });
        return string.Join("; ", Answers.CookieLines(answer).Select(line => line.Split(';')[0]));
    }

    private async Task<string> ConnectionAsync(string cookies)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/_blazor/negotiate?negotiateVersion=1") { Headers = { { "Cookie", cookies } } };
        return (await Answers.JsonAsync(await _app.Client.SendAsync(request))).GetProperty("connectionToken").GetString()!;
    }

    [GeneratedRegex("<!--(.*?)-->", RegexOptions.Singleline)]
    private static partial Regex Comment();
}
