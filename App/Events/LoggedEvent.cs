using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace App.Events;

/// <summary>One entry of the ordered log that everybody who trusts our tokens follows. Written with its cause, never changed.</summary>
internal sealed class LoggedEvent : IEntityTypeConfiguration<LoggedEvent>
{
    /// <summary>The position in the log: one more than the entry before it, in the order of commits.</summary>
    public long Cursor { get; set; }

    /// <summary>The event's id (<c>jti</c> of its SET).</summary>
    public Guid Id { get; set; }

    public required string Type { get; set; }
    public DateTimeOffset OccurredAt { get; set; }

    /// <summary>When the last token that this event concerns has expired: nobody needs to remember it longer.</summary>
    public DateTimeOffset ExpiresAt { get; set; }

    public Guid? UserId { get; set; }
    public Guid? SessionId { get; set; }
    public string? KeyId { get; set; }

    /// <summary>Seconds since 1970: the user's tokens issued then or before are refused. Null where no user as a whole is concerned.</summary>
    public long? NotBefore { get; set; }

    public const int LongestAudiences = 2000;

    /// <summary>Audiences, separated by spaces, for which service-bound tokens were minted that this event concerns; see <see cref="BoundAudience"/>.</summary>
    public string? Audiences { get; set; }

    public const int LongestClaims = 1000;

    /// <summary>
    /// What the user's tokens say from now on, as a JSON object of the changed claims: <c>{"roles":[…]}</c>. Null where nothing of the kind
    /// changed, for entries of older versions, and where it would be too long: nobody is told a part as if it were all.
    /// </summary>
    public string? Claims { get; set; }

    /// <summary>Why, in a word of <see cref="Causes"/>.</summary>
    public required string Reason { get; set; }

    /// <summary>True where tokens are refused because of it; a rotated key is but a hint.</summary>
    public bool Revokes => KeyId is null || Reason == Causes.KeyRevoked.Reason;

    void IEntityTypeConfiguration<LoggedEvent>.Configure(EntityTypeBuilder<LoggedEvent> builder)
    {
        builder.ToTable("SecurityEventLog");
        builder.HasKey(e => e.Cursor);
        builder.Property(e => e.Cursor).ValueGeneratedNever();
        builder.Property(e => e.Type).HasMaxLength(60);
        builder.Property(e => e.Reason).HasMaxLength(40);
        builder.Property(e => e.KeyId).HasMaxLength(64);
        builder.Property(e => e.Audiences).HasMaxLength(LongestAudiences);
        builder.Property(e => e.Claims).HasMaxLength(LongestClaims);
        builder.HasIndex(e => e.Id).IsUnique();
        builder.HasIndex(e => e.ExpiresAt);
        builder.HasIndex(e => e.SessionId);
    }
}

/// <summary>
/// The one row that gives out cursors. A writer raises it as the last thing before its commit, and the lock on the row keeps the next
/// writer waiting until then: the order of cursors is the order of commits, and a number that was rolled back is given out again.
/// Whoever has seen a cursor has therefore seen, or will never see, everything below it.
/// </summary>
internal sealed class EventCounter : IEntityTypeConfiguration<EventCounter>
{
    public int Id { get; set; }

    /// <summary>The newest cursor given out.</summary>
    public long Value { get; set; }

    /// <summary>Entries up to here may be gone. Whoever stands before it starts over from a snapshot.</summary>
    public long PrunedTo { get; set; }

    void IEntityTypeConfiguration<EventCounter>.Configure(EntityTypeBuilder<EventCounter> builder)
    {
        builder.ToTable("EventCounter");
        builder.Property(c => c.Id).ValueGeneratedNever();
        builder.HasData(new EventCounter { Id = 1 });
    }
}

internal static class LoggedEventTable
{
    extension(AppDb db)
    {
        public DbSet<LoggedEvent> SecurityEvents => db.Set<LoggedEvent>();

        public DbSet<EventCounter> EventCounter => db.Set<EventCounter>();
    }
}
