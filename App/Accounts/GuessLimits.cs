using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace App.Accounts;

/// <summary>Wrong passwords for one address, whether or not it has an account. The address itself isn't kept, only a keyed hash.</summary>
internal sealed class GuessLimit : IEntityTypeConfiguration<GuessLimit>
{
    public string Key { get; set; } = "";
    public int Failures { get; set; }
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

/// <summary>
/// The exact limit on guessing. A guess is counted as wrong before it is evaluated and taken back when it was right, so that however many
/// arrive at once, no more are evaluated than the limit allows: the tenth within 15 minutes locks, and each further one locks for longer.
/// </summary>
internal sealed class GuessLimits(AppDb db, MasterKey masterKey, TimeProvider time)
{
    public const int Allowed = 10;

    private static readonly TimeSpan Window = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan FirstLock = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestLock = TimeSpan.FromHours(1);
    private static readonly TimeSpan Forgotten = TimeSpan.FromDays(1);

    // Every turn of the loop means that somebody else's guess was counted, and after ten the answer is a lock.
    private const int MostTurns = 100;

    public static readonly Sweep Sweep = new((db, now, ct) =>
    {
        var horizon = now - Forgotten;
        return db.Set<GuessLimit>().Where(g => g.LastAt < horizon).ExecuteDeleteAsync(ct);
    });

    /// <summary>Asks leave for one guess.</summary>
    /// <returns>Null to go ahead; otherwise how long to wait.</returns>
    public async Task<TimeSpan?> ReserveAsync(string address, CancellationToken ct)
    {
        var key = KeyOf(address);
        for (var turn = 0; turn < MostTurns; turn++)
        {
            // Once locked, a burst is refused by this look, which waits for nobody.
            if (Wait(await FindAsync(key, ct)) is { } known) return known;

            // Looked at again as the writer: where there is only one at a time, nobody comes between; elsewhere the version tells.
            await using var transaction = await db.BeginWriteAsync(ct);
            var seen = await FindAsync(key, ct);
            if (Wait(seen) is { } wait) return wait;
            var next = Counted(seen, key, time.GetUtcNow());
            if (!(seen is null ? await InsertAsync(next, ct) : await UpdateAsync(next, seen.Version, ct))) continue;
            await transaction.CommitAsync(ct);
            return null;
        }

        return FirstLock;
    }

    /// <summary>The guess was right, or could not be evaluated: it doesn't count. Part of the caller's unit of work.</summary>
    public Task ForgiveAsync(string address, bool wasRight, CancellationToken ct)
    {
        var row = db.Set<GuessLimit>().Where(g => g.Key == KeyOf(address));
        return wasRight
            ? row.ExecuteDeleteAsync(ct)
            : row.ExecuteUpdateAsync(set => set
                .SetProperty(g => g.Failures, g => g.Failures - 1)
                // Whatever lock there was before is over, or there had been no leave to guess: one that stands now came with this guess.
                .SetProperty(g => g.Locks, g => g.LockedUntil == null ? g.Locks : g.Locks - 1)
                .SetProperty(g => g.LockedUntil, (DateTimeOffset?)null)
                .SetProperty(g => g.Version, g => g.Version + 1), ct);
    }

    private static GuessLimit Counted(GuessLimit? seen, string key, DateTimeOffset now)
    {
        // Waiting for a lock to end isn't keeping quiet: otherwise the one of 16 minutes would give ten new guesses.
        var quiet = seen is null ? Forgotten : now - (seen.LockedUntil ?? seen.LastAt);
        var failures = 1 + (quiet >= Window ? 0 : seen!.Failures);
        var locks = quiet >= Forgotten ? 0 : seen!.Locks;
        var locked = failures >= Allowed;
        return new GuessLimit
        {
            Key = key,
            Failures = failures,
            Locks = locked ? locks + 1 : locks,
            LastAt = now,
            LockedUntil = locked ? now + LockAfter(locks) : null,
            Version = (seen?.Version ?? 0) + 1,
        };
    }

    private static TimeSpan LockAfter(int locks) => locks >= 6 ? LongestLock : FirstLock * (1 << locks);

    private Task<GuessLimit?> FindAsync(string key, CancellationToken ct) =>
        db.Set<GuessLimit>().AsNoTracking().SingleOrDefaultAsync(g => g.Key == key, ct);

    private TimeSpan? Wait(GuessLimit? limit) => limit?.LockedUntil - time.GetUtcNow() is { } wait && wait > TimeSpan.Zero ? wait : null;

    private async Task<bool> UpdateAsync(GuessLimit next, long seen, CancellationToken ct) =>
        await db.Set<GuessLimit>().Where(g => g.Key == next.Key && g.Version == seen).ExecuteUpdateAsync(set => set
            .SetProperty(g => g.Failures, next.Failures)
            .SetProperty(g => g.Locks, next.Locks)
            .SetProperty(g => g.LastAt, next.LastAt)
            .SetProperty(g => g.LockedUntil, next.LockedUntil)
            .SetProperty(g => g.Version, next.Version), ct) == 1;

    private async Task<bool> InsertAsync(GuessLimit next, CancellationToken ct)
    {
        db.Add(next);
        try
        {
            await db.SaveChangesAsync(ct);
            return true;
        }
        catch (DbUpdateException e) when (UniqueViolation.Is(e))
        {
            return false;
        }
        finally
        {
            db.Entry(next).State = EntityState.Detached;
        }
    }

    private string KeyOf(string address) =>
        Base64Url.EncodeToString(HMACSHA256.HashData(masterKey.Derive("guess limits"), Encoding.UTF8.GetBytes(address)));
}
