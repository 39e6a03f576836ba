using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace App.Tokens;

internal enum SigningKeyState
{
    /// <summary>Published, so that everybody has it before its first use.</summary>
    Next,

    /// <summary>Signs.</summary>
    Current,

    /// <summary>Signs no more; published until the last token it signed has expired.</summary>
    Retired,

    /// <summary>Its tokens are refused at once.</summary>
    Revoked,
}

/// <summary>One ES256 key pair. The private half rests encrypted under the master key, and only for as long as it may still sign.</summary>
internal sealed class SigningKey : IEntityTypeConfiguration<SigningKey>
{
    /// <summary>The <c>kid</c>: the key's JWK thumbprint (RFC 7638).</summary>
    public string Id { get; set; } = "";

    public SigningKeyState State { get; set; }

    /// <summary>SubjectPublicKeyInfo, DER.</summary>
    public byte[] PublicKey { get; set; } = [];

    /// <summary>PKCS#8, DER, encrypted; gone when the key is retired or revoked.</summary>
    public byte[]? PrivateKey { get; set; }

    public DateTimeOffset CreatedAt { get; set; }

    /// <summary>When it became current.</summary>
    public DateTimeOffset? ActivatedAt { get; set; }

    /// <summary>When it was retired or revoked.</summary>
    public DateTimeOffset? EndedAt { get; set; }

    void IEntityTypeConfiguration<SigningKey>.Configure(EntityTypeBuilder<SigningKey> builder)
    {
        builder.ToTable("SigningKeys");
        builder.Property(k => k.Id).HasMaxLength(64);
        builder.Property(k => k.State).HasConversion<string>().HasMaxLength(10).IsConcurrencyToken();
        builder.Property(k => k.PublicKey).HasMaxLength(200);
        builder.Property(k => k.PrivateKey).HasMaxLength(400);
        // At most one current and one next key, whoever creates them at the same time.
        builder.HasIndex(k => k.State).IsUnique().HasFilter("State IN ('Current', 'Next')");
    }
}

internal static class SigningKeyTable
{
    extension(AppDb db)
    {
        public DbSet<SigningKey> SigningKeys => db.Set<SigningKey>();
    }
}
