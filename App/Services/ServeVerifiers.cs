using App.Ops;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Services;

/// <summary>The ready verifiers, one file for each language, as text to copy into a service.</summary>
internal static class ServeVerifiers
{
    private static readonly Dictionary<string, Verifier> Verifiers = new(StringComparer.Ordinal)
    {
        ["node"] = Verifier.Read("gatehouse.mjs"),
        ["dotnet"] = Verifier.Read("Gatehouse.cs"),
        ["python"] = Verifier.Read("gatehouse.py"),
        ["go"] = Verifier.Read("gatehouse.go"),
    };

    public static void Map(IEndpointRouteBuilder routes) =>
        SameForEverybody.On(routes.MapGet("/verifiers/{language}", Handle).WithTags("Verifiers").AllowAnonymous(), routes.ServiceProvider)
            .Produces<string>(200, "text/plain").Produces(304).ProducesProblem(404);

    /// <summary>A verifier to copy into a service: one file that checks tokens there and follows the event feed. With an ETag; 404 for any other language.</summary>
    /// <param name="language"><c>node</c>, <c>dotnet</c>, <c>python</c> or <c>go</c>.</param>
    public static Results<PublishedDocument, ProblemHttpResult> Handle(string language, HttpContext http)
    {
        if (!Verifiers.TryGetValue(language, out var verifier)) return Problems.NotFound();
        http.Response.Headers.ContentDisposition = $"inline; filename=\"{verifier.FileName}\"";
        return verifier.Text;
    }

    private sealed record Verifier(string FileName, PublishedDocument Text)
    {
        public static Verifier Read(string fileName)
        {
            using var stream = typeof(Verifier).Assembly.GetManifestResourceStream("Verifiers/" + fileName)
                ?? throw new InvalidOperationException($"{fileName} isn't embedded.");
            var text = new byte[stream.Length];
            stream.ReadExactly(text);
            return new(fileName, new PublishedDocument(text, "text/plain; charset=utf-8"));
        }
    }
}
