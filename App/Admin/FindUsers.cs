using System.Text;
using App.Accounts;
using App.Data;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Admin;

/// <param name="Locked">By an admin; nobody signs in to it.</param>
internal sealed record UserRow(Guid Id, string Email, bool EmailVerified, string? Name, DateTimeOffset CreatedAt, bool Locked, IReadOnlyList<string> Roles);

/// <summary>A page of users.</summary>
/// <param name="After">Ask with this for those that come next; absent on the last page.</param>
internal sealed record UserList(IReadOnlyList<UserRow> Users, Guid? After);

/// <summary>
/// Finds people among however many: by id, by how the address begins, or by how the name does. Each look is a range of an index, so that a
/// page costs what it shows.
/// </summary>
internal sealed class FindUsers(AppDb db)
{
    public const int LongestQuery = 254;

    private const string NoCase = "NOCASE";

    /// <summary>
    /// <c>query</c> is an id, or the beginning of an address or of a name; first those whose address it is, then those whose name.
    /// Without it, everybody by address. 400 with the <c>field</c> at fault.
    /// </summary>
    /// <param name="query">At most 254 characters.</param>
    /// <param name="after">The <c>after</c> of the page that came before this one.</param>
    /// <param name="take">How many at a time, 1 to 100; 50 by default.</param>
    public static async Task<Results<Ok<UserList>, ProblemHttpResult>> HandleAsync(FindUsers find, CancellationToken ct, string? query = null, string? after = null, string? take = null)
    {
        var asked = new Asked();
        var (text, from, count) = (asked.Text(query, "query", LongestQuery), asked.Id(after, "after"), asked.Take(take));
        if (asked.Faults.Count > 0) return Problems.Invalid(asked.Faults);
        return await find.ListAsync(text, from, count, ct) is { } users ? TypedResults.Ok(users) : Problems.Invalid([new Fault("after must be the id of a user", "after")]);
    }

    /// <returns>Null where there is nobody (any more) of the id to go on after.</returns>
    public async Task<UserList?> ListAsync(string? query, Guid? after, int take, CancellationToken ct)
    {
        var text = query?.Trim() ?? "";
        if (Guid.TryParse(text, out var id)) return new UserList(await WithRolesAsync(await db.Users.AsNoTracking().Where(u => u.Id == id).ToListAsync(ct), ct), null);
        if (EmailAddress.Beginning(text) is not { } prefix) return new UserList([], null);

        var last = after is { } seen ? await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.Id == seen, ct) : null;
        if (after is not null && last is null) return null;
        var end = EndOf(prefix);
        var amongNames = last is not null && !(string.CompareOrdinal(last.NormalizedEmail, prefix) >= 0 && (end is null || string.CompareOrdinal(last.NormalizedEmail, end) < 0));
        var found = amongNames ? [] : await Addressed(prefix, end, last?.NormalizedEmail).Take(take + 1).ToListAsync(ct);
        if (found.Count <= take && text.Length > 0 && !text.Contains('@', StringComparison.Ordinal))
            found.AddRange(await Without(Named(text.Normalize(), amongNames ? last : null), prefix, end).Take(take + 1 - found.Count).ToListAsync(ct));
        var shown = found.Count > take ? found[..take] : found;
        return new UserList(await WithRolesAsync(shown, ct), found.Count > take ? shown[^1].Id : null);
    }

    /// <summary>Who is meant by an id or a whole address.</summary>
    /// <returns>An id also where its account is gone: what is held about it may not be. Null for an address that nobody has.</returns>
    public async Task<Guid?> WhoAsync(string text, CancellationToken ct) =>
        Guid.TryParse(text, out var id) ? id
        : EmailAddress.TryParse(text, out var email) ? await db.Users.Where(u => u.NormalizedEmail == email.Key).Select(u => (Guid?)u.Id).SingleOrDefaultAsync(ct)
        : null;

    /// <summary>The addresses of those among them that still have an account.</summary>
    public static async Task<Dictionary<Guid, string>> AddressesAsync(AppDb db, IEnumerable<Guid?> ids, CancellationToken ct)
    {
        var asked = ids.OfType<Guid>().Distinct().ToList();
        return asked.Count == 0 ? [] : await db.Users.Where(u => asked.Contains(u.Id)).ToDictionaryAsync(u => u.Id, u => u.Email!, ct);
    }

#pragma warning disable CA1309, CA1310 // the database compares, by its own columns and their order
    private IQueryable<User> Addressed(string prefix, string? end, string? after)
    {
        // That there is one is said for SQL Server, whose index has no others and else isn't looked at.
        var users = db.Users.AsNoTracking().Where(u => u.NormalizedEmail != null);
        if (prefix.Length > 0) users = users.Where(u => string.Compare(u.NormalizedEmail, prefix) >= 0);
        if (end is not null) users = users.Where(u => string.Compare(u.NormalizedEmail, end) < 0);
        if (after is not null) users = users.Where(u => string.Compare(u.NormalizedEmail, after) > 0);
        return users.OrderBy(u => u.NormalizedEmail);
    }

    private static IQueryable<User> Without(IQueryable<User> users, string prefix, string? end) =>
        users.Where(u => string.Compare(u.NormalizedEmail, prefix) < 0 || (end != null && string.Compare(u.NormalizedEmail, end) >= 0));

    private IQueryable<User> Named(string text, User? after)
    {
        var (users, name, key) = (db.Users.AsNoTracking(), after?.Name, after?.NormalizedEmail);
        if (!db.IsSqlite)
        {
            users = users.Where(u => u.Name!.StartsWith(text));
            if (name is not null) users = users.Where(u => string.Compare(u.Name, name) > 0 || (u.Name == name && string.Compare(u.NormalizedEmail, key) > 0));
            return users.OrderBy(u => u.Name).ThenBy(u => u.NormalizedEmail);
        }

        // As the collation folds: the letters of ASCII, and no others.
        var folded = string.Concat(text.Select(c => char.IsAsciiLetterUpper(c) ? (char)(c | 0x20) : c));
        var from = name ?? folded;
        users = users.Where(u => string.Compare(EF.Functions.Collate(u.Name!, NoCase), from) >= 0);
        if (EndOf(folded) is { } end) users = users.Where(u => string.Compare(EF.Functions.Collate(u.Name!, NoCase), end) < 0);
        if (name is not null) users = users.Where(u => string.Compare(EF.Functions.Collate(u.Name!, NoCase), name) > 0 || string.Compare(u.NormalizedEmail, key) > 0);
        return users.OrderBy(u => EF.Functions.Collate(u.Name!, NoCase)).ThenBy(u => u.NormalizedEmail);
    }
#pragma warning restore CA1309, CA1310

    // The first text after all that begin so: the last character that can be raised is, by whole code points.
    private static string? EndOf(string prefix)
    {
        var runes = prefix.EnumerateRunes().ToList();
        for (var i = runes.Count - 1; i >= 0; i--)
        {
            var next = runes[i].Value == 0xD7FF ? 0xE000 : runes[i].Value + 1; // past the halves of pairs
            if (Rune.IsValid(next)) return string.Concat(runes.Take(i)) + new Rune(next);
        }

        return null;
    }

    private async Task<IReadOnlyList<UserRow>> WithRolesAsync(List<User> users, CancellationToken ct)
    {
        var ids = users.ConvertAll(u => u.Id);
        var roles = await db.UserRoles.Where(r => ids.Contains(r.UserId)).Join(db.Roles, held => held.RoleId, role => role.Id, (held, role) => new { held.UserId, role.Name }).ToListAsync(ct);
        return users.ConvertAll(u => new UserRow(
            u.Id, u.Email!, u.EmailConfirmed, u.Name, u.CreatedAt, u.IsLocked, [.. roles.Where(r => r.UserId == u.Id).Select(r => r.Name!).Order(StringComparer.Ordinal)]));
    }
}
