using System.Collections.Frozen;
using App.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Audit;

/// <summary>Who did something to somebody else's account, as admins read it; its owner reads only that it was an administrator.</summary>
/// <param name="Id">Null for the command line.</param>
/// <param name="Email">Null where there is no such account any more.</param>
internal sealed record Actor(Guid? Id, string? Email)
{
    public const string Administrator = "administrator";

    // Nobody does these to themself.
    private static readonly FrozenSet<string> OfAdministrators =
        new[] { "role-granted", "role-revoked", "account-locked", "account-unlocked", "sessions-ended" }.ToFrozenSet(StringComparer.Ordinal);

    /// <summary>In a word for the account's owner.</summary>
    /// <returns>Null where they did it themself, or nobody did.</returns>
    public static string? By(AuditEntry row) =>
        row.ActorId is not null || OfAdministrators.Contains(row.Action) || row is { Action: "session-ended", Detail: "ended-by-admin" } ? Administrator : null;

    /// <summary>The detail as the account's owner may read it: rows of older making say there which admin it was.</summary>
    public static string? DetailForOwner(AuditEntry row) =>
        AtName(row) is not { } at ? row.Detail : row.Detail![..at].TrimEnd() is { Length: > 0 } what ? what : null;

    /// <returns>By the id of the row; those that nobody else did are missing.</returns>
    public static async Task<Dictionary<long, Actor>> OfAsync(AppDb db, IReadOnlyCollection<AuditEntry> rows, CancellationToken ct)
    {
        var ids = rows.Select(r => r.ActorId).OfType<Guid>().Distinct().ToList();
        var emails = ids.Count == 0 ? [] : await db.Users.Where(u => ids.Contains(u.Id)).ToDictionaryAsync(u => u.Id, u => u.Email, ct);
        return rows.Where(r => r.ActorId is not null || (OfAdministrators.Contains(r.Action) && AtName(r) is null))
            .ToDictionary(r => r.Id, r => new Actor(r.ActorId, r.ActorId is { } id ? emails.GetValueOrDefault(id) : null));
    }

    // "by" and an id, which ends the detail.
    private static int? AtName(AuditEntry row) =>
        OfAdministrators.Contains(row.Action) && row.Detail is { Length: >= 39 } detail && detail[^39..^36] == "by " && Guid.TryParse(detail.AsSpan()[^36..], out _) ? detail.Length - 39 : null;
}
