using System.Data.Common;
using Microsoft.Data.SqlClient;
using Microsoft.Data.Sqlite;

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
    }

    private static bool IsConnectionString(DatabaseProvider provider, string text)
    {
        try
        {
            DbConnectionStringBuilder builder = provider == DatabaseProvider.SqlServer ? new SqlConnectionStringBuilder() : new SqliteConnectionStringBuilder();
            builder.ConnectionString = text;
            return true;
        }
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            return false;
        }
    }
}
