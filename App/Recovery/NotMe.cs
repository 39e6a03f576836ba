using App.Accounts;
using App.Audit;
using App.Data;
using App.Events;
using App.Factors;
using App.Mail;
using App.Sessions;
using Microsoft.EntityFrameworkCore;

namespace App.Recovery;

/// <summary>
/// "This wasn't me", from the letter about a new device. One confirmation ends that session and every other, makes the password that
/// somebody else knows worthless, takes away what that session added to get in without it, and leads to a new one.
/// </summary>
internal sealed class NotMe(AppDb db, OneTimeLinks links, LooseEnds looseEnds, RemoveFactors factors, RevokeSessions revoke, SecurityEventLog events, AuditLog audit)
{
    public const string Link = LooseEnds.NotMeLink;

    public abstract record Outcome
    {
        /// <param name="ResetToken">For the page where the new password is chosen.</param>
        public sealed record Ended(string ResetToken) : Outcome;
        public sealed record LinkOver : Outcome;
    }

    public async Task<bool> IsGoodAsync(string? token, CancellationToken ct) => await links.FindAsync(Link, token, ct) is not null;

    public async Task<Outcome> TryAsync(string? token, Client client, CancellationToken ct)
    {
        if (await links.FindAsync(Link, token, ct) is not { UserId: { } id } link) return new Outcome.LinkOver();
        await using var transaction = await db.BeginWriteAsync(ct);
        await db.HoldUserAsync(id, ct);
        if (!await links.UseAsync(link, ct)) return new Outcome.LinkOver();
        var user = await db.Users.SingleAsync(u => u.Id == id, ct);
        (user.PasswordHash, user.SecurityStamp) = (null, Guid.NewGuid().ToString("N"));
        Guid? session = Guid.TryParse(link.Details, out var disowned) ? disowned : null;
        audit.Add("disowned", id, session, client.Address);
        await db.SaveChangesAsync(ct);
        await events.UserChangedAsync(Causes.PasswordChanged, id, ct);
        await revoke.InUnitOfWorkAsync(s => s.UserId == id, Causes.Disowned, ct);
        if (session is not null) await factors.OfSessionAsync(id, session.Value, client.Address, ct);
        await looseEnds.OfPasswordAsync(id, ct);
        var reset = links.Add(SetPassword.ResetLink, id, SetPassword.ResetLasts);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return new Outcome.Ended(reset);
    }
}
