using System.Data.Common;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace App.Data;

/// <summary>
/// What every SQLite connection of ours starts with.
/// <c>busy_timeout</c>: the engine waits for another process that writes in steps of milliseconds (the driver alone would sleep 150 ms at a time),
/// and gives up while somebody is still waiting for the 503.
/// <c>synchronous=FULL</c>: an acknowledged sign-out survives a power cut, not only a crash.
/// </summary>
internal sealed class SqliteConnectionSetup : DbConnectionInterceptor
{
    private const string Pragmas = "PRAGMA busy_timeout = 1900; PRAGMA synchronous = FULL;";

    public override void ConnectionOpened(DbConnection connection, ConnectionEndEventData eventData) => Run(connection);

    public override Task ConnectionOpenedAsync(DbConnection connection, ConnectionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        Run(connection);
        return Task.CompletedTask;
    }

    private static void Run(DbConnection connection)
    {
        using var command = connection.CreateCommand();
        command.CommandText = Pragmas;
        command.ExecuteNonQuery();
    }
}
