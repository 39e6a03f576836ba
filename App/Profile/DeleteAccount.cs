using System.ComponentModel.DataAnnotations;
using App.Accounts;
using App.Audit;
using App.Data;
using App.Events;
using App.Mail;
using App.Sessions;
using App.Tokens;
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
        public sealed record Wrong : Outcome;
        public sealed record LockedOut(TimeSpan Wait) : Outcome;
        /// <summary>The former address can still take the account back: a thief must not be able to delete what its owner could have again.</summary>
        public sealed record AddressChanged : Outcome;

        /// <summary>Nobody would be left to look after the service.</summary>
        public sealed record OnlyAdmin : Outcome;
        public sealed record Gone : Outcome;
    }

    public static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        DeleteAccountRequest request, CurrentUser user, DeleteAccount delete, SessionCookies cookies, HttpContext http, CancellationToken ct)
    {
        switch (await delete.TryAsync(request, user, ct))
        {
            case Outcome.Deleted:
                cookies.Clear(http);
                return TypedResults.NoContent();
            case Outcome.LockedOut(var wait):
                return Problems.TooManyRequests(http, wait);
            case Outcome.Wrong:
                return Problems.InvalidCredentials();
            case Outcome.AddressChanged:
                return Problems.AddressChanged();
            case Outcome.OnlyAdmin:
                return Problems.OnlyAdmin();
            default:
                return Problems.NotAuthorized();
        }
    }

    public async Task<Outcome> TryAsync(DeleteAccountRequest request, CurrentUser caller, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.Id == caller.Id, ct) is not { } user) return new Outcome.Gone();
        switch (await check.OfAsync(user, request.Password, ct))
        {
            case CheckPassword.Outcome.LockedOut(var wait):
                return new Outcome.LockedOut(wait);
            case CheckPassword.Outcome.Wrong:
                return new Outcome.Wrong();
        }

        await using var transaction = await db.BeginWriteAsync(ct);
        if (!await check.StillHoldsAsync(user, ct)) return new Outcome.Wrong();
        if (await links.IsOpenAsync(user.Id, UndoEmail.Link, ct)) return new Outcome.AddressChanged();
        if (await IsOnlyAdminAsync(user.Id, ct)) return new Outcome.OnlyAdmin();

        // Open pages follow their session, everybody else the account.
        await revoke.InUnitOfWorkAsync(s => s.UserId == user.Id, Causes.EndedByUser, ct);
        await events.UserChangedAsync(Causes.Deleted, user.Id, TokenOptions.ConcernedFor, ct);
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

    private async Task<bool> IsOnlyAdminAsync(Guid userId, CancellationToken ct)
    {
        // The role is touched, so that of two admins who leave at once one waits for the other.
        var stamp = Guid.NewGuid().ToString();
        var name = Roles.Admin.ToUpperInvariant();
        if (await db.Roles.Where(r => r.NormalizedName == name && db.UserRoles.Any(held => held.RoleId == r.Id && held.UserId == userId))
            .ExecuteUpdateAsync(set => set.SetProperty(r => r.ConcurrencyStamp, stamp), ct) == 0) return false;
        return !await db.UserRoles.AnyAsync(held => held.UserId != userId && db.Roles.Any(r => r.Id == held.RoleId && r.NormalizedName == name), ct);
    }

    [LoggerMessage(5101, LogLevel.Information, "An account was deleted by its owner")]
    private partial void Gone();
}
