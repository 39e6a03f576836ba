using System.Text.Json;
using App.Accounts;
using App.Audit;
using App.Data;
using App.Events;
using App.Factors;
using App.Mail;
using App.Sessions;
using Microsoft.EntityFrameworkCore;

namespace App.Profile;

/// <summary>
/// The old address takes the account back. Whoever changed it knew the password, so that stops working, every session ends,
/// what they added to get in without the password goes, and the way leads to a new password at once.
/// </summary>
internal sealed class UndoEmail(AppDb db, OneTimeLinks links, LooseEnds looseEnds, RevokeSessions revoke, RemoveFactors factors, ProfileLetters letters, SecurityEventLog events, AuditLog audit)
{
    public const string Link = "undo-email";

    public abstract record Outcome
    {
        /// <param name="ResetToken">For the page where the new password is chosen.</param>
        public sealed record Undone(string ResetToken) : Outcome;
        public sealed record LinkOver : Outcome;
    }

    /// <returns>The address that a good link leads back to.</returns>
    public async Task<string?> FindAsync(string? token, CancellationToken ct) =>
        await links.FindAsync(Link, token, ct) is { Details: { } details } ? JsonSerializer.Deserialize<WantedEmail>(details)!.Email : null;

    public async Task<Outcome> TryAsync(string? token, Client client, CancellationToken ct)
    {
        if (await links.FindAsync(Link, token, ct) is not { Details: { } details, UserId: { } id } link) return new Outcome.LinkOver();
        var former = JsonSerializer.Deserialize<WantedEmail>(details)!;
        try
        {
            await using var transaction = await db.BeginWriteAsync(ct);
            await db.HoldUserAsync(id, ct);
            if (!await links.UseAsync(link, ct)) return new Outcome.LinkOver();
            var user = await db.Users.SingleAsync(u => u.Id == id, ct);
            var taken = user.Email!;
            // As confirmed as it was, or is: where nobody had shown it to be theirs, a stranger may have made the account, and the new password takes away what they left there.
            user.EmailConfirmed = former.Confirmed || (user.EmailConfirmed && user.NormalizedEmail == former.Key);
            (user.Email, user.UserName, user.NormalizedEmail, user.NormalizedUserName) = (former.Email, former.Email, former.Key, former.Key);
            (user.PasswordHash, user.SecurityStamp) = (null, Guid.NewGuid().ToString("N"));
            audit.Add("email-change-undone", id, address: client.Address);
            await db.SaveChangesAsync(ct);
            await events.UserChangedAsync(Causes.EmailChanged, id, ct);
            await revoke.InUnitOfWorkAsync(s => s.UserId == id, Causes.Disowned, ct);
            if (former.SessionId is { } session) await factors.OfSessionAsync(id, session, client.Address, ct);
            // What was begun since was begun by whoever held the account until now, a way back to their address included.
            // An earlier address keeps its own way back: it may be the owner's, and this one a thief's.
            await looseEnds.OfPasswordAsync(id, ct);
            await looseEnds.OfAddressAsync(id, ct);
            await links.WithdrawSinceAsync(link, ct);
            letters.Undone(user, taken);
            var reset = links.Add(SetPassword.ResetLink, id, SetPassword.ResetLasts);
            await db.SaveChangesAsync(ct);
            await transaction.CommitAsync(ct);
            return new Outcome.Undone(reset);
        }
        catch (DbUpdateException e) when (UniqueViolation.Is(e))
        {
            return new Outcome.LinkOver();
        }
    }
}
