using Microsoft.Data.SqlClient;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace App.Data;

/// <summary>
/// Brings the schema up to date, safely with several processes at once.
/// On SQL Server, EF Core's lock belongs to the connection and dies with it. On SQLite it is a row, which a killed process leaves behind
/// and every later start would wait for, for ever: there, a lock on a file (which the kernel gives back) stands in front of it.
/// </summary>
internal static class SchemaMigration
{
    private static readonly TimeSpan MakingTakes = TimeSpan.FromSeconds(5);

    public static async Task RunAsync(AppDb db, CancellationToken ct)
    {
        await HeadStart.Over.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!db.IsSqlite)
        {
            SqlServerPatience.TakeTime(db);
            try
            {
                await db.Database.MigrateAsync(ct);
            }
            catch (SqlException e) when (e.Number is 1801 or 1807) // is there, can't be made beside another
            {
                // EF Core's lock is of the database, which several that find none all make. One does, and sets it up while nobody is in it.
                await Task.Delay(MakingTakes, ct);
                await db.Database.MigrateAsync(ct);
            }

            return;
        }

        var connection = new SqliteConnectionStringBuilder(db.Database.GetConnectionString());
        var file = connection.DataSource;
        await using var alone = await LockAsync(file + ".migrating", ct);
        // Only where there is none: closing the file gives up whatever locks this process holds on it.
        if (connection.Mode == SqliteOpenMode.ReadWrite && !File.Exists(file)) PrivateFolder.Create(file);
        // So that nobody who reads waits for one who writes. It stays with the file; EF Core does it only for files that it creates itself.
        await db.WriteAsync("PRAGMA journal_mode = WAL", ct);
        if (await CreateAsync(db, ct) || await IsUpToDateAsync(db, ct)) return;
        await ForgetStaleLockAsync(db, ct);
        await db.Database.MigrateAsync(ct);
    }

    // What all migrations do to an empty database, in one go. That it is the same, a test sees to.
    private static async Task<bool> CreateAsync(AppDb db, CancellationToken ct)
    {
        if (await db.ExistsAsync("SELECT 1 FROM sqlite_master", ct)) return false;
        using var script = new StreamReader(typeof(SchemaMigration).Assembly.GetManifestResourceStream("Schema.sql")!);
        await using var transaction = await db.Database.BeginTransactionAsync(ct);
        await db.WriteAsync(await script.ReadToEndAsync(ct), ct);
        await transaction.CommitAsync(ct);
        return true;
    }

    // As GetPendingMigrations, without all that EF Core puts together to write scripts, at a start that has none to run.
    private static async Task<bool> IsUpToDateAsync(AppDb db, CancellationToken ct)
    {
        if (!await db.ExistsAsync("SELECT 1 FROM sqlite_master WHERE name = '__EFMigrationsHistory'", ct)) return false;
        var applied = new HashSet<string>(StringComparer.Ordinal);
        await db.ReadAsync("""SELECT "MigrationId" FROM "__EFMigrationsHistory" """, row => applied.Add(row.GetString(0)), ct);
        return db.GetService<IMigrationsAssembly>().Migrations.Keys.All(applied.Contains);
    }

    private static async Task<FileStream> LockAsync(string path, CancellationToken ct)
    {
        // Where another process is migrating, it will let go, or the kernel will for it.
        for (; ; await Task.Delay(TimeSpan.FromMilliseconds(50), ct))
            if (PrivateFolder.TryLock(path) is { } alone) return alone;
    }

    private static async Task ForgetStaleLockAsync(AppDb db, CancellationToken ct)
    {
        var locked = await db.Database.SqlQueryRaw<int>("SELECT count(*) AS Value FROM sqlite_master WHERE name = '__EFMigrationsLock'").SingleAsync(ct);
        if (locked > 0) await db.Database.ExecuteSqlRawAsync("DELETE FROM __EFMigrationsLock", ct);
    }
}

/// <summary>Whether there is a schema yet: whoever reads beside the start waits, and asks an empty database nothing.</summary>
internal sealed class SchemaState
{
    private readonly TaskCompletionSource _there = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task There => _there.Task;

    public void Set() => _there.TrySetResult();
}
