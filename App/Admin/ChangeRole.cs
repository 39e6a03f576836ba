using App.Audit;
using App.Data;
using App.Events;
using App.Profile;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;

namespace App.Admin;

/// <summary>A person is given a role, or loses it. What their tokens say is then out of date, and whoever follows the events is told so.</summary>
internal sealed class ChangeRole(AppDb db, ILookupNormalizer normalizer, SecurityEventLog events, AuditLog audit, TimeProvider time)
{
    public enum Outcome
    {
        Changed,
        AlreadySo,
        NoSuchUser,

        /// <summary>Nobody would be left to look after the service.</summary>
        OnlyAdmin,
    }

    public async Task<Outcome> RunAsync(string email, string role, bool granted, CancellationToken ct)
    {
        var key = normalizer.NormalizeEmail(email);
        await using var transaction = await db.BeginWriteAsync(ct);
        if (await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.NormalizedEmail == key, ct) is not { } user) return Outcome.NoSuchUser;
        var name = role.ToUpperInvariant();
        var known = await db.Roles.SingleOrDefaultAsync(r => r.NormalizedName == name, ct);
        var held = known is null ? null : await db.UserRoles.SingleOrDefaultAsync(r => r.UserId == user.Id && r.RoleId == known.Id, ct);
        if (held is not null == granted) return Outcome.AlreadySo;
        if (held is not null && role == Roles.Admin && await db.IsOnlyAdminAsync(user.Id, ct)) return Outcome.OnlyAdmin;

        if (held is not null)
        {
            db.UserRoles.Remove(held);
        }
        else
        {
            if (known is null) db.Roles.Add(known = new IdentityRole<Guid>(role) { Id = Guid.CreateVersion7(time.GetUtcNow()), NormalizedName = name });
            db.UserRoles.Add(new IdentityUserRole<Guid> { UserId = user.Id, RoleId = known.Id });
        }

        await events.UserChangedAsync(Causes.RolesChanged, user.Id, ct);
        audit.Add(granted ? "role-granted" : "role-revoked", user.Id, detail: role);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return Outcome.Changed;
    }
}
