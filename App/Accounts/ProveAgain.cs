using System.ComponentModel.DataAnnotations;
using App.Data;
using App.Factors;
using App.Passwords;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;

namespace App.Accounts;

public sealed class ProofRequest
{
    /// <summary>The password in force; or else a code.</summary>
    [MaxLength(1024)] public string? Password { get; set; }

    /// <summary>Six digits from the authenticator app, or a recovery code.</summary>
    [MaxLength(64)] public string? Code { get; set; }
}

/// <summary>Somebody who is signed in proves again that it's them, before they change what signs them in.</summary>
internal sealed class ProveAgain(AppDb db, GuessLimits guesses, PasswordChecks passwords, SecondFactor factor, KnownDevices devices, RecentProof proof)
{
    public abstract record Outcome
    {
        public sealed record Proved : Outcome;
        public sealed record Wrong : Outcome;
        public sealed record LockedOut(TimeSpan Wait) : Outcome;

        /// <summary>The session has ended meanwhile.</summary>
        public sealed record Gone : Outcome;
    }

    /// <summary>
    /// What answers <c>proof_required</c>: 204, and for ten minutes the session may change what protects the account. A browser gets its renewed token,
    /// a program goes on with the one it has. A passkey proves it at <c>/api/passkeys/confirm/begin</c>.
    /// 400 for a wrong password, with <c>field</c> <c>code</c> for a wrong code, and unless exactly one of the two is sent. 429 after ten wrong ones within 15 minutes;
    /// the hundredth in a row ends the session. Codes of the app count with those of sign-in: after a hundred wrong ones in a row there, a right one is 429, too,
    /// with <c>Retry-After</c> of a day, but from a device that is known; a recovery code, a passkey or the password still proves it.
    /// </summary>
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(ProofRequest request, CurrentUser user, ProveAgain prove, HttpContext http, CancellationToken ct)
    {
        var byCode = string.IsNullOrEmpty(request.Password);
        if (byCode == string.IsNullOrEmpty(request.Code)) return Problems.Invalid([new Fault("You must supply either your password or a code", "password")]);
        return await (byCode ? prove.ByCodeAsync(user, request.Code!, http, ct) : prove.ByPasswordAsync(user, request.Password!, http, ct)) switch
        {
            Outcome.Proved => TypedResults.NoContent(),
            Outcome.Gone => Problems.NotAuthorized(),
            Outcome.LockedOut(var wait) => GuessLimits.Refusal(http, wait),
            _ => byCode ? Problems.Invalid([new Fault("Invalid code", "code")]) : Problems.InvalidCredentials(),
        };
    }

    /// <summary>What this person could use beside the password.</summary>
    public async Task<(bool Code, bool Passkey)> WaysAsync(CurrentUser user, CancellationToken ct) =>
        (await factor.IsOnAsync(user.Id, ct), await db.Passkeys.AnyAsync(p => p.UserId == user.Id, ct));

    /// <summary>One count with every other place where somebody who is signed in gives their password.</summary>
    public async Task<Outcome> ByPasswordAsync(CurrentUser user, string password, HttpContext http, CancellationToken ct)
    {
        var owner = await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.Id == user.Id, ct);
        return await TryAsync(devices.GuessesOf(Client.Of(http), CheckPassword.GuessKey(user.Id), owner), user, Amr.Password, http, async account =>
        {
            while (true)
            {
                // Read once it is its turn: the guess may have waited, and the password been changed meanwhile.
                var hash = await db.FindPasswordHashAsync(user.Id, ct);
                var right = password.Length > 0 && await passwords.VerifyAsync(hash, password, ct) != PasswordVerificationResult.Failed;
                if (!right) return new Outcome.Wrong();
                await using var transaction = await db.BeginWriteAsync(ct);
                await db.HoldUserAsync(user.Id, ct);
                // Comparing took a while, too. What was only hashed anew meanwhile is right once more.
                if (await db.FindPasswordHashAsync(user.Id, ct) == hash) return await GiveAsync(transaction, account, user, Amr.Password, http, ct);
            }
        }, ct);
    }

    /// <summary>One count with the second step of a sign-in from the same device.</summary>
    public async Task<Outcome> ByCodeAsync(CurrentUser user, string code, HttpContext http, CancellationToken ct)
    {
        var owner = await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.Id == user.Id, ct);
        return await TryAsync(devices.GuessesOf(Client.Of(http), SignInSecondStep.GuessKey(user.Id, code), owner), user, Amr.Code, http, async account =>
        {
            await using var transaction = await db.BeginWriteAsync(ct);
            await db.HoldUserAsync(user.Id, ct);
            var spent = await factor.SpendAsync(user.Id, code, ct);
            if (spent == SecondFactor.Spent.Nothing) return new Outcome.Wrong();
            if (spent == SecondFactor.Spent.RecoveryCode) await factor.NoteRecoveryAsync(user.Id, user.SessionId, Client.Of(http).Address, ct);
            return await GiveAsync(transaction, account, user, Amr.Code, http, ct);
        }, ct);
    }

    // The code, the proof and the end of the count: all or nothing.
    private async Task<Outcome> GiveAsync(WriteTransaction transaction, string account, CurrentUser user, string method, HttpContext http, CancellationToken ct)
    {
        if (!await proof.GiveAsync(user, method, Client.Of(http), ct)) return new Outcome.Gone();
        await db.SaveChangesAsync(ct);
        await guesses.ForgetAsync(account, ct, user.SessionId);
        await transaction.CommitAsync(ct);
        return new Outcome.Proved();
    }

    private async Task<Outcome> TryAsync(string account, CurrentUser user, string method, HttpContext http, Func<string, Task<Outcome>> judge, CancellationToken ct)
    {
        if (await guesses.ReserveAsync(account, ct, user.SessionId) is { } wait) return await guesses.IsOverAsync(wait, user.SessionId, ct) ? new Outcome.Gone() : new Outcome.LockedOut(wait);
        Outcome outcome;
        try
        {
            outcome = await judge(account);
            if (outcome is Outcome.Gone) await guesses.GiveBackAsync(account);
        }
        catch
        {
            await guesses.GiveBackAsync(account);
            throw;
        }

        if (outcome is Outcome.Wrong) await guesses.CountWrongAsync(account, new WrongGuess(user.Id, method, Client.Of(http), user.SessionId));
        if (outcome is Outcome.Proved) await proof.SayAsync(user, http, ct);
        return outcome;
    }
}
