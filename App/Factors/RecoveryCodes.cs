using System.Security.Cryptography;
using System.Text;
using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace App.Factors;

/// <summary>A code for the day the phone is lost. It is gone once it has been used.</summary>
internal sealed class RecoveryCode : IEntityTypeConfiguration<RecoveryCode>
{
    public Guid UserId { get; set; }

    /// <summary>HMAC-SHA-256 under a key derived from the master key: a copy of the database alone gives nothing to try codes against.</summary>
    public byte[] Hash { get; set; } = [];

    void IEntityTypeConfiguration<RecoveryCode>.Configure(EntityTypeBuilder<RecoveryCode> builder)
    {
        builder.ToTable("RecoveryCodes");
        builder.HasKey(c => new { c.UserId, c.Hash });
        builder.Property(c => c.Hash).HasMaxLength(32);
        builder.HasOne<User>().WithMany().HasForeignKey(c => c.UserId).OnDelete(DeleteBehavior.Cascade);
    }
}

/// <summary>Ten codes of 49 random bits, shown once, each good once.</summary>
internal sealed class RecoveryCodes(AppDb db, MasterKey masterKey)
{
    public const int Count = 10;

    // Without letters that are taken for digits.
    private const string Alphabet = "abcdefghjkmnpqrstuvwxyz23456789";
    private const int Half = 5;

    public Task<int> LeftAsync(Guid userId, CancellationToken ct) => db.Set<RecoveryCode>().CountAsync(c => c.UserId == userId, ct);

    /// <summary>New ones in place of all there were; the caller saves.</summary>
    public async Task<IReadOnlyList<string>> ReplaceAsync(Guid userId, CancellationToken ct)
    {
        await RemoveAsync(userId, ct);
        var codes = new HashSet<string>(StringComparer.Ordinal);
        while (codes.Count < Count) codes.Add($"{RandomNumberGenerator.GetString(Alphabet, Half)}-{RandomNumberGenerator.GetString(Alphabet, Half)}");
        foreach (var code in codes) db.Add(new RecoveryCode { UserId = userId, Hash = HashOf(userId, code) });
        return [.. codes];
    }

    public Task RemoveAsync(Guid userId, CancellationToken ct) => db.Set<RecoveryCode>().Where(c => c.UserId == userId).ExecuteDeleteAsync(ct);

    /// <summary>True for exactly one of however many show the same code at once. Part of the caller's transaction.</summary>
    public async Task<bool> SpendAsync(Guid userId, string code, CancellationToken ct)
    {
        var hash = HashOf(userId, code);
        return await db.Set<RecoveryCode>().Where(c => c.UserId == userId && c.Hash == hash).ExecuteDeleteAsync(ct) == 1;
    }

    private byte[] HashOf(Guid userId, string code)
    {
        var plain = string.Concat(code.Where(char.IsAsciiLetterOrDigit)).ToLowerInvariant();
        return HMACSHA256.HashData(masterKey.Derive("recovery codes"), Encoding.UTF8.GetBytes($"{userId} {plain}"));
    }
}
