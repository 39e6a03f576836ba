using System.Buffers.Text;
using System.Security.Cryptography;
using Microsoft.Extensions.Primitives;

namespace App.Ops;

/// <summary>A public document whose bytes were made once. Who has them already is told so, with 304 (RFC 9110 section 13.1.2).</summary>
internal sealed class PublishedDocument(byte[] body, string contentType) : IResult
{
    // Long enough to be worth caching, far shorter than the day for which a key is published before its first use.
    public const string Cacheable = "public, max-age=300";

    private static readonly StringValues Caching = Cacheable;

    private readonly StringValues _type = contentType;
    private readonly string _tag = $"\"{Base64Url.EncodeToString(SHA256.HashData(body))}\"";

    public Task ExecuteAsync(HttpContext httpContext)
    {
        var (headers, response) = (httpContext.Response.Headers, httpContext.Response);
        headers.CacheControl = Caching;
        headers.ETag = _tag;
        if (Has(httpContext.Request.Headers.IfNoneMatch))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return Task.CompletedTask;
        }

        headers.ContentType = _type;
        headers.ContentLength = body.Length;
        return response.Body.WriteAsync(body, httpContext.RequestAborted).AsTask();
    }

    // A list of tags or a star; weak and strong ones compare alike here. No tag of ours holds a comma.
    private bool Has(StringValues known)
    {
        foreach (var line in known)
        {
            foreach (var range in line.AsSpan().Split(','))
            {
                var tag = line.AsSpan(range).Trim();
                if (tag is "*" || (tag.StartsWith("W/") ? tag[2..] : tag).SequenceEqual(_tag)) return true;
            }
        }

        return false;
    }
}
