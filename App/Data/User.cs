using Microsoft.AspNetCore.Identity;

namespace App.Data;

/// <summary>A person with an account. It lives with the context because Identity's context is generic over it.</summary>
public sealed class User : IdentityUser<Guid>
{
    /// <summary>How the person wants to be called; at most 200 characters.</summary>
    public string? Name { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    /// <summary>Seconds since 1970: tokens issued then or before are refused, and new ones are minted with a later <c>iat</c>. Null until something made that necessary.</summary>
    public long? TokensNotBefore { get; set; }
}
