using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace App.Connect;

/// <summary>What somebody who trusts nobody's word for it can read in a token. It shows, and decides nothing: forged ones are shown too.</summary>
/// <param name="Header">Null where it isn't one JSON object.</param>
/// <param name="Claims">Null likewise.</param>
internal sealed record TokenReading(IReadOnlyList<TokenMember>? Header, IReadOnlyList<TokenMember>? Claims)
{
    private const int LongestToken = 16 * 1024;
    private const int MostMembers = 60;

    public static TokenReading Of(string token)
    {
        if (token.Length > LongestToken || token.Split('.') is not [var header, var claims, ..]) return new(null, null);
        return new(Read(header), Read(claims));
    }

    public TokenMember? InHeader(string name) => Header?.FirstOrDefault(m => m.Name == name);

    public TokenMember? InClaims(string name) => Claims?.FirstOrDefault(m => m.Name == name);

    /// <summary>The one audience that it names; null for none, or several.</summary>
    public string? Audience => InClaims("aud")?.Value switch
    {
        { ValueKind: JsonValueKind.String } one => TokenMember.TextOf(one),
        { ValueKind: JsonValueKind.Array } many when many.GetArrayLength() == 1 && many[0].ValueKind == JsonValueKind.String => TokenMember.TextOf(many[0]),
        _ => null,
    };

    private static List<TokenMember>? Read(string segment)
    {
        try
        {
            var utf8 = Base64Url.DecodeFromChars(segment);
            if (!System.Text.Unicode.Utf8.IsValid(utf8)) return null;
            using var document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = 16 });
            if (document.RootElement.ValueKind != JsonValueKind.Object) return null;
            return [.. document.RootElement.Clone().EnumerateObject().Take(MostMembers).Select(m => new TokenMember(m.Name, m.Value))];
        }
        catch (Exception e) when (e is FormatException or JsonException or InvalidOperationException)
        {
            return null; // InvalidOperationException: a name with half a surrogate pair.
        }
    }
}

/// <summary>One member of a header or of the claims, as it stands there.</summary>
internal sealed record TokenMember(string Name, JsonElement Value)
{
    private const int Longest = 300;

    /// <summary>Fit to be looked at: what would move, hide or turn around other text is replaced.</summary>
    public string Shown => Fit(TextOf(Value));

    public string ShownName => Fit(Name);

    /// <summary>The moment that it tells in seconds (RFC 7519 section 2); null for anything else.</summary>
    public DateTimeOffset? Moment =>
        Value.ValueKind == JsonValueKind.Number && Value.TryGetInt64(out var seconds) && seconds is >= 0 and <= 253_402_300_799 ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null;

    public static string TextOf(JsonElement value)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();
        }
        catch (InvalidOperationException)
        {
            return value.GetRawText();
        }
    }

    private static string Fit(string text)
    {
        var shown = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (shown.Length >= Longest) return shown.Append('…').ToString();
            var hidden = Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
                or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned;
            shown.Append(hidden ? "\uFFFD" : rune.ToString());
        }

        return shown.ToString();
    }
}
