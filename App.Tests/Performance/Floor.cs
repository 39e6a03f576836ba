#:sdk Microsoft.NET.Sdk.Web

// What the machine can do at most: Kestrel, one route, and the bytes that Gatehouse answered there, without asking who calls.
// BODIES names a folder with one file per path, `/` written as `+`.

var builder = WebApplication.CreateSlimBuilder(args);
var app = builder.Build();
foreach (var file in Directory.GetFiles(Environment.GetEnvironmentVariable("BODIES")!))
{
    var bytes = File.ReadAllBytes(file);
    app.MapGet(Path.GetFileName(file).Replace('+', '/'), () => TypedResults.Bytes(bytes, "application/json; charset=utf-8"));
}
app.Run();
