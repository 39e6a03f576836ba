using App.Events;
using App.Ops;
using App.Tokens;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.OAuth;

/// <summary>What services are told of the routes made for them. Only what exists is named.</summary>
internal static class Discovery
{
    public const string SharedSignals = "/.well-known/ssf-configuration";

    private static readonly string[] ClientAuthentication = ["client_secret_basic", "client_secret_post"];

    public static void Describe(Dictionary<string, object> document, string issuer)
    {
        document["token_endpoint"] = issuer + TokenEndpoint.Path;
        document["token_endpoint_auth_methods_supported"] = ClientAuthentication;
        document["grant_types_supported"] = ServiceDescription.KnownGrants;
        document["introspection_endpoint"] = issuer + "/connect/introspect";
        document["introspection_endpoint_auth_methods_supported"] = ClientAuthentication;
        document["revocation_endpoint"] = issuer + "/connect/revoke";
        document["revocation_endpoint_auth_methods_supported"] = (string[])[.. ClientAuthentication, "none"];
    }

    /// <summary>OpenID Shared Signals Framework 1.0 section 7.1: how a service hears that a token is no longer good.</summary>
    public static JsonHttpResult<Dictionary<string, object>> Configuration(HttpContext http, SigningKeyRing ring, PublicUrl publicUrl)
    {
        http.Response.Headers.CacheControl = PublishedDocument.Cacheable;
        var issuer = publicUrl.Issuer;
        var document = new Dictionary<string, object>
        {
            ["spec_version"] = "1_0",
            ["issuer"] = issuer,
            ["delivery_methods_supported"] = new[] { "urn:ietf:rfc:8935", "urn:ietf:rfc:8936" },
            ["authorization_schemes"] = new[] { new Dictionary<string, string> { ["spec_urn"] = "urn:ietf:rfc:6749" }, new() { ["spec_urn"] = "urn:ietf:rfc:7617" } },
            // Ours: streams needn't be made here, a registered service just reads.
            ["poll_endpoint"] = issuer + "/events/poll",
            ["sse_endpoint"] = issuer + "/events",
            ["acknowledgement_endpoint"] = issuer + "/events/ack",
            ["events_supported"] = EventTypes.All.Select(type => EventTypes.UriOf(type, issuer)),
        };
        if (!ring.IsShared) document["jwks_uri"] = issuer + "/.well-known/jwks.json";
        return TypedResults.Json(document, contentType: "application/json");
    }
}
