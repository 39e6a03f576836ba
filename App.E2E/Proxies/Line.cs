using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace App.E2E.Proxies;

/// <summary>What the line to Gatehouse does with a request.</summary>
internal enum Fault
{
    None,

    /// <summary>Nobody listens.</summary>
    Away,

    /// <summary>Accepted, and never answered.</summary>
    Silent,

    /// <summary>500.</summary>
    Broken,

    /// <summary>A status line that says 200, and then nothing more.</summary>
    CutShort,
}

/// <summary>The line between proxies and Gatehouse, which a test can break in several ways.</summary>
internal sealed class Line : IDisposable
{
    private readonly ConcurrentDictionary<TcpClient, bool> _open = new();
    private readonly int _target;
    private readonly int _port;
    private TcpListener? _listener;
    private volatile Fault _fault;

    public Line(int target)
    {
        _target = target;
        _port = Harness.TestRun.FreePort();
        Listen();
    }

    public string Address => $"127.0.0.1:{_port}";

    /// <summary>From now on; connections that are open break.</summary>
    public void Become(Fault fault)
    {
        _fault = fault;
        if (fault == Fault.Away) Hang();
        else if (_listener is null) Listen();
        foreach (var client in _open.Keys) client.Close();
    }

    public void Dispose() => Become(Fault.Away);

    private void Hang()
    {
        _listener?.Dispose();
        _listener = null;
    }

    private void Listen()
    {
        _listener = new TcpListener(IPAddress.Loopback, _port);
        _listener.Start();
        _ = AcceptAsync(_listener);
    }

    private async Task AcceptAsync(TcpListener listener)
    {
        try
        {
            while (true) _ = ServeAsync(await listener.AcceptTcpClientAsync());
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The listener is closed.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        _open[client] = true;
        try
        {
            var stream = client.GetStream();
            if (_fault == Fault.None) await RelayAsync(stream);
            else await MisbehaveAsync(stream);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // One of the two has hung up, or the test has.
        }
        finally
        {
            _open.TryRemove(client, out _);
            client.Dispose();
        }
    }

    private async Task RelayAsync(NetworkStream stream)
    {
        using var target = new TcpClient { NoDelay = true };
        await target.ConnectAsync(IPAddress.Loopback, _target);
        var other = target.GetStream();
        await Task.WhenAny(stream.CopyToAsync(other), other.CopyToAsync(stream));
    }

    private async Task MisbehaveAsync(NetworkStream stream)
    {
        var buffer = new byte[16 * 1024];
        if (await stream.ReadAsync(buffer) == 0) return;
        var answer = _fault switch
        {
            Fault.Broken => "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            Fault.CutShort => "HTTP/1.1 200 OK\r\nX-Auth-User: half",
            _ => "",
        };
        await stream.WriteAsync(Encoding.ASCII.GetBytes(answer));
        // Silent: until the proxy has had enough.
        while (_fault == Fault.Silent && await stream.ReadAsync(buffer) > 0) { }
    }
}
