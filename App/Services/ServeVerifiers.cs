using System.Security.Cryptography;
using App.Tokens;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Net.Http.Headers;

namespace App.Services;

/// <summary>The ready verifiers, one file for each language, as text to copy into a service.</summary>
internal static class ServeVerifiers
{
    // A new version of this program may bring a better verifier: worth asking again within minutes, at the price of a 304.
    private const string Cacheable = "public, max-age=300";

    private static readonly Dictionary<string, Verifier> Verifiers = new(StringComparer.Ordinal)
    {
        ["node"] = Verifier.Read("gatehouse.mjs"),
        ["dotnet"] = Verifier.Read("Gatehouse.cs"),
        ["python"] = Verifier.Read("gatehouse.py"),
        ["go"] = Verifier.Read("gatehouse.go"),
    };

    /// <summary><c>GET /verifiers/{node,dotnet,python,go}</c> for anybody, with an ETag; any other language is a 404 problem.</summary>
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/verifiers/{language}", Handle).WithTags("Verifiers").AllowAnonymous().WithMetadata(new SameForEverybody())
            .Produces<string>(200, "text/plain").Produces(304).ProducesProblem(404);

    private static Results<FileContentHttpResult, ProblemHttpResult> Handle(string language, HttpContext http)
    {
        if (!Verifiers.TryGetValue(language, out var verifier)) return Problems.NotFound();
        http.Response.Headers.CacheControl = Cacheable;
        http.Response.Headers.ContentDisposition = $"inline; filename=\"{verifier.FileName}\"";
        return TypedResults.Bytes(verifier.Text, "text/plain; charset=utf-8", entityTag: verifier.EntityTag);
    }

    private sealed record Verifier(string FileName, byte[] Text, EntityTagHeaderValue EntityTag)
    {
        public static Verifier Read(string fileName)
        {
            using var stream = typeof(Verifier).Assembly.GetManifestResourceStream("Verifiers/" + fileName)
                ?? throw new InvalidOperationException($"{fileName} isn't embedded.");
            var text = new byte[stream.Length];
            stream.ReadExactly(text);
            return new(fileName, text, new EntityTagHeaderValue($"\"{Convert.ToHexStringLower(SHA256.HashData(text))[..16]}\""));
        }
    }
}
