using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Net.Http.Headers;

namespace App.Tokens;

/// <summary>
/// Marks a route whose answer is the same for everybody and may be kept by shared caches: nobody is signed in there,
/// so that no renewed cookie is ever stored with it.
/// </summary>
internal sealed class SameForEverybody;

/// <summary>What another slice has to say in the discovery document; the last one to name a member has it.</summary>
/// <param name="Add">Takes the document and the issuer.</param>
internal sealed record DiscoveryPart(Action<Dictionary<string, object>, string> Add);

/// <summary>What a service needs to check our tokens by itself.</summary>
internal static class WellKnown
{
    public const string JwkSet = "application/jwk-set+json";
    public const string PemFile = "application/x-pem-file";

    // Long enough to be worth caching, far shorter than the day for which a key is published before its first use.
    public const string Cacheable = "public, max-age=300";

    /// <summary>The public keys, next, current and retired, as a JWK set (RFC 7517). 404 in migration mode.</summary>
    public static Results<FileContentHttpResult, ProblemHttpResult> Keys(HttpContext http, SigningKeyRing ring) =>
        Published(http, ring, ring.Published.JwkSet, JwkSet);

    /// <summary>The current public key as SubjectPublicKeyInfo in PEM, the form that goes into <c>JWT_KEY</c>. 404 in migration mode.</summary>
    public static Results<FileContentHttpResult, ProblemHttpResult> Pem(HttpContext http, SigningKeyRing ring) =>
        Published(http, ring, ring.Published.Pem, PemFile);

    /// <summary>The discovery document (RFC 8414): true to what exists, from the configured issuer and never from the request's host.</summary>
    public static JsonHttpResult<Dictionary<string, object>> Configuration(HttpContext http, SigningKeyRing ring, PublicUrl publicUrl, IEnumerable<DiscoveryPart> parts)
    {
        http.Response.Headers.CacheControl = Cacheable;
        var issuer = publicUrl.Issuer;
        var document = new Dictionary<string, object>
        {
            ["issuer"] = issuer,
            ["response_types_supported"] = Array.Empty<string>(),
            ["grant_types_supported"] = Array.Empty<string>(),
            ["subject_types_supported"] = new[] { "public" },
            ["claims_supported"] = new[] { "iss", "sub", "id", "aud", "sid", "jti", "iat", "exp", "auth_time", "email", "email_verified", "name", "roles", "amr" },
        };
        if (!ring.IsShared)
        {
            document["jwks_uri"] = issuer + "/.well-known/jwks.json";
            document["id_token_signing_alg_values_supported"] = new[] { "ES256" };
        }

        foreach (var part in parts) part.Add(document, issuer);
        return TypedResults.Json(document, contentType: "application/json");
    }

    private static Results<FileContentHttpResult, ProblemHttpResult> Published(HttpContext http, SigningKeyRing ring, byte[] body, string contentType)
    {
        if (ring.IsShared) return Problems.NotFound();
        http.Response.Headers.CacheControl = Cacheable;
        return TypedResults.Bytes(body, contentType, entityTag: new EntityTagHeaderValue(ring.Published.EntityTag));
    }
}
