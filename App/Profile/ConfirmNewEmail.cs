using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using App.Accounts;
using App.Audit;
using App.Data;
using App.Events;
using App.Factors;
using App.Mail;
using App.Ops;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Profile;

public sealed class EmailLinkRequest
{
    /// <summary>What stands behind <c>token=</c> in the letter's link.</summary>
    [Required, MaxLength(100)] public string Token { get; set; } = "";
}

/// <summary>The letter to the new address is answered: it is theirs, and from now on the account's. The old one is told, and can undo it for a week.
/// Answered by whoever is signed in to the account: a stranger's account is nobody's just because they read the letter.</summary>
internal sealed class ConfirmNewEmail(AppDb db, OneTimeLinks links, LooseEnds looseEnds, ProfileLetters letters, RemoveFactors factors, GuessLimits guesses, SecurityEventLog events, AuditLog audit)
{
    public const string Link = LooseEnds.NewEmail;

    public static readonly TimeSpan UndoLasts = TimeSpan.FromDays(7);

    public enum Outcome
    {
        Changed,

        /// <summary>The caller is signed in to no account, or to another one.</summary>
        SignInFirst,

        /// <summary>The link, or the address: somebody else has it by now.</summary>
        LinkOver,
    }

    /// <summary>
    /// The link of the letter to a new address makes it the account's: once, within a day. A letter to the old one can undo it for a week.
    /// 401 for whoever isn't signed in to that very account, which leaves the link good; 400 for a link that is used, withdrawn or too old, and for an address that is taken by now.
    /// </summary>
    public static async Task<Results<Ok<Nothing>, ProblemHttpResult>> HandleAsync(EmailLinkRequest request, ConfirmNewEmail confirm, HttpContext http, CancellationToken ct) =>
        await confirm.TryAsync(request.Token, CurrentUser.From(http.User), Client.Of(http), ct) switch
        {
            Outcome.Changed => TypedResults.Ok(new Nothing()),
            Outcome.SignInFirst => Problems.NotAuthorized(),
            _ => Refusals.LinkOver(http),
        };

    /// <returns>Whose a good link is, and the address that it's about.</returns>
    public async Task<WantedEmail?> FindAsync(string? token, CancellationToken ct) =>
        await links.FindAsync(Link, token, ct) is { Details: { } details } ? JsonSerializer.Deserialize<WantedEmail>(details) : null;

    public async Task<Outcome> TryAsync(string? token, CurrentUser? caller, Client client, CancellationToken ct)
    {
        if (await links.FindAsync(Link, token, ct) is not { Details: { } details, UserId: { } id } link) return Outcome.LinkOver;
        if (id != caller?.Id) return Outcome.SignInFirst;
        var wanted = JsonSerializer.Deserialize<WantedEmail>(details)!;
        try
        {
            await using var transaction = await db.BeginWriteAsync(ct);
            await db.HoldUserAsync(id, ct);
            if (!await links.UseAsync(link, ct)) return Outcome.LinkOver;
            var user = await db.Users.SingleAsync(u => u.Id == id, ct);
            var former = new WantedEmail(id, user.Email!, user.NormalizedEmail!, null, user.EmailConfirmed);
            (user.Email, user.UserName, user.NormalizedEmail, user.NormalizedUserName, user.EmailConfirmed) = (wanted.Email, wanted.Email, wanted.Key, wanted.Key, true);
            audit.Add("email-changed", id, caller.SessionId, client.Address);
            await db.SaveChangesAsync(ct);
            // Only now, as sign-up does.
            if (await links.HoldsAsync(wanted.Key, id, ct)) return Outcome.LinkOver;
            await events.UserChangedAsync(Causes.EmailChanged, id, ct);
            // What was sent to the old address must not open the account any more, but for the way back, which can take away as much.
            var disownable = await links.DetailsAsync(id, LooseEnds.NotMeLink, ct);
            // No other session's: an owner who leaves a mailbox that isn't theirs alone any more keeps what they added, whoever reads there.
            var session = await factors.EarliestAsync(id, [.. disownable.Select(Guid.Parse)], ct);
            await looseEnds.OfAddressAsync(id, ct);
            // Nor what strangers have tried at the new one, when it was nobody's.
            await guesses.ForgetAsync(wanted.Key, ct);
            // A thief might else sign up with the old address and so bar the way back.
            letters.Changed(user, former.Email, await links.AddAfterAsync(UndoEmail.Link, id, UndoLasts, JsonSerializer.Serialize(former with { SessionId = session }), former.Key, ct));
            await db.SaveChangesAsync(ct);
            await transaction.CommitAsync(ct);
            return Outcome.Changed;
        }
        catch (DbUpdateException e) when (UniqueViolation.Is(e))
        {
            return Outcome.LinkOver; // somebody was faster
        }
    }
}
