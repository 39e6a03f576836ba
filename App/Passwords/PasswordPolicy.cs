using System.Globalization;
using System.Text;
using App.Ui;

namespace App.Passwords;

/// <summary>
/// What a new password must be: long enough, text, and not guessed first. Nothing about capitals, digits or signs
/// (NIST SP 800-63B section 3.1.1.2). Sign-in doesn't ask it: a password that is in use stays valid.
/// </summary>
internal sealed class PasswordPolicy(PasswordOptions options, Brand brand)
{
    private const string Field = "password";

    /// <summary>The bounds in force, in characters after NFC normalisation.</summary>
    public (int Min, int Max) LengthFor(bool hasSecondFactor) =>
        (hasSecondFactor ? Math.Min(options.MinLength, options.MinLengthWithSecondFactor) : options.MinLength, options.MaxLength);

    /// <summary>Whether it is shorter than a password that stands alone must be: one from when there was a second factor, or from before the setting.</summary>
    public bool IsShortAlone(string password) => PasswordText.Normalize(password) is { } text && PasswordText.Length(text) < options.MinLength;

    /// <summary>What is wrong with a password for this person; nothing when it is fine.</summary>
    public IReadOnlyList<Fault> Check(string? password, string email, string? name, bool hasSecondFactor = false)
    {
        password ??= "";
        var (min, max) = LengthFor(hasSecondFactor);
        if (password.Length > PasswordText.Bound) return [WrongLength(min, max)];
        if (PasswordText.Normalize(password) is not { } text || !PasswordText.IsPrintable(text))
        {
            return [new("Password contains characters that can't be typed. Use letters, digits, spaces, signs or emoji.", Field, () => Text.Unprintable)];
        }
        if (PasswordText.Length(text) is var length && (length < min || length > max)) return [WrongLength(min, max)];
        if (options.RejectCommon && WhyGuessable(text, email, name) is { } fault) return [fault];
        // A sign-in takes white space alone for a field that was left empty.
        return string.IsNullOrWhiteSpace(text) ? [WrongLength(min, max)] : [];
    }

    /// <summary>What an acceptable password costs a guesser who knows this person, in bits.</summary>
    public int BitsOf(string password, string email, string? name) => GuessablePassword.BitsOf(Fold(password), PersonalTerms(email, name));

    private static Fault WrongLength(int min, int max) =>
        new(string.Create(CultureInfo.InvariantCulture, $"Password must be between {min} and {max} characters"), Field,
            () => Sentence.With(Text.WrongLength, min, max));

    private Fault? WhyGuessable(string text, string email, string? name)
    {
        var folded = Fold(text);
        if (CommonPasswords.Contains(folded))
        {
            return new("Password is one of those that are tried first. Choose another, such as four unrelated words.", Field, () => Text.TriedFirst);
        }
        return GuessablePassword.Is(folded, PersonalTerms(email, name))
            ? new("Password is easy to guess: common words, a pattern, or your own name or address make up most of it. "
                + "Add unrelated words; four make a good password.", Field, () => Text.Guessable)
            : null;
    }

    // And the name that stands on the page (NIST SP 800-63B section 3.1.1.2). Long input doesn't get here unbounded: addresses and names are cut to what they may be.
    private HashSet<string> PersonalTerms(string email, string? name)
    {
        var address = Fold(Cut(email, 320));
        var local = address.Split('@')[0];
        var called = Fold(Cut(name ?? "", 320));
        var ours = Fold(Cut(brand.Name, 320));
        var words = local.Split('.', '-', '_', '+').Concat(called.Split(' ')).Concat(ours.Split(' '));
        IEnumerable<string> terms =
            [address, local, string.Concat(local.Where(char.IsLetter)), string.Concat(called.Where(char.IsLetter)), string.Concat(ours.Where(char.IsLetter)), .. words];
        return [.. terms.Where(term => term.Length > 2)];
    }

    private static string Cut(string text, int length) => text.Length <= length ? text : text[..length];

    private static string Fold(string text) =>
        PasswordText.IsUnicode(text) ? text.Normalize(NormalizationForm.FormKC).ToLowerInvariant() : "";
}
