using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;

namespace App.Data;

/// <summary>
/// A transaction that is going to write. SQLite has one writer at a time: waiting for it inside the engine would block a thread of the pool
/// per waiter and starve requests that only read, so writers of one process queue here, asynchronously. The disk is waited for after the
/// next one has been let in (<see cref="SharedSync"/>). Disposed without commit, it never was.
/// </summary>
internal sealed class WriteTransaction : IAsyncDisposable
{
    private static readonly ConcurrentDictionary<string, Queue> Queues = new(StringComparer.Ordinal);

    // Past this the database is as good as away: 503, not a growing line.
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(2);

    private readonly AppDb _db;
    private readonly Queue? _queue;
    private readonly IDbContextTransaction _transaction;
    private bool _ended;

    private WriteTransaction(AppDb db, Queue? queue, IDbContextTransaction transaction) => (_db, _queue, _transaction) = (db, queue, transaction);

    /// <param name="asked">Since when somebody has waited for it; now, where it is left away.</param>
    public static async Task<WriteTransaction> BeginAsync(AppDb db, CancellationToken ct, long? asked = null)
    {
        asked ??= Stopwatch.GetTimestamp();
        var queue = db.IsSqlite ? QueueOf(db) : null;
        if (queue is not null && !await queue.Gate.WaitAsync(LongestWait, ct)) throw new DatabaseBusyException();
        try
        {
            // Whoever was before has waited in vain, and this one with them: twice as long is more than anybody was promised.
            if (queue?.GaveUpAt > asked) throw new DatabaseBusyException();
            // Who has hashed a password meanwhile would be the next to wait for as long: until somebody has written again, a short look has to do.
            if (queue is { GaveUpAt: not 0 } && !await SqliteConnectionSetup.IsFreeAsync(db, ct))
            {
                queue.GaveUpAt = Stopwatch.GetTimestamp();
                throw new DatabaseBusyException();
            }

            // Not only before somebody is told "done": what was written and refused would count as done later, such as a renewal whose answer nobody got.
            queue?.Sync.DemandFile();
            var transaction = await db.Database.BeginTransactionAsync(ct);
            queue?.GaveUpAt = 0;
            return new WriteTransaction(db, queue, transaction);
        }
        catch (Exception e)
        {
            if (e is SqliteException { SqliteErrorCode: 5 or 6 }) queue?.GaveUpAt = Stopwatch.GetTimestamp();
            queue?.Gate.Release();
            SqliteConnectionSetup.Renew(db.Database.GetDbConnection(), e); // beginning is no command, of which the interceptor hears
            throw;
        }
    }

    /// <summary>Returns when what was written survives a power cut.</summary>
    public async Task CommitAsync(CancellationToken ct)
    {
        await CommitUnflushedAsync(ct);
        if (_queue is not null) await _queue.Sync.WaitAsync();
        _db.IsOnDisk();
    }

    /// <summary>Returns when all that could be read before the call is on the disk, whoever wrote it.</summary>
    /// <returns>False where the disk refuses, which whoever wrote it is told, too.</returns>
    public static async Task<bool> FlushAsync(AppDb db)
    {
        if (!db.IsSqlite) return true; // there, nobody sees what isn't
        try
        {
            await QueueOf(db).Sync.WaitAsync();
            return true;
        }
        catch (UnflushedException)
        {
            return false;
        }
    }

    private static Queue QueueOf(AppDb db) => Queues.GetOrAdd(db.Database.GetConnectionString()!, _ => new Queue(db.Database.GetDbConnection().DataSource));

    /// <summary>Returns when what was written survives a crash of this process: for what nobody is told of, and what a power cut may take back.</summary>
    public async Task CommitUnflushedAsync(CancellationToken ct)
    {
        await _transaction.CommitAsync(ct);
        await DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_ended) return;
        _ended = true;
        try
        {
            await _transaction.DisposeAsync();
        }
        finally
        {
            _queue?.Gate.Release();
        }
    }

    private sealed class Queue(string file)
    {
        public SemaphoreSlim Gate { get; } = new(1);

        /// <summary>When another process kept the database for longer than anybody waits, until somebody has written again; else 0. Read and written by whom the gate has let in.</summary>
        public long GaveUpAt { get; set; }

        public SharedSync Sync { get; } = new(file);
    }
}

internal static class WriteTransactions
{
    extension(AppDb db)
    {
        public Task<WriteTransaction> BeginWriteAsync(CancellationToken ct, long? asked = null) => WriteTransaction.BeginAsync(db, ct, asked);
    }
}

/// <summary>Too many writers wait already.</summary>
public sealed class DatabaseBusyException() : System.Data.Common.DbException("The database is busy.")
{
    public override bool IsTransient => true;
}
