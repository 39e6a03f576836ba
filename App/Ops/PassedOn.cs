namespace App.Ops;

/// <summary>
/// Marks a route whose requests are passed on to another service: body, method and errors are between the client and that service.
/// As a feature of a request it says that the answer, whatever its status, is that service's own and left as it is.
/// </summary>
internal sealed class PassedOn
{
    public static readonly PassedOn Mark = new();

    public static bool IsWanted(HttpContext http) => http.GetEndpoint()?.Metadata.GetMetadata<PassedOn>() is not null;

    public static bool IsAnswered(HttpContext http) => http.Features.Get<PassedOn>() is not null;
}

/// <summary>The feature of a request that came as HEAD and is handled as GET.</summary>
internal sealed class CameAsHead
{
    public static readonly CameAsHead Mark = new();
}
