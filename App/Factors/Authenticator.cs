using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace App.Factors;

/// <summary>
/// A person's second step: while there is this row, a password alone signs nobody in. It comes with an authenticator app, confirmed by a code,
/// or without one, where their passkeys are the second step and nothing else is.
/// </summary>
internal sealed class Authenticator : IEntityTypeConfiguration<Authenticator>
{
    public Guid UserId { get; set; }

    /// <summary>The secret shared with the app, under the master key and bound to its user; empty where there is no app.</summary>
    public byte[] Secret { get; set; } = [];

    public bool HasApp => Secret.Length > 0;

    public DateTimeOffset AddedAt { get; set; }

    /// <summary>The newest time step that was ever accepted: neither it nor an earlier one is accepted again (RFC 6238 section 5.2).</summary>
    public long LastStep { get; set; }

    public static byte[] Seal(MasterKey masterKey, Guid userId, byte[] secret) => masterKey.Encrypt(secret, Purpose(userId));

    public byte[] Open(MasterKey masterKey) => masterKey.Decrypt(Secret, Purpose(UserId));

    private static string Purpose(Guid userId) => $"authenticator of {userId}";

    void IEntityTypeConfiguration<Authenticator>.Configure(EntityTypeBuilder<Authenticator> builder)
    {
        builder.ToTable("Authenticators");
        builder.HasKey(a => a.UserId);
        builder.Property(a => a.UserId).ValueGeneratedNever();
        builder.Property(a => a.Secret).HasMaxLength(100);
        builder.HasOne<User>().WithMany().HasForeignKey(a => a.UserId).OnDelete(DeleteBehavior.Cascade);
    }
}

internal static class AuthenticatorTable
{
    extension(AppDb db)
    {
        public DbSet<Authenticator> Authenticators => db.Set<Authenticator>();
    }
}
