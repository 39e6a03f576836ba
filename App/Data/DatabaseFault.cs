using System.Data.Common;
using Microsoft.Data.SqlClient;

namespace App.Data;

/// <summary>What the database said, however deeply it is wrapped: EF Core does so once with all that is refused by SaveChanges.</summary>
internal static class DatabaseFault
{
    /// <summary>Whether the database is to blame, or that no connection to it was left.</summary>
    public static bool Is(Exception? exception)
    {
        for (var e = exception; e is not null; e = e.InnerException)
            if (e is DbException || IsPoolExhausted(e)) return true;
        return false;
    }

    public static DbException? Of(Exception? exception)
    {
        for (; exception is not null; exception = exception.InnerException)
            if (exception is DbException fault) return fault;
        return null;
    }

    /// <summary>SQL Server's driver calls it an <see cref="InvalidOperationException"/>, and its source tells it from a fault of ours.</summary>
    public static bool IsPoolExhausted(Exception exception) =>
        exception is InvalidOperationException && exception.Source == typeof(SqlConnection).Assembly.GetName().Name && exception.Message.Contains(" pool", StringComparison.Ordinal);
}
