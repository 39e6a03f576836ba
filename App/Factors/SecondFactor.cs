using App.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Factors;

/// <summary>
/// Whether a password alone is enough for somebody, and whether the code they give beside it is good.
/// How often one may try is the caller's to count.
/// </summary>
internal sealed class SecondFactor(AppDb db, MasterKey masterKey, RecoveryCodes recovery, TimeProvider time)
{
    // Longer than any code of ours with all its spaces.
    private const int LongestCode = 64;

    public Task<bool> IsOnAsync(Guid userId, CancellationToken ct) => db.ExistsAsync("""SELECT 1 FROM "Authenticators" WHERE "UserId" = @userId""", ct, ("@userId", userId));

    /// <summary>
    /// Uses a code of the app, or a recovery code, up: true for exactly one of however many show it at once, at whichever replica.
    /// Part of the caller's transaction.
    /// </summary>
    public async Task<bool> SpendAsync(Guid userId, string? code, CancellationToken ct)
    {
        if (code is null || code.Length > LongestCode) return false;
        code = string.Concat(code.Where(c => !char.IsWhiteSpace(c)));
        if (code.Length != Totp.Digits || !code.All(char.IsAsciiDigit)) return await recovery.SpendAsync(userId, code, ct);

        var known = await db.Authenticators.AsNoTracking().SingleOrDefaultAsync(a => a.UserId == userId, ct);
        if (known is not { HasApp: true } || Totp.StepOf(known.Open(masterKey), code, time.GetUtcNow()) is not { } step) return false;
        return await db.Authenticators.Where(a => a.UserId == userId && a.LastStep < step)
            .ExecuteUpdateAsync(set => set.SetProperty(a => a.LastStep, step), ct) == 1;
    }
}
