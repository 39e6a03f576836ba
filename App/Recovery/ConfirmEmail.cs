using System.ComponentModel.DataAnnotations;
using App.Accounts;
using App.Audit;
using App.Data;
using App.Mail;
using App.Ops;
using App.Sessions;
using App.Ui;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Recovery;

public sealed class LinkRequest
{
    /// <summary>What stands behind <c>token=</c> in the letter's link.</summary>
    [Required, MaxLength(100)] public string Token { get; set; } = "";
}

/// <summary>
/// Somebody who has an account shows that its address is theirs. Tokens say so from the next renewal on.
/// The letter alone isn't enough: whoever made an account with an address that isn't theirs would have its owner confirm what they left in it.
/// </summary>
internal sealed class ConfirmEmail(AppDb db, OneTimeLinks links, Outbox outbox, AuditLog audit)
{
    public const string Link = "confirm-email";

    public enum Outcome
    {
        Confirmed,

        /// <summary>The caller is signed in to no account, or to another one.</summary>
        SignInFirst,
        LinkOver,
    }

    /// <summary>
    /// The link of a letter shows that the account's address is its owner's: once, within a week. Tokens say so from the next renewal on.
    /// 401 for whoever isn't signed in to that very account, which leaves the link good; 400 for one that is used, too old, or went to another address than today's.
    /// </summary>
    public static async Task<Results<Ok<Nothing>, ProblemHttpResult>> HandleAsync(HttpContext http, ConfirmEmail confirm, CancellationToken ct)
    {
        if (await CourseBody.ReadAsync(http.Request, ct) is not { } body) return Problems.BadRequest("Malformed JSON");
        return await confirm.TryAsync(body.Text("token"), CurrentUser.From(http.User), Client.Of(http), ct) switch
        {
            Outcome.Confirmed => TypedResults.Ok(new Nothing()),
            Outcome.SignInFirst => Problems.NotAuthorized(),
            _ => Refusals.LinkOver(http),
        };
    }

    /// <returns>Whose a good link is.</returns>
    public async Task<Guid?> OwnerAsync(string? token, CancellationToken ct) => (await links.FindAsync(Link, token, ct))?.UserId;

    public async Task<Outcome> TryAsync(string? token, CurrentUser? caller, Client client, CancellationToken ct)
    {
        if (await links.FindAsync(Link, token, ct) is not { } link) return Outcome.LinkOver;
        if (caller is null || link.UserId != caller.Id) return Outcome.SignInFirst;
        await using var transaction = await db.BeginWriteAsync(ct);
        await db.HoldUserAsync(caller.Id, ct);
        var user = await db.Users.SingleOrDefaultAsync(u => u.Id == caller.Id, ct);
        // The letter went to one address; another has to be confirmed by a letter of its own.
        if (user is null || user.NormalizedEmail != link.Details || !await links.UseAsync(link, ct)) return Outcome.LinkOver;
        user.EmailConfirmed = true;
        audit.Add("email-confirmed", user.Id, caller.SessionId, client.Address);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return Outcome.Confirmed;
    }

    /// <summary>The button of the profile page: the letter once more.</summary>
    public static async Task<SeeOther> HandleAgainAsync(CurrentUser user, ConfirmEmail confirm, CancellationToken ct)
    {
        await confirm.AgainAsync(user, ct);
        return new SeeOther("/account/profile", told: "letter-sent");
    }

    public async Task AgainAsync(CurrentUser caller, CancellationToken ct)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        if (await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.Id == caller.Id && !u.EmailConfirmed, ct) is not { } user) return;
        if (await outbox.MayAskAsync(user.NormalizedEmail!, ct)) outbox.AskToConfirm(user);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
    }
}
