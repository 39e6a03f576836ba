using System.Text.RegularExpressions;
using App.Audit;
using App.Data;
using App.Events;
using App.Profile;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;

namespace App.Admin;

/// <summary>A person is given a role, or loses it. What their tokens say is then out of date, and whoever follows the events is told so.</summary>
internal sealed partial class ChangeRole(AppDb db, ILookupNormalizer normalizer, SecurityEventLog events, AuditLog audit, TimeProvider time)
{
    public enum Outcome
    {
        Changed,
        AlreadySo,
        NoSuchUser,

        /// <summary>Nobody would be left to look after the service.</summary>
        OnlyAdmin,

        /// <summary>The role by which the caller does it.</summary>
        Oneself,

        /// <summary>The caller is no admin any more.</summary>
        Forbidden,

        /// <summary>A token that names more of them fits no cookie.</summary>
        TooMany,
    }

    private const int LongestRole = 40, MostRoles = 20;

    /// <summary>Gives a person a role; 204 also where they have it already. What their tokens in use say is out of date at once; the next say it. 400 for what can't be a role, and past 20 of them.</summary>
    /// <param name="id">The person's id.</param>
    /// <param name="role">Lower-case letters, digits and hyphens, 40 at most.</param>
    public static Task<Results<NoContent, ProblemHttpResult>> HandleGrantAsync(Guid id, string role, CurrentUser admin, ChangeRole change, CancellationToken ct) =>
        HandleAsync(id, role, granted: true, admin, change, ct);

    /// <summary>Takes a role back; 204 also where they don't have it. What their tokens in use say is out of date at once. 409 <c>only_admin</c> for the only admin, <c>oneself</c> for the caller's own role of admin.</summary>
    /// <param name="id">The person's id.</param>
    /// <param name="role">Lower-case letters, digits and hyphens, 40 at most.</param>
    public static Task<Results<NoContent, ProblemHttpResult>> HandleRevokeAsync(Guid id, string role, CurrentUser admin, ChangeRole change, CancellationToken ct) =>
        HandleAsync(id, role, granted: false, admin, change, ct);

    private static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(Guid id, string role, bool granted, CurrentUser admin, ChangeRole change, CancellationToken ct)
    {
        if (!Name().IsMatch(role)) return Problems.Invalid([new Fault($"A role is made of lower-case letters, digits and hyphens, {LongestRole} at most", "role")]);
        return await change.RunAsync(id, role, granted, admin, ct) switch
        {
            Outcome.NoSuchUser => Problems.NotFound(),
            Outcome.OnlyAdmin => Problems.OnlyAdmin(),
            Outcome.Oneself => Problems.Oneself(),
            Outcome.Forbidden => Problems.Forbidden(),
            Outcome.TooMany => Problems.Invalid([new Fault($"Nobody has more than {MostRoles} roles", "role")]),
            _ => TypedResults.NoContent(),
        };
    }

    public async Task<Outcome> RunAsync(string email, string role, bool granted, CancellationToken ct)
    {
        var key = normalizer.NormalizeEmail(email);
        return await db.Users.Where(u => u.NormalizedEmail == key).Select(u => (Guid?)u.Id).SingleOrDefaultAsync(ct) is { } id
            ? await RunAsync(id, role, granted, null, ct)
            : Outcome.NoSuchUser;
    }

    /// <param name="admin">Who does it; null for the command line.</param>
    public async Task<Outcome> RunAsync(Guid id, string role, bool granted, CurrentUser? admin, CancellationToken ct)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        if (!await db.IsStillAdminAsync(admin, ct)) return Outcome.Forbidden;
        if (!await db.Users.AnyAsync(u => u.Id == id, ct)) return Outcome.NoSuchUser;
        var name = role.ToUpperInvariant();
        var known = await db.Roles.SingleOrDefaultAsync(r => r.NormalizedName == name, ct);
        var held = known is null ? null : await db.UserRoles.SingleOrDefaultAsync(r => r.UserId == id && r.RoleId == known.Id, ct);
        if (held is not null == granted) return Outcome.AlreadySo;
        if (held is not null && role == Roles.Admin && await db.IsOnlyAdminAsync(id, ct)) return Outcome.OnlyAdmin;
        if (held is not null && role == Roles.Admin && admin?.Id == id) return Outcome.Oneself;

        if (held is not null)
        {
            db.UserRoles.Remove(held);
        }
        else
        {
            // The one by which a service is looked after is always there to be given.
            if (role != Roles.Admin && await db.UserRoles.CountAsync(r => r.UserId == id, ct) >= MostRoles) return Outcome.TooMany;
            if (known is null) db.Roles.Add(known = new IdentityRole<Guid>(role) { Id = Guid.CreateVersion7(time.GetUtcNow()), NormalizedName = name });
            db.UserRoles.Add(new IdentityUserRole<Guid> { UserId = id, RoleId = known.Id });
        }

        await events.UserChangedAsync(Causes.RolesChanged, id, ct);
        audit.Add(granted ? "role-granted" : "role-revoked", id, detail: role, actor: admin?.Id);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return Outcome.Changed;
    }

    // One spelling each: what is held would otherwise depend on who looks, and how.
    [GeneratedRegex(@"\A[a-z0-9][a-z0-9-]{0,39}\z")]
    private static partial Regex Name();
}
