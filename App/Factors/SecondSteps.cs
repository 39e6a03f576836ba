using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace App.Factors;

/// <summary>Somebody gave the right password and owes a second step. Known by the hash of a challenge that only they hold.</summary>
internal sealed class SecondStep : IEntityTypeConfiguration<SecondStep>
{
    public string Key { get; set; } = "";
    public Guid UserId { get; set; }
    public int Tries { get; set; }
    public DateTimeOffset ExpiresAt { get; set; }

    void IEntityTypeConfiguration<SecondStep>.Configure(EntityTypeBuilder<SecondStep> builder)
    {
        builder.ToTable("SecondSteps");
        builder.HasKey(s => s.Key);
        builder.Property(s => s.Key).HasMaxLength(43).IsUnicode(false);
        builder.HasOne<User>().WithMany().HasForeignKey(s => s.UserId).OnDelete(DeleteBehavior.Cascade);
        builder.HasIndex(s => s.ExpiresAt);
    }
}

/// <summary>
/// The state between the two steps of a sign-in. It is the server's: the challenge is a random text that names a row, so it can be neither
/// made, nor moved to another account, nor used after it has led to a session.
/// </summary>
internal sealed class SecondSteps(AppDb db, TimeProvider time)
{
    public const int MostTries = 5;
    public static readonly TimeSpan Lasts = TimeSpan.FromMinutes(5);

    public static readonly Sweep Sweep = new((db, now, ct) => db.ForgetAsync(db.Set<SecondStep>().Where(s => s.ExpiresAt < now).OrderBy(s => s.ExpiresAt), ct));

    /// <returns>The challenge. The caller saves.</returns>
    public string Begin(Guid userId)
    {
        var challenge = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        db.Add(new SecondStep { Key = KeyOf(challenge), UserId = userId, ExpiresAt = time.GetUtcNow() + Lasts });
        return challenge;
    }

    /// <returns>Whose it is; null for one that is made up, used, worn out or past its time.</returns>
    public async Task<Guid?> OwnerAsync(string? challenge, CancellationToken ct) =>
        await Open(challenge).Select(s => (Guid?)s.UserId).SingleOrDefaultAsync(ct);

    /// <summary>Whether its owner, who gave the right password, has a passkey to answer it with.</summary>
    public Task<bool> TakesPasskeyAsync(string challenge, CancellationToken ct) =>
        Open(challenge).AnyAsync(s => db.Set<Passkey>().Any(p => p.UserId == s.UserId), ct);

    /// <summary>One try more, before it is judged. False where there is none left.</summary>
    public async Task<bool> CountTryAsync(string challenge, CancellationToken ct)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        var counted = await Open(challenge).ExecuteUpdateAsync(set => set.SetProperty(s => s.Tries, s => s.Tries + 1), ct) == 1;
        await transaction.CommitAsync(ct);
        return counted;
    }

    /// <summary>True for exactly one, and only for its owner. Part of the caller's transaction.</summary>
    public async Task<bool> FinishAsync(string challenge, Guid userId, CancellationToken ct)
    {
        var (key, now) = (KeyOf(challenge), time.GetUtcNow());
        return await db.Set<SecondStep>().Where(s => s.Key == key && s.UserId == userId && s.ExpiresAt > now).ExecuteDeleteAsync(ct) == 1;
    }

    /// <summary>The password that led to them is no longer right: all of a person's are over. Part of the caller's transaction.</summary>
    public Task EndAsync(Guid userId, CancellationToken ct) => db.Set<SecondStep>().Where(s => s.UserId == userId).ExecuteDeleteAsync(ct);

    private IQueryable<SecondStep> Open(string? challenge)
    {
        var (key, now) = (KeyOf(challenge ?? ""), time.GetUtcNow());
        return db.Set<SecondStep>().Where(s => s.Key == key && s.Tries < MostTries && s.ExpiresAt > now);
    }

    private static string KeyOf(string challenge) => Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(challenge)));
}
