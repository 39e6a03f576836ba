using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace App.E2E.Proxies;

/// <summary>What arrived at the service: the request line, and every header as it was spelt and as often as it came.</summary>
internal sealed record Arrived(string Line, IReadOnlyList<string[]> Headers, string Body)
{
    public string? Of(string name) => Headers.Where(h => h[0].Equals(name, StringComparison.OrdinalIgnoreCase)).Select(h => h[1]).SingleOrDefault();
}

/// <summary>The service behind the proxies: it answers with what it was sent, byte for byte of the names. It trusts whoever reaches it.</summary>
internal sealed class Echo : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private int _requests;

    public Echo()
    {
        _listener.Start();
        _ = AcceptAsync();
    }

    public string Address => _listener.LocalEndpoint.ToString()!;

    /// <summary>How many requests got here.</summary>
    public int Requests => Volatile.Read(ref _requests);

    /// <summary>What connections were asked to become.</summary>
    public ConcurrentBag<string> Upgrades { get; } = [];

    public void Dispose() => _listener.Dispose();

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = ServeAsync(await _listener.AcceptTcpClientAsync());
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The listener is closed.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                await AnswerAsync(client.GetStream());
            }
            catch (IOException)
            {
                // The proxy has hung up.
            }
        }
    }

    private async Task AnswerAsync(NetworkStream stream)
    {
        var (buffer, held) = (new byte[64 * 1024], "");
        while (true)
        {
            int end;
            while ((end = held.IndexOf("\r\n\r\n", StringComparison.Ordinal)) < 0)
                if (!await ReadAsync()) return;
            string[] lines = held[..end].Split("\r\n");
            var headers = lines[1..].Select(line => line.Split(": ", 2) is [var name, var value] ? new[] { name, value } : [line.TrimEnd(':'), ""]).ToList();
            held = held[(end + 4)..];
            var length = headers.Where(h => h[0].Equals("content-length", StringComparison.OrdinalIgnoreCase)).Select(h => int.Parse(h[1], System.Globalization.CultureInfo.InvariantCulture)).FirstOrDefault();
            var sent = headers.Exists(h => h[0].Equals("transfer-encoding", StringComparison.OrdinalIgnoreCase)) ? await ReadChunksAsync() : await TakeAsync(length);
            if (headers.Exists(h => h[0].Equals("upgrade", StringComparison.OrdinalIgnoreCase)))
            {
                // Whatever it is to become: some services agree.
                var becomes = string.Join(" and ", headers.Where(h => h[0].Equals("upgrade", StringComparison.OrdinalIgnoreCase)).Select(h => h[1]));
                Upgrades.Add(becomes);
                await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {becomes}\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"));
                while (await ReadAsync()) held = "";
                return;
            }

            var body = JsonSerializer.SerializeToUtf8Bytes(new Arrived(lines[0], headers, sent));
            Interlocked.Increment(ref _requests);
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nSet-Cookie: own=1\r\nContent-Length: {body.Length}\r\n\r\n"));
            await stream.WriteAsync(body);
        }

        async Task<bool> ReadAsync()
        {
            var read = await stream.ReadAsync(buffer);
            held += Encoding.Latin1.GetString(buffer, 0, read);
            return read > 0;
        }

        async Task<string> TakeAsync(int length)
        {
            while (held.Length < length)
                if (!await ReadAsync()) throw new EndOfStreamException();
            var taken = held[..length];
            held = held[length..];
            return taken;
        }

        async Task<string> TakeLineAsync()
        {
            while (!held.Contains("\r\n", StringComparison.Ordinal))
                if (!await ReadAsync()) throw new EndOfStreamException();
            return (await TakeAsync(held.IndexOf("\r\n", StringComparison.Ordinal) + 2))[..^2];
        }

        async Task<string> ReadChunksAsync()
        {
            var all = "";
            while (Convert.ToInt32((await TakeLineAsync()).Split(';')[0].Trim(), 16) is > 0 and var size) all += (await TakeAsync(size + 2))[..^2];
            while (await TakeLineAsync() != "") { }
            return all;
        }
    }
}
