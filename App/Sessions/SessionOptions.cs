using System.ComponentModel;
using System.ComponentModel.DataAnnotations;

namespace App.Sessions;

public sealed class SessionOptions : IValidatableObject
{
    [Range(typeof(TimeSpan), "00:01:00", "365.00:00:00")]
    [Description("A session ends this long after sign-in, however much it is used.")]
    public TimeSpan AbsoluteLifetime { get; set; } = TimeSpan.FromDays(30);

    [Range(typeof(TimeSpan), "00:01:00", "365.00:00:00")]
    [Description("A session ends when it has not been renewed for this long. Browsers renew it when their access token has expired, so let it be longer than `Tokens:AccessTokenLifetime`.")]
    public TimeSpan IdleLifetime { get; set; } = TimeSpan.FromDays(14);

    /// <summary>The end of a session: its absolute one, or that of idleness, which each renewal puts off.</summary>
    internal DateTimeOffset EndOf(DateTimeOffset expiresAt, DateTimeOffset lastSeenAt)
    {
        var idle = lastSeenAt + IdleLifetime;
        return idle < expiresAt ? idle : expiresAt;
    }

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (IdleLifetime > AbsoluteLifetime)
            yield return new ValidationResult("must not be longer than Sessions:AbsoluteLifetime", [nameof(IdleLifetime)]);
    }
}

public sealed class CookieNames : IValidatableObject
{
    [Required, RegularExpression("^[A-Za-z0-9_.-]{1,60}$")]
    [Description("Cookie that carries the access token, as Express `cookie-session` writes it.")]
    public string Session { get; set; } = "session";

    [Required, RegularExpression("^[A-Za-z0-9_.-]{1,60}$")]
    [Description("Cookie that carries the refresh token.")]
    public string Refresh { get; set; } = "session_refresh";

    [Required, RegularExpression("^[A-Za-z0-9_.-]{1,60}$")]
    [Description("Cookie that tells the browsers a person has signed in with from all others.")]
    public string Device { get; set; } = "device";

    [RegularExpression("^[A-Za-z0-9.-]{1,200}$")]
    [Description("`Domain` of the session and refresh cookies, to share them with sub-domains; none when unset, which is safest.")]
    public string? Domain { get; set => field = string.IsNullOrWhiteSpace(value) ? null : value; }

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Session == Refresh) yield return new ValidationResult("must differ from Cookies:Session", [nameof(Refresh)]);
        foreach (var (name, member) in new[] { (Session, nameof(Session)), (Refresh, nameof(Refresh)) })
            if (Domain is not null && name.StartsWith("__Host-", StringComparison.OrdinalIgnoreCase)) yield return new ValidationResult("browsers take no cookie of such a name together with Cookies:Domain; leave one of them out", [member]);
        if (Device == Session || Device == Refresh) yield return new ValidationResult("must differ from Cookies:Session and Cookies:Refresh", [nameof(Device)]);
    }
    /// <summary>Browsers ignore a cookie of a domain that its sender isn't in (RFC 6265 section 5.3): sign-in would lead back to itself for ever. On loopback somebody tries things out, perhaps without a browser.</summary>
    public static IEnumerable<string> Faults(IServiceProvider services)
    {
        var names = services.GetRequiredService<CookieNames>();
        if (names.Domain is null || !Uri.TryCreate(services.GetRequiredService<HostSettings>().Issuer, UriKind.Absolute, out var issuer) || issuer.IsLoopback) yield break;
        var domain = names.Domain.StartsWith('.') ? names.Domain[1..] : names.Domain;
        if (!issuer.Host.Equals(domain, StringComparison.OrdinalIgnoreCase) && !(domain.Contains('.', StringComparison.Ordinal) && issuer.Host.EndsWith("." + domain, StringComparison.OrdinalIgnoreCase)))
            yield return $"Cookies:Domain is \"{names.Domain}\", and Issuer isn't in it: browsers would take no cookie. Give {issuer.Host} or what it is a sub-domain of, or leave it out.";
    }
}
