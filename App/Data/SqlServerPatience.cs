using Microsoft.Data.SqlClient;
using Microsoft.EntityFrameworkCore;

namespace App.Data;

/// <summary>
/// How long SQL Server is waited for. Whoever asks gets a 503 in two seconds, not in fifteen (the driver's own for a connection) or thirty
/// (for a statement); what nobody waits for, such as a migration, takes its time.
/// </summary>
internal static class SqlServerPatience
{
    private const int Seconds = 2;
    private static readonly TimeSpan Unhurried = TimeSpan.FromMinutes(10);

    /// <summary>The connection string, with these limits where it names none.</summary>
    public static string In(string connectionString)
    {
        var builder = new SqlConnectionStringBuilder(connectionString);
        if (!builder.ShouldSerialize("Connect Timeout")) builder.ConnectTimeout = Seconds;
        if (!builder.ShouldSerialize("Command Timeout")) builder.CommandTimeout = Seconds;
        return builder.ConnectionString;
    }

    /// <summary>For as long as this context is in use.</summary>
    public static void TakeTime(AppDb db)
    {
        if (!db.IsSqlite) db.Database.SetCommandTimeout(Unhurried);
    }
}
