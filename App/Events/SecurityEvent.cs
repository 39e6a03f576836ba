using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace App.Events;

/// <summary>One entry of the ordered log that everybody who trusts our tokens follows. Written with its cause, never changed.</summary>
internal sealed class SecurityEvent : IEntityTypeConfiguration<SecurityEvent>
{
    /// <summary>The position in the log; grows by commit order on SQLite, by allocation order on SQL Server.</summary>
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

    /// <summary>Why, in a word: <c>sign-out</c>, <c>ended-by-user</c>, <c>refresh-reuse</c>, <c>replaced</c>, <c>rotated</c>, <c>revoked</c>.</summary>
    public required string Reason { get; set; }

    void IEntityTypeConfiguration<SecurityEvent>.Configure(EntityTypeBuilder<SecurityEvent> builder)
    {
        builder.ToTable("SecurityEvents");
        builder.HasKey(e => e.Cursor);
        builder.Property(e => e.Type).HasMaxLength(60);
        builder.Property(e => e.Reason).HasMaxLength(40);
        builder.Property(e => e.KeyId).HasMaxLength(64);
        builder.HasIndex(e => e.Id).IsUnique();
        builder.HasIndex(e => e.ExpiresAt);
    }
}

/// <summary>Short names of the event types: CAEP's where it has one.</summary>
internal static class EventTypes
{
    public const string SessionRevoked = "session-revoked";
    public const string TokenClaimsChange = "token-claims-change";
    public const string SigningKeyChanged = "signing-key-changed";
}

internal static class SecurityEventTable
{
    extension(AppDb db)
    {
        public DbSet<SecurityEvent> SecurityEvents => db.Set<SecurityEvent>();
    }
}
