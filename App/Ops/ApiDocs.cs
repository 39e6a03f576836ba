using System.Buffers.Text;
using System.ComponentModel;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;
using Scalar.AspNetCore;

namespace App.Ops;

/// <summary>The API's description and its reader (section <c>Docs</c>).</summary>
public sealed class DocsOptions
{
    [Description("Serves the OpenAPI description at `/openapi/v1.json` and its reader at `/docs`; otherwise both are 404.")]
    public bool Enabled { get; set; } = true;
}

/// <summary>How the caller of a route proves who they are, where it isn't by a person's token or cookie: any one of these schemes; the empty one is none, or the body.</summary>
internal sealed record ProvenBy(params string[] Schemes)
{
    public static readonly ProvenBy Service = new("basic", "bearer");
}

/// <summary>OpenAPI 3.1 at <c>/openapi/v1.json</c> and a reader at <c>/docs</c>, scripts included served by ourselves.</summary>
internal static class ApiDocs
{
    private const string Name = "v1";

    // The reader draws its styles at run time, so this one page, which shows nothing personal and posts no form of ours,
    // allows inline styles. Scripts stay nonce-only: 'strict-dynamic' isn't needed, 'unsafe-inline' and 'unsafe-eval' never.
    private const string ReaderPolicy =
        "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
        + "connect-src 'self'; worker-src 'self' blob:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'";

    // In the order of the reader.
    private static readonly (string Name, string Says)[] Tags =
    [
        ("Users", "A person gets in, out, and back in. Requests and answers are those of the Node course's auth service, so that its clients and tests go on unchanged."),
        ("Tokens", "The same for programs: tokens in the answer, and no cookies."),
        ("Sessions", "Where the caller is signed in, and how they end that or prove again that it's them."),
        ("Passkeys", "Sign-in, the second step and a recent proof by WebAuthn, and the caller's passkeys."),
        ("Account", "What the caller changes, takes along or ends of their own account."),
        ("Keys", "What a service needs to check tokens by itself. The same for everybody, and may be kept for five minutes."),
        ("Verifiers", "Ready code that does so."),
        ("OAuth", "For services: a token is asked for, asked about, and taken back."),
        ("Events", "For services: what makes tokens invalid before they expire, as it happens."),
        ("Gateway", "For proxies: whether a request may pass, and as whom."),
        ("Admin", "For holders of the role `admin`; 403 for others who are signed in."),
        ("Health", "For whoever runs the service, and their probes."),
    ];

    public static IServiceCollection AddApiDocs(this IServiceCollection services) => services.AddOpenApi(Name, options =>
    {
        options.OpenApiVersion = OpenApiSpecVersion.OpenApi3_1;
        options.AddDocumentTransformer(Describe);
        options.AddSchemaTransformer(AddErrors);
        options.AddSchemaTransformer(LeaveOutNulls);
        options.AddOperationTransformer(Say);
        options.AddOperationTransformer(AddEdges);
        options.AddOperationTransformer(AddSecurity);
    });

    public static void Map(IEndpointRouteBuilder routes)
    {
        if (!routes.ServiceProvider.GetRequiredService<DocsOptions>().Enabled) return;

        // The same for everybody and as long as this process lives, and long in the making.
        byte[]? made = null;
        routes.MapGet($"/openapi/{Name}.json", async (HttpContext http, CancellationToken ct) => TypedResults.Bytes(made ??= await WriteAsync(http.RequestServices, ct), "application/json;charset=utf-8")).ExcludeFromDescription();
        routes.MapScalarApiReference("/docs", (options, http) =>
        {
            var nonce = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(18));
            options.WithTitle(http.RequestServices.GetRequiredService<Brand>().Name + " API")
                .WithNonce(nonce)
                // Its page doesn't say in which language it is, and some of its words have too little contrast (WCAG 2.2, 3.1.1 and 1.4.3).
                .AddHeadContent($"<script nonce=\"{nonce}\">document.documentElement.lang = 'en'</script>")
                .WithCustomCss(".light-mode, .dark-mode { --scalar-color-3: var(--scalar-color-2) } .light-mode { --scalar-color-green: #006e2e }")
                .DisableDefaultFonts()
                .DisableTelemetry()
                .DisableAgent()
                .DisableMcp()
                .HideClientButton()
                .HideDeveloperTools();
            http.Response.Headers.ContentSecurityPolicy = ReaderPolicy.Replace("{nonce}", nonce, StringComparison.Ordinal);
        });
    }

    private static async Task<byte[]> WriteAsync(IServiceProvider services, CancellationToken ct)
    {
        var document = await services.GetRequiredKeyedService<IOpenApiDocumentProvider>(Name).GetOpenApiDocumentAsync(ct);
        using var text = new MemoryStream();
        await document.SerializeAsync(text, OpenApiSpecVersion.OpenApi3_1, OpenApiConstants.Json, ct);
        return text.ToArray();
    }

    private static Task Describe(OpenApiDocument document, OpenApiDocumentTransformerContext context, CancellationToken ct)
    {
        var brand = context.ApplicationServices.GetRequiredService<Brand>().Name;
        document.Info = new OpenApiInfo
        {
            Title = brand + " API",
            Version = "v1",
            Description = $"{brand} signs people in once and gives every service the same short-lived token, by cookie or by bearer header. "
                + "Every refusal is `application/problem+json` (RFC 9457) with the extension `errors`.\n\n"
                + "Browsers get two cookies, by default `session` and `session_refresh`. Once the token in the first has expired, the next request is answered as if it hadn't, with new ones. "
                + "What changes something by cookie, or at `/api/users/*`, has to come from our own pages; from others it is 403.\n\n"
                + "429 and 503 say in `Retry-After` after how many seconds to come back. Where a password or a code is taken, 429 is also for more than `RateLimits:PerAddressPerMinute` requests "
                + "in a minute from one address, 600 by default. Ids are UUIDs but for those of keys and services, and times are RFC 3339, unless they say otherwise.",
        };
        document.Tags = document.Tags?.OrderBy(tag => Array.FindIndex(Tags, known => known.Name == tag.Name)).ToHashSet();
        foreach (var (name, says) in Tags)
            if (document.Tags?.FirstOrDefault(tag => tag.Name == name) is { } tag) tag.Description = says;
        document.Servers = [new OpenApiServer { Url = context.ApplicationServices.GetRequiredService<PublicUrl>().Issuer }];
        document.Components ??= new OpenApiComponents();
        document.Components.SecuritySchemes ??= new Dictionary<string, IOpenApiSecurityScheme>();
        document.Components.SecuritySchemes["bearer"] = new OpenApiSecurityScheme
        {
            Type = SecuritySchemeType.Http,
            Scheme = "bearer",
            BearerFormat = "JWT",
            Description = "An access token (RFC 9068). It decides even where a cookie is sent too.",
        };
        document.Components.SecuritySchemes["cookie"] = new OpenApiSecurityScheme
        {
            Type = SecuritySchemeType.ApiKey,
            In = ParameterLocation.Cookie,
            Name = context.ApplicationServices.GetRequiredService<IConfiguration>()["Cookies:Session"] ?? "session",
            Description = "The same token in the session cookie: base64 of `{\"jwt\":\"…\"}`.",
        };
        document.Components.SecuritySchemes["basic"] = new OpenApiSecurityScheme
        {
            Type = SecuritySchemeType.Http,
            Scheme = "basic",
            Description = "A registered service's id and secret, each form-encoded first (RFC 6749 section 2.3.1).",
        };
        return Task.CompletedTask;
    }

    // A member that is null is absent from every answer, unless it says otherwise of itself.
    private static Task LeaveOutNulls(OpenApiSchema schema, OpenApiSchemaTransformerContext context, CancellationToken ct)
    {
        foreach (var member in context.JsonTypeInfo.Properties)
        {
            var kept = member.AttributeProvider?.GetCustomAttributes(typeof(JsonIgnoreAttribute), false) is [JsonIgnoreAttribute { Condition: JsonIgnoreCondition.Never }];
            if (member.IsGetNullable && !kept) schema.Required?.Remove(member.Name);
        }

        return Task.CompletedTask;
    }

    // What a handler says of itself is sentences in Markdown: a description. Without a summary, which is to be a few words of plain text, the reader titles by path.
    private static Task Say(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken ct)
    {
        (operation.Description, operation.Summary) = (operation.Description ?? operation.Summary, null);
        return Task.CompletedTask;
    }

    // What the edges answer before, or instead of, a route that does more than to show what is there: no route has to say it of itself.
    private static Task AddEdges(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken ct)
    {
        var route = context.Description;
        if (route.RelativePath?.Split('/')[0] is not ("api" or "connect" or "events")) return Task.CompletedTask;
        List<int> edges = [StatusCodes.Status503ServiceUnavailable];
        if (route.HttpMethod is not ("GET" or "HEAD")) edges.Add(StatusCodes.Status403Forbidden);
        if (route.ActionDescriptor.EndpointMetadata.OfType<IAcceptsMetadata>().Any()) edges.AddRange([StatusCodes.Status413PayloadTooLarge, StatusCodes.Status415UnsupportedMediaType]);
        operation.Responses ??= [];
        foreach (var status in edges)
        {
            operation.Responses.TryAdd(status.ToString(CultureInfo.InvariantCulture), new OpenApiResponse
            {
                Description = Problems.ForStatus(status).ProblemDetails.Title,
                Content = new Dictionary<string, OpenApiMediaType>
                {
                    ["application/problem+json"] = new() { Schema = new OpenApiSchemaReference(nameof(ProblemDetails), context.Document) },
                },
            });
        }

        return Task.CompletedTask;
    }

    private static Task AddSecurity(OpenApiOperation operation, OpenApiOperationTransformerContext context, CancellationToken ct)
    {
        var endpoint = context.Description.ActionDescriptor.EndpointMetadata;
        if (endpoint.OfType<ProvenBy>().LastOrDefault() is { } proven) operation.Security = [.. proven.Schemes.Select(Requires)];
        else if (endpoint.OfType<IAuthorizeData>().Any() && !endpoint.OfType<IAllowAnonymous>().Any()) operation.Security = [Requires("bearer"), Requires("cookie")];
        return Task.CompletedTask;

        OpenApiSecurityRequirement Requires(string scheme) => scheme.Length == 0 ? [] : new() { [new OpenApiSecuritySchemeReference(scheme, context.Document)] = [] };
    }

    private static Task AddErrors(OpenApiSchema schema, OpenApiSchemaTransformerContext context, CancellationToken ct)
    {
        if (!typeof(ProblemDetails).IsAssignableFrom(context.JsonTypeInfo.Type)) return Task.CompletedTask;
        schema.Properties ??= new Dictionary<string, IOpenApiSchema>();
        schema.Properties["errors"] = new OpenApiSchema
        {
            Type = JsonSchemaType.Array,
            Description = "What is wrong, one entry per fault.",
            Items = new OpenApiSchema
            {
                Type = JsonSchemaType.Object,
                Required = new HashSet<string> { "message" },
                Properties = new Dictionary<string, IOpenApiSchema>
                {
                    ["message"] = new OpenApiSchema { Type = JsonSchemaType.String, Description = "A sentence for the person who sent the request." },
                    ["field"] = new OpenApiSchema { Type = JsonSchemaType.String, Description = "The member at fault; absent where no single one is." },
                },
            },
        };
        schema.Properties["code"] = new OpenApiSchema
        {
            Type = JsonSchemaType.String,
            Description = "What to do next, for programs: `mfa_required`, `proof_required` (answered by `POST /api/sessions/current/proof`), "
                + "`address_changed`, `only_admin`, `oneself`, `account_locked`, `enough_letters`, `shared_secret`, or `drill_under_way` (look at `drill`); absent where the status says it all.",
        };
        schema.Properties["error"] = new OpenApiSchema
        {
            Type = JsonSchemaType.String,
            Description = "For services, in OAuth's words: `invalid_request`, `invalid_client`, `invalid_token` or `unauthorized_client` (RFC 6749 section 5.2, RFC 6750 section 3.1).",
        };
        schema.Properties["challenge"] = new OpenApiSchema { Type = JsonSchemaType.String, Description = "With `mfa_required`: to be sent with the second step, within five minutes." };
        schema.Properties["drill"] = new OpenApiSchema { Type = JsonSchemaType.String, Description = "With `drill_under_way`: the id of that one, for `GET /api/admin/drills/{id}`." };
        schema.Required ??= new HashSet<string>();
        schema.Required.Add("errors");
        return Task.CompletedTask;
    }
}
