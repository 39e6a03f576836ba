using System.Globalization;
using App.Audit;
using App.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Factors;

/// <summary>
/// Whether a password alone is enough for somebody, and whether the code they give beside it is good.
/// How often one may try is the caller's to count.
/// </summary>
internal sealed class SecondFactor(AppDb db, MasterKey masterKey, RecoveryCodes recovery, AuditLog audit, TimeProvider time)
{
    /// <summary>What a code turned out to be.</summary>
    public enum Spent
    {
        Nothing,
        AppCode,
        RecoveryCode,
    }

    public const string RecoveryCodeUsed = "recovery-code-used";

    // Longer than any code of ours with all its spaces.
    private const int LongestCode = 64;

    public Task<bool> IsOnAsync(Guid userId, CancellationToken ct) => db.ExistsAsync("""SELECT 1 FROM "Authenticators" WHERE "UserId" = @userId""", ct, ("@userId", userId));

    /// <summary>
    /// Uses a code of the app, or a recovery code, up: good for exactly one of however many show it at once, at whichever replica.
    /// Part of the caller's transaction.
    /// </summary>
    public async Task<Spent> SpendAsync(Guid userId, string? code, CancellationToken ct)
    {
        if (code is null || code.Length > LongestCode) return Spent.Nothing;
        code = Bare(code);
        if (!IsOfApp(code)) return await recovery.SpendAsync(userId, code, ct) ? Spent.RecoveryCode : Spent.Nothing;

        var known = await db.Authenticators.AsNoTracking().SingleOrDefaultAsync(a => a.UserId == userId, ct);
        if (known is not { HasApp: true } || Totp.StepOf(known.Open(masterKey), code, time.GetUtcNow()) is not { } step) return Spent.Nothing;
        return await db.Authenticators.Where(a => a.UserId == userId && a.LastStep < step)
            .ExecuteUpdateAsync(set => set.SetProperty(a => a.LastStep, step), ct) == 1 ? Spent.AppCode : Spent.Nothing;
    }

    /// <summary>Whether it could be one of the app's; else it is taken for a recovery code.</summary>
    public static bool IsOfApp(string code) => Bare(code) is { Length: Totp.Digits } bare && bare.All(char.IsAsciiDigit);

    private static string Bare(string code) => string.Concat(code.Where(c => !char.IsWhiteSpace(c)));

    /// <summary>The owner reads that one is gone, and how many are left. In the transaction that used it up; the caller saves.</summary>
    /// <returns>How many.</returns>
    public async Task<int> NoteRecoveryAsync(Guid userId, Guid sessionId, string address, CancellationToken ct)
    {
        var left = await recovery.LeftAsync(userId, ct);
        audit.Add(RecoveryCodeUsed, userId, sessionId, address, left.ToString(CultureInfo.InvariantCulture));
        return left;
    }
}
