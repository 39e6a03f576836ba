using App.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Profile;

/// <summary>What a person's own profile page shows.</summary>
internal sealed record ProfileView(string Email, bool Confirmed, string? Name, DateTimeOffset MemberSince);

internal sealed class ReadProfile(AppDb db)
{
    /// <returns>Null when the account is gone.</returns>
    public Task<ProfileView?> OfAsync(CurrentUser user, CancellationToken ct) =>
        db.Users.AsNoTracking().Where(u => u.Id == user.Id).Select(u => new ProfileView(u.Email!, u.EmailConfirmed, u.Name, u.CreatedAt)).SingleOrDefaultAsync(ct);
}
