using App.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Accounts;

/// <summary>What a person's own profile page shows.</summary>
internal sealed record Profile(string Email, string? Name, DateTimeOffset MemberSince);

internal sealed class ReadProfile(AppDb db)
{
    /// <returns>Null when the account is gone.</returns>
    public Task<Profile?> OfAsync(CurrentUser user, CancellationToken ct) =>
        db.Users.AsNoTracking().Where(u => u.Id == user.Id).Select(u => new Profile(u.Email!, u.Name, u.CreatedAt)).SingleOrDefaultAsync(ct);
}
