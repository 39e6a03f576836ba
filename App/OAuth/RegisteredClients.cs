using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;
using OpenIddict.Core;

namespace App.OAuth;

/// <summary>OpenIddict's view of the registry: it asks the snapshot, and the snapshot knows the secrets.</summary>
internal sealed class RegisteredClients(
    ServiceRegistry registry, IOpenIddictApplicationCache<OAuthClient> cache, ILogger<OpenIddictApplicationManager<OAuthClient>> logger,
    IOptionsMonitor<OpenIddictCoreOptions> options, IOpenIddictApplicationStore<OAuthClient> store)
    : OpenIddictApplicationManager<OAuthClient>(cache, logger, options, store)
{
    /// <summary>The secret that the client of this request has shown, so that its token can name it.</summary>
    public string? SecretId { get; private set; }

    public override ValueTask<OAuthClient?> FindByClientIdAsync(string identifier, CancellationToken cancellationToken = default)
    {
        var service = registry.Find(identifier);
        // What a wrong secret costs, an unknown id costs too.
        if (service is null) registry.Authenticate(identifier, "");
        return ValueTask.FromResult(service?.Client);
    }

    public override ValueTask<bool> ValidateClientSecretAsync(OAuthClient application, string secret, CancellationToken cancellationToken = default)
    {
        SecretId = registry.Authenticate(application.ClientId!, secret)?.SecretId;
        return ValueTask.FromResult(SecretId is not null);
    }
}
