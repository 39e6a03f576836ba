using System.Data.Common;
using System.Runtime.CompilerServices;
using Microsoft.Data.SqlClient;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace App.Data;

/// <summary>What can be wrong with where data is kept, found before anything is opened.</summary>
internal static class StorageSettings
{
    public static IEnumerable<string> Faults(IServiceProvider services)
    {
        var (host, given) = (services.GetRequiredService<HostSettings>(), services.GetRequiredService<ConnectionStringOptions>().Default);
        var provider = services.GetRequiredService<DatabaseOptions>().Provider;
        if (File.Exists(host.DataPath)) yield return $"DataDir is \"{host.DataDir}\", which is a file. Give a folder; it is made where it is missing.";
        if (provider == DatabaseProvider.SqlServer && string.IsNullOrWhiteSpace(given))
            yield return "ConnectionStrings:Default isn't set, and Database:Provider is SqlServer. Give SQL Server's connection string, from the environment or a secret file.";
        else if (!string.IsNullOrWhiteSpace(given) && !IsConnectionString(provider, given))
            yield return $"ConnectionStrings:Default isn't a connection string for Database:Provider {provider}.";
        // The log beside the database is looked for by its path.
        else if (provider == DatabaseProvider.Sqlite && new SqliteConnectionStringBuilder(given).DataSource.StartsWith("file:", StringComparison.OrdinalIgnoreCase))
            yield return "ConnectionStrings:Default names the database by an URI. Give the path of its file.";
        // One in memory is gone with each connection.
        else if (provider == DatabaseProvider.Sqlite && !string.IsNullOrWhiteSpace(given) && new SqliteConnectionStringBuilder(given) is { DataSource: "" or ":memory:" } or { Mode: SqliteOpenMode.Memory })
            yield return "ConnectionStrings:Default names no file for the database. Give Data Source with the path of one, or leave it out.";
    }

    /// <exception cref="SettingsException">There is none yet, where it is a file in <c>DataDir</c>.</exception>
    public static void DemandDatabase(IServiceProvider services)
    {
        if (services.GetRequiredService<DatabaseOptions>().Provider != DatabaseProvider.Sqlite || !string.IsNullOrWhiteSpace(services.GetRequiredService<ConnectionStringOptions>().Default)) return;
        var file = SqliteFile(services.GetRequiredService<HostSettings>());
        if (!File.Exists(file))
            throw new SettingsException([$"DataDir: there is no {file}. A command works on the database of the service: run it in the service's folder and with its settings, or start the service first."]);
    }

    public static string SqliteFile(HostSettings host) => Path.Combine(host.DataPath, "gatehouse.db");

    /// <summary>Does what opens the database for the first time.</summary>
    /// <exception cref="SettingsException">It can't be opened, or isn't one: one line, where an operator can help.</exception>
    public static async Task ExplainAsync(AppDb db, Func<Task> open)
    {
        try
        {
            await open();
        }
        catch (Exception e) when (Explain(db, DatabaseFault.Of(e)) is { } fault)
        {
            throw new SettingsException([fault]);
        }
    }

    private static string? Explain(AppDb db, DbException? exception) => exception switch
    {
        // read-only, I/O error, full, can't open
        SqliteException { SqliteErrorCode: 8 or 10 or 13 or 14 } => $"DataDir: {db.Database.GetDbConnection().DataSource} can't be used: {exception.Message} Give a folder that this process may write to.",
        // corrupt, no database
        SqliteException { SqliteErrorCode: 11 or 26 } => $"DataDir: {db.Database.GetDbConnection().DataSource} can't be read as a database: {exception.Message} Restore it from a backup, or move it away to begin with an empty one.",
        // no way there, or too slow; no such database, no such login
        SqlException { Class: >= 20 } or SqlException { Number: -2 or 4060 or 18452 or 18456 } => $"ConnectionStrings:Default: the database can't be opened: {exception.Message}",
        _ => null,
    };

    private static bool IsConnectionString(DatabaseProvider provider, string text)
    {
        try
        {
            DbConnectionStringBuilder builder = provider == DatabaseProvider.SqlServer ? ForSqlServer() : new SqliteConnectionStringBuilder();
            builder.ConnectionString = text;
            return true;
        }
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            return false;
        }
    }

    // Not inlined: where the database is SQLite, SQL Server's client isn't even loaded.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static SqlConnectionStringBuilder ForSqlServer() => new();
}
