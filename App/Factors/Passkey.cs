using System.Security.Cryptography;
using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace App.Factors;

/// <summary>A passkey as its owner knows it. The key itself is in Identity's own table, which its WebAuthn code reads.</summary>
internal sealed class Passkey : IEntityTypeConfiguration<Passkey>
{
    public const int LongestName = 60;

    public Guid Id { get; set; }
    public Guid UserId { get; set; }

    /// <summary>SHA-256 of the credential id, which may be a kilobyte.</summary>
    public byte[] CredentialHash { get; set; } = [];

    public string Name { get; set; } = "";
    public DateTimeOffset CreatedAt { get; set; }
    public DateTimeOffset? LastUsedAt { get; set; }

    /// <summary>Backed up by its provider, so it survives the loss of the device.</summary>
    public bool IsSynced { get; set; }

    /// <summary>The authenticator's counter at its last use; zero where it keeps none.</summary>
    public long SignCount { get; set; }

    public static byte[] HashOf(byte[] credentialId) => SHA256.HashData(credentialId);

    void IEntityTypeConfiguration<Passkey>.Configure(EntityTypeBuilder<Passkey> builder)
    {
        builder.ToTable("Passkeys");
        builder.Property(p => p.Id).ValueGeneratedNever();
        builder.Property(p => p.CredentialHash).HasMaxLength(32);
        builder.Property(p => p.Name).HasMaxLength(LongestName);
        builder.HasOne<User>().WithMany().HasForeignKey(p => p.UserId).OnDelete(DeleteBehavior.Cascade);
        builder.HasIndex(p => p.CredentialHash).IsUnique();
        builder.HasIndex(p => p.UserId);
    }
}

internal static class PasskeyTable
{
    extension(AppDb db)
    {
        public DbSet<Passkey> Passkeys => db.Set<Passkey>();

        /// <summary>What its owner knows and the key itself, in the caller's transaction. False where somebody else was faster.</summary>
        public async Task<bool> DeletePasskeyAsync(Passkey passkey, CancellationToken ct)
        {
            var keys = await db.UserPasskeys.Where(p => p.UserId == passkey.UserId).Select(p => p.CredentialId).ToListAsync(ct);
            var key = keys.Find(k => Passkey.HashOf(k).AsSpan().SequenceEqual(passkey.CredentialHash));
            if (await db.Passkeys.Where(p => p.Id == passkey.Id).ExecuteDeleteAsync(ct) == 0) return false;
            await db.UserPasskeys.Where(p => p.CredentialId == key).ExecuteDeleteAsync(ct);
            return true;
        }
    }
}
