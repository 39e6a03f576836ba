using System.Collections.Concurrent;
using App.Events;
using App.Sessions;
using App.Tokens;

namespace App.OAuth;

/// <summary>Mints a service's tokens and says whether one is good, now. What was verified once costs a hash and three look-ups in memory.</summary>
internal sealed class ServiceTokens(
    ServiceRegistry registry, SigningKeyRing ring, TokenVerifier verifier, RevocationIndex revocations, TokenOptions options, PublicUrl publicUrl, TimeProvider time)
{
    private const int Most = 10_000;
    private readonly ConcurrentDictionary<VerifiedTokens.Key, (ServiceToken Token, long End)> _verified = new();

    public TimeSpan Lifetime => options.AccessTokenLifetime;

    public string Mint(string clientId, string secretId, string scope)
    {
        var now = time.GetUtcNow();
        var issuedAt = now.ToUnixTimeSeconds();
        var token = new ServiceToken(clientId, scope, Guid.CreateVersion7(now).ToString("N"), secretId, issuedAt, issuedAt + (long)Lifetime.TotalSeconds, "");
        return token.Sign(ring.Signing, publicUrl.Issuer, options.Audience);
    }

    /// <returns>The service and what its token says; null where the token isn't good, or no longer.</returns>
    public async ValueTask<(RegisteredService Service, ServiceToken Token)?> CheckAsync(string text)
    {
        if (text.Length is 0 or > StrictToken.MaxLength || !System.Text.Ascii.IsValid(text)) return null;
        var key = VerifiedTokens.Key.Of(text, Carrier.Bearer);
        if (!_verified.TryGetValue(key, out var known))
        {
            if (await verifier.VerifyServiceAsync(text) is not { } genuine) return null;
            if (_verified.Count >= Most) _verified.Clear();
            _verified[key] = known = (genuine, verifier.EndOf(genuine.ExpiresAt));
        }

        var token = known.Token;
        var good = verifier.IsAlive(token.ExpiresAt, known.End) && !revocations.IsRevoked(Guid.Empty, token.KeyId) && !registry.IsRevoked(token.TokenId);
        return good && registry.Find(token.ClientId) is { } service && service.HasSecret(token.SecretId) ? (service, token) : null;
    }
}
