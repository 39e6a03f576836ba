using System.Net.Security;
using MailKit.Net.Smtp;
using MailKit.Security;
using MimeKit;

namespace App.Mail;

/// <summary>One conversation with the mail server, opened with its first letter.</summary>
internal sealed class SmtpPost(MailOptions options, TimeProvider time) : IDisposable
{
    private SmtpClient? _client;

    /// <summary>Judges the server's certificate in place of the system, which knows no certificate that a test makes.</summary>
    public RemoteCertificateValidationCallback? Trust { get; init; }

    public enum Result
    {
        Sent,

        /// <summary>The server took offence at this letter or its address and will do so again.</summary>
        Refused,

        /// <summary>This letter not now; the next may do.</summary>
        Later,

        /// <summary>No server that takes letters.</summary>
        Unreachable,
    }

    /// <returns>What came of it, and in a word or two why; nothing in them is about the person.</returns>
    public async Task<(Result Result, string? Why)> SendAsync(Guid id, Letter letter, CancellationToken ct)
    {
        MimeMessage message;
        try
        {
            message = Compose(id, letter);
        }
        catch (Exception e) when (e is FormatException or ArgumentException)
        {
            return (Result.Refused, e.GetType().Name); // no server has anything to do with it
        }

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(ct);
        deadline.CancelAfter(options.Timeout);
        var connected = false;
        try
        {
            var client = await ConnectedAsync(deadline.Token);
            connected = true;
            var format = FormatOptions.Default.Clone();
            // RFC 6531, where the server can and only then: an ASCII address reads the same either way.
            format.International = client.Capabilities.HasFlag(SmtpCapabilities.UTF8);
            await client.SendAsync(format, message, deadline.Token);
            return (Result.Sent, null);
        }
        catch (SmtpCommandException refused)
        {
            var why = $"{refused.ErrorCode} {(int)refused.StatusCode}";
            if (connected && refused.ErrorCode is SmtpErrorCode.RecipientNotAccepted or SmtpErrorCode.MessageNotAccepted)
                return ((int)refused.StatusCode >= 500 ? Result.Refused : Result.Later, why);
            // Whom it greets, and whom it takes letters from, is no letter's fault; what else it didn't like may be this one's, and may be not: it waits, and the others go on.
            HangUp();
            return (connected && refused.ErrorCode != SmtpErrorCode.SenderNotAccepted ? Result.Later : Result.Unreachable, why);
        }
        catch (Exception e) when (e is not OperationCanceledException || !ct.IsCancellationRequested)
        {
            // Where the conversation broke off, nobody knows what the server has understood: the next letter gets a new one.
            HangUp();
            // What the server can't do is this letter's fault (RFC 6531), but for TLS and sign-in, which somebody on the way may have struck out.
            return (connected && e is NotSupportedException ? Result.Refused : Result.Unreachable, e is OperationCanceledException ? "no answer in time" : e.GetType().Name);
        }
    }

    public void Dispose() => HangUp();

    private async Task<SmtpClient> ConnectedAsync(CancellationToken ct)
    {
        if (_client is { IsConnected: true }) return _client;
        HangUp();
        _client = new SmtpClient { ServerCertificateValidationCallback = Trust };
        await _client.ConnectAsync(options.Host!, options.Port, options.Tls switch
        {
            MailTls.Implicit => SecureSocketOptions.SslOnConnect,
            MailTls.None => SecureSocketOptions.None,
            _ => SecureSocketOptions.StartTls,
        }, ct);
        if (options.User is { } user) await _client.AuthenticateAsync(user, options.Password ?? "", ct);
        return _client;
    }

    private MimeMessage Compose(Guid id, Letter letter)
    {
        var sender = options.Sender;
        var message = new MimeMessage
        {
            // The same at each attempt, so that a double can be told from a second letter.
            MessageId = $"{id:N}@{sender.Domain}",
            Subject = letter.Subject,
            Date = time.GetUtcNow(),
            Body = new BodyBuilder { TextBody = letter.Text, HtmlBody = letter.Html }.ToMessageBody(),
        };
        message.From.Add(sender);
        message.To.Add(new MailboxAddress("", letter.To));
        message.Headers.Add("Auto-Submitted", "auto-generated"); // RFC 3834: no absence notes, please
        return message;
    }

    // Without QUIT: it would wait for a server that may be the very one that doesn't answer.
    private void HangUp()
    {
        _client?.Dispose();
        _client = null;
    }
}
