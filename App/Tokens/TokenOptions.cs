using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Text;

namespace App.Tokens;

public sealed class TokenOptions
{
    /// <summary>No token of ours may live longer than this, whatever the setting was when it was minted.</summary>
    public static readonly TimeSpan LongestLifetime = TimeSpan.FromHours(1);

    /// <summary>How far two clocks may differ (contract section 2).</summary>
    public static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(30);

    [Required]
    [Description("The `aud` of tokens that aren't bound to one service.")]
    public string Audience { get; set; } = "gatehouse";

    [Range(typeof(TimeSpan), "00:00:05", "01:00:00")]
    [Description("Life of an access token.")]
    public TimeSpan AccessTokenLifetime { get; set; } = TimeSpan.FromMinutes(5);

    [Range(1000, 10_000_000)]
    [Description("How many verified tokens are remembered, so that a token seen before costs no cryptography (about 1 KB each).")]
    public int CacheSize { get; set; } = 100_000;

    [Secret, MinBytes(32)]
    [Description("Migration mode: sign HS256 with this text, as `jsonwebtoken` does with a string secret. Everybody who can verify can then also mint.")]
    public string? SharedSecret { get; set; }
}

/// <summary>So many bytes as UTF-8, which is what becomes the key; a letter may have several.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class MinBytesAttribute : ValidationAttribute
{
    private readonly int _bytes;

    public MinBytesAttribute(int bytes) => (_bytes, ErrorMessage) = (bytes, $"at least {bytes} bytes");

    public override bool IsValid(object? value) => value is not string text || Encoding.UTF8.GetByteCount(text) >= _bytes;
}
