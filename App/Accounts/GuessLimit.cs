using System.Data.Common;
using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace App.Accounts;

/// <summary>Wrong passwords for one address, whether or not it has an account. The address itself isn't kept, only a keyed hash.</summary>
internal sealed class GuessLimit : IEntityTypeConfiguration<GuessLimit>
{
    public string Key { get; set; } = "";
    /// <summary>Judged, and wrong.</summary>
    public int Failures { get; set; }

    /// <summary>Wrong ones at sign-in, or in a session, since the last right one, or for as long as the row has been there.</summary>
    public int InARow { get; set; }

    /// <summary>Under way: their verdicts aren't in yet.</summary>
    public int Pending { get; set; }

    public DateTimeOffset? PendingSince { get; set; }
    public int Locks { get; set; }
    public DateTimeOffset LastAt { get; set; }
    public DateTimeOffset? LockedUntil { get; set; }

    /// <summary>Changes with every write, so that of two writers at once one finds out.</summary>
    public long Version { get; set; }

    void IEntityTypeConfiguration<GuessLimit>.Configure(EntityTypeBuilder<GuessLimit> builder)
    {
        builder.ToTable("GuessLimits");
        builder.HasKey(g => g.Key);
        builder.Property(g => g.Key).HasMaxLength(43).IsUnicode(false);
        builder.HasIndex(g => g.LastAt);
    }
}

/// <summary>The statements of guessing: they run twice with every sign-in.</summary>
internal static class GuessLimitSql
{
    // A text is sent to SQL Server as nvarchar: it would convert each row's key to that, look at all rows instead of one, and lock them.
    private const string Its = "\"Key\" = CAST(@key AS varchar(43))";

    private const string Find = $"""
        SELECT "Failures", "Pending", "PendingSince", "Locks", "LastAt", "LockedUntil", "Version", "InARow" FROM "GuessLimits" WHERE {Its}
        """;

    private const string Insert = """
        INSERT INTO "GuessLimits" ("Key", "Failures", "Pending", "PendingSince", "Locks", "LastAt", "LockedUntil", "Version", "InARow")
        VALUES (@key, @failures, @pending, @pendingSince, @locks, @lastAt, @lockedUntil, @version, @inARow)
        """;

    // The condition on the version lets one of two writers win where both may read at once.
    private const string Update = $"""
        UPDATE "GuessLimits" SET "Failures" = @failures, "Pending" = @pending, "PendingSince" = @pendingSince, "Locks" = @locks,
            "LastAt" = @lastAt, "LockedUntil" = @lockedUntil, "Version" = @version, "InARow" = @inARow
        WHERE {Its} AND "Version" = @version - 1
        """;

    private const string Lower = $"""UPDATE "GuessLimits" SET "Pending" = "Pending" - 1, "Version" = "Version" + 1 WHERE {Its} AND "Pending" > 0""";

    // Others may be under way still: the row stays for their verdicts.
    private const string Forgive = $"""
        UPDATE "GuessLimits" SET "Failures" = 0, "InARow" = 0, "Locks" = 0, "LockedUntil" = NULL, "Pending" = "Pending" - 1, "Version" = "Version" + 1
        WHERE {Its}
        """;

    private const string Forget = $"""DELETE FROM "GuessLimits" WHERE {Its} AND "Pending" <= 0""";

    extension(AppDb db)
    {
        public async Task<GuessLimit?> FindGuessesAsync(string key, CancellationToken ct)
        {
            GuessLimit? found = null;
            await db.ReadAsync(Find, row => found = new GuessLimit
            {
                Key = key,
                Failures = row.GetInt32(0),
                Pending = row.GetInt32(1),
                PendingSince = row.TimeOrNull(2),
                Locks = row.GetInt32(3),
                LastAt = row.Time(4),
                LockedUntil = row.TimeOrNull(5),
                Version = row.GetInt64(6),
                InARow = row.GetInt32(7),
            }, ct, ("@key", key));
            return found;
        }

        /// <returns>False where somebody else came first.</returns>
        public async Task<bool> SaveGuessesAsync(GuessLimit next, CancellationToken ct)
        {
            try
            {
                return await db.WriteAsync(next.Version == 1 ? Insert : Update, ct,
                    ("@key", next.Key), ("@failures", next.Failures), ("@pending", next.Pending), ("@pendingSince", next.PendingSince),
                    ("@locks", next.Locks), ("@lastAt", next.LastAt), ("@lockedUntil", next.LockedUntil), ("@version", next.Version), ("@inARow", next.InARow)) == 1;
            }
            catch (DbException e) when (UniqueViolation.Is(e))
            {
                return false;
            }
        }

        public Task GiveBackGuessAsync(string key) => db.WriteAsync(Lower, CancellationToken.None, ("@key", key));

        /// <returns>False where there were none.</returns>
        public async Task<bool> ForgetGuessesAsync(string key, CancellationToken ct)
        {
            var there = await db.WriteAsync(Forgive, ct, ("@key", key)) > 0;
            await db.WriteAsync(Forget, ct, ("@key", key));
            return there;
        }
    }
}
