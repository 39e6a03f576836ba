using System.Globalization;
using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace App.Events;

/// <summary>One reader of the feed, an instance of a service: when it was last heard of, and what it says to have applied.</summary>
internal sealed class FeedReader : IEntityTypeConfiguration<FeedReader>
{
    /// <summary>Under this name a service reads by poll (RFC 8936); no instance can call itself so.</summary>
    public const string Poll = "(poll)";

    /// <summary>Under this name it has events pushed (RFC 8935).</summary>
    public const string Push = "(PUSH)";

    // Enough to date whatever was applied lately; what is older was applied at an unknown time.
    private const int Remembered = 64;

    /// <summary>What is applied by who has left: nothing is above it.</summary>
    public const long Everything = long.MaxValue;

    public required string Service { get; set; }

    /// <summary>As it calls itself; "" where it has no name.</summary>
    public required string Instance { get; set; }

    /// <summary>A program that follows the feed by itself.</summary>
    public bool IsInstance => Instance is not (Poll or Push);

    /// <summary>The audience that it was registered for; null for one that hears everything.</summary>
    public string? Audience { get; set; }

    public DateTimeOffset ContactAt { get; set; }

    /// <summary>Everything up to this cursor is applied.</summary>
    public long Applied { get; set; }

    /// <summary>Cursors above <see cref="Applied"/> that a poll has acknowledged out of turn, separated by spaces.</summary>
    public string? Ahead { get; set; }

    /// <summary>The last acknowledgements, <c>cursor@milliseconds</c> since 1970, the oldest first; before them, of cursor 0, when it began, until that is pushed out.</summary>
    public string Acks { get; set; } = "";

    /// <summary>It accepts no tokens any more, so that nothing is left for it to apply.</summary>
    public bool HasLeft => Applied == Everything;

    public void Leave() => Applied = Everything;

    /// <summary>It is there, for the first time or again; what was committed before was never unknown to it while it accepted tokens.</summary>
    public void Begin(DateTimeOffset at) => (Applied, Acks) = (0, Text(0, at));

    /// <summary>When it began; null where that is too long ago to say.</summary>
    public DateTimeOffset? BeganAt => Acknowledged() is [(0, var at), ..] ? at : null;

    /// <summary>Whether it came after the entry, and so had it from the beginning: it never accepted what that refuses, and isn't waited for.</summary>
    public bool CameAfter(LoggedEvent entry) => BeganAt > entry.OccurredAt;

    /// <summary>Takes an acknowledgement in; an older one than is known changes nothing.</summary>
    public void Acknowledge(long cursor, DateTimeOffset at)
    {
        if (cursor <= Applied) return;
        Applied = cursor;
        var acks = Acks.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        Acks = string.Join(' ', [.. acks.TakeLast(Remembered - 1), Text(cursor, at)]);
    }

    private static string Text(long cursor, DateTimeOffset at) => string.Create(CultureInfo.InvariantCulture, $"{cursor}@{at.ToUnixTimeMilliseconds()}");

    /// <summary>Whether a poll has acknowledged just this one, out of turn.</summary>
    public bool HasAhead(long cursor) => Ahead is not null && Ahead.Split(' ').Contains(cursor.ToString(CultureInfo.InvariantCulture));

    /// <summary>When the entry was applied at the latest; null where that is too long ago to say.</summary>
    public DateTimeOffset? AppliedAt(long cursor)
    {
        var acks = Acknowledged();
        var first = acks.FindIndex(a => a.Cursor >= cursor);
        if (first < 0 || (first == 0 && acks.Count == Remembered)) return null; // whether an older one had it already is forgotten
        return acks[first].At;
    }

    /// <summary>The acknowledgements that are remembered, the oldest first.</summary>
    public List<(long Cursor, DateTimeOffset At)> Acknowledged() => [.. Acks.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(text =>
    {
        var at = text.IndexOf('@', StringComparison.Ordinal);
        return (long.Parse(text.AsSpan(0, at), CultureInfo.InvariantCulture), DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(text.AsSpan(at + 1), CultureInfo.InvariantCulture)));
    })];

    void IEntityTypeConfiguration<FeedReader>.Configure(EntityTypeBuilder<FeedReader> builder)
    {
        builder.ToTable("FeedReaders");
        builder.HasKey(r => new { r.Service, r.Instance });
        builder.Property(r => r.Service).HasMaxLength(100);
        builder.Property(r => r.Instance).HasMaxLength(64);
        builder.Property(r => r.Audience).HasMaxLength(200);
        builder.Property(r => r.Acks).HasMaxLength(4000);
        builder.HasIndex(r => r.ContactAt);
    }
}

internal static class FeedReaderTable
{
    private const string Hold = """UPDATE "FeedReaders" SET "Applied" = "Applied" WHERE "Service" = @service""";

    extension(AppDb db)
    {
        public DbSet<FeedReader> FeedReaders => db.Set<FeedReader>();

        /// <summary>What is known of these services' readers is held until the commit, so that what two replicas heard of one adds up. On SQLite whoever writes is alone.</summary>
        public async Task HoldReadersAsync(IEnumerable<string> services, CancellationToken ct)
        {
            if (db.IsSqlite) return;
            foreach (var service in services.Order(StringComparer.Ordinal))
                await db.WriteAsync(Hold, ct, ("@service", service));
        }

        /// <summary>Nothing stays of a service that is removed: another of its name has applied nothing yet. Saved with the caller's changes.</summary>
        public async Task ForgetReadersAsync(string service, CancellationToken ct) =>
            db.RemoveRange(await db.FeedReaders.Where(r => r.Service == service).ToListAsync(ct));
    }
}
