using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace App.E2E.Harness;

/// <summary>Everything a process prints, in a file that the last test of the run searches.</summary>
internal sealed class ProcessLog(string path)
{
    private readonly Lock _gate = new();

    public string Text
    {
        get
        {
            lock (_gate) return File.Exists(path) ? File.ReadAllText(path) : "";
        }
    }

    public void Follow(Process process)
    {
        process.OutputDataReceived += (_, line) => Write(line.Data);
        process.ErrorDataReceived += (_, line) => Write(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    private void Write(string? line)
    {
        if (line is null) return;
        lock (_gate) File.AppendAllText(path, line + "\n");
    }
}

/// <summary>The app listens on IPv4 alone; asking for localhost must not first wait for ::1.</summary>
internal static class Loopback
{
    public static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken ct)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, context.DnsEndPoint.Port, ct);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
