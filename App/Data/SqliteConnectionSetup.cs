using System.Data.Common;
using System.Runtime.CompilerServices;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using SQLitePCL;

namespace App.Data;

/// <summary>
/// What every SQLite connection of ours starts with.
/// <c>busy_timeout</c>: the engine waits for another process that writes in steps of milliseconds (the driver alone would sleep 150 ms at a time),
/// and gives up while somebody is still waiting for the 503.
/// <c>synchronous=NORMAL</c>: a commit survives a crash of the process; <see cref="WriteTransaction"/> waits until it survives a power cut, too.
/// <c>wal_autocheckpoint</c>: 64 MB, far beyond where <see cref="SharedSync"/> moves the log to the database.
/// </summary>
internal sealed class SqliteConnectionSetup : DbConnectionInterceptor, IDbCommandInterceptor
{
    private const int BusyTimeout = 1500;

    /// <summary>Longer than two processes that both write keep one another waiting.</summary>
    private const int LookTimeout = 300;

    private static readonly string Pragmas = $"PRAGMA busy_timeout = {BusyTimeout}; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 16384;";

    // The driver pools what is below a connection, and these stay with it: once is enough.
    private readonly ConditionalWeakTable<object, object> _ready = [];

    public override void ConnectionOpened(DbConnection connection, ConnectionEndEventData eventData) => Run(connection);

    public override Task ConnectionOpenedAsync(DbConnection connection, ConnectionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        Run(connection);
        return Task.CompletedTask;
    }

    public void CommandFailed(DbCommand command, CommandErrorEventData eventData) => Renew(command.Connection, eventData.Exception);

    public Task CommandFailedAsync(DbCommand command, CommandErrorEventData eventData, CancellationToken cancellationToken = default)
    {
        Renew(command.Connection, eventData.Exception);
        return Task.CompletedTask;
    }

    /// <summary>A file that can't be written just now is opened to be read, without a word, and so it would stay in the pool when it can be written again.</summary>
    public static void Renew(DbConnection? connection, Exception exception)
    {
        if (connection is SqliteConnection sqlite && exception is SqliteException { SqliteErrorCode: 8 }) SqliteConnection.ClearPool(sqlite);
    }

    /// <summary>Whether somebody could write by now, or soon. Below the driver, which waits for a second at least before it says no.</summary>
    public static async Task<bool> IsFreeAsync(AppDb db, CancellationToken ct)
    {
        await db.Database.OpenConnectionAsync(ct);
        var handle = ((SqliteConnection)db.Database.GetDbConnection()).Handle;
        raw.sqlite3_busy_timeout(handle, LookTimeout);
        try
        {
            // The low byte: the driver turns the longer codes on.
            if ((raw.sqlite3_exec(handle, "BEGIN IMMEDIATE") & 0xFF) == raw.SQLITE_BUSY) return false;
            raw.sqlite3_exec(handle, "ROLLBACK");
            return true;
        }
        finally
        {
            raw.sqlite3_busy_timeout(handle, BusyTimeout);
            await db.Database.CloseConnectionAsync();
        }
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
