namespace App.Ops;

/// <summary>
/// Marks a route whose answer is the same for everybody and may be kept by shared caches: nobody is signed in there,
/// so that no renewed cookie is ever stored with it.
/// </summary>
internal sealed class SameForEverybody
{
    private static readonly SameForEverybody Mark = new();

    /// <summary>
    /// Such a route is answered as soon as it has been found: who asks, from where and how often makes no difference to it.
    /// Only foreign pages, where some are allowed, need the rest of the way.
    /// </summary>
    public static TBuilder On<TBuilder>(TBuilder route, IServiceProvider services)
        where TBuilder : IEndpointConventionBuilder
    {
        route.WithMetadata(Mark);
        if (services.GetRequiredService<CorsOptions>().AllowedOrigins.Length == 0) route.ShortCircuit();
        return route;
    }
}
