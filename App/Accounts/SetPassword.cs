using App.Audit;
using App.Data;
using App.Events;
using App.Factors;
using App.Mail;
using App.Passwords;
using App.Sessions;
using App.Ui;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Accounts;

/// <summary>
/// A new password takes the old one's place, with all that follows: every token issued so far is refused, what was begun with the old one is over,
/// the guesses are forgotten, and its owner gets a letter. Whichever way the person has proved that they may.
/// </summary>
internal sealed class SetPassword(
    AppDb db, RevokeSessions revoke, SecurityEventLog events, AuditLog audit, LooseEnds looseEnds, Outbox outbox, GuessLimits guesses, KnownDevices devices)
{
    /// <summary>The purpose of the link in a reset letter.</summary>
    public const string ResetLink = "reset";

    /// <summary>How long it is good. Its letter is tried as long, so that none arrives whose link is over.</summary>
    public static readonly TimeSpan ResetLasts = OwnerLetters.Counted;

    /// <summary>What the page says while a new password is typed. Whose it will be, the form says, or the session, or the link of a reset.</summary>
    public static async Task<Ok<JudgePassword.Verdict>> JudgeAsync(HttpContext http, JudgePassword judge, OneTimeLinks links, AppDb db, CancellationToken ct)
    {
        var user = CurrentUser.From(http.User);
        if (PostedForm.Field(http.Request, "token") is not { } token) return judge.Answer(http.Request, user?.Email, user?.Name);
        var owner = await links.FindAsync(ResetLink, token, ct) is { UserId: { } id } ? await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.Id == id, ct) : null;
        return judge.Answer(http.Request, owner?.Email, owner?.Name);
    }

    /// <summary>In the caller's write transaction; the caller saves and commits.</summary>
    /// <param name="keep">The session that goes on.</param>
    /// <param name="endOthers">Whether all others end.</param>
    public async Task InUnitOfWorkAsync(User user, string hash, Client client, Guid? keep, bool endOthers, CancellationToken ct)
    {
        var confirmation = CheckPassword.GuessKey(user.Id);
        var here = devices.GuessesOf(client, confirmation, user);
        user.PasswordHash = hash;
        // What was trusted because of the old password isn't any more, known devices for one.
        user.SecurityStamp = Guid.NewGuid().ToString("N");
        audit.Add("password-changed", user.Id, keep, client.Address);
        outbox.TellPasswordChanged(user, client);
        await db.SaveChangesAsync(ct);
        await events.UserChangedAsync(Causes.PasswordChanged, user.Id, ct);
        if (endOthers) await revoke.InUnitOfWorkAsync(s => s.UserId == user.Id && s.Id != keep, Causes.EndedByUser, ct, ofUser: Causes.PasswordChanged);
        await looseEnds.OfPasswordAsync(user.Id, ct);
        await guesses.ForgetAsync(user.NormalizedEmail!, ct);
        await guesses.ForgetAsync(confirmation, ct);
        if (here != confirmation) await guesses.ForgetAsync(here, ct);
        // The owner's device has just become a stranger, who at the second step would find what others have left of the guesses.
        // Not so after a reset: whoever reads the mail would get new guesses at the code with each.
        if (keep is not null)
        {
            await guesses.ForgetAsync(SignInSecondStep.GuessKey(user.Id), ct);
            await guesses.ForgetAsync(SignInSecondStep.RecoveryKey(user.Id), ct);
        }

        // The event moved the row on: tokens minted in this unit of work must know.
        await db.Entry(user).ReloadAsync(ct);
    }
}
