using System.Security.Claims;

namespace App.Shared;

/// <summary>
/// Who is calling, as a verified access token says (contract section 2).
/// An endpoint takes it as a parameter, a page reads it from the principal; nobody parses claims.
/// </summary>
public sealed record CurrentUser
{
    public required Guid Id { get; init; }
    public required Guid SessionId { get; init; }
    public required string TokenId { get; init; }
    public required string Email { get; init; }
    public bool EmailVerified { get; init; }
    public string? Name { get; init; }
    public IReadOnlyList<string> Roles { get; init; } = [];
    public IReadOnlyList<string> Amr { get; init; } = [];

    /// <summary>The services that act for the person, the one that holds the token first; empty where the person acts (RFC 8693 section 4.1).</summary>
    public IReadOnlyList<string> Actors { get; init; } = [];

    /// <summary>Seconds since 1970, as in the token.</summary>
    public required long IssuedAt { get; init; }

    /// <summary>Seconds since 1970, as in the token.</summary>
    public required long ExpiresAt { get; init; }

    /// <summary>Seconds since 1970: when the person last proved who they are.</summary>
    public required long AuthTime { get; init; }

    /// <summary>The audience of the one service that the token is bound to; null for a token meant for everybody who takes ours.</summary>
    public string? Audience { get; init; }

    /// <summary>The id of the key that signed the token.</summary>
    public required string KeyId { get; init; }

    /// <summary>The caller behind a principal of ours; null for a stranger.</summary>
    public static CurrentUser? From(ClaimsPrincipal? principal) => (principal?.Identity as CurrentUserIdentity)?.User;

    /// <summary>Lets a Minimal API endpoint take the caller as a parameter: required where it isn't nullable.</summary>
    public static ValueTask<CurrentUser?> BindAsync(HttpContext http)
    {
        ArgumentNullException.ThrowIfNull(http);
        return ValueTask.FromResult(From(http.User));
    }

    public ClaimsPrincipal ToPrincipal() => new(new CurrentUserIdentity(this));
}

/// <summary>The claims view of a <see cref="CurrentUser"/>, for the framework's own policies.</summary>
internal sealed class CurrentUserIdentity(CurrentUser user) : ClaimsIdentity(ClaimsOf(user), "Session", "name", "roles")
{
    public CurrentUser User { get; } = user;

    public override ClaimsIdentity Clone() => new CurrentUserIdentity(User);

    private static IEnumerable<Claim> ClaimsOf(CurrentUser user)
    {
        yield return new Claim(ClaimTypes.NameIdentifier, user.Id.ToString());
        yield return new Claim("name", user.Email);
        yield return new Claim("sid", user.SessionId.ToString());
        foreach (var role in user.Roles) yield return new Claim("roles", role);
    }
}

/// <summary>The roles there are.</summary>
internal static class Roles
{
    /// <summary>May look after services, users and keys. Also the name of the policy that demands it.</summary>
    public const string Admin = "admin";
}
