using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using System.Text.Json;
using App.Accounts;
using App.Audit;
using App.Data;
using App.Mail;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Profile;

public sealed class ChangeEmailRequest
{
    /// <summary>The address to come.</summary>
    [Required, MaxLength(254)] public string Email { get; set; } = "";

    /// <summary>The password in force.</summary>
    [Required, MaxLength(1024)] public string Password { get; set; } = "";
}

/// <summary>
/// A person wants another address. Nothing changes until the letter to it is answered; an address that somebody else has gets
/// none, and the one who asks can't tell.
/// </summary>
internal sealed class ChangeEmail(AppDb db, CheckPassword check, Outbox outbox, OneTimeLinks links, ReadProfile profile, AuditLog audit)
{
    public const string Letter = LooseEnds.NewEmail;
    public const string Withdrawn = "email-change-withdrawn";

    public abstract record Outcome
    {
        public sealed record LetterSent : Outcome;

        /// <param name="Why">Not <see cref="CheckPassword.Outcome.Right"/>.</param>
        public sealed record Refused(CheckPassword.Outcome Why) : Outcome;
        public sealed record Invalid(IReadOnlyList<Fault> Faults) : Outcome;
    }

    /// <summary>
    /// 202, and nothing changes until the link of the letter to the new address comes to <c>/api/account/email/confirm</c>; an address that somebody else has gets no letter, and the answer is the same.
    /// 400 without a field where the password is wrong, with <c>field</c> <c>email</c> for what is no address, or the one in use. 429 after ten wrong passwords.
    /// </summary>
    public static async Task<Results<Accepted<Nothing>, ProblemHttpResult>> HandleAsync(
        ChangeEmailRequest request, CurrentUser user, ChangeEmail change, HttpContext http, CancellationToken ct) =>
        await change.TryAsync(request, user, Client.Of(http), ct) switch
        {
            Outcome.LetterSent => TypedResults.Accepted((string?)null, new Nothing()),
            Outcome.Invalid(var faults) => Problems.Invalid(faults),
            Outcome.Refused(var why) => CheckPassword.Problem(why, http),
            _ => throw new UnreachableException(),
        };

    /// <summary>Takes back what was asked for: the link in the letter leads nowhere from now on. Answered alike where nothing is pending.</summary>
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleWithdrawAsync(CurrentUser user, ChangeEmail change, HttpContext http, CancellationToken ct) =>
        await change.WithdrawAsync(user, Client.Of(http), ct) ? TypedResults.NoContent() : Problems.NotAuthorized();

    public async Task<Outcome> TryAsync(ChangeEmailRequest request, CurrentUser caller, Client client, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.Id == caller.Id, ct) is not { } user) return new Outcome.Refused(new CheckPassword.Outcome.Gone());
        if (!EmailAddress.TryParse(request.Email, out var email)) return new Outcome.Invalid([EmailAddress.FaultOf(request.Email)]);
        if (email.Text == user.Email) return new Outcome.Invalid([new Fault("Email is the one you have already", "email", () => Text.SameEmail)]);
        if (await check.OfAsync(user, request.Password, caller, client, ct) is not CheckPassword.Outcome.Right and var refused) return new Outcome.Refused(refused);

        await using var transaction = await db.BeginWriteAsync(ct);
        if (await check.OvertakenAsync(user, caller, ct) is { } over) return new Outcome.Refused(over);
        // Counted by who asks and by who is written to: nobody's letter box is filled from here.
        var (asker, recipient) = ($"{user.Id} {Letter}", $"{Letter} {email.Key}");
        if (await outbox.MayAskAsync(asker, ct) && await outbox.MayAskAsync(recipient, ct))
        {
            outbox.AddDraft(Letter, JsonSerializer.Serialize(new WantedEmail(user.Id, email.Text, email.Key, caller.SessionId)), asker, user.Id, ProfileLetters.ConfirmLasts);
            outbox.CountAlso(recipient);
        }

        audit.Add("email-change-asked", user.Id, caller.SessionId, client.Address);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return new Outcome.LetterSent();
    }

    /// <summary>Asks for no password: it makes nothing less safe, and leaves the account as it is.</summary>
    /// <returns>False where the session has ended meanwhile.</returns>
    public async Task<bool> WithdrawAsync(CurrentUser caller, Client client, CancellationToken ct)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        if (await db.FindLifeAsync(caller.SessionId, ct) is not { RevokedAt: null }) return false;
        // By what was asked for, not by whether there is a letter: one to an address that somebody has was never written.
        if (await profile.OfAsync(caller, ct) is { AskedAt: not null }) audit.Add(Withdrawn, caller.Id, caller.SessionId, client.Address);
        // First the draft: where one is being written just now, this waits until its link is there to be withdrawn.
        await outbox.WithdrawDraftsAsync(caller.Id, Letter, ct);
        await links.WithdrawAsync(caller.Id, [ConfirmNewEmail.Link], ct);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return true;
    }
}

/// <summary>The address that somebody wants, until its letter is answered; or had, until they can't have it back any more.</summary>
/// <param name="SessionId">The session that wanted the change, or an earlier one that its owner could have disowned until then. None where an older release began it.</param>
/// <param name="Confirmed">Of a former address: whether it had been shown to be theirs. An older release's links don't say, and end within a week of it.</param>
internal sealed record WantedEmail(Guid UserId, string Email, string Key, Guid? SessionId = null, bool Confirmed = true);
