#:sdk Microsoft.NET.Sdk.Web
#:property ServerGarbageCollection=false

// What the machine can do at most: Kestrel, one route, and the bytes that Gatehouse answered there, without asking who calls.
// BODIES names a folder with one file per path, `/` written as `+`, and NAME.headers beside it with the lines to send as headers.

using Microsoft.Extensions.Primitives;

var builder = WebApplication.CreateSlimBuilder(args);
var app = builder.Build();
foreach (var file in Directory.GetFiles(Environment.GetEnvironmentVariable("BODIES")!).Where(file => !file.EndsWith(".headers", StringComparison.Ordinal)))
{
    var bytes = File.ReadAllBytes(file);
    var headers = File.ReadAllLines(file + ".headers").Select(line => line.Split(": ", 2)).Select(pair => (Name: pair[0], Value: new StringValues(pair[1]))).ToArray();
    app.MapMethods(Path.GetFileName(file).Replace('+', '/'), ["GET", "POST"], IResult (HttpContext http) =>
    {
        foreach (var (name, value) in headers) http.Response.Headers[name] = value;
        return bytes.Length == 0 ? TypedResults.Empty : TypedResults.Bytes(bytes, "application/json; charset=utf-8");
    });
}
app.Run();
