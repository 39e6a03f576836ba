using System.ComponentModel;
using System.ComponentModel.DataAnnotations;

namespace App.Ops;

/// <summary>Which foreign pages may call the API with a bearer token (section <c>Cors</c>).</summary>
public sealed class CorsOptions : IValidatableObject
{
    [Description("Origins of browser applications that may call the API with a bearer token, such as `https://app.example.com`. Cookies never travel cross-origin.")]
    public string[] AllowedOrigins { get; set; } = [];

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext) => AllowedOrigins
        .Where(o => !Uri.TryCreate(o, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https")
            || !uri.GetLeftPart(UriPartial.Authority).Equals(o, StringComparison.OrdinalIgnoreCase))
        .Select(o => new ValidationResult($"has \"{o}\", which isn't an origin; give scheme, host and port only, such as https://app.example.com", [nameof(AllowedOrigins)]));
}

internal static class Cors
{
    /// <summary>
    /// Off unless origins are named; then for API routes only, and never with credentials. A preflight that a proxy asks about is judged like
    /// any request: answered here with 204, it would be through.
    /// </summary>
    public static IApplicationBuilder UseOwnCors(this IApplicationBuilder app)
    {
        var origins = app.ApplicationServices.GetRequiredService<CorsOptions>().AllowedOrigins;
        return origins.Length == 0 ? app : app.UseWhen(http => ApiPaths.Contain(http.Request.Path) && !AboutAnother.Is(http), api => api.Use((http, next) => VaryAsync(http, next, origins)).UseCors(policy => policy
            .WithOrigins(origins)
            .WithMethods("GET", "POST", "PUT", "PATCH", "DELETE")
            .WithHeaders("Authorization", "Content-Type", "If-None-Match")
            .WithExposedHeaders("ETag", "Retry-After", "WWW-Authenticate")
            .SetPreflightMaxAge(TimeSpan.FromMinutes(10))));
    }

    // The framework says so to one of several allowed origins alone: a cache would give that one what it keeps of an answer to anybody else.
    private static Task VaryAsync(HttpContext http, RequestDelegate next, string[] origins)
    {
        if (origins.Length == 1 || !origins.Contains(http.Request.Headers.Origin.ToString(), StringComparer.OrdinalIgnoreCase)) http.Response.Headers.Append("Vary", "Origin");
        return next(http);
    }
}
