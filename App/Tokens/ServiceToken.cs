using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace App.Tokens;

/// <summary>
/// The claims of a service's own access token (RFC 6749 section 4.4, RFC 9068): <c>sub</c> is the client itself.
/// It holds neither <c>id</c> nor <c>sid</c>, so that nobody takes it for a person's.
/// </summary>
/// <param name="SecretId">Names the secret it was got with: withdrawn, its tokens go with it.</param>
internal sealed record ServiceToken(string ClientId, string Scope, string TokenId, string SecretId, long IssuedAt, long ExpiresAt, string KeyId)
{
    private static readonly JsonWebTokenHandler Handler = new() { SetDefaultTimesOnTokenCreation = false };

    public string Sign(SigningCredentials key, string issuer, string audience)
    {
        var claims = new Dictionary<string, object>
        {
            ["sub"] = ClientId,
            ["client_id"] = ClientId,
            ["jti"] = TokenId,
            ["secret_id"] = SecretId,
            ["iat"] = IssuedAt,
            ["exp"] = ExpiresAt,
            ["aud"] = new[] { audience },
        };
        if (Scope.Length > 0) claims["scope"] = Scope;
        return Handler.CreateToken(new SecurityTokenDescriptor { Issuer = issuer, TokenType = StrictToken.Type, Claims = claims, SigningCredentials = key });
    }

    /// <returns>Null for what isn't exactly the claims of a service's token.</returns>
    public static ServiceToken? Read(Dictionary<string, JsonElement> claims, string keyId)
    {
        if (claims.ContainsKey("id") || claims.ContainsKey("sid") || claims.ContainsKey("nbf")) return null;
        if (!claims.TryText("sub", out var subject) || !claims.TryText("client_id", out var clientId) || subject != clientId) return null;
        if (!claims.TryText("jti", out var tokenId) || !claims.TryText("secret_id", out var secretId)) return null;
        if (!claims.TrySeconds("iat", out var issuedAt) || !claims.TrySeconds("exp", out var expiresAt)) return null;
        var scope = "";
        if (claims.ContainsKey("scope") && !claims.TryText("scope", out scope)) return null;
        return new ServiceToken(clientId, scope, tokenId, secretId, issuedAt, expiresAt, keyId);
    }
}
