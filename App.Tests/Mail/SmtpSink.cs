using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace App.Tests.Mail;

/// <summary>A mail server of a few lines that speaks enough of RFC 5321 over a real socket, and misbehaves as told.</summary>
internal sealed class SmtpSink : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly Task _accepting;

    public SmtpSink()
    {
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public enum Manners
    {
        Accepts,

        /// <summary>550 to each address.</summary>
        RefusesAddresses,

        /// <summary>451 to each letter.</summary>
        AsksForLater,

        /// <summary>Takes the letter in and never answers.</summary>
        Hangs,

        /// <summary>Hangs up in the middle of the letter.</summary>
        Drops,

        /// <summary>554 in place of a greeting.</summary>
        SaysNothingHere,

        /// <summary>550 to EHLO, and to HELO after it.</summary>
        RefusesToTalk,

        /// <summary>554 to DATA.</summary>
        RefusesToListen,
    }

    public Manners Manner { get; set; }

    /// <summary>What it shows when asked for TLS; without one it offers none.</summary>
    public X509Certificate2? Certificate { get; init; }

    /// <summary>TLS from the first byte.</summary>
    public bool Implicit { get; init; }

    /// <summary>Whoever signed in, as RFC 4616 writes it.</summary>
    public ConcurrentQueue<string> Callers { get; } = new();

    /// <summary>Letters as they came over the wire, dots unstuffed.</summary>
    public ConcurrentQueue<string> Letters { get; } = new();

    /// <summary>What was said before each letter: MAIL FROM and RCPT TO.</summary>
    public ConcurrentQueue<string> Envelopes { get; } = new();

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public (string, string?)[] Settings =>
        [("Mail:Host", "127.0.0.1"), ("Mail:Port", $"{Port}"), ("Mail:Tls", Certificate is null ? "None" : Implicit ? "Implicit" : "StartTls"), ("Mail:From", "Gatehouse <no-reply@auth.test>"), ("Mail:Timeout", "00:00:02")];

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Stop();
        await _accepting;
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = TalkAsync(await _listener.AcceptTcpClientAsync(_end.Token));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task TalkAsync(TcpClient client)
    {
        try
        {
            using (client)
            {
                Stream stream = client.GetStream();
                if (Implicit) stream = await SecureAsync(stream);
                var (reader, writer) = Ends(stream);
                await writer.WriteLineAsync(Manner == Manners.SaysNothingHere ? "554 no mail here" : "220 sink");
                var envelope = "";
                while (await reader.ReadLineAsync(_end.Token) is { } line)
                {
                    switch (line.Split(' ')[0].ToUpperInvariant())
                    {
                        case "EHLO" or "HELO" when Manner == Manners.RefusesToTalk:
                            await writer.WriteLineAsync("550 not with you");
                            break;
                        case "EHLO":
                            await writer.WriteLineAsync("250-sink");
                            await writer.WriteLineAsync("250-SMTPUTF8");
                            if (stream is SslStream) await writer.WriteLineAsync("250-AUTH PLAIN");
                            else if (Certificate is not null) await writer.WriteLineAsync("250-STARTTLS");
                            await writer.WriteLineAsync("250 8BITMIME");
                            break;
                        case "STARTTLS":
                            await writer.WriteLineAsync("220 go on");
                            (reader, writer) = Ends(stream = await SecureAsync(stream));
                            break;
                        case "AUTH":
                            Callers.Enqueue(Encoding.UTF8.GetString(Convert.FromBase64String(line.Split(' ')[2])));
                            await writer.WriteLineAsync("235 welcome");
                            break;
                        case "MAIL":
                            envelope = line;
                            await writer.WriteLineAsync("250 fine");
                            break;
                        case "RCPT" when Manner == Manners.RefusesAddresses:
                            await writer.WriteLineAsync("550 nobody here");
                            break;
                        case "RCPT":
                            envelope += " " + line;
                            await writer.WriteLineAsync("250 fine");
                            break;
                        case "DATA" when Manner == Manners.RefusesToListen:
                            await writer.WriteLineAsync("554 not this");
                            break;
                        case "DATA":
                            await writer.WriteLineAsync("354 go on");
                            if (Manner == Manners.Drops) return;
                            var letter = await LetterAsync(reader);
                            if (Manner == Manners.Hangs) await Task.Delay(Timeout.Infinite, _end.Token);
                            if (Manner == Manners.AsksForLater)
                            {
                                await writer.WriteLineAsync("451 not now");
                                break;
                            }

                            Envelopes.Enqueue(envelope);
                            Letters.Enqueue(letter);
                            await writer.WriteLineAsync("250 taken");
                            break;
                        case "QUIT":
                            await writer.WriteLineAsync("221 bye");
                            return;
                        default:
                            await writer.WriteLineAsync("250 fine");
                            break;
                    }
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or AuthenticationException)
        {
            // They hung up, or the test is over.
        }
    }

    private async Task<Stream> SecureAsync(Stream stream)
    {
        var secure = new SslStream(stream);
        await secure.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = Certificate }, _end.Token);
        return secure;
    }

    private static (StreamReader, StreamWriter) Ends(Stream stream) =>
        (new StreamReader(stream, Encoding.UTF8), new StreamWriter(stream, new UTF8Encoding(false)) { NewLine = "\r\n", AutoFlush = true });

    private async Task<string> LetterAsync(StreamReader reader)
    {
        var letter = new StringBuilder();
        while (await reader.ReadLineAsync(_end.Token) is { } line and not ".") letter.Append(line.StartsWith("..", StringComparison.Ordinal) ? line[1..] : line).Append("\r\n");
        return letter.ToString();
    }
}
