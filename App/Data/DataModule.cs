using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.Identity;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Storage;
using Microsoft.Extensions.Options;

namespace App.Data;

/// <summary>The database, the master key, and the keys of Data Protection.</summary>
internal static class DataModule
{
    public static IServiceCollection AddData(this IServiceCollection services)
    {
        services.AddSettings<DatabaseOptions>("Database");
        services.AddSettings<ConnectionStringOptions>("ConnectionStrings");
        services.AddSettings<KeyOptions>("Keys");
        services.AddSettingsRule(MasterKeyFaults);
        services.AddSettingsRule(StorageSettings.Faults);
        services.AddSingleton(FindMasterKey);

        // Version 3 has the table of passkeys. The context reads it from here, not from its own property.
        services.Configure<IdentityOptions>(identity => identity.Stores.SchemaVersion = IdentitySchemaVersions.Version3);
        services.AddDbContextPool<SqliteDb>((sp, db) => db
            .ConfigureWarnings(LeaveFailuresToTheCaller)
            .UseSqlite(SqliteConnectionString(sp))
            .AddInterceptors(new SqliteConnectionSetup())
            .AddInterceptors(sp.GetServices<IInterceptor>()));
        services.AddDbContextPool<SqlServerDb>((sp, db) => db
            .ConfigureWarnings(LeaveFailuresToTheCaller)
            .UseSqlServer(SqlServerPatience.In(sp.GetRequiredService<ConnectionStringOptions>().Default ?? ""), sql =>
            {
                // Its own wraps what may pass by itself, a lost deadlock for one, in an exception that isn't the database's; whoever catches is to meet the same as on SQLite.
                sql.ExecutionStrategy(dependencies => new NonRetryingExecutionStrategy(dependencies));
                if (sp.GetRequiredService<DatabaseOptions>().MaxBatchSize is int size) sql.MaxBatchSize(size);
            })
            .AddInterceptors(sp.GetServices<IInterceptor>()));
        services.AddScoped<ScopesDatabase>();
        services.AddScoped(sp => sp.GetRequiredService<ScopesDatabase>().Instead ?? (sp.GetRequiredService<DatabaseOptions>().Provider == DatabaseProvider.SqlServer
            ? sp.GetRequiredService<SqlServerDb>()
            : sp.GetRequiredService<SqliteDb>()));

        services.AddSingleton<SchemaState>();
        services.AddSingleton(new StartStep(async (sp, ct) =>
        {
            await (sp.GetRequiredService<DatabaseOptions>().MigrateOnStart ? MigrateAsync(sp, ct) : DemandSchemaAsync(sp, ct));
            sp.GetRequiredService<SchemaState>().Set();
        }));
        const string usage = "migrate (brings the schema up to date)";
        services.AddSingleton(new Command("migrate", usage, async (sp, args, output, ct) =>
        {
            if (args.Length > 0)
            {
                await output.WriteLineAsync("Usage: App " + usage);
                return 2;
            }

            await MigrateAsync(sp, ct);
            await output.WriteLineAsync("The schema is up to date.");
            return 0;
        }, Prepared: false));
        services.AddSingleton<GroupCommit>();
        services.AddSingleton<WarmUp>();
        services.AddHostedService(sp => sp.GetRequiredService<WarmUp>());
        services.AddSingleton<HourlySweep>();
        services.AddHostedService(sp => sp.GetRequiredService<HourlySweep>());

        services.AddDataProtection().SetApplicationName("gatehouse").PersistKeysToDbContext<AppDb>();
        services.AddSingleton<IConfigureOptions<KeyManagementOptions>>(sp => new ConfigureOptions<KeyManagementOptions>(
            options => options.XmlEncryptor = new XmlEncryptor(sp.GetRequiredService<MasterKey>())));
        return services;
    }

    // A taken address or a lost race is no error, and whatever is one is logged by those who catch it, once.
    // SQL Server's messages hold the value that was in the way, an e-mail address for example.
    private static void LeaveFailuresToTheCaller(WarningsConfigurationBuilder warnings) =>
        warnings.Log((RelationalEventId.CommandError, LogLevel.Debug), (RelationalEventId.TransactionError, LogLevel.Debug), (CoreEventId.SaveChangesFailed, LogLevel.Debug));

    private static async Task MigrateAsync(IServiceProvider services, CancellationToken ct)
    {
        await using var scope = services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        await StorageSettings.ExplainAsync(db, () => SchemaMigration.RunAsync(db, ct));
    }

    private static async Task DemandSchemaAsync(IServiceProvider services, CancellationToken ct)
    {
        await using var scope = services.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        var pending = false;
        await HeadStart.Over.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await StorageSettings.ExplainAsync(db, async () => pending = (await db.Database.GetPendingMigrationsAsync(ct)).Any());
        if (pending)
            throw new SettingsException(["Database:MigrateOnStart is false, and the schema isn't up to date. Run `App migrate` first, or set it to true."]);
    }

    private static IEnumerable<string> MasterKeyFaults(IServiceProvider services)
    {
        var text = services.GetRequiredService<KeyOptions>().MasterKey;
        if (text is not null && !MasterKey.TryParse(text, out _))
            yield return "Keys:MasterKey isn't 32 bytes of base64. Make one with: openssl rand -base64 32";
        else if (text is null && !services.GetRequiredService<IHostEnvironment>().IsDevelopment())
            yield return "Keys:MasterKey isn't set, and only Development makes one by itself. Give 32 random bytes in base64 (openssl rand -base64 32) as Keys__MasterKey in the environment or the secrets folder.";
    }

    private static MasterKey FindMasterKey(IServiceProvider services) =>
        MasterKey.TryParse(services.GetRequiredService<KeyOptions>().MasterKey, out var key)
            ? key
            : MasterKey.ReadOrCreate(Path.Combine(services.GetRequiredService<HostSettings>().DataPath, "master.key"));

    private static string SqliteConnectionString(IServiceProvider services)
    {
        var given = services.GetRequiredService<ConnectionStringOptions>().Default;
        var connection = new SqliteConnectionStringBuilder(given);
        if (string.IsNullOrWhiteSpace(given))
        {
            var host = services.GetRequiredService<HostSettings>();
            PrivateFolder.Ensure(host.DataPath);
            (connection.DataSource, connection.DefaultTimeout) = (StorageSettings.SqliteFile(host), 1);
        }

        // Made by the migration alone: where the file is moved away from a running service, a new and empty one must not take its place.
        if (!connection.ShouldSerialize("Mode")) connection.Mode = SqliteOpenMode.ReadWrite;
        return connection.ToString();
    }
}
