using System.Buffers.Binary;
using Microsoft.AspNetCore.Identity;

namespace App.Passwords;

/// <summary>
/// What stands in the user's row: Argon2id for new passwords; the hashes of Identity itself (PBKDF2, versions 2 and 3)
/// still verify and ask to be replaced. Nothing stored makes it throw.
/// It hashes on the calling thread: requests go through <see cref="PasswordChecks"/>.
/// </summary>
internal sealed class PasswordHasher<TUser> : IPasswordHasher<TUser> where TUser : class
{
    // Identity's default is 100 000 and OWASP asks for 210 000 with SHA-512; a tampered row could ask for two billion.
    private const int MaxIterations = 1_000_000;
    private readonly Microsoft.AspNetCore.Identity.PasswordHasher<TUser> identity = new();

    public string HashPassword(TUser user, string password) => Argon2Hash.Of(password).ToString();

    public PasswordVerificationResult VerifyHashedPassword(TUser user, string hashedPassword, string providedPassword)
    {
        if (Argon2Hash.TryParse(hashedPassword, out var hash))
        {
            return !hash.Matches(providedPassword) ? PasswordVerificationResult.Failed
                : hash.IsWeakerThanCurrent ? PasswordVerificationResult.SuccessRehashNeeded
                : PasswordVerificationResult.Success;
        }
        if (IsIdentityHash(hashedPassword)
            && PasswordText.IsUnicode(providedPassword)
            && providedPassword.Length <= PasswordText.Bound
            && identity.VerifyHashedPassword(user, hashedPassword, providedPassword) != PasswordVerificationResult.Failed)
        {
            return PasswordVerificationResult.SuccessRehashNeeded;
        }
        return PasswordVerificationResult.Failed;
    }

    /// <summary>Whether a stored text is a hash of either kind, so that checking it costs real work.</summary>
    public static bool Knows(string? stored) => Argon2Hash.TryParse(stored, out _) || IsIdentityHash(stored);

    // Version 2 is 0x00, 16 bytes of salt, 32 of key. Version 3 is 0x01, then PRF, iterations and salt length, big-endian.
    private static bool IsIdentityHash(string? stored)
    {
        Span<byte> bytes = stackalloc byte[256];
        if (stored is not { Length: <= 300 } || !Convert.TryFromBase64String(stored, bytes, out var length)) return false;
        return length switch
        {
            49 when bytes[0] == 0 => true,
            >= 13 + 16 + 16 when bytes[0] == 1 =>
                BinaryPrimitives.ReadUInt32BigEndian(bytes[1..]) <= 2
                && BinaryPrimitives.ReadUInt32BigEndian(bytes[5..]) is > 0 and <= MaxIterations,
            _ => false,
        };
    }
}
