using System.Data.Common;
using System.Runtime.CompilerServices;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace App.Data;

/// <summary>
/// What every SQLite connection of ours starts with.
/// <c>busy_timeout</c>: the engine waits for another process that writes in steps of milliseconds (the driver alone would sleep 150 ms at a time),
/// and gives up while somebody is still waiting for the 503.
/// <c>synchronous=NORMAL</c>: a commit survives a crash of the process; <see cref="WriteTransaction"/> waits until it survives a power cut, too.
/// </summary>
internal sealed class SqliteConnectionSetup : DbConnectionInterceptor
{
    private const string Pragmas = "PRAGMA busy_timeout = 1900; PRAGMA synchronous = NORMAL;";

    // The driver pools what is below a connection, and these stay with it: once is enough.
    private readonly ConditionalWeakTable<object, object> _ready = [];

    public override void ConnectionOpened(DbConnection connection, ConnectionEndEventData eventData) => Run(connection);

    public override Task ConnectionOpenedAsync(DbConnection connection, ConnectionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        Run(connection);
        return Task.CompletedTask;
    }

    private void Run(DbConnection connection)
    {
        var handle = ((SqliteConnection)connection).Handle!;
        if (_ready.TryGetValue(handle, out _)) return;
        using var command = connection.CreateCommand();
        command.CommandText = Pragmas;
        command.ExecuteNonQuery();
        _ready.TryAdd(handle, handle);
    }
}
