using App.Data;
using App.Factors;
using App.Passwords;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;

namespace App.Accounts;

/// <summary>Somebody who is signed in proves again that it's them, before they change what signs them in.</summary>
internal sealed class ProveAgain(AppDb db, GuessLimits guesses, PasswordChecks passwords, RecentProof proof)
{
    private const int LongestPassword = 1024;

    public abstract record Outcome
    {
        public sealed record Proved : Outcome;
        public sealed record Wrong : Outcome;
        public sealed record LockedOut(TimeSpan Wait) : Outcome;
    }

    /// <summary>Counted apart from sign-in: whoever guesses there must not keep the owner from confirming here, nor the other way round.</summary>
    public async Task<Outcome> ByPasswordAsync(CurrentUser user, string password, HttpContext http, CancellationToken ct)
    {
        var account = $"confirmation of {user.Id}";
        if (await guesses.ReserveAsync(account, ct) is { } wait) return new Outcome.LockedOut(wait);
        bool right;
        try
        {
            var hash = await db.Users.Where(u => u.Id == user.Id).Select(u => u.PasswordHash).SingleOrDefaultAsync(ct);
            right = password.Length is > 0 and <= LongestPassword && await passwords.VerifyAsync(hash, password, ct) != PasswordVerificationResult.Failed;
            if (right) await guesses.ForgetAsync(account, ct);
        }
        catch
        {
            await guesses.GiveBackAsync(account);
            throw;
        }

        if (!right)
        {
            await guesses.CountWrongAsync(account);
            return new Outcome.Wrong();
        }

        await proof.GiveAsync(user, [Amr.Password], http, ct);
        return new Outcome.Proved();
    }
}
