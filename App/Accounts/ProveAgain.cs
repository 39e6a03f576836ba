using App.Data;
using App.Factors;
using App.Passwords;
using App.Sessions;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;

namespace App.Accounts;

/// <summary>Somebody who is signed in proves again that it's them, before they change what signs them in.</summary>
internal sealed class ProveAgain(AppDb db, GuessLimits guesses, PasswordChecks passwords, SecondFactor factor, KnownDevices devices, RecentProof proof)
{
    private const int LongestPassword = 1024;

    public abstract record Outcome
    {
        public sealed record Proved : Outcome;
        public sealed record Wrong : Outcome;
        public sealed record LockedOut(TimeSpan Wait) : Outcome;
    }

    /// <summary>What this person could use beside the password.</summary>
    public async Task<(bool Code, bool Passkey)> WaysAsync(CurrentUser user, CancellationToken ct) =>
        (await factor.IsOnAsync(user.Id, ct), await db.Passkeys.AnyAsync(p => p.UserId == user.Id, ct));

    /// <summary>One count with every other place where somebody who is signed in gives their password.</summary>
    public Task<Outcome> ByPasswordAsync(CurrentUser user, string password, HttpContext http, CancellationToken ct) =>
        TryAsync(CheckPassword.GuessKey(user.Id), user, Amr.Password, http, async account =>
        {
            var hash = await db.Users.Where(u => u.Id == user.Id).Select(u => u.PasswordHash).SingleOrDefaultAsync(ct);
            var right = password.Length is > 0 and <= LongestPassword && await passwords.VerifyAsync(hash, password, ct) != PasswordVerificationResult.Failed;
            if (right) await guesses.ForgetAsync(account, ct);
            return right;
        }, ct);

    /// <summary>One count with the second step of a sign-in from the same device.</summary>
    public async Task<Outcome> ByCodeAsync(CurrentUser user, string code, HttpContext http, CancellationToken ct)
    {
        var owner = await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.Id == user.Id, ct);
        return await TryAsync(devices.GuessesOf(Client.Of(http), SignInSecondStep.GuessKey(user.Id), owner), user, Amr.Code, http, async account =>
        {
            await using var transaction = await db.BeginWriteAsync(ct);
            if (!await factor.SpendAsync(user.Id, code, ct)) return false;
            await guesses.ForgetAsync(account, ct);
            await transaction.CommitAsync(ct);
            return true;
        }, ct);
    }

    private async Task<Outcome> TryAsync(string account, CurrentUser user, string method, HttpContext http, Func<string, Task<bool>> judge, CancellationToken ct)
    {
        if (await guesses.ReserveAsync(account, ct) is { } wait) return new Outcome.LockedOut(wait);
        bool right;
        try
        {
            right = await judge(account);
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

        await proof.GiveAsync(user, [method], http, ct);
        return new Outcome.Proved();
    }
}
