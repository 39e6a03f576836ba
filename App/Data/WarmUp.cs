using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace App.Data;

/// <summary>Writes as the first request that signs somebody in would, on a database that is thrown away.</summary>
public sealed record WarmUpStep(Func<IServiceProvider, CancellationToken, Task> RunAsync);

/// <summary>
/// SQLite has one writer at a time, and the first write of a process would keep all other processes from theirs for most of a second, while
/// the runtime compiles what it takes. So it is done once before, on an empty database beside it, while pages are served already. The process
/// isn't ready (<c>/health/ready</c>) until then.
/// </summary>
internal sealed partial class WarmUp(IServiceScopeFactory scopes, IServiceProvider services, IEnumerable<WarmUpStep> steps, ILogger<WarmUp> logger) : BackgroundService
{
    // What is compiled is compiled for the process, however many hosts it has.
    private static int _begun;

    public bool IsOver { get; private set; }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            if (services.GetRequiredService<DatabaseOptions>().Provider == DatabaseProvider.Sqlite && Interlocked.Exchange(ref _begun, 1) == 0) await RunAsync(stoppingToken);
        }
        catch (Exception e) when (!stoppingToken.IsCancellationRequested)
        {
            Cold(e.GetType().Name, e.Message); // slower at first, and no worse
        }
        finally
        {
            IsOver = true;
        }
    }

    /// <summary>The steps, and what they wrote is gone.</summary>
    internal async Task RunAsync(CancellationToken ct)
    {
        var folder = Directory.CreateTempSubdirectory("gatehouse-");
        try
        {
            await using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = Path.Combine(folder.FullName, "empty.db"), Pooling = false }.ToString());
            await using var db = new SqliteDb(new DbContextOptionsBuilder<SqliteDb>(services.GetRequiredService<DbContextOptions<SqliteDb>>()).UseSqlite(connection).Options);
            await CopySchemaAsync(db, ct);
            await using var scope = scopes.CreateAsyncScope();
            scope.ServiceProvider.GetRequiredService<ScopesDatabase>().Instead = db;
            foreach (var step in steps) await step.RunAsync(scope.ServiceProvider, ct);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private async Task CopySchemaAsync(AppDb to, CancellationToken ct)
    {
        await using var scope = scopes.CreateAsyncScope();
        var statements = await scope.ServiceProvider.GetRequiredService<AppDb>().Database
            .SqlQueryRaw<string>("SELECT sql AS Value FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid").ToListAsync(ct);
        await to.Database.OpenConnectionAsync(ct);
        await using var command = to.Database.GetDbConnection().CreateCommand();
        command.CommandText = string.Join(";\n", ["PRAGMA journal_mode = MEMORY", .. statements]);
        await command.ExecuteNonQueryAsync(ct);
    }

    [LoggerMessage(1010, LogLevel.Warning, "The first write will be slow, because the one before it failed: {Exception}: {Reason}")]
    private partial void Cold(string exception, string reason);
}

/// <summary>The database of one scope, where it isn't the one that is set.</summary>
internal sealed class ScopesDatabase
{
    public AppDb? Instead { get; set; }
}
