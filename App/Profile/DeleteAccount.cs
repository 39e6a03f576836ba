using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using App.Accounts;
using App.Audit;
using App.Data;
using App.Events;
using App.Mail;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Profile;

public sealed class DeleteAccountRequest
{
    /// <summary>The password in force.</summary>
    [Required, MaxLength(1024)] public string Password { get; set; } = "";
}

/// <summary>
/// An account ends for good, with all that is held about its person. What stays is the event that tells everybody so,
/// until the last token has expired.
/// </summary>
internal sealed partial class DeleteAccount(
    AppDb db, CheckPassword check, OneTimeLinks links, RevokeSessions revoke, SecurityEventLog events, IEnumerable<PersonalData> parts, ProfileLetters letters, AuditLog audit,
    ILogger<DeleteAccount> logger)
{
    public abstract record Outcome
    {
        public sealed record Deleted : Outcome;

        /// <summary>The session was ended meanwhile, by a lock perhaps, and nothing was done.</summary>
        public sealed record Ended : Outcome;

        /// <param name="Why">Not <see cref="CheckPassword.Outcome.Right"/>.</param>
        public sealed record Refused(CheckPassword.Outcome Why) : Outcome;

        /// <summary>The former address can still take the account back: a thief must not be able to delete what its owner could have again.</summary>
        public sealed record AddressChanged : Outcome;

        /// <summary>Nobody would be left to look after the service.</summary>
        public sealed record OnlyAdmin : Outcome;
    }

    /// <summary>
    /// Ends the caller's account for good, with all that is held about them: 204, and by cookie both cookies cleared. 400 for a wrong password, 429 after ten.
    /// 409 <c>address_changed</c> while a change of the address can still be undone, a week at most; <c>only_admin</c> for the only admin.
    /// </summary>
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        DeleteAccountRequest request, CurrentUser user, DeleteAccount delete, SessionCookies cookies, HttpContext http, CancellationToken ct)
    {
        switch (await delete.TryAsync(request, user, Client.Of(http), ct))
        {
            case Outcome.Deleted:
                if (!SessionHandler.BearsToken(http.Request)) cookies.Clear(http);
                return TypedResults.NoContent();
            case Outcome.AddressChanged:
                return Problems.AddressChanged();
            case Outcome.OnlyAdmin:
                return Problems.OnlyAdmin();
            case Outcome.Ended:
                return Problems.NotAuthorized();
            case Outcome.Refused(var why):
                return CheckPassword.Problem(why, http);
            default:
                throw new UnreachableException();
        }
    }

    /// <returns>When the last change of the address can no longer be undone; null where none can be by now.</returns>
    public Task<DateTimeOffset?> NotBeforeAsync(CurrentUser caller, CancellationToken ct) => links.OpenUntilAsync(caller.Id, UndoEmail.Link, ct);

    public async Task<Outcome> TryAsync(DeleteAccountRequest request, CurrentUser caller, Client client, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.Id == caller.Id, ct) is not { } user) return new Outcome.Refused(new CheckPassword.Outcome.Gone());
        if (await check.OfAsync(user, request.Password, caller, client, ct) is not CheckPassword.Outcome.Right and var refused) return new Outcome.Refused(refused);

        await using var transaction = await db.BeginWriteAsync(ct);
        // The role's row before the person's, as whoever looks after people takes them.
        var onlyAdmin = await db.IsOnlyAdminAsync(user.Id, ct);
        // A lock must outlast a request that takes its time to arrive.
        if (await check.OvertakenAsync(user, caller, ct) is { } over) return over is CheckPassword.Outcome.Gone ? new Outcome.Ended() : new Outcome.Refused(over);
        if (await NotBeforeAsync(caller, ct) is not null) return new Outcome.AddressChanged();
        if (onlyAdmin) return new Outcome.OnlyAdmin();

        // Open pages follow their session, everybody else the account.
        await revoke.InUnitOfWorkAsync(s => s.UserId == user.Id, Causes.EndedByUser, ct);
        await events.UserChangedAsync(Causes.Deleted, user.Id, ct);
        await db.SaveChangesAsync(ct);
        foreach (var part in parts)
            if (part.EraseAsync is { } erase) await erase(db, user.Id, ct);
        await db.Users.Where(u => u.Id == user.Id).ExecuteDeleteAsync(ct);
        letters.Deleted(user);
        audit.Add("account-deleted");
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        Gone();
        return new Outcome.Deleted();
    }

    [LoggerMessage(5101, LogLevel.Information, "An account was deleted by its owner")]
    private partial void Gone();
}

/// <summary>Who looks after the service, as the database knows it within a transaction.</summary>
internal static class LastAdmin
{
    extension(AppDb db)
    {
        /// <summary>
        /// Whether they still are what they were when their request came in: an admin who was locked, signed out or relieved of the role
        /// meanwhile does nothing more. Null is the command line. Of two who lock each other, the second finds it out here.
        /// </summary>
        public async Task<bool> IsStillAdminAsync(CurrentUser? admin, CancellationToken ct)
        {
            var name = Roles.Admin.ToUpperInvariant();
            var stamp = Guid.NewGuid().ToString();
            // The role is touched first, so that what admins do about each other and about roles happens one after the other.
            await db.Roles.Where(r => r.NormalizedName == name).ExecuteUpdateAsync(set => set.SetProperty(r => r.ConcurrencyStamp, stamp), ct);
            if (admin is null) return true;
            return await db.FindLifeAsync(admin.SessionId, ct) is { RevokedAt: null }
                && await db.Users.AnyAsync(u => u.Id == admin.Id && u.LockoutEnd == null && db.UserRoles.Any(held => held.UserId == u.Id && db.Roles.Any(r => r.Id == held.RoleId && r.NormalizedName == name)), ct);
        }

        /// <summary>In the transaction that would take the role away.</summary>
        public async Task<bool> IsOnlyAdminAsync(Guid userId, CancellationToken ct)
        {
            // The role is touched, so that of two admins who leave at once one waits for the other.
            var stamp = Guid.NewGuid().ToString();
            var name = Roles.Admin.ToUpperInvariant();
            if (await db.Roles.Where(r => r.NormalizedName == name && db.UserRoles.Any(held => held.RoleId == r.Id && held.UserId == userId))
                .ExecuteUpdateAsync(set => set.SetProperty(r => r.ConcurrencyStamp, stamp), ct) == 0) return false;
            // Who is locked looks after nothing.
            return !await db.UserRoles.AnyAsync(held => held.UserId != userId && db.Roles.Any(r => r.Id == held.RoleId && r.NormalizedName == name)
                && db.Users.Any(u => u.Id == held.UserId && u.LockoutEnd == null), ct);
        }
    }
}
