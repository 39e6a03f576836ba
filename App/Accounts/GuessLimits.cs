using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using App.Audit;
using App.Data;
using App.Events;
using App.Factors;
using App.Passwords;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Accounts;

/// <summary>
/// The exact limit on guessing: the tenth wrong password within 15 minutes locks, and each further one locks for longer. A hundred in a row at
/// sign-in, with no fortnight between two of them, end it there: no wait helps then, but a device that is known, a passkey or a new password (NIST SP 800-63B-4 section 3.2.2);
/// against codes of the app, a recovery code or a passkey. A hundred in a row in a session end that session: what was stolen with it is no place to guess from, and its owner signs in anew.
/// A guess takes a place before it is evaluated and gives it back with its verdict, so that however many arrive at once, no more are
/// under way than may still be wrong; the others wait for a verdict. Right ones never count.
/// </summary>
internal sealed class GuessLimits(AppDb db, MasterKey masterKey, RevokeSessions revoke, AuditLog audit, TimeProvider time)
{
    public const int Allowed = 10, MostInARow = 100;

    /// <summary>What who has no guess left is told to wait. It is longer than any lock, and there is none after it either.</summary>
    public static readonly TimeSpan ForGood = TimeSpan.FromDays(1);

    /// <summary>What the owner of the account reads afterwards: once for a series of wrong ones at sign-in, or in a session, and once for each lock. However many are made, the rows are few.</summary>
    public const string Refused = RefusedSignIn.Action, RefusedInSession = "proof-refused", LockedOut = "locked-out";

    private static readonly TimeSpan Window = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan FirstLock = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestLock = TimeSpan.FromHours(1);
    private static readonly TimeSpan Forgotten = TimeSpan.FromDays(1);

    // A series goes on for as long as its row is there. What strangers have tried, for addresses that nobody has as well, must not fill the database in the end.
    private static readonly TimeSpan SeriesForgotten = TimeSpan.FromDays(14), LockForgotten = TimeSpan.FromDays(365);

    // A process that is killed takes its verdicts with it; nobody has learned them.
    private static readonly TimeSpan PendingLapses = TimeSpan.FromSeconds(30);

    // Between two looks for a place, in the wall's own time: it is a pace, not a deadline.
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(40);
    private const int MostLooks = 250;

    public static readonly Sweep Sweep = new((db, now, ct) =>
    {
        var (horizon, last) = (now - SeriesForgotten, now - LockForgotten);
        return db.ForgetAsync(db.Set<GuessLimit>().Where(g => g.LastAt < horizon && (g.InARow < MostInARow || g.LastAt < last)).OrderBy(g => g.LastAt), ct);
    });

    /// <summary>Asks leave for one guess. Whoever gets it owes one of the three verdicts below.</summary>
    /// <param name="session">In which it is made; null at sign-in.</param>
    /// <returns>Null to go ahead; otherwise how long to wait.</returns>
    /// <exception cref="HashingBusyException">Others' guesses for this address have been under way for too long.</exception>
    public async Task<TimeSpan?> ReserveAsync(string address, CancellationToken ct, Guid? session = null)
    {
        var key = KeyOf(address);
        for (var look = 0; look < MostLooks; look++)
        {
            // Once locked, a burst is refused by this look, which waits for nobody.
            var seen = await db.FindGuessesAsync(key, ct);
            if (Wait(seen) is { } wait) return wait;
            var there = await InARowAsync(address, session, ct);
            if (there >= MostInARow)
            {
                // Whoever counted the hundredth may have been killed before they ended it.
                await EndAsync(session!.Value);
                return ForGood;
            }

            if (!HasRoom(seen, there)) await Task.Delay(Pace, ct);
            // Nobody has been told anything yet, so this one needn't wait for the disk; the verdict does.
            else if (await ChangeAsync(key, async seen => TakePlace(seen, await InARowAsync(address, session, ct)), flushed: false, ct)) return null;
        }

        throw new HashingBusyException(Pace * MostLooks);
    }

    /// <summary>The guess was wrong.</summary>
    public async Task CountWrongAsync(string address, WrongGuess guess)
    {
        // In the session first, whose hundredth is the last: its place is given back once it is counted there.
        var there = guess.SessionId is { } session ? await CountInSessionAsync(address, session, guess) : 0;
        // Also when the caller has gone: a guess that was judged counts.
        while (!await ChangeAsync(KeyOf(address), seen => new(CountFailure(seen, guess)), flushed: true, CancellationToken.None, next => TellAsync(next, guess)))
        {
            // Somebody else's verdict came between; on SQLite that can't happen, elsewhere one of them always gets through.
        }

        if (there >= MostInARow) await EndAsync(guess.SessionId!.Value);
    }

    /// <summary>What a program is told that has to wait.</summary>
    public static ProblemHttpResult Refusal(HttpContext http, TimeSpan wait) => Problems.TooManyRequests(http, wait, forGood: wait == ForGood);

    /// <summary>Whether no wait helps because the session is over that it was asked in.</summary>
    public async Task<bool> IsOverAsync(TimeSpan wait, Guid? session, CancellationToken ct) =>
        wait == ForGood && session is { } id && await db.Sessions.AnyAsync(s => s.Id == id && s.RevokedAt != null, ct);

    /// <summary>Whether whoever guesses now would be told to wait.</summary>
    public async Task<bool> AreLockedAsync(string address, CancellationToken ct) => Wait(await db.FindGuessesAsync(KeyOf(address), ct)) is not null;

    /// <summary>The guess was right: the count starts anew. Part of the caller's unit of work.</summary>
    /// <param name="session">In which it was made; null at sign-in.</param>
    /// <returns>False where there was nothing to forget.</returns>
    public async Task<bool> ForgetAsync(string address, CancellationToken ct, Guid? session = null)
    {
        var forgotten = await db.ForgetGuessesAsync(KeyOf(address), ct);
        return (session is { } id && await db.ForgetGuessesAsync(KeyOf(InSession(address, id)), ct)) || forgotten;
    }

    /// <summary>The same by itself.</summary>
    public async Task ForgetNowAsync(string address, CancellationToken ct, Guid? session = null)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        await ForgetAsync(address, ct, session);
        await transaction.CommitUnflushedAsync(ct);
    }

    /// <summary>The guess could not be judged: as if it had not been made. Where the database can't be told, the place lapses by itself.</summary>
    public async Task GiveBackAsync(string address)
    {
        try
        {
            await using var transaction = await db.BeginWriteAsync(CancellationToken.None);
            await db.GiveBackGuessAsync(KeyOf(address));
            await transaction.CommitUnflushedAsync(CancellationToken.None);
        }
        catch (Exception e) when (DatabaseFault.Is(e))
        {
        }
    }

    private bool HasRoom(GuessLimit? seen, int inSession)
    {
        var (failures, pending) = (FailuresOf(seen), PendingOf(seen));
        // Beyond the tenth, one at a time: each may lock.
        return failures + pending < Math.Max(Allowed, failures + 1) && Math.Max(seen?.InARow ?? 0, inSession) + pending < MostInARow;
    }

    private GuessLimit? TakePlace(GuessLimit? seen, int inSession)
    {
        if (Wait(seen) is not null || !HasRoom(seen, inSession)) return null;
        var now = time.GetUtcNow();
        var next = seen ?? new GuessLimit { LastAt = now };
        (next.Failures, next.Locks) = (FailuresOf(seen), LocksOf(seen));
        (next.Pending, next.PendingSince) = (PendingOf(seen) + 1, now);
        return next;
    }

    private GuessLimit CountFailure(GuessLimit? seen, WrongGuess guess)
    {
        var now = time.GetUtcNow();
        var next = seen ?? new GuessLimit();
        (next.Failures, next.Locks) = (FailuresOf(seen) + 1, LocksOf(seen));
        (next.Pending, next.LastAt) = (Math.Max(0, PendingOf(seen) - 1), now);
        if (next.Failures >= Allowed) next.LockedUntil = now + LockAfter(next.Locks++);
        if (guess.EndsSignIn && ++next.InARow >= MostInARow) next.LockedUntil = DateTimeOffset.MaxValue;
        return next;
    }

    // A row beside the other's, whose locks end: what was right elsewhere is no excuse for what is guessed here.
    private async Task<int> CountInSessionAsync(string address, Guid session, WrongGuess guess)
    {
        var inARow = 0;
        while (!await ChangeAsync(KeyOf(InSession(address, session)), Count, flushed: true, CancellationToken.None, TellFirstAsync))
        {
        }

        return inARow;

        ValueTask<GuessLimit?> Count(GuessLimit? seen)
        {
            var next = seen ?? new GuessLimit();
            (next.LastAt, inARow) = (time.GetUtcNow(), ++next.InARow);
            return new(next);
        }

        Task TellFirstAsync(GuessLimit next) => next.InARow == 1 ? TellAsync(RefusedInSession, guess, guess.Method) : Task.CompletedTask;
    }

    private async Task<int> InARowAsync(string address, Guid? session, CancellationToken ct) =>
        session is { } id ? (await db.FindGuessesAsync(KeyOf(InSession(address, id)), ct))?.InARow ?? 0 : 0;

    private async Task EndAsync(Guid session) => await revoke.RunAsync(s => s.Id == session, Causes.TooManyGuesses, CancellationToken.None);

    private static string InSession(string address, Guid session) => $"{address} in {session}";

    // The work is the same for an address that nobody has.
    private async Task TellAsync(GuessLimit next, WrongGuess guess)
    {
        if (next.Failures == 1 && guess.SessionId is null) await TellAsync(Refused, guess, guess.AtLocked ? guess.Method + RefusedSignIn.AtLocked : guess.Method);
        if (IsForGood(next)) await TellAsync(LockedOut, guess, $"{guess.Method} {ForGood.TotalSeconds:0}");
        else if (next.Failures >= Allowed) await TellAsync(LockedOut, guess, $"{guess.Method} {LockAfter(next.Locks - 1).TotalSeconds:0}");
    }

    private Task TellAsync(string action, WrongGuess guess, string what) =>
        audit.WriteOfAsync(action, guess.UserId, guess.SessionId, guess.Client.Address, guess.With(what), CancellationToken.None);

    // Waiting for a lock to end isn't keeping quiet: otherwise the one of 16 minutes would give ten new guesses. Nor is guessing on after its end.
    private TimeSpan QuietSince(GuessLimit seen) => time.GetUtcNow() - (seen.LockedUntil is { } end && end > seen.LastAt ? end : seen.LastAt);

    private int FailuresOf(GuessLimit? seen) => seen is null || QuietSince(seen) >= Window ? 0 : seen.Failures;

    private int LocksOf(GuessLimit? seen) => seen is null || QuietSince(seen) >= Forgotten ? 0 : seen.Locks;

    private int PendingOf(GuessLimit? seen) => seen?.PendingSince is not { } since || time.GetUtcNow() - since > PendingLapses ? 0 : seen.Pending;

    private TimeSpan? Wait(GuessLimit? seen) => IsForGood(seen) ? ForGood : seen?.LockedUntil - time.GetUtcNow() is { } wait && wait > TimeSpan.Zero ? wait : null;

    private static bool IsForGood(GuessLimit? seen) => seen?.LockedUntil == DateTimeOffset.MaxValue;

    private static TimeSpan LockAfter(int locks) => locks >= 6 ? LongestLock : FirstLock * (1 << locks);

    // Looked at as the writer: where there is only one at a time, nobody comes between; elsewhere the version tells.
    private async Task<bool> ChangeAsync(string key, Func<GuessLimit?, ValueTask<GuessLimit?>> change, bool flushed, CancellationToken ct, Func<GuessLimit, Task>? also = null)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        var seen = await db.FindGuessesAsync(key, ct);
        var version = seen?.Version ?? 0;
        if (await change(seen) is not { } next) return false;
        (next.Key, next.Version) = (key, version + 1);
        // It looks at the person: before this row is held, for which somebody who holds theirs may wait.
        if (also is not null) await also(next);
        if (!await db.SaveGuessesAsync(next, ct)) return false;
        await (flushed ? transaction.CommitAsync(ct) : transaction.CommitUnflushedAsync(ct));
        return true;
    }

    private string KeyOf(string address) =>
        Base64Url.EncodeToString(HMACSHA256.HashData(masterKey.Derive("guess limits"), Encoding.UTF8.GetBytes(address)));
}

/// <summary>A guess that was wrong, as the owner of the account is told of it.</summary>
/// <param name="UserId">Whose account it was for; null for nobody's.</param>
/// <param name="Method">What was guessed, RFC 8176.</param>
/// <param name="SessionId">Of somebody who was signed in already; null at sign-in.</param>
/// <param name="AtLocked">It was right, and an admin has locked the account: nobody but its owner is told.</param>
/// <param name="OfMany">No hundred years of guessing would find it: a recovery code, which is left to whoever is kept from all else.</param>
internal sealed record WrongGuess(Guid? UserId, string Method, Client Client, Guid? SessionId = null, bool AtLocked = false, bool OfMany = false)
{
    /// <summary>Whether the hundredth in a row is the last that is judged there.</summary>
    public bool EndsSignIn => SessionId is null && !OfMany;

    /// <summary>With the device, as far as no session remembers it.</summary>
    public string With(string what) => SessionId is null ? RefusedSignIn.With(what, Client) : what;
}
