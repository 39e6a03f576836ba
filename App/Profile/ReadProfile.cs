using App.Audit;
using App.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Profile;

/// <summary>What a person's own profile page shows.</summary>
/// <param name="AskedAt">When another address was asked for last, while its letter can still be answered. Which one isn't said: an address that somebody else has gets no letter, and looks like any other.</param>
internal sealed record ProfileView(string Email, bool Confirmed, string? Name, DateTimeOffset MemberSince, DateTimeOffset? AskedAt);

internal sealed class ReadProfile(AppDb db, TimeProvider time)
{
    // What answers the letter, and what withdraws it.
    private static readonly string[] OfEmail = ["email-change-asked", ChangeEmail.Withdrawn, "email-changed", "email-change-undone", "password-changed", "account-locked", "disowned"];

    /// <returns>Null when the account is gone.</returns>
    public async Task<ProfileView?> OfAsync(CurrentUser user, CancellationToken ct)
    {
        var last = await db.Audit.AsNoTracking().Where(a => a.UserId == user.Id && OfEmail.Contains(a.Action)).OrderByDescending(a => a.Id).Select(a => new { a.Action, a.At }).FirstOrDefaultAsync(ct);
        DateTimeOffset? asked = last?.Action == "email-change-asked" && time.GetUtcNow() - last.At < ProfileLetters.ConfirmLasts ? last.At : null;
        return await db.Users.AsNoTracking().Where(u => u.Id == user.Id).Select(u => new ProfileView(u.Email!, u.EmailConfirmed, u.Name, u.CreatedAt, asked)).SingleOrDefaultAsync(ct);
    }
}
