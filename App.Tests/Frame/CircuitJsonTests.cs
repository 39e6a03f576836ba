using System.Reflection;
using System.Text.Json;
using App.Frame;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.JSInterop;

namespace App.Tests.Frame;

public sealed class CircuitJsonTests
{
    [Fact]
    public async Task A_circuit_looks_up_what_a_number_is_and_nothing_that_it_can_do_besides()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Services.AddFrame();
        await using var app = builder.Build();
        await using var circuit = app.Services.CreateAsyncScope();
        var runtime = circuit.ServiceProvider.GetRequiredService<IJSRuntime>();
        Assert.Equal("RemoteJSRuntime", runtime.GetType().Name); // its circuits take no other
        Assert.Same(runtime, circuit.ServiceProvider.GetRequiredService<IJSRuntime>());

        var options = (JsonSerializerOptions)typeof(JSRuntime).GetProperty("JsonSerializerOptions", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(runtime)!;
        object?[] said = [1, 2L, 1.5, true, "Ada", null, DateTimeOffset.UnixEpoch, new Dictionary<string, string[]> { ["a"] = ["b"] }, (IEnumerable<int>)[3], DotNetObjectReference.Create(this)];
        Assert.Equal("""[1,2,1.5,true,"Ada",null,"1970-01-01T00:00:00+00:00",{"a":["b"]},[3],{"__dotNetObject":1}]""", JsonSerializer.Serialize(said, options));
        Assert.True(options.TryGetTypeInfo(typeof(int), out _));
        Assert.True(options.TryGetTypeInfo(typeof(IJSObjectReference), out _));
        foreach (var type in typeof(int).GetInterfaces()) Assert.False(options.TryGetTypeInfo(type, out _), type.FullName);
    }
}
