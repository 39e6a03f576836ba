using System.Security.Claims;
using App.Data;

namespace App.Events;

/// <summary>
/// A service that has proved who it is, by HTTP Basic or a client-credentials token.
/// An endpoint that demands the policy <see cref="Policy"/> takes it as a parameter.
/// </summary>
/// <param name="Id">The service's id, its OAuth <c>client_id</c>.</param>
/// <param name="Audience">The audience that this service alone accepts; null where it takes the tokens meant for everybody.</param>
/// <param name="SecretId">A name for the secret that it has shown, or that its token was got with; says nothing about the secret.</param>
public sealed record CallingService(string Id, string? Audience, string? SecretId = null)
{
    /// <summary>The authorization policy of routes that only services may call.</summary>
    public const string Policy = "service";

    /// <summary>The service behind a principal; null for anybody else.</summary>
    public static CallingService? From(ClaimsPrincipal? principal) => (principal?.Identity as CallingServiceIdentity)?.Service;

    /// <summary>Lets a Minimal API endpoint take the service as a parameter: required where it isn't nullable.</summary>
    public static ValueTask<CallingService?> BindAsync(HttpContext http)
    {
        ArgumentNullException.ThrowIfNull(http);
        return ValueTask.FromResult(From(http.User));
    }

    public ClaimsPrincipal ToPrincipal() => new(new CallingServiceIdentity(this));
}

/// <summary>Those of some services that are registered still, by the database, and stay so until the caller's transaction ends.</summary>
internal delegate Task<IReadOnlyList<string>> RegisteredServices(AppDb db, IReadOnlyList<string> among, CancellationToken ct);

/// <summary>The feature of a request that a token of a service's came with: nothing is served in its name once that is over or was taken back.</summary>
/// <param name="Id">Its <c>jti</c>.</param>
/// <param name="KeyId">Its <c>kid</c>.</param>
internal sealed record ShownToken(string Id, string KeyId, DateTimeOffset End);

/// <summary>The claims view of a <see cref="CallingService"/>, for the framework's own policies.</summary>
internal sealed class CallingServiceIdentity(CallingService service) : ClaimsIdentity([new Claim("client_id", service.Id)], "Service", "client_id", "roles")
{
    public CallingService Service { get; } = service;

    public override ClaimsIdentity Clone() => new CallingServiceIdentity(Service);
}
