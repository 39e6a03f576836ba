using System.Net;
using System.Net.Sockets;

namespace App.Tests;

/// <summary>A port of this machine on which nobody listens, held so that no other test is given it meanwhile.</summary>
internal sealed class SilentPort : IDisposable
{
    private readonly Socket _held = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    /// <param name="port">One that has just become free; 0 for any.</param>
    public SilentPort(int port = 0) => _held.Bind(new IPEndPoint(IPAddress.Loopback, port));

    public int Port => ((IPEndPoint)_held.LocalEndPoint!).Port;

    public void Dispose() => _held.Dispose();
}
