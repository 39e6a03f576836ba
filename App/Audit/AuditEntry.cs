using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace App.Audit;

/// <summary>Who did what, when and from where. Append-only; it never holds a secret, a token or an e-mail address.</summary>
internal sealed class AuditEntry : IEntityTypeConfiguration<AuditEntry>
{
    public long Id { get; set; }
    public DateTimeOffset At { get; set; }

    /// <summary>A verb in the past: <c>signed-up</c>, <c>signed-in</c>, <c>session-ended</c>, …</summary>
    public required string Action { get; set; }

    public Guid? UserId { get; set; }
    public Guid? SessionId { get; set; }
    public string? Address { get; set; }

    /// <summary>What the action alone doesn't say, such as why a session ended.</summary>
    public string? Detail { get; set; }

    /// <summary>The admin who did it. Null where the person did it themself, or the command line, or nobody.</summary>
    public Guid? ActorId { get; set; }

    void IEntityTypeConfiguration<AuditEntry>.Configure(EntityTypeBuilder<AuditEntry> builder)
    {
        builder.ToTable("Audit");
        builder.Property(a => a.Action).HasMaxLength(40);
        builder.Property(a => a.Address).HasMaxLength(64);
        builder.Property(a => a.Detail).HasMaxLength(200);
        builder.HasIndex(a => new { a.UserId, a.Id });
    }
}

internal static class AuditTable
{
    extension(AppDb db)
    {
        public DbSet<AuditEntry> Audit => db.Set<AuditEntry>();
    }
}
