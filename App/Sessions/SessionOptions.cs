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
    [Description("`Domain` of both cookies, to share them with sub-domains; none when unset, which is safest.")]
    public string? Domain { get; set => field = string.IsNullOrWhiteSpace(value) ? null : value; }

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Session == Refresh) yield return new ValidationResult("must differ from Cookies:Session", [nameof(Refresh)]);
        if (Device == Session || Device == Refresh) yield return new ValidationResult("must differ from Cookies:Session and Cookies:Refresh", [nameof(Device)]);
    }
}
