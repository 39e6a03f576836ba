using System.Data.Common;

namespace App.Data;

/// <summary>What the database said, however deeply it is wrapped: EF Core does so once, and twice with a fault of SQL Server that may pass.</summary>
internal static class DatabaseFault
{
    public static DbException? Of(Exception? exception)
    {
        for (; exception is not null; exception = exception.InnerException)
            if (exception is DbException fault) return fault;
        return null;
    }
}
