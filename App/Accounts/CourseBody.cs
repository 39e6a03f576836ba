using System.Text.Json;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace App.Accounts;

/// <summary>
/// Reads a body as the course's Express app does: what isn't JSON in UTF-8 is no body at all (so that its fields are missing, never 415),
/// malformed JSON is refused, and a member of the wrong type is a member that isn't there.
/// </summary>
internal sealed class CourseBody
{
    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 16, AllowDuplicateProperties = false };
    private static readonly CourseBody Nothing = new(null);

    private readonly JsonElement? _members;

    private CourseBody(JsonElement? members) => _members = members;

    /// <returns>Null for malformed JSON.</returns>
    public static async Task<CourseBody?> ReadAsync(HttpRequest request, CancellationToken ct)
    {
        if (!MediaTypeHeaderValue.TryParse(request.ContentType, out var type) || !type.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase) || !IsUtf8(type.Charset)) return Nothing;
        try
        {
            using var buffer = new MemoryStream();
            await request.Body.CopyToAsync(buffer, ct);
            var text = buffer.GetBuffer().AsMemory(0, (int)buffer.Length);
            if (text.Span.StartsWith("\uFEFF"u8)) text = text[3..]; // RFC 8259 section 8.1; every other reader here leaves it out too
            if (text.IsEmpty) return Nothing;
            using var document = JsonDocument.Parse(text, Strict);
            return document.RootElement.ValueKind switch
            {
                JsonValueKind.Object => new CourseBody(document.RootElement.Clone()),
                JsonValueKind.Array => Nothing,
                _ => null,
            };
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    // RFC 8259 section 8.1 knows no other, and ASCII is the same bytes.
    private static bool IsUtf8(StringSegment charset)
    {
        var name = HeaderUtilities.RemoveQuotes(charset);
        return name.Length == 0 || name.Equals("utf-8", StringComparison.OrdinalIgnoreCase) || name.Equals("us-ascii", StringComparison.OrdinalIgnoreCase);
    }

    public string Text(string name) => TextOf(Find(name)) ?? "";

    /// <summary>Whether a member says <c>true</c>; anything else is as if it weren't there.</summary>
    public bool IsTrue(string name) => Find(name) is { ValueKind: JsonValueKind.True };

    /// <summary>The same for one that may be missing: where it is there and yet no text, a NUL comes in its place, which is refused wherever text is taken.</summary>
    public string Optional(string name) => Find(name) is { ValueKind: not JsonValueKind.Null } member ? TextOf(member) ?? "\0" : "";

    private JsonElement? Find(string name) => _members is { } members && members.TryGetProperty(name, out var member) ? member : null;

    private static string? TextOf(JsonElement? member)
    {
        try
        {
            return member is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null; // half a surrogate pair is no text
        }
    }
}
