#:sdk Microsoft.NET.Sdk.Web

// What the machine can do at most: Kestrel, one route, and the bytes that Gatehouse answered there, without asking who calls.
// BODIES names a folder with one file per path, `/` written as `+`; a file NAME.headers beside it holds lines to send as headers, too.

var builder = WebApplication.CreateSlimBuilder(args);
var app = builder.Build();
foreach (var file in Directory.GetFiles(Environment.GetEnvironmentVariable("BODIES")!).Where(file => !file.EndsWith(".headers", StringComparison.Ordinal)))
{
    var bytes = File.ReadAllBytes(file);
    if (File.Exists(file + ".headers"))
    {
        var headers = File.ReadAllLines(file + ".headers").Select(line => line.Split(": ", 2)).Select(pair => (Name: pair[0], Value: new Microsoft.Extensions.Primitives.StringValues(pair[1]))).ToArray();
        app.MapGet(Path.GetFileName(file).Replace('+', '/'), (HttpContext http) =>
        {
            foreach (var (name, value) in headers) http.Response.Headers[name] = value;
            return TypedResults.Empty;
        });
        continue;
    }

    app.MapMethods(Path.GetFileName(file).Replace('+', '/'), ["GET", "POST"], () => TypedResults.Bytes(bytes, "application/json; charset=utf-8"));
}
app.Run();
