using System.Text.Json.Serialization;
using App.Ops;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.OpenApi;

namespace App.OAuth;

/// <summary>A token that a service was given (RFC 6749 section 5.1, RFC 8693 section 2.2.1).</summary>
/// <param name="ExpiresIn">Seconds until the access token expires.</param>
/// <param name="Scope">The scopes of a service's own token; absent where it has none.</param>
/// <param name="RefreshToken">With <c>refresh_token</c>: the successor of the one that was spent.</param>
/// <param name="SessionId">With <c>refresh_token</c>: the person's session.</param>
/// <param name="IssuedTokenType">With token exchange: the type of <c>access_token</c>.</param>
internal sealed record GivenToken(
    [property: JsonPropertyName("access_token")] string AccessToken,
    [property: JsonPropertyName("token_type")] string TokenType,
    [property: JsonPropertyName("expires_in")] long ExpiresIn,
    [property: JsonPropertyName("scope")] string? Scope,
    [property: JsonPropertyName("refresh_token")] string? RefreshToken,
    [property: JsonPropertyName("session_id")] Guid? SessionId,
    [property: JsonPropertyName("issued_token_type")] string? IssuedTokenType);

/// <summary>A refusal as OAuth words it (RFC 6749 section 5.2), with our <c>errors</c> beside it.</summary>
/// <param name="Error">For programs: <c>invalid_request</c>, <c>invalid_client</c>, <c>invalid_grant</c>, <c>invalid_scope</c>, <c>invalid_target</c>, <c>unauthorized_client</c> or <c>unsupported_grant_type</c>.</param>
/// <param name="Errors">The same sentence where all our errors have it.</param>
internal sealed record OAuthRefusal(
    [property: JsonPropertyName("error")] string Error,
    [property: JsonPropertyName("error_description")] string ErrorDescription,
    [property: JsonPropertyName("errors")] IReadOnlyList<Fault> Errors)
{
    public static JsonHttpResult<OAuthRefusal> InvalidRequest(string sentence) => Of("invalid_request", sentence, StatusCodes.Status400BadRequest);

    public static JsonHttpResult<OAuthRefusal> InvalidClient() => Of("invalid_client", "Not authorized", StatusCodes.Status401Unauthorized);

    private static JsonHttpResult<OAuthRefusal> Of(string error, string sentence, int status) =>
        TypedResults.Json(new OAuthRefusal(error, sentence, [new Fault(sentence)]), statusCode: status);
}

/// <summary>What a token is worth now (RFC 7662 section 2.2). Every member but <c>active</c> is absent where it is false, or the token has none.</summary>
/// <param name="TokenType"><c>Bearer</c>, or <c>refresh_token</c>.</param>
/// <param name="Sub">A person's id, or the service's whose own token it is.</param>
/// <param name="Act">Who acts for the person, each with the one before it as its own <c>act</c> (RFC 8693 section 4.1).</param>
/// <param name="Iat">Seconds since 1970.</param>
/// <param name="Exp">Seconds since 1970.</param>
/// <param name="AuthTime">Seconds since 1970: when the person last proved who they are.</param>
internal sealed record TokenState(
    bool Active,
    string? Iss,
    [property: JsonPropertyName("token_type")] string? TokenType,
    string? Sub,
    Guid? Sid,
    string? Jti,
    [property: JsonPropertyName("client_id")] string? ClientId,
    string? Scope,
    string? Username,
    string? Email,
    [property: JsonPropertyName("email_verified")] bool? EmailVerified,
    string? Name,
    IReadOnlyList<string>? Roles,
    IReadOnlyList<string>? Amr,
    object? Act,
    IReadOnlyList<string>? Aud,
    long? Iat,
    long? Exp,
    [property: JsonPropertyName("auth_time")] long? AuthTime);

/// <summary>What the <c>/connect</c> routes, which take forms and prove their callers in ways of their own, say of themselves in the API's description.</summary>
internal static class ConnectDocs
{
    public static readonly Fault NoToken = new("You must supply a token", "token");

    private static readonly (string, string) Id = ("client_id", "The service's id, where the header doesn't say it.");
    private static readonly (string, string) Secret = ("client_secret", "The service's secret, where the header doesn't say it.");

    public static void DescribeToken(this RouteHandlerBuilder route) => route
        .TakesForm(
            "grant_type",
            ("grant_type", "`client_credentials`, `refresh_token` or `urn:ietf:params:oauth:grant-type:token-exchange`."),
            ("scope", "With `client_credentials`: the scopes wanted, separated by spaces."),
            ("resource", "Whom the token is to be for (RFC 8707). Without token exchange that is `Tokens:Audience` and nobody else; with it, `audience` says so alone."),
            ("refresh_token", "With `refresh_token`: the person's."),
            ("subject_token", "With token exchange: the person's access token, as it was received."),
            ("subject_token_type", "With token exchange: `urn:ietf:params:oauth:token-type:access_token`."),
            ("audience", "With token exchange: the next service, by its audience or id."),
            ("requested_token_type", "With token exchange: `urn:ietf:params:oauth:token-type:access_token`, also where it is absent."),
            Id, Secret)
        .WithMetadata(new ProvenBy("basic", ""))
        .Produces<GivenToken>().Produces<OAuthRefusal>(400).Produces<OAuthRefusal>(401).ProducesProblem(413);

    public static void DescribeIntrospection(this RouteHandlerBuilder route) => route
        .TakesForm("token", ("token", "The token in question."), ("token_type_hint", "Not needed, and not looked at."), Id, Secret)
        .WithMetadata(new ProvenBy("basic", "bearer", ""))
        .Produces<TokenState>().ProducesProblem(400).ProducesProblem(401);

    public static void DescribeRevocation(this RouteHandlerBuilder route) => route
        .TakesForm("token", ("token", "The token to take back."), ("token_type_hint", "Not needed, and not looked at."), Id, Secret)
        .WithMetadata(new ProvenBy("basic", "bearer", ""))
        .ProducesProblem(400).ProducesProblem(401).ProducesProblem(413);

    // For the description only: the framework would read such a form by itself, and answer 415 to what isn't one.
    private static RouteHandlerBuilder TakesForm(this RouteHandlerBuilder route, string required, params (string Name, string Says)[] members) => route.AddOpenApiOperationTransformer((operation, _, _) =>
    {
        operation.RequestBody = new OpenApiRequestBody
        {
            Required = true,
            Content = new Dictionary<string, OpenApiMediaType>
            {
                ["application/x-www-form-urlencoded"] = new()
                {
                    Schema = new OpenApiSchema
                    {
                        Type = JsonSchemaType.Object,
                        Required = new HashSet<string> { required },
                        Properties = members.ToDictionary(m => m.Name, IOpenApiSchema (m) => new OpenApiSchema { Type = JsonSchemaType.String, Description = m.Says }),
                    },
                },
            },
        };
        return Task.CompletedTask;
    });
}
