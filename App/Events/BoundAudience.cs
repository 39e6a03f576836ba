using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace App.Events;

/// <summary>
/// A session has been given tokens that one service alone accepts. Written before the first is handed out, so that whatever happens to the
/// session or its user is told to that service, too; gone with the session.
/// </summary>
internal sealed class BoundAudience : IEntityTypeConfiguration<BoundAudience>
{
    /// <summary>In place of audiences that don't fit: everybody is told.</summary>
    public const string Everybody = "*";

    public Guid SessionId { get; set; }
    public required string Audience { get; set; }
    public Guid UserId { get; set; }

    void IEntityTypeConfiguration<BoundAudience>.Configure(EntityTypeBuilder<BoundAudience> builder)
    {
        builder.ToTable("BoundAudiences");
        builder.HasKey(b => new { b.SessionId, b.Audience });
        builder.Property(b => b.Audience).HasMaxLength(200);
        builder.HasIndex(b => b.UserId);
    }

    /// <summary>
    /// Writes into the entries of ended sessions to whom their tokens were bound, in the entries' own transaction: a row that somebody else is
    /// about to write waits for it to end, and then finds the session ended. What is over needs no telling twice, so the rows go.
    /// </summary>
    public static async Task NameAsync(AppDb db, IReadOnlyList<LoggedEvent> entries, CancellationToken ct)
    {
        var sessions = entries.Where(e => e.SessionId is not null).Select(e => e.SessionId!.Value).ToList();
        if (sessions.Count == 0) return;
        var bound = await db.BoundAudiences.AsNoTracking().Where(b => sessions.Contains(b.SessionId)).ToListAsync(ct);
        if (bound.Count == 0) return;
        foreach (var rows in bound.GroupBy(b => b.SessionId))
            foreach (var entry in entries.Where(e => e.SessionId == rows.Key)) entry.Audiences = Join(rows.Select(b => b.Audience));
        await db.BoundAudiences.Where(b => sessions.Contains(b.SessionId)).ExecuteDeleteAsync(ct);
    }

    /// <summary>To whom the tokens of a user's sessions are bound. Asked while the user's row is locked, before anything can delete it.</summary>
    public static async Task<string?> OfUserAsync(AppDb db, Guid userId, CancellationToken ct) =>
        Join(await db.BoundAudiences.Where(b => b.UserId == userId).Select(b => b.Audience).Distinct().ToListAsync(ct));

    private static string? Join(IEnumerable<string> audiences)
    {
        var text = string.Join(' ', audiences.Order(StringComparer.Ordinal));
        return text.Length == 0 ? null : text.Length > LoggedEvent.LongestAudiences ? Everybody : text;
    }
}

internal static class BoundAudienceTable
{
    extension(AppDb db)
    {
        public DbSet<BoundAudience> BoundAudiences => db.Set<BoundAudience>();
    }
}
