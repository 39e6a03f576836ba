using System.Net;
using App.Data;
using App.Shared;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Data;

public sealed class SchemaMigrationTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gatehouse-empty-").FullName;

    private string Database => Path.Combine(_folder, "gatehouse.db");

    public void Dispose()
    {
        SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Three_processes_may_start_on_one_empty_database_at_once()
    {
        var apps = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Task.Run(Start)));
        foreach (var app in apps)
        {
            Assert.Equal(HttpStatusCode.OK, (await app.Client.GetAsync("/health/ready")).StatusCode);
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
        Assert.Equal(HttpStatusCode.OK, (await app.Client.GetAsync("/health/ready")).StatusCode);
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
        Assert.Equal(0, await command.RunAsync(services, [], output, CancellationToken.None));
        Assert.False(command.Prepared);
        Assert.Equal("The schema is up to date." + Environment.NewLine, output.ToString());
        await using (var scope = services.CreateAsyncScope())
            Assert.Empty(await scope.ServiceProvider.GetRequiredService<AppDb>().Database.GetPendingMigrationsAsync());
        await step.RunAsync(services, CancellationToken.None);
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
            .AddInMemoryCollection(settings.Append(("DataDir", _folder)).Select(s => KeyValuePair.Create(s.Item1, s.Item2)))
            .Build());
        services.AddSettings<HostSettings>("");
        services.AddLogging();
        services.AddData();
        return services.BuildServiceProvider();
    }

    private SqliteConnection Open()
    {
        var connection = new SqliteConnection($"Data Source={Database};Pooling=False");
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
