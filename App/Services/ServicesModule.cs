namespace App.Services;

/// <summary>The services that trust us.</summary>
internal static class ServicesModule
{
    public static void MapServices(this IEndpointRouteBuilder routes) => ServeVerifiers.Map(routes);
}
