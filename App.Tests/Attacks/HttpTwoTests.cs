using System.Buffers.Binary;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;

namespace App.Tests.Attacks;

/// <summary>HTTP/2 frame by frame, on real sockets (ATTACKS 225): spoken where TLS agrees on it, refused without.</summary>
public sealed class HttpTwoTests
{
    private const byte Headers = 1, Reset = 3, Settings = 4, Ping = 6, GoAway = 7;
    private static readonly byte[] Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray();

    [Fact]
    public async Task Without_tls_it_is_refused_and_nobody_else_notices()
    {
        await using var app = KestrelApp.Start();
        var answer = await app.SendRawAsync((byte[])[.. Preface, .. Frame(Settings, 0, 0, [])]);
        Assert.DoesNotContain(" 200", answer, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await app.Client.GetAsync("/health/live")).StatusCode);
    }

    [Fact]
    public async Task Over_tls_it_is_spoken()
    {
        await using var app = KestrelApp.StartTls();
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/users/currentuser") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        using var answer = await app.Client.SendAsync(request);
        Assert.Equal((HttpStatusCode.OK, HttpVersion.Version20), (answer.StatusCode, answer.Version));
        Assert.Equal("""{"currentUser":null}""", await answer.Content.ReadAsStringAsync());
    }

    [Fact] // CVE-2023-44487
    public async Task Who_opens_and_resets_streams_by_the_thousand_loses_the_connection()
    {
        await using var app = KestrelApp.StartTls();
        using var socket = new TcpClient();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await socket.ConnectAsync(app.Address.Host, app.Address.Port, patience.Token);
        await using var tls = new SslStream(socket.GetStream(), leaveInnerStreamOpen: false, app.Trusts);
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost", ApplicationProtocols = [SslApplicationProtocol.Http2] }, patience.Token);
        Assert.Equal(SslApplicationProtocol.Http2, tls.NegotiatedApplicationProtocol);
        // What is sent is a request: the first one is answered.
        await tls.WriteAsync((byte[])[.. Preface, .. Frame(Settings, 0, 0, []), .. Frame(Headers, 5, 1, RequestOf("/account/sign-in"))], patience.Token);
        Assert.Equal(0, await ReadUntilAsync(tls, Headers, patience.Token));
        var reading = ReadUntilAsync(tls, Ping, patience.Token);
        try
        {
            for (var stream = 3; stream < 20_000; stream += 2)
                await tls.WriteAsync((byte[])[.. Frame(Headers, 5, stream, RequestOf("/account/sign-in")), .. Frame(Reset, 0, stream, [0, 0, 0, 8])], patience.Token);
            await tls.WriteAsync(Frame(Ping, 0, 0, new byte[8]), patience.Token);
        }
        catch (IOException)
        {
            // Closed while we were still at it.
        }

        Assert.NotEqual(0, await reading); // by ENHANCE_YOUR_CALM (RFC 9113 section 7), if the word arrives before the end does
        Assert.Equal(HttpStatusCode.OK, (await app.Client.GetAsync("/health/live")).StatusCode);
    }

    /// <returns>0 for such a frame; the code with which the server ends the connection instead, -1 where it does so without a word.</returns>
    private static async Task<int> ReadUntilAsync(SslStream stream, byte wanted, CancellationToken ct)
    {
        var head = new byte[9];
        try
        {
            while (true)
            {
                await stream.ReadExactlyAsync(head, ct);
                var body = new byte[(head[0] << 16) | (head[1] << 8) | head[2]];
                await stream.ReadExactlyAsync(body, ct);
                if (head[3] == GoAway) return BinaryPrimitives.ReadInt32BigEndian(body.AsSpan(4));
                if (head[3] == wanted) return 0;
            }
        }
        catch (IOException)
        {
            return -1;
        }
    }

    // RFC 7541: GET and https stand in the static table, path and authority are spelled.
    private static byte[] RequestOf(string path) => [0x82, 0x87, 0x04, (byte)path.Length, .. Encoding.ASCII.GetBytes(path), 0x01, 9, .. "localhost"u8];

    private static byte[] Frame(byte type, byte flags, int stream, byte[] body)
    {
        var frame = new byte[9 + body.Length];
        (frame[1], frame[2], frame[3], frame[4]) = ((byte)(body.Length >> 8), (byte)body.Length, type, flags);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), stream);
        body.CopyTo(frame, 9);
        return frame;
    }
}
