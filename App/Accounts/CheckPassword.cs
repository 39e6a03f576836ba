using App.Data;
using App.Factors;
using App.Passwords;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Identity;

namespace App.Accounts;

/// <summary>A password asked for again, before something that must not be done by whoever finds an open browser. Guesses count as at sign-in, and apart from it.</summary>
internal sealed class CheckPassword(AppDb db, GuessLimits guesses, PasswordChecks passwords, KnownDevices devices)
{
    public abstract record Outcome
    {
        public sealed record Right : Outcome;
        public sealed record Wrong : Outcome;
        public sealed record LockedOut(TimeSpan Wait) : Outcome;

        /// <summary>There is no such account, or session, any more.</summary>
        public sealed record Gone : Outcome;
    }

    /// <summary>What a program is told that wants something done and didn't give the password in force.</summary>
    public static ProblemHttpResult Problem(Outcome refused, HttpContext http) => refused switch
    {
        Outcome.LockedOut(var wait) => GuessLimits.Refusal(http, wait),
        Outcome.Wrong => Problems.InvalidCredentials(),
        _ => Problems.NotAuthorized(),
    };

    /// <param name="key">What the guesses are counted as.</param>
    /// <param name="guess">As its owner is told of it, should it be wrong.</param>
    public async Task<Outcome> OfAsync(string key, string? hash, string password, WrongGuess guess, CancellationToken ct)
    {
        if (await guesses.ReserveAsync(key, ct, guess.SessionId) is { } wait) return await guesses.IsOverAsync(wait, guess.SessionId, ct) ? new Outcome.Gone() : new Outcome.LockedOut(wait);
        bool right;
        try
        {
            right = await passwords.VerifyAsync(hash, password, ct) != PasswordVerificationResult.Failed;
        }
        catch
        {
            await guesses.GiveBackAsync(key);
            throw;
        }

        if (right) await guesses.ForgetNowAsync(key, ct, guess.SessionId);
        else await guesses.CountWrongAsync(key, guess);
        return right ? new Outcome.Right() : new Outcome.Wrong();
    }

    /// <summary>
    /// Whether the password that was right still is, and its session alive: between the check and the caller's write transaction, where this is
    /// asked first, its owner may have changed the one or ended the other, and nothing new begins from either.
    /// </summary>
    /// <returns>Null where all is as it was.</returns>
    public async Task<Outcome?> OvertakenAsync(User user, CurrentUser caller, CancellationToken ct)
    {
        await db.HoldUserAsync(user.Id, ct);
        if (await db.FindPasswordHashAsync(user.Id, ct) != user.PasswordHash) return new Outcome.Wrong();
        return await db.FindLifeAsync(caller.SessionId, ct) is { RevokedAt: null } ? null : new Outcome.Gone();
    }

    /// <summary>
    /// Counted apart from sign-in: whoever guesses there must not keep the owner from confirming here, nor the other way round.
    /// And from the owner's own device apart from a stolen session's: its thief must not keep them from changing the password.
    /// </summary>
    public static string GuessKey(Guid userId) => $"confirmation of {userId}";

    public Task<Outcome> OfAsync(User user, string password, CurrentUser caller, Client client, CancellationToken ct) =>
        OfAsync(devices.GuessesOf(client, GuessKey(user.Id), user), user.PasswordHash, password, new WrongGuess(user.Id, Amr.Password, client, caller.SessionId), ct);
}

/// <summary>Whose an address is, and which password is in force, which is asked again in the transaction of what it led to: both with every sign-in.</summary>
internal static class PasswordSql
{
    private const string Find = """SELECT "PasswordHash" FROM "AspNetUsers" WHERE "Id" = @id""";

    private const string FindUser = """
        SELECT "Id", "Email", "PasswordHash", "SecurityStamp", "EmailConfirmed", "Name", "TokensNotBefore", "LockoutEnd" FROM "AspNetUsers" WHERE "NormalizedEmail" = @key
        """;

    extension(AppDb db)
    {
        /// <summary>As much of a person as a session is begun with.</summary>
        public async Task<User?> FindForSignInAsync(EmailAddress email, CancellationToken ct)
        {
            User? found = null;
            await db.ReadAsync(FindUser, row => found = new User
            {
                Id = row.GetGuid(0),
                Email = row.GetString(1),
                NormalizedEmail = email.Key,
                PasswordHash = row.TextOrNull(2),
                SecurityStamp = row.TextOrNull(3),
                EmailConfirmed = row.GetBoolean(4),
                Name = row.TextOrNull(5),
                TokensNotBefore = row.IsDBNull(6) ? null : row.GetInt64(6),
                LockoutEnd = row.TimeOrNull(7),
            }, ct, ("@key", email.Key));
            return found;
        }

        /// <returns>Null also where there is no such user any more.</returns>
        public async Task<string?> FindPasswordHashAsync(Guid userId, CancellationToken ct)
        {
            string? found = null;
            await db.ReadAsync(Find, row => found = row.TextOrNull(0), ct, ("@id", userId));
            return found;
        }
    }
}
