using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Security.Cryptography;
using NSec.Cryptography;

namespace App.Passwords;

/// <summary>
/// An Argon2id hash (RFC 9106) and its text in the PHC string format,
/// <c>$argon2id$v=19$m=19456,t=2,p=1$salt$tag</c> with unpadded base64.
/// </summary>
/// <param name="Memory">KiB.</param>
/// <param name="Passes">Times over the memory.</param>
/// <param name="Salt">16 bytes.</param>
/// <param name="Tag">32 bytes.</param>
internal sealed record Argon2Hash(int Memory, int Passes, byte[] Salt, byte[] Tag)
{
    /// <summary>OWASP's recommendation: 19 MiB, two passes, one lane.</summary>
    public const int CurrentMemory = 19 * 1024, CurrentPasses = 2;

    // Above these a row that somebody wrote into the database could take the process down; below, libsodium refuses.
    private const int MaxMemory = 256 * 1024, MaxPasses = 10, MinMemory = 8;
    private const int SaltSize = 16, TagSize = 32;
    private const string Prefix = "$argon2id$v=19$";

    /// <summary>A valid hash that no password matches and that costs what a real one does.</summary>
    public static Argon2Hash Decoy { get; } =
        new(CurrentMemory, CurrentPasses, RandomNumberGenerator.GetBytes(SaltSize), RandomNumberGenerator.GetBytes(TagSize));

    public bool IsWeakerThanCurrent => Memory < CurrentMemory || Passes < CurrentPasses;

    /// <summary>Hashes with a fresh salt. What isn't Unicode text is hashed to something that nothing matches.</summary>
    public static Argon2Hash Of(string password)
    {
        var salt = RandomNumberGenerator.GetBytes(SaltSize);
        var bytes = PasswordText.ToBytes(password) ?? RandomNumberGenerator.GetBytes(TagSize);
        return new(CurrentMemory, CurrentPasses, salt, Derive(bytes, CurrentMemory, CurrentPasses, salt));
    }

    /// <summary>Constant-time; false for what isn't Unicode text, at the price of a hash all the same.</summary>
    public bool Matches(string password)
    {
        var bytes = PasswordText.ToBytes(password);
        var tag = Derive(bytes ?? RandomNumberGenerator.GetBytes(TagSize), Memory, Passes, Salt);
        return CryptographicOperations.FixedTimeEquals(tag, Tag) & bytes is not null;
    }

    public static bool TryParse(string? text, [NotNullWhen(true)] out Argon2Hash? hash)
    {
        hash = null;
        if (text is not { Length: < 200 } || !text.StartsWith(Prefix, StringComparison.Ordinal)) return false;
        var parts = text[Prefix.Length..].Split('$');
        if (parts.Length != 3) return false;
        var parameters = parts[0].Split(',');
        if (parameters.Length != 3 || parameters[2] != "p=1") return false;
        if (!TryNumber(parameters[0], "m=", MinMemory, MaxMemory, out var memory)) return false;
        if (!TryNumber(parameters[1], "t=", 1, MaxPasses, out var passes)) return false;
        if (!TryBase64(parts[1], SaltSize, out var salt) || !TryBase64(parts[2], TagSize, out var tag)) return false;
        hash = new(memory, passes, salt, tag);
        return true;
    }

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Prefix}m={Memory},t={Passes},p=1${Base64(Salt)}${Base64(Tag)}");

    // NSec hashes the UTF-16 form of a string: always hand it bytes. It takes one lane and 16 bytes of salt only.
    private static byte[] Derive(byte[] password, int memory, int passes, byte[] salt)
    {
        try
        {
            var parameters = new Argon2Parameters { DegreeOfParallelism = 1, MemorySize = memory, NumberOfPasses = passes };
            return PasswordBasedKeyDerivationAlgorithm.Argon2id(parameters).DeriveBytes(password, salt, TagSize);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(password);
        }
    }

    private static bool TryNumber(string text, string name, int min, int max, out int number)
    {
        number = 0;
        return text.StartsWith(name, StringComparison.Ordinal)
            && text.Length > name.Length && text[name.Length] != '0'
            && int.TryParse(text.AsSpan(name.Length), NumberStyles.None, CultureInfo.InvariantCulture, out number)
            && number >= min && number <= max;
    }

    private static string Base64(byte[] bytes) => Convert.ToBase64String(bytes).TrimEnd('=');

    // Exactly one spelling per value: whitespace, padding and stray low bits don't survive the way back.
    private static bool TryBase64(string text, int size, out byte[] bytes)
    {
        bytes = new byte[size];
        var padded = text.PadRight((text.Length + 3) / 4 * 4, '=');
        return Convert.TryFromBase64String(padded, bytes, out var written) && written == size && Base64(bytes) == text;
    }
}
