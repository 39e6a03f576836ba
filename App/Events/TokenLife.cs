using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace App.Events;

/// <summary>
/// A life that access tokens are minted with, here or at another replica, now or until a little ago. What ends tokens is remembered for the
/// longest of these, which neither today's setting nor this process's says. Few rows: one for each setting that has a token alive.
/// </summary>
internal sealed class TokenLife : IEntityTypeConfiguration<TokenLife>
{
    /// <summary>For how long a process may go on minting after it last said so, which it does each hour.</summary>
    public static readonly TimeSpan Notice = TimeSpan.FromHours(2);

    // Of a version without this table, which may go on minting beside us while it is replaced.
    private static readonly TimeSpan LongestRollOut = TimeSpan.FromDays(1);

    public int Seconds { get; set; }

    /// <summary>When the last token minted with it has expired, by any clock.</summary>
    public DateTimeOffset AliveUntil { get; set; }

    void IEntityTypeConfiguration<TokenLife>.Configure(EntityTypeBuilder<TokenLife> builder)
    {
        builder.ToTable("TokenLives");
        builder.HasKey(l => l.Seconds);
        builder.Property(l => l.Seconds).ValueGeneratedNever();
    }

    /// <summary>Says with which life this process mints: before its first token, and each hour. Drops what no token has any more.</summary>
    public static async Task RenewAsync(AppDb db, TokenFacts tokens, DateTimeOffset now, CancellationToken ct)
    {
        // Asked before the counter is locked: people's rows may be, by those who wait for it.
        var replaces = !await db.ExistsAsync("""SELECT 1 FROM "TokenLives" """, ct) && await db.ExistsAsync("""SELECT 1 FROM "AspNetUsers" """, ct);
        await using var transaction = await db.BeginWriteAsync(ct);
        await LockAsync(db, ct);
        if (replaces) await KeepAsync(db, tokens, tokens.LongestLifetime, now + LongestRollOut, ct);
        await KeepAsync(db, tokens, tokens.MintedFor, now + Notice, ct);
        await db.WriteAsync("""DELETE FROM "TokenLives" WHERE "AliveUntil" < @horizon""", ct, ("@horizon", now - RevocationIndex.Slack));
        await transaction.CommitAsync(ct);
    }

    /// <summary>
    /// Whoever writes an entry reads the lives under this lock and keeps it until the commit. So either it finds a life that is about to be
    /// said, or the process that says it mints its first token after the entry's cause was committed, and knows of it.
    /// </summary>
    public static Task LockAsync(AppDb db, CancellationToken ct) => db.WriteAsync("""UPDATE "EventCounter" SET "Value" = "Value" """, ct);

    /// <summary>In a transaction that holds the lock. What was said before is never taken back.</summary>
    public static async Task KeepAsync(AppDb db, TokenFacts tokens, TimeSpan life, DateTimeOffset mintedUntil, CancellationToken ct)
    {
        (string, object?)[] row = [("@seconds", (int)Math.Ceiling(life.TotalSeconds)), ("@until", mintedUntil + tokens.AliveFor(life))];
        await db.WriteAsync("""
            INSERT INTO "TokenLives" ("Seconds", "AliveUntil")
            SELECT @seconds, @until WHERE NOT EXISTS (SELECT 1 FROM "TokenLives" WHERE "Seconds" = @seconds)
            """, ct, row);
        await db.WriteAsync("""UPDATE "TokenLives" SET "AliveUntil" = @until WHERE "Seconds" = @seconds AND "AliveUntil" < @until""", ct, row);
    }
}

internal static class TokenLifeTable
{
    extension(AppDb db)
    {
        public DbSet<TokenLife> TokenLives => db.Set<TokenLife>();
    }
}
