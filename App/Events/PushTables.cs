using System.Text;
using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace App.Events;

/// <summary>How far one receiver has come, and who is at it: all that a sender knows, so that another one can go on from here.</summary>
internal sealed class PushPosition : IEntityTypeConfiguration<PushPosition>
{
    public required string Service { get; set; }

    /// <summary>Every entry up to here that concerns the service was taken, refused or set aside.</summary>
    public long Cursor { get; set; }

    /// <summary>The sender at work, of whichever replica; it is alone until <see cref="HeldUntil"/>.</summary>
    public Guid Holder { get; set; }

    public DateTimeOffset HeldUntil { get; set; }

    /// <summary>Failed attempts since the receiver last took something.</summary>
    public int Attempts { get; set; }

    /// <summary>When the first of them was; null while all is well.</summary>
    public DateTimeOffset? FailingSince { get; set; }

    /// <summary>No attempt before this.</summary>
    public DateTimeOffset NextAttemptAt { get; set; }

    /// <summary>What the last attempt came to, in a few words of ours.</summary>
    public string? LastError { get; set; }

    void IEntityTypeConfiguration<PushPosition>.Configure(EntityTypeBuilder<PushPosition> builder)
    {
        builder.ToTable("PushPositions");
        builder.HasKey(p => p.Service);
        builder.Property(p => p.Service).HasMaxLength(100);
        builder.Property(p => p.LastError).HasMaxLength(100);
    }
}

/// <summary>An event that a receiver refused, or didn't take for too long: set aside, so that the others go on, until an admin has it sent again.</summary>
internal sealed class UndeliveredEvent : IEntityTypeConfiguration<UndeliveredEvent>
{
    public required string Service { get; set; }
    public long Cursor { get; set; }

    /// <summary>The <c>jti</c> of its SET.</summary>
    public Guid EventId { get; set; }

    public required string Type { get; set; }
    public DateTimeOffset OccurredAt { get; set; }
    public DateTimeOffset SetAsideAt { get; set; }

    /// <summary>The receiver's error code, or what went wrong in words of ours.</summary>
    public required string Error { get; set; }

    /// <summary>The claims of its SET, signed anew when it is sent again: the log may have forgotten it by then.</summary>
    public required string Payload { get; set; }

    /// <summary>An admin wants it sent again.</summary>
    public bool Again { get; set; }

    /// <param name="claims">As <see cref="EntryText.Claims"/> gives them.</param>
    public static UndeliveredEvent Of(LoggedEvent entry, string service, ReadOnlyMemory<byte> claims, string error, DateTimeOffset now) => new()
    {
        Service = service,
        Cursor = entry.Cursor,
        EventId = entry.Id,
        Type = entry.Type,
        OccurredAt = entry.OccurredAt,
        SetAsideAt = now,
        Error = error,
        Payload = Encoding.UTF8.GetString(claims.Span),
    };

    void IEntityTypeConfiguration<UndeliveredEvent>.Configure(EntityTypeBuilder<UndeliveredEvent> builder)
    {
        builder.ToTable("UndeliveredEvents");
        builder.HasKey(u => new { u.Service, u.Cursor });
        builder.Property(u => u.Service).HasMaxLength(100);
        builder.Property(u => u.Type).HasMaxLength(60);
        builder.Property(u => u.Error).HasMaxLength(100);
        builder.Property(u => u.Payload).HasMaxLength(4000);
        builder.HasIndex(u => u.Cursor);
        builder.HasIndex(u => u.SetAsideAt);
    }
}

internal static class PushTables
{
    // A receiver that is never looked after must not fill the database.
    private const int MostSetAside = 10_000;
    private static readonly TimeSpan Remembered = TimeSpan.FromDays(30);

    extension(AppDb db)
    {
        public DbSet<PushPosition> PushPositions => db.Set<PushPosition>();
        public DbSet<UndeliveredEvent> UndeliveredEvents => db.Set<UndeliveredEvent>();

        /// <summary>Nothing stays of a service that is removed; another of its name begins anew. Saved with the caller's changes.</summary>
        public async Task ForgetPushAsync(string service, CancellationToken ct)
        {
            db.RemoveRange(await db.PushPositions.Where(p => p.Service == service).ToListAsync(ct));
            db.RemoveRange(await db.UndeliveredEvents.Where(u => u.Service == service).ToListAsync(ct));
        }
    }

    public static async Task SweepAsync(AppDb db, DateTimeOffset now, CancellationToken ct)
    {
        var horizon = now - Remembered;
        await db.ForgetAsync(db.UndeliveredEvents.Where(u => u.SetAsideAt < horizon).OrderBy(u => u.SetAsideAt), ct);
        foreach (var service in await db.UndeliveredEvents.GroupBy(u => u.Service).Where(g => g.Count() > MostSetAside).Select(g => g.Key).ToListAsync(ct))
        {
            var last = await db.UndeliveredEvents.Where(u => u.Service == service).OrderByDescending(u => u.Cursor).Skip(MostSetAside).Select(u => u.Cursor).FirstAsync(ct);
            await db.ForgetAsync(db.UndeliveredEvents.Where(u => u.Service == service && u.Cursor <= last).OrderBy(u => u.Cursor), ct);
        }
    }
}
