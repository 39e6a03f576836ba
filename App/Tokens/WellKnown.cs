using System.Text.Json;
using App.Ops;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Tokens;

/// <summary>What another slice has to say in the discovery document; the last one to name a member has it.</summary>
/// <param name="Add">Takes the document and the issuer.</param>
internal sealed record DiscoveryPart(Action<Dictionary<string, object>, string> Add);

/// <summary>What a service needs to check our tokens by itself.</summary>
internal static class WellKnown
{
    public const string JwkSet = "application/jwk-set+json";
    public const string PemFile = "application/x-pem-file";

    /// <summary>The public keys, next, current and retired, as a JWK set (RFC 7517). 404 in migration mode.</summary>
    public static Results<PublishedDocument, ProblemHttpResult> Keys(SigningKeyRing ring) =>
        ring.IsShared ? Problems.NotFound() : ring.Published.JwkSet;

    /// <summary>The current public key as SubjectPublicKeyInfo in PEM, the form that goes into <c>JWT_KEY</c>. 404 in migration mode.</summary>
    public static Results<PublishedDocument, ProblemHttpResult> Pem(SigningKeyRing ring) =>
        ring.IsShared ? Problems.NotFound() : ring.Published.Pem;

    /// <summary>The discovery document (RFC 8414): true to what exists, from the configured issuer and never from the request's host.</summary>
    public static PublishedDocument Configuration(DiscoveryDocument document) => document.Published;
}

/// <summary>The discovery document, made when it is first asked for: by then every slice has said its part, and the issuer is known.</summary>
internal sealed class DiscoveryDocument(SigningKeyRing ring, PublicUrl publicUrl, IEnumerable<DiscoveryPart> parts)
{
    private readonly Lazy<PublishedDocument> _document = new(() => Write(ring, publicUrl.Issuer, parts));

    public PublishedDocument Published => _document.Value;

    private static PublishedDocument Write(SigningKeyRing ring, string issuer, IEnumerable<DiscoveryPart> parts)
    {
        var document = new Dictionary<string, object>
        {
            ["issuer"] = issuer,
            ["response_types_supported"] = Array.Empty<string>(),
            ["grant_types_supported"] = Array.Empty<string>(),
            ["subject_types_supported"] = new[] { "public" },
            ["claims_supported"] = new[] { "iss", "sub", "id", "aud", "sid", "jti", "iat", "exp", "auth_time", "email", "email_verified", "name", "roles", "amr", "act" },
        };
        if (!ring.IsShared)
        {
            document["jwks_uri"] = issuer + "/.well-known/jwks.json";
            document["id_token_signing_alg_values_supported"] = new[] { "ES256" };
        }

        foreach (var part in parts) part.Add(document, issuer);
        return new PublishedDocument(JsonSerializer.SerializeToUtf8Bytes(document, JsonSerializerOptions.Web), "application/json");
    }
}
