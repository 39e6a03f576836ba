using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace App.Mail;

/// <summary>A link in a letter that does one thing once. The text in the link is stored nowhere, only its hash.</summary>
internal sealed class OneTimeLink : IEntityTypeConfiguration<OneTimeLink>
{
    /// <summary>SHA-256 of the 256 random bits in the link.</summary>
    public byte[] Hash { get; set; } = [];

    /// <summary>The one thing it does: a link for one purpose is no link for another.</summary>
    public required string Purpose { get; set; }

    public Guid? UserId { get; set; }
    public string? Details { get; set; }

    /// <summary>Hash of an address that nobody else may take while the link is good.</summary>
    public string? Holds { get; set; }

    public DateTimeOffset ExpiresAt { get; set; }
    public DateTimeOffset? UsedAt { get; set; }

    void IEntityTypeConfiguration<OneTimeLink>.Configure(EntityTypeBuilder<OneTimeLink> builder)
    {
        builder.ToTable("OneTimeLinks");
        builder.HasKey(l => l.Hash);
        builder.Property(l => l.Hash).HasMaxLength(32);
        builder.Property(l => l.Purpose).HasMaxLength(40);
        builder.Property(l => l.Details).HasMaxLength(2000);
        builder.Property(l => l.Holds).HasMaxLength(43).IsUnicode(false);
        builder.HasOne<User>().WithMany().HasForeignKey(l => l.UserId).OnDelete(DeleteBehavior.Cascade);
        builder.HasIndex(l => l.Holds);
        builder.HasIndex(l => l.ExpiresAt);
    }
}

/// <summary>
/// Makes, shows and uses links. A GET only looks (a mail scanner follows every link it finds); using one is a conditional update
/// in the caller's transaction, which of any number at any number of replicas exactly one wins.
/// </summary>
internal sealed class OneTimeLinks(AppDb db, TimeProvider time)
{
    private const int Size = 32;

    public static readonly Sweep Sweep = new((db, now, ct) => db.ForgetAsync(db.Set<OneTimeLink>().Where(l => l.ExpiresAt < now).OrderBy(l => l.ExpiresAt), ct));

    /// <returns>The text for the link, which can't be had again. The row is saved by the caller.</returns>
    public string Add(string purpose, Guid? userId, TimeSpan life, string? details = null, string? holds = null) =>
        AddUntil(purpose, userId, time.GetUtcNow() + life, details, holds);

    /// <summary>The same, and it ends later than each before it of its owner and purpose: its end tells which was first, which clocks that differ, or are set back, don't.</summary>
    public async Task<string> AddAfterAsync(string purpose, Guid userId, TimeSpan life, string details, string holds, CancellationToken ct)
    {
        var (end, last) = (time.GetUtcNow() + life, await db.Set<OneTimeLink>().Where(l => l.UserId == userId && l.Purpose == purpose).OrderByDescending(l => l.ExpiresAt).Select(l => l.ExpiresAt).FirstOrDefaultAsync(ct));
        return AddUntil(purpose, userId, end > last ? end : last.AddTicks(1), details, holds);
    }

    private string AddUntil(string purpose, Guid? userId, DateTimeOffset end, string? details, string? holds)
    {
        var secret = RandomNumberGenerator.GetBytes(Size);
        db.Set<OneTimeLink>().Add(new OneTimeLink
        {
            Hash = SHA256.HashData(secret),
            Purpose = purpose,
            UserId = userId,
            Details = details,
            Holds = holds is null ? null : HashOf(holds),
            ExpiresAt = end,
        });
        return Base64Url.EncodeToString(secret);
    }

    /// <summary>A link that is still good; looking changes nothing.</summary>
    public async Task<OneTimeLink?> FindAsync(string purpose, string? text, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        return Parse(text) is { } hash
            ? await db.Set<OneTimeLink>().AsNoTracking().SingleOrDefaultAsync(l => l.Hash == hash && l.Purpose == purpose && l.UsedAt == null && l.ExpiresAt > now, ct)
            : null;
    }

    /// <summary>Uses it up, in the caller's transaction.</summary>
    /// <returns>False where somebody else was faster.</returns>
    public async Task<bool> UseAsync(OneTimeLink link, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        return await db.Set<OneTimeLink>().Where(l => l.Hash == link.Hash && l.UsedAt == null && l.ExpiresAt > now)
            .ExecuteUpdateAsync(set => set.SetProperty(l => l.UsedAt, now).SetProperty(l => l.Details, (string?)null), ct) == 1;
    }

    /// <summary>Withdraws a person's links for these purposes, in the caller's transaction.</summary>
    public Task WithdrawAsync(Guid userId, string[] purposes, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        return db.Set<OneTimeLink>().Where(l => l.UserId == userId && l.UsedAt == null && purposes.Contains(l.Purpose))
            .ExecuteUpdateAsync(set => set.SetProperty(l => l.UsedAt, now).SetProperty(l => l.Details, (string?)null), ct);
    }

    /// <summary>Withdraws its owner's links of the same purpose that are no older, in the caller's transaction: of those that were made by <see cref="AddAfterAsync"/>.</summary>
    public Task WithdrawSinceAsync(OneTimeLink link, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        return db.Set<OneTimeLink>().Where(l => l.UserId == link.UserId && l.Purpose == link.Purpose && l.UsedAt == null && l.ExpiresAt >= link.ExpiresAt)
            .ExecuteUpdateAsync(set => set.SetProperty(l => l.UsedAt, now).SetProperty(l => l.Details, (string?)null), ct);
    }

    /// <summary>What a person's good links for this purpose were made with.</summary>
    public Task<List<string>> DetailsAsync(Guid userId, string purpose, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        return db.Set<OneTimeLink>().Where(l => l.UserId == userId && l.Purpose == purpose && l.UsedAt == null && l.ExpiresAt > now && l.Details != null).Select(l => l.Details!).ToListAsync(ct);
    }

    /// <summary>Until when a person has a good link for this purpose; null where they have none.</summary>
    public Task<DateTimeOffset?> OpenUntilAsync(Guid userId, string purpose, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        return db.Set<OneTimeLink>().Where(l => l.UserId == userId && l.Purpose == purpose && l.UsedAt == null && l.ExpiresAt > now)
            .OrderByDescending(l => l.ExpiresAt).Select(l => (DateTimeOffset?)l.ExpiresAt).FirstOrDefaultAsync(ct);
    }

    /// <summary>Whether an address is kept for somebody other than <paramref name="but"/>.</summary>
    public Task<bool> HoldsAsync(string address, Guid? but, CancellationToken ct)
    {
        var (hash, now) = (HashOf(address), time.GetUtcNow());
        return db.Set<OneTimeLink>().AnyAsync(l => l.Holds == hash && l.UsedAt == null && l.ExpiresAt > now && l.UserId != but, ct);
    }

    private static byte[]? Parse(string? text)
    {
        Span<byte> secret = stackalloc byte[Size];
        return text is not null && text.Length == Base64Url.GetEncodedLength(Size)
            && Base64Url.DecodeFromChars(text, secret, out _, out var written) == OperationStatus.Done && written == Size
            ? SHA256.HashData(secret)
            : null;
    }

    private static string HashOf(string address) => Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(address)));
}
