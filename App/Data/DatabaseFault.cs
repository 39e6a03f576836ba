using System.Data.Common;
using System.Runtime.CompilerServices;
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

    /// <summary>SQL Server's number of it; null where it isn't SQL Server's.</summary>
    // Not inlined: where the database is SQLite the other's client isn't even loaded, which in trouble, as with too many files open, couldn't be done any more.
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int? SqlServerNumber(DbException exception) => exception is SqlException { Number: var number } ? number : null;

    /// <summary>SQL Server's driver calls it an <see cref="InvalidOperationException"/>, and its source tells it from a fault of ours.</summary>
    public static bool IsPoolExhausted(Exception exception) =>
        exception is InvalidOperationException && exception.Source == "Microsoft.Data.SqlClient" && exception.Message.Contains(" pool", StringComparison.Ordinal);
}
