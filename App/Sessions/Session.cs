using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace App.Sessions;

/// <summary>One signed-in device of a user. Lives until it expires or is revoked.</summary>
internal sealed class Session : IEntityTypeConfiguration<Session>
{
    /// <summary>The <c>sid</c>.</summary>
    public Guid Id { get; set; }

    public Guid UserId { get; set; }
    public DateTimeOffset StartedAt { get; set; }

    /// <summary>The last renewal, so correct to one access token's life.</summary>
    public DateTimeOffset LastSeenAt { get; set; }

    /// <summary>The absolute end; idleness may end it before.</summary>
    public DateTimeOffset ExpiresAt { get; set; }

    /// <summary>When the person last proved who they are.</summary>
    public DateTimeOffset AuthenticatedAt { get; set; }

    public DateTimeOffset? RevokedAt { get; set; }
    public string? RevokedBecause { get; set; }

    /// <summary>How they proved it: RFC 8176 values, separated by spaces.</summary>
    public string Amr { get; set; } = "";

    public string Address { get; set; } = "";
    public string UserAgent { get; set; } = "";

    /// <summary>SHA-256 of the refresh token in force; the token itself is stored nowhere.</summary>
    public byte[] RefreshHash { get; set; } = [];

    /// <summary>SHA-256 of its direct parent, which gets the same successor for a few seconds after <see cref="RotatedAt"/>.</summary>
    public byte[]? ParentHash { get; set; }

    public DateTimeOffset? RotatedAt { get; set; }

    void IEntityTypeConfiguration<Session>.Configure(EntityTypeBuilder<Session> builder)
    {
        builder.ToTable("Sessions");
        builder.Property(s => s.Id).ValueGeneratedNever();
        builder.Property(s => s.RevokedBecause).HasMaxLength(40);
        builder.Property(s => s.Amr).HasMaxLength(60);
        builder.Property(s => s.Address).HasMaxLength(64);
        builder.Property(s => s.UserAgent).HasMaxLength(256);
        builder.Property(s => s.RefreshHash).HasMaxLength(32);
        builder.Property(s => s.ParentHash).HasMaxLength(32);
        builder.HasOne<User>().WithMany().HasForeignKey(s => s.UserId).OnDelete(DeleteBehavior.Cascade);
        builder.HasIndex(s => new { s.UserId, s.RevokedAt });
        builder.HasIndex(s => s.ExpiresAt);
    }
}

internal static class SessionTable
{
    extension(AppDb db)
    {
        public DbSet<Session> Sessions => db.Set<Session>();
    }
}
