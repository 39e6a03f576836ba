using App.Data;
using App.Shared;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Data;

public sealed class SchemaMigrationTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gatehouse-empty-").FullName;

    private string Database => Path.Combine(_folder, "gatehouse.db");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Three_processes_may_start_on_one_empty_database_at_once()
    {
        var apps = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Task.Run(Start)));
        foreach (var app in apps)
        {
            await app.UntilReadyAsync();
            await app.DisposeAsync();
        }

        await using var db = Open();
        Assert.Single(await Column(db, "SELECT MigrationId FROM __EFMigrationsHistory WHERE MigrationId LIKE '%Initial'"));
        Assert.Equal(["Current", "Next"], await Column(db, "SELECT State FROM SigningKeys ORDER BY State"));
    }

    [Fact]
    public async Task A_process_killed_in_a_migration_does_not_block_the_next()
    {
        // What is left behind: EF Core's lock row, and our file, which nobody holds any more.
        await using (var db = Open())
        {
            await Run(db, "CREATE TABLE __EFMigrationsLock (Id INTEGER NOT NULL CONSTRAINT PK___EFMigrationsLock PRIMARY KEY, Timestamp TEXT NOT NULL)");
            await Run(db, "INSERT INTO __EFMigrationsLock VALUES (1, '2026-01-01 00:00:00.000+00:00')");
        }

        await File.WriteAllTextAsync(Database + ".migrating", "");

        await using var app = await Task.Run(Start).WaitAsync(TimeSpan.FromSeconds(60));
        await app.UntilReadyAsync();
    }

    [Fact]
    public async Task A_migration_waits_for_one_that_is_under_way()
    {
        await using var services = Unprepared();
        await using var scope = services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        var running = new FileStream(Database + ".migrating", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);

        using var patience = new CancellationTokenSource(TimeSpan.FromMilliseconds(300));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => SchemaMigration.RunAsync(db, patience.Token));
        Assert.NotEmpty(await db.Database.GetPendingMigrationsAsync());

        await running.DisposeAsync();
        await SchemaMigration.RunAsync(db, CancellationToken.None);
        Assert.Empty(await db.Database.GetPendingMigrationsAsync());
    }

    [Fact]
    public async Task An_empty_database_is_made_by_one_script_into_what_all_migrations_make_of_it()
    {
        var path = Repository.PathOf("App", "Migrations", "Sqlite", "Schema.sql");
        var migrated = await MadeByAsync(db => db.GetService<IMigrator>().MigrateAsync());
        if (Environment.GetEnvironmentVariable(ModelTests.Rewrite) is { Length: > 0 }) await File.WriteAllTextAsync(path, migrated);
        Assert.True(
            migrated == await File.ReadAllTextAsync(path),
            $"The migrations for SQLite changed. Run the tests with {ModelTests.Rewrite}=1, look at the difference in App/Migrations/Sqlite/Schema.sql, and commit it.");
        Assert.Equal(migrated, await MadeByAsync(db => SchemaMigration.RunAsync(db, CancellationToken.None)));
    }

    [Fact]
    public async Task A_database_that_lacks_the_newest_migration_alone_gets_it_and_one_that_has_all_is_left_as_it_is()
    {
        await using var services = Unprepared();
        await using var scope = services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        await File.WriteAllBytesAsync(Database, []);
        await db.GetService<IMigrator>().MigrateAsync(db.Database.GetMigrations().SkipLast(1).Last());
        Assert.Single(await db.Database.GetPendingMigrationsAsync());

        await SchemaMigration.RunAsync(db, CancellationToken.None);
        Assert.Empty(await db.Database.GetPendingMigrationsAsync());

        await using var file = Open();
        var version = await Column(file, "PRAGMA schema_version");
        await SchemaMigration.RunAsync(db, CancellationToken.None);
        Assert.Equal(version, await Column(file, "PRAGMA schema_version"));
    }

    [Fact] // A running program's file can't be opened for writing, and neither can any on a volume that is read-only: nobody will ever let go of it.
    public async Task A_file_that_can_not_be_written_is_told_and_not_waited_for()
    {
        if (!OperatingSystem.IsLinux()) return; // elsewhere the file of this very process may be written
        File.CreateSymbolicLink(Database + ".migrating", Environment.ProcessPath!);
        await using var services = Unprepared();
        var step = services.GetServices<StartStep>().First();
        var refusal = await Assert.ThrowsAsync<SettingsException>(() => step.RunAsync(services, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(20)));
        Assert.StartsWith($"DataDir: {Database}.migrating can't be used: ", Assert.Single(refusal.Faults), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("true")]
    [InlineData("false")]
    public async Task A_server_that_is_away_is_told_in_one_line(string migrateOnStart)
    {
        // Port 9 (discard) is nobody's here.
        await using var services = Unprepared(("Database:Provider", "SqlServer"), ("Database:MigrateOnStart", migrateOnStart), ("ConnectionStrings:Default", "Server=127.0.0.1,9;Database=x;User Id=x;Password=eleven-char"));
        var step = services.GetServices<StartStep>().First();
        var refusal = await Assert.ThrowsAsync<SettingsException>(() => step.RunAsync(services, CancellationToken.None));
        Assert.StartsWith("ConnectionStrings:Default: the database can't be opened: ", Assert.Single(refusal.Faults), StringComparison.Ordinal);
        Assert.DoesNotContain("eleven-char", refusal.Message, StringComparison.Ordinal);
    }

    [Theory] // the name of the format and nonsense after it; nonsense alone
    [InlineData(0, 16_000)]
    [InlineData(100, 150)]
    public async Task A_file_that_is_no_database_is_told_and_kept(int from, int length)
    {
        await File.WriteAllBytesAsync(Database, [.. "SQLite format 3\0"u8.ToArray().Concat(Enumerable.Repeat((byte)0xA5, 20_000)).Skip(from).Take(length)]);
        var before = await File.ReadAllBytesAsync(Database);
        await using var services = Unprepared();
        var step = services.GetServices<StartStep>().First();
        var refusal = await Assert.ThrowsAsync<SettingsException>(() => step.RunAsync(services, CancellationToken.None));
        Assert.StartsWith($"DataDir: {Database} can't be read as a database: ", Assert.Single(refusal.Faults), StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllBytesAsync(Database));
    }

    [Fact]
    public async Task Without_MigrateOnStart_the_schema_is_left_to_the_command()
    {
        await using var services = Unprepared(("Database:MigrateOnStart", "false"));
        var step = services.GetServices<StartStep>().First();
        var refusal = await Assert.ThrowsAsync<SettingsException>(() => step.RunAsync(services, CancellationToken.None));
        Assert.StartsWith("Database:MigrateOnStart is false, and the schema isn't up to date.", Assert.Single(refusal.Faults), StringComparison.Ordinal);
        await using (var scope = services.CreateAsyncScope())
            Assert.NotEmpty(await scope.ServiceProvider.GetRequiredService<AppDb>().Database.GetPendingMigrationsAsync());

        var command = services.GetServices<Command>().Single(c => c.Name == "migrate");
        using var output = new StringWriter();
        Assert.Equal(2, await command.RunAsync(services, ["x"], output, CancellationToken.None));
        Assert.Equal("Usage: App migrate (brings the schema up to date)" + Environment.NewLine, output.ToString());
        output.GetStringBuilder().Clear();
        Assert.Equal(0, await command.RunAsync(services, [], output, CancellationToken.None));
        Assert.False(command.Prepared);
        Assert.Equal("The schema is up to date." + Environment.NewLine, output.ToString());
        await using (var scope = services.CreateAsyncScope())
            Assert.Empty(await scope.ServiceProvider.GetRequiredService<AppDb>().Database.GetPendingMigrationsAsync());
        await step.RunAsync(services, CancellationToken.None);
    }

    /// <summary>Makes a database, and says by which statements it is made again: its tables and indexes, and their rows.</summary>
    private async Task<string> MadeByAsync(Func<AppDb, Task> make)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder, Guid.NewGuid().ToString())).FullName;
        var file = Path.Combine(folder, "gatehouse.db");
        await File.WriteAllBytesAsync(file, []);
        await using (var services = Unprepared(("DataDir", folder)))
        await using (var scope = services.CreateAsyncScope())
            await make(scope.ServiceProvider.GetRequiredService<AppDb>());

        await using var db = Open(file);
        var statements = await Column(db, "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid");
        foreach (var table in await Column(db, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid"))
        {
            var columns = await Column(db, $"SELECT name FROM pragma_table_info('{table}') ORDER BY cid");
            statements.AddRange(await Column(db, $"""SELECT 'INSERT INTO "{table}" VALUES (' || {string.Join(" || ', ' || ", columns.Select(c => $"quote(\"{c}\")"))} || ')' FROM "{table}" ORDER BY rowid"""));
        }

        return string.Concat(statements.Select(statement => statement + ";\n")).ReplaceLineEndings("\n");
    }

    private TestApp Start()
    {
        var app = TestApp.Start(("DataDir", _folder));
        _ = app.Services;
        return app;
    }

    // The slice alone, before any start step has run.
    private ServiceProvider Unprepared(params (string Key, string? Value)[] settings)
    {
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Append(("DataDir", _folder)).DistinctBy(s => s.Item1).Select(s => KeyValuePair.Create(s.Item1, s.Item2)))
            .Build());
        services.AddSettings<HostSettings>("");
        services.AddLogging();
        services.AddData();
        return services.BuildServiceProvider();
    }

    private SqliteConnection Open(string? file = null)
    {
        var connection = new SqliteConnection($"Data Source={file ?? Database};Pooling=False");
        connection.Open();
        return connection;
    }

    private static async Task Run(SqliteConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<List<string>> Column(SqliteConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await using var reader = await command.ExecuteReaderAsync();
        var values = new List<string>();
        while (await reader.ReadAsync()) values.Add(reader.GetString(0));
        return values;
    }
}
