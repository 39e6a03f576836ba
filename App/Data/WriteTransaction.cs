using System.Collections.Concurrent;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Storage;

namespace App.Data;

/// <summary>
/// A transaction that is going to write. SQLite has one writer at a time: waiting for it inside the engine would block a thread of the pool
/// per waiter and starve requests that only read, so writers of one process queue here, asynchronously. Disposed without commit, it never was.
/// </summary>
internal sealed class WriteTransaction : IAsyncDisposable
{
    private static readonly ConcurrentDictionary<string, SemaphoreSlim> Gates = new(StringComparer.Ordinal);

    // Past this the database is as good as away: 503, not a growing line.
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(2);

    private readonly SemaphoreSlim? _gate;
    private readonly IDbContextTransaction _transaction;

    private WriteTransaction(SemaphoreSlim? gate, IDbContextTransaction transaction) => (_gate, _transaction) = (gate, transaction);

    public static async Task<WriteTransaction> BeginAsync(AppDb db, CancellationToken ct)
    {
        var gate = db.Database.IsSqlite() ? Gates.GetOrAdd(db.Database.GetConnectionString()!, _ => new SemaphoreSlim(1)) : null;
        if (gate is not null && !await gate.WaitAsync(LongestWait, ct)) throw new DatabaseBusyException();
        try
        {
            return new WriteTransaction(gate, await db.Database.BeginTransactionAsync(ct));
        }
        catch
        {
            gate?.Release();
            throw;
        }
    }

    public Task CommitAsync(CancellationToken ct) => _transaction.CommitAsync(ct);

    public async ValueTask DisposeAsync()
    {
        try
        {
            await _transaction.DisposeAsync();
        }
        finally
        {
            _gate?.Release();
        }
    }
}

internal static class WriteTransactions
{
    extension(AppDb db)
    {
        public Task<WriteTransaction> BeginWriteAsync(CancellationToken ct) => WriteTransaction.BeginAsync(db, ct);
    }
}

/// <summary>Too many writers wait already.</summary>
public sealed class DatabaseBusyException() : System.Data.Common.DbException("The database is busy.")
{
    public override bool IsTransient => true;
}
