using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text;
using App.Tests.Attacks;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;

namespace App.Tests.Gateway;

/// <summary>Websockets through the built-in gateway, on real sockets.</summary>
public sealed class GatewaySocketTests
{
    private const string Password = "seven brass lanterns";

    [Fact] // ATTACKS 173
    public async Task A_websocket_passes_needs_a_session_and_closes_when_it_ends()
    {
        await using var sockets = await EchoService.StartAsync(SayAgainAsync);
        await using var app = KestrelApp.Start(("Gateway:Routes:0:Path", "/live"), ("Gateway:Routes:0:Destinations:0", sockets.Address));
        var address = new UriBuilder(app.Address) { Scheme = "ws", Path = "/live" }.Uri;
        using var signedUp = await app.Client.PostAsJsonAsync("/api/users/signup", new { email = "ada@example.test", password = Password });
        var cookies = string.Join("; ", signedUp.EnsureSuccessStatusCode().Headers.GetValues("Set-Cookie").Select(line => line.Split(';')[0]));

        using var stranger = new ClientWebSocket();
        Assert.Contains("401", (await Assert.ThrowsAsync<WebSocketException>(() => stranger.ConnectAsync(address, default))).Message, StringComparison.Ordinal);
        using var hijacker = new ClientWebSocket();
        hijacker.Options.SetRequestHeader("Cookie", cookies);
        hijacker.Options.SetRequestHeader("Origin", "https://evil.test");
        Assert.Contains("403", (await Assert.ThrowsAsync<WebSocketException>(() => hijacker.ConnectAsync(address, default))).Message, StringComparison.Ordinal);

        using var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Cookie", cookies);
        await socket.ConnectAsync(address, default);
        await socket.SendAsync(Encoding.UTF8.GetBytes("hello"), WebSocketMessageType.Text, true, default);
        var buffer = new byte[64];
        var heard = await socket.ReceiveAsync(buffer, default);
        Assert.Equal("hello", Encoding.UTF8.GetString(buffer, 0, heard.Count));

        using var signOut = new HttpRequestMessage(HttpMethod.Post, "/api/users/signout") { Headers = { { "Cookie", cookies } } };
        using var signedOut = await app.Client.SendAsync(signOut);
        Assert.True(signedOut.IsSuccessStatusCode);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        await Assert.ThrowsAsync<WebSocketException>(async () => await socket.ReceiveAsync(buffer, patience.Token));
    }

    [Fact] // ATTACKS 173
    public async Task A_websocket_closes_one_tokens_life_after_its_token()
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
        await using var sockets = await EchoService.StartAsync(SayAgainAsync);
        await using var app = KestrelApp.Start(time, ("Gateway:Routes:0:Path", "/live"), ("Gateway:Routes:0:Destinations:0", sockets.Address));
        using var signedUp = await app.Client.PostAsJsonAsync("/api/users/signup", new { email = "ada@example.test", password = Password });
        using var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Cookie", string.Join("; ", signedUp.EnsureSuccessStatusCode().Headers.GetValues("Set-Cookie").Select(line => line.Split(';')[0])));
        await socket.ConnectAsync(new UriBuilder(app.Address) { Scheme = "ws", Path = "/live" }.Uri, default);
        var buffer = new byte[64];

        // Five minutes of the token's own, five more, and the half minute that clocks may differ by.
        time.Advance(TimeSpan.FromMinutes(10) + TimeSpan.FromSeconds(29));
        await socket.SendAsync("hello"u8.ToArray(), WebSocketMessageType.Text, true, default);
        Assert.Equal(5, (await socket.ReceiveAsync(buffer, default)).Count);

        time.Advance(TimeSpan.FromSeconds(2));
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        await Assert.ThrowsAsync<WebSocketException>(async () => await socket.ReceiveAsync(buffer, patience.Token));
    }

    private static async Task SayAgainAsync(HttpContext http)
    {
        using var socket = await http.WebSockets.AcceptWebSocketAsync();
        var buffer = new byte[64];
        while (await socket.ReceiveAsync(buffer, http.RequestAborted) is { MessageType: not WebSocketMessageType.Close, Count: var count })
            await socket.SendAsync(buffer.AsMemory(0, count), WebSocketMessageType.Text, true, http.RequestAborted);
    }
}
