using System.Text.Json;

namespace App.Tokens;

/// <summary>Reads one JSON object the way RFC 8725 section 2.6 asks for: members unique, one text, valid UTF-8, of bounded depth.</summary>
internal static class StrictJson
{
    private const int MaxDepth = 8;

    /// <returns>The members by name; null for anything else than one well-formed object.</returns>
    public static Dictionary<string, JsonElement>? Read(ReadOnlyMemory<byte> utf8)
    {
        if (!System.Text.Unicode.Utf8.IsValid(utf8.Span)) return null;
        try
        {
            using var document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = MaxDepth, AllowDuplicateProperties = false });
            if (document.RootElement.ValueKind != JsonValueKind.Object) return null;
            var members = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
            foreach (var member in document.RootElement.Clone().EnumerateObject())
                if (!members.TryAdd(member.Name, member.Value)) return null;
            return members;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null; // InvalidOperationException: a name or a string with half a surrogate pair.
        }
    }
}

/// <summary>Typed reading of members; every method says whether the member is there and of the type.</summary>
internal static class StrictMembers
{
    public static bool TryText(this Dictionary<string, JsonElement> members, string name, out string value)
    {
        value = "";
        return members.TryGetValue(name, out var member) && TryRead(member, out value) && value.Length > 0;
    }

    /// <summary>Whole seconds (NumericDate, RFC 7519 section 2): a number without fraction or exponent, never a string.</summary>
    public static bool TrySeconds(this Dictionary<string, JsonElement> members, string name, out long value)
    {
        value = 0;
        return members.TryGetValue(name, out var member) && member.ValueKind == JsonValueKind.Number && member.TryGetInt64(out value) && value >= 0;
    }

    public static bool TryId(this Dictionary<string, JsonElement> members, string name, out Guid value)
    {
        value = default;
        return members.TryText(name, out var text) && Guid.TryParseExact(text, "D", out value) && text == value.ToString();
    }

    /// <summary>True where the member is absent, too.</summary>
    public static bool TryTexts(this Dictionary<string, JsonElement> members, string name, out IReadOnlyList<string> values)
    {
        values = [];
        if (!members.TryGetValue(name, out var member)) return true;
        if (member.ValueKind != JsonValueKind.Array) return false;
        List<string> found = [];
        foreach (var each in member.EnumerateArray())
        {
            if (!TryRead(each, out var value)) return false;
            found.Add(value);
        }

        values = found;
        return true;
    }

    /// <summary>The chain of <c>act</c> (RFC 8693 section 4.1), the nearest first; empty where it is absent.</summary>
    public static bool TryActors(this Dictionary<string, JsonElement> members, out IReadOnlyList<string> actors)
    {
        List<string> found = [];
        actors = found;
        if (!members.TryGetValue("act", out var act)) return true;
        for (var more = true; more;)
        {
            if (act.ValueKind != JsonValueKind.Object || !act.TryGetProperty("sub", out var subject) || !TryRead(subject, out var actor)) return false;
            found.Add(actor);
            more = act.TryGetProperty("act", out act);
        }

        return true;
    }

    // Half a surrogate pair is no text, and asking for it throws.
    private static bool TryRead(JsonElement member, out string value)
    {
        value = "";
        if (member.ValueKind != JsonValueKind.String) return false;
        try
        {
            value = member.GetString()!;
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }
}
