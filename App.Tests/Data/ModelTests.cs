using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Migrations;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Data;

/// <summary>The model, its migrations and the script for SQL Server say the same. Contexts come from the app: only there is the schema version set.</summary>
public sealed class ModelTests(SharedApp shared) : IClassFixture<SharedApp>
{
    internal const string Rewrite = "UPDATE_EXPECTED";
    private static readonly string Expected = Repository.PathOf("App.Tests", "Data", "sqlserver.sql");

    [Fact]
    public void A_model_change_without_a_migration_for_SQLite_is_red() => AssertNoPendingChanges<SqliteDb>("Sqlite");

    [Fact]
    public void A_model_change_without_a_migration_for_SQL_Server_is_red() => AssertNoPendingChanges<SqlServerDb>("SqlServer");

    [Fact] // The start takes the compiled model, which knows nothing of what changed since.
    public void A_model_change_without_compiling_the_model_is_red()
    {
        using var scope = shared.App.Services.CreateScope();
        foreach (AppDb db in (AppDb[])[scope.ServiceProvider.GetRequiredService<SqliteDb>(), scope.ServiceProvider.GetRequiredService<SqlServerDb>()])
        {
            Assert.Equal(db.GetType().Name + "Model", db.Model.GetType().Name);
            Assert.True(
                Shape(db.GetService<IDesignTimeModel>().Model).SequenceEqual(Shape(db.Model)),
                "The model changed. Compile it anew: the commands are in the README.");
        }
    }

    [Fact]
    public void Both_providers_have_the_same_tables_and_columns()
    {
        using var scope = shared.App.Services.CreateScope();
        Assert.Equal(Columns(scope.ServiceProvider.GetRequiredService<SqliteDb>()), Columns(scope.ServiceProvider.GetRequiredService<SqlServerDb>()));
    }

    [Fact]
    public async Task The_script_for_SQL_Server_is_the_one_that_was_looked_at()
    {
        var script = SqlServerScript();
        if (Environment.GetEnvironmentVariable(Rewrite) is { Length: > 0 }) await File.WriteAllTextAsync(Expected, script);

        Assert.True(
            script == await File.ReadAllTextAsync(Expected),
            $"The migrations for SQL Server changed. Run the tests with {Rewrite}=1, look at the difference in App.Tests/Data/sqlserver.sql, and commit it.");
    }

    [Theory]
    [InlineData("CREATE TABLE [AspNetUserPasskeys]")]
    [InlineData("CREATE TABLE [DataProtectionKeys]")]
    [InlineData("CREATE TABLE [SigningKeys]")]
    [InlineData("CREATE TABLE [SecurityEventLog]")]
    [InlineData("[Cursor] bigint NOT NULL,")]
    [InlineData("CREATE TABLE [EventCounter]")]
    [InlineData("CREATE TABLE [FeedReaders]")]
    [InlineData("CREATE TABLE [TokenLives]")]
    [InlineData("[NormalizedEmail] nvarchar(256) COLLATE Latin1_General_100_BIN2")]
    [InlineData("CREATE UNIQUE INDEX [EmailIndex] ON [AspNetUsers] ([NormalizedEmail]) WHERE [NormalizedEmail] IS NOT NULL")]
    [InlineData("CREATE UNIQUE INDEX [IX_SigningKeys_State] ON [SigningKeys] ([State]) WHERE State IN (''Current'', ''Next'')")]
    [InlineData("CREATE UNIQUE INDEX [IX_SecurityEventLog_Id] ON [SecurityEventLog] ([Id])")]
    [InlineData("REFERENCES [AspNetUsers] ([Id]) ON DELETE CASCADE")]
    [InlineData("IF OBJECT_ID(N'[__EFMigrationsHistory]') IS NULL")]
    public void The_script_for_SQL_Server_has(string text) => Assert.Contains(text, SqlServerScript(), StringComparison.Ordinal);

    [Theory] // An engine without them must do.
    [InlineData("MERGE")]
    [InlineData("WAITFOR")]
    [InlineData("sp_rename")]
    [InlineData("UPDLOCK")]
    [InlineData("HOLDLOCK")]
    public void The_script_for_SQL_Server_does_without(string text) => Assert.DoesNotContain(text, SqlServerScript(), StringComparison.OrdinalIgnoreCase);

    [Fact]
    public async Task The_batch_size_reaches_SQL_Server()
    {
        await using var app = TestApp.Start(("Database:MaxBatchSize", "1"));
        using var scope = app.Services.CreateScope();
        var options = scope.ServiceProvider.GetRequiredService<SqlServerDb>().GetService<IDbContextOptions>();
        Assert.Equal(1, RelationalOptionsExtension.Extract(options).MaxBatchSize);
    }

    private void AssertNoPendingChanges<T>(string folder) where T : AppDb
    {
        using var scope = shared.App.Services.CreateScope();
        Assert.False(
            scope.ServiceProvider.GetRequiredService<T>().Database.HasPendingModelChanges(),
            $"The model changed. Add a migration: dotnet ef migrations add NAME --project App --context {typeof(T).Name} --output-dir Migrations/{folder}");
    }

    private string SqlServerScript()
    {
        using var scope = shared.App.Services.CreateScope();
        var migrator = scope.ServiceProvider.GetRequiredService<SqlServerDb>().GetService<IMigrator>();
        return migrator.GenerateScript(options: MigrationsSqlGenerationOptions.Idempotent).ReplaceLineEndings("\n");
    }

    private static List<string> Shape(IReadOnlyModel model) => [.. model.GetEntityTypes().SelectMany(entity =>
        entity.GetProperties().Select(p => $"{entity.Name}.{p.Name} {p.ClrType} {p.IsNullable} {p.GetMaxLength()} {p.IsConcurrencyToken} {p.ValueGenerated} {p.GetColumnName()}")
            .Concat(entity.GetKeys().Select(key => $"{entity.Name} key {Names(key.Properties)}"))
            .Concat(entity.GetIndexes().Select(index => $"{entity.Name} index {Names(index.Properties)} {index.IsUnique}"))
            .Concat(entity.GetForeignKeys().Select(key => $"{entity.Name} to {key.PrincipalEntityType.Name} {Names(key.Properties)} {key.DeleteBehavior}")))
        .Order(StringComparer.Ordinal)];

    private static string Names(IEnumerable<IReadOnlyProperty> properties) => string.Join(',', properties.Select(p => p.Name));

    private static List<string> Columns(AppDb db) => [.. db.Model.GetEntityTypes()
        .SelectMany(entity => entity.GetProperties().Select(p => $"{entity.GetTableName()}.{p.Name} {(p.IsNullable ? "null" : "not null")} {p.GetMaxLength()}"))
        .Order(StringComparer.Ordinal)];
}
