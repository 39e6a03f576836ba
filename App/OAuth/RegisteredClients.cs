using Microsoft.Extensions.Options;
using OpenIddict.Abstractions;
using OpenIddict.Core;

namespace App.OAuth;

/// <summary>OpenIddict's view of the registry: it asks the snapshot, and the snapshot knows the secrets.</summary>
internal sealed class RegisteredClients(
    ServiceRegistry registry, IHttpContextAccessor http, IOpenIddictApplicationCache<OAuthClient> cache, ILogger<OpenIddictApplicationManager<OAuthClient>> logger,
    IOptionsMonitor<OpenIddictCoreOptions> options, IOpenIddictApplicationStore<OAuthClient> store)
    : OpenIddictApplicationManager<OAuthClient>(cache, logger, options, store)
{
    public static readonly object SecretIdKey = new();

    public override ValueTask<OAuthClient?> FindByClientIdAsync(string identifier, CancellationToken cancellationToken = default)
    {
        var service = registry.Find(identifier);
        // What a wrong secret costs, an unknown id costs too.
        if (service is null) registry.Authenticate(identifier, "");
        return ValueTask.FromResult(service?.Client);
    }

    public override ValueTask<bool> ValidateClientSecretAsync(OAuthClient application, string secret, CancellationToken cancellationToken = default)
    {
        if (registry.Authenticate(application.ClientId!, secret) is not var (service, secretId)) return ValueTask.FromResult(false);
        // So that the token can name the secret that it was got with.
        http.HttpContext!.Items[SecretIdKey] = secretId;
        return ValueTask.FromResult(true);
    }
}
