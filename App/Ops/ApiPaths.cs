namespace App.Ops;

/// <summary>The first segments that programs call: they answer JSON, problems included. Everything else is a page for people.</summary>
/// <remarks>No catch-all route is mapped under them: it would answer 404 where a content type deserves 415.</remarks>
internal static class ApiPaths
{
    public static readonly string[] All = ["/api", "/auth", "/events", "/connect", "/.well-known", "/verifiers", "/health", "/metrics", "/openapi"];

    public static bool Contain(PathString path)
    {
        foreach (var prefix in All)
        {
            if (path.StartsWithSegments(prefix, StringComparison.OrdinalIgnoreCase)) return true;
        }

        return false;
    }
}
