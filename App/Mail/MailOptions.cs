using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using MimeKit;

namespace App.Mail;

/// <summary>How the line to the mail server is kept private.</summary>
public enum MailTls
{
    /// <summary>STARTTLS (RFC 3207), and no letter where the server doesn't offer it.</summary>
    StartTls,

    /// <summary>TLS from the first byte, as on port 465 (RFC 8314).</summary>
    Implicit,

    /// <summary>In the clear: for a relay on the same machine or network.</summary>
    None,
}

/// <summary>The way letters leave (section <c>Mail</c>).</summary>
public sealed class MailOptions : IValidatableObject
{
    [Description("The mail server (SMTP submission, RFC 6409). Unset, letters can be read at `/dev/mail` in Development, and wait elsewhere.")]
    public string? Host { get; set => field = string.IsNullOrWhiteSpace(value) ? null : value; }

    [Range(1, 65535)]
    [Description("Its port.")]
    public int Port { get; set; } = 587;

    [Description("The name to sign in with at the mail server; none where it asks for none.")]
    public string? User { get; set => field = string.IsNullOrWhiteSpace(value) ? null : value; }

    [Secret]
    [Description("The password that goes with it, from the environment or a secret file.")]
    public string? Password { get; set => field = string.IsNullOrEmpty(value) ? null : value; }

    [Description("Whom letters are from: an address, or `Name <address>`. Needed with Mail:Host.")]
    public string? From { get; set => field = string.IsNullOrWhiteSpace(value) ? null : value; }

    [Description("How the line is kept private: STARTTLS, TLS from the first byte, or not at all.")]
    public MailTls Tls { get; set; } = MailTls.StartTls;

    [Range(typeof(TimeSpan), "00:00:01", "00:05:00")]
    [Description("How long the mail server may take to accept one letter.")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(30);

    [Range(typeof(TimeSpan), "00:10:00", "14.00:00:00")]
    [Description("How long a letter is tried again before it is given up and erased. Those that are of use for a shorter time end sooner.")]
    public TimeSpan GiveUpAfter { get; set; } = TimeSpan.FromDays(2);

    internal MailboxAddress Sender => MailboxAddress.TryParse(From ?? "gatehouse@localhost", out var sender) ? sender : new MailboxAddress("", "gatehouse@localhost");

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (From is not null && (!MailboxAddress.TryParse(From, out var sender) || !sender.Address.Contains('@', StringComparison.Ordinal)))
            yield return new ValidationResult("isn't an address; give one such as Gatehouse <no-reply@example.com>", [nameof(From)]);
        if (Host is not null && From is null)
            yield return new ValidationResult("isn't set, and Mail:Host is; give the address that letters are from", [nameof(From)]);
        if (Host is not null && Uri.CheckHostName(Host) == UriHostNameType.Unknown)
            yield return new ValidationResult("is no host name; give one such as smtp.example.com, and the port in Mail:Port", [nameof(Host)]);
        if (Host is not null && User is null != Password is null)
            yield return new ValidationResult($"isn't set, and Mail:{(User is null ? nameof(Password) : nameof(User))} is; give both, or neither where the server asks for none", [User is null ? nameof(User) : nameof(Password)]);
        if (User is not null && Tls == MailTls.None)
            yield return new ValidationResult("is None, which would send Mail:Password in the clear; give StartTls or Implicit", [nameof(Tls)]);
    }
}
