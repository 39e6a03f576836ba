using Microsoft.AspNetCore.Identity;

namespace App.Passwords;

/// <summary>
/// The door that requests use: hashing off the request's thread, and at one price for known and unknown users.
/// Both methods throw <see cref="HashingBusyException"/> when too many wait already.
/// </summary>
internal sealed class PasswordChecks(HashingThreads threads)
{
    private static readonly object Anybody = new();
    private readonly PasswordHasher<object> hasher = new();

    /// <summary>The text for the user's row.</summary>
    public Task<string> HashAsync(string password, CancellationToken ct) =>
        threads.RunAsync(() => hasher.HashPassword(Anybody, password), ct);

    /// <summary>
    /// Checks a password. A null hash (no such user, or one without a password) costs what a wrong password costs, and fails.
    /// <see cref="PasswordVerificationResult.SuccessRehashNeeded"/>: right, and the row wants a new hash.
    /// </summary>
    public Task<PasswordVerificationResult> VerifyAsync(string? storedHash, string password, CancellationToken ct)
    {
        // No password can be that long, whoever the user is: not worth a place in the queue.
        if (password.Length > PasswordText.Bound) return Task.FromResult(PasswordVerificationResult.Failed);
        return threads.RunAsync(() => Verify(storedHash, password), ct);
    }

    private PasswordVerificationResult Verify(string? storedHash, string password)
    {
        if (PasswordHasher<object>.Knows(storedHash)) return hasher.VerifyHashedPassword(Anybody, storedHash!, password);
        Argon2Hash.Decoy.Matches(password);
        return PasswordVerificationResult.Failed;
    }
}
