using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace App.Accounts;

/// <summary>
/// An e-mail address that mail can be sent to (RFC 5321, RFC 6531), under the rules of the validators that clients of
/// the course API use: no quoted names, no IP literals, a domain with a dot. It is never trimmed.
/// </summary>
internal sealed record EmailAddress
{
    // RFC 5321 section 4.5.3.1 counts octets. A decomposed or full-width address may be somewhat longer as typed.
    private const int MaxLocal = 64, MaxAddress = 254, MaxTyped = 3 * MaxAddress;
    private const string AsciiSigns = ".!#$%&'*+-/=?^_`{|}~";
    private static readonly Fault Invalid = new("Email must be valid", "email", () => Accounts.Text.BadEmail);
    private static readonly Fault Missing = Invalid with { Said = () => Accounts.Text.NoEmail };

    private static readonly IdnMapping Idn = new() { UseStd3AsciiRules = true };

    private EmailAddress(string text, string key) => (Text, Key) = (text, key);

    /// <summary>As typed, in NFC.</summary>
    public string Text { get; }

    /// <summary>
    /// One per account: NFKC, without case, the domain in its ASCII form (RFC 5891).
    /// It is an address itself, and its own key.
    /// </summary>
    public string Key { get; }

    public override string ToString() => Text;

    /// <summary>What is wrong with a text that <see cref="TryParse"/> refuses.</summary>
    public static Fault FaultOf(string? text) => string.IsNullOrWhiteSpace(text) ? Missing : Invalid;

    /// <summary>Never throws, whatever the text.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out EmailAddress? address)
    {
        address = null;
        // string.Normalize throws on U+FFFE and on half a surrogate pair, which reads as U+FFFD; neither is in any address.
        if (text is null || text.Length > MaxTyped || text.EnumerateRunes().Any(rune => rune.Value is 0xFFFD or 0xFFFE)) return false;
        var typed = text.Normalize(NormalizationForm.FormC);
        var at = typed.IndexOf('@', StringComparison.Ordinal);
        if (at < 0 || !IsLocal(typed.AsSpan(0, at)) || ToAscii(typed[(at + 1)..]) is not { } domain) return false;
        // What folding makes of the name must be one too: U+2025 would become two dots, U+FF20 a second @.
        if (Fold(typed[..at]) is not { } local || !IsLocal(local)) return false;
        var key = $"{local}@{domain}";
        if (Encoding.UTF8.GetByteCount(typed) > MaxAddress || Encoding.UTF8.GetByteCount(key) > MaxAddress) return false;
        address = new(typed, key);
        return true;
    }

    /// <summary>How the keys begin of all addresses that begin so; null where none does.</summary>
    public static string? Beginning(string typed)
    {
        if (typed.EnumerateRunes().Any(rune => rune.Value is 0xFFFD or 0xFFFE)) return null;
        if (TryParse(typed, out var whole)) return whole.Key;
        var at = typed.IndexOf('@', StringComparison.Ordinal);
        // Part of a domain that isn't ASCII has no form that the whole one would begin with.
        return at < 0 ? Fold(typed) : $"{Fold(typed[..at])}@{typed[(at + 1)..].ToLowerInvariant()}";
    }

    private static bool IsLocal(ReadOnlySpan<char> local)
    {
        if (local.IsEmpty || Encoding.UTF8.GetByteCount(local) > MaxLocal) return false;
        if (local[0] == '.' || local[^1] == '.' || local.IndexOf("..", StringComparison.Ordinal) >= 0) return false;
        foreach (var rune in local.EnumerateRunes())
        {
            if (!IsLetterLike(rune) && !(rune.IsAscii && AsciiSigns.Contains((char)rune.Value, StringComparison.Ordinal))) return false;
        }
        return true;
    }

    /// <summary>The domain in lower-case ASCII; null for what isn't one.</summary>
    private static string? ToAscii(string domain)
    {
        foreach (var rune in domain.EnumerateRunes())
        {
            if (!IsLetterLike(rune) && rune.Value is not ('.' or '-')) return null;
        }
        try
        {
            var ascii = Idn.GetAscii(domain.ToLowerInvariant()).ToLowerInvariant();
            var labels = ascii.Split('.');
            // IDN mapping knows other full stops than U+002E, and an xn-- label can be made up: both would give one account two spellings.
            if (labels.Length < 2 || labels.Length != domain.Split('.').Length) return null;
            if (!labels.All(IsLabel) || !IsTopLevel(labels[^1])) return null;
            return ascii.Length <= 253 && Idn.GetAscii(Idn.GetUnicode(ascii)) == ascii ? ascii : null;
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    private static bool IsLabel(string label) =>
        label.Length is > 0 and <= 63 && label[0] != '-' && label[^1] != '-' && label.All(c => char.IsAsciiLetterOrDigit(c) || c == '-');

    private static bool IsTopLevel(string label) =>
        label.Length >= 2 && (label.All(char.IsAsciiLetter) || label.StartsWith("xn--", StringComparison.Ordinal));

    private static bool IsLetterLike(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
        or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter or UnicodeCategory.DecimalDigitNumber
        or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark;

    // Up and then down, so that the two small sigmas meet; again until it rests, so that a key is its own key.
    private static string? Fold(string text)
    {
        for (var round = 0; round < 4; round++)
        {
            var next = text.Normalize(NormalizationForm.FormKC).ToUpperInvariant().ToLowerInvariant().Normalize(NormalizationForm.FormKC);
            if (next == text) return text;
            text = next;
        }
        return null;
    }
}
