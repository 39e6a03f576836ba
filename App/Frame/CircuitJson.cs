using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.JSInterop;

namespace App.Frame;

/// <summary>
/// What a circuit says to the browser's script has serializer options of its own, which keep all they have looked up as long as the page is open.
/// Of a boxed number that is each of its thirty interfaces, in case one were declared polymorphic; none is, so these aren't looked up. It was a fifth of
/// what an open page costs (App.Tests/Performance/README.md).
/// </summary>
internal sealed class CircuitJson : IJsonTypeInfoResolver
{
    private static readonly CircuitJson Shared = new();
    private readonly DefaultJsonTypeInfoResolver _all = new();

    /// <summary>Once the framework has registered what its circuits speak with.</summary>
    public static void Add(IServiceCollection services)
    {
        var kind = services.Last(service => service.ServiceType == typeof(IJSRuntime)).ImplementationType!;
        var create = ActivatorUtilities.CreateFactory(kind, []);
        services.AddScoped(provider =>
        {
            var runtime = (JSRuntime)create(provider, []);
            OptionsOf(runtime).TypeInfoResolver = Shared;
            return (IJSRuntime)runtime;
        });
    }

    /// <returns>Null for what the runtime's own types implement beside what they are.</returns>
    public JsonTypeInfo? GetTypeInfo(Type type, JsonSerializerOptions options) =>
        type is { IsInterface: true, Namespace: "System" or "System.Numerics" or "System.Runtime.Serialization" } ? null : _all.GetTypeInfo(type, options);

    // For those that derive from it: the framework's own is sealed, and no service that could be replaced.
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_JsonSerializerOptions")]
    private static extern JsonSerializerOptions OptionsOf(JSRuntime runtime);
}
