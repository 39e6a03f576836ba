using System.Globalization;
using System.Text;

namespace App.Passwords;

/// <summary>
/// A password as the bytes that are hashed: UTF-8 of the NFC form (NIST SP 800-63B section 3.1.1.2),
/// so that it doesn't matter how a keyboard composes an accent. Nothing is trimmed or cut.
/// </summary>
internal static class PasswordText
{
    /// <summary>UTF-16 units above which nothing is even looked at; no length that can be configured comes near it.</summary>
    public const int Bound = 8 * 1024;

    /// <summary>The NFC form; null for what isn't Unicode text (a lone surrogate, U+FFFE) or is beyond <see cref="Bound"/>.</summary>
    public static string? Normalize(string password) =>
        password.Length <= Bound && IsUnicode(password) ? password.Normalize(NormalizationForm.FormC) : null;

    public static byte[]? ToBytes(string password) => Normalize(password) is { } text ? Encoding.UTF8.GetBytes(text) : null;

    /// <summary>Whether every surrogate has its partner and U+FFFE, no character and never one, is absent: string.Normalize throws otherwise.</summary>
    public static bool IsUnicode(ReadOnlySpan<char> text)
    {
        if (text.Contains('\uFFFE')) return false;
        while (!text.IsEmpty)
        {
            if (Rune.DecodeFromUtf16(text, out _, out var units) != System.Buffers.OperationStatus.Done) return false;
            text = text[units..];
        }
        return true;
    }

    /// <summary>Unicode characters (scalar values), as a person would count letters and emoji.</summary>
    public static int Length(string text)
    {
        var length = 0;
        foreach (var _ in text.EnumerateRunes()) length++;
        return length;
    }

    /// <summary>Whether nothing in it is a control character, which no keyboard sends and some systems cut at.</summary>
    public static bool IsPrintable(string text) =>
        !text.Any(c => char.GetUnicodeCategory(c) == UnicodeCategory.Control);
}
