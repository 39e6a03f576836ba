using Microsoft.EntityFrameworkCore;

namespace App.Data;

/// <summary>
/// Small writes that many requests want at once, in one transaction: on SQLite most of what such a write costs is its transaction, and there is
/// one writer at a time anyway. While one transaction waits for the disk the next one's work gathers, so that nobody waits for company.
/// On SQL Server, which lets writers work side by side, each is by itself.
/// </summary>
internal sealed class GroupCommit(IServiceScopeFactory scopes)
{
    /// <summary>Bounds how long other writers wait for their turn.</summary>
    private const int Most = 64;

    private readonly Lock _turn = new();
    private Queue<Work> _waiting = [];
    private bool _running;

    /// <summary>Returns what <paramref name="work"/> returned when what it wrote survives a power cut.</summary>
    /// <param name="db">The caller's own, for where nothing is shared.</param>
    /// <param name="work">
    /// Touches rows of its own and violates no constraint: an error of the database takes the others' work back, too. What it throws by itself
    /// before it writes is its own caller's alone.
    /// </param>
    /// <exception cref="System.Data.Common.DbException">Nothing was written.</exception>
    public Task<T> RunAsync<T>(AppDb db, Func<AppDb, Task<T>> work)
    {
        if (!db.Database.IsSqlite()) return work(db);
        var mine = new Work<T>(work);
        lock (_turn)
        {
            _waiting.Enqueue(mine);
            if (_running) return mine.Result;
            _running = true;
        }

        // Not as part of the request that happens to be first: neither its trace nor its end are the others'.
        ThreadPool.UnsafeQueueUserWorkItem(static me => _ = me.WriteAsync(), this, preferLocal: false);
        return mine.Result;
    }

    private async Task WriteAsync()
    {
        while (Take() is { Length: > 0 } together)
        {
            try
            {
                await using var scope = scopes.CreateAsyncScope();
                var db = scope.ServiceProvider.GetRequiredService<AppDb>();
                await using var transaction = await db.BeginWriteAsync(CancellationToken.None);
                foreach (var work in together) await work.RunAsync(db);
                await transaction.CommitAsync(CancellationToken.None);
                foreach (var work in together) work.Done();
            }
            catch (Exception e)
            {
                foreach (var work in together) work.Failed(e);
            }
        }
    }

    private Work[] Take()
    {
        lock (_turn)
        {
            var taken = new Work[Math.Min(_waiting.Count, Most)];
            for (var i = 0; i < taken.Length; i++) taken[i] = _waiting.Dequeue();
            _running = taken.Length > 0;
            return taken;
        }
    }

    private abstract class Work
    {
        public abstract Task RunAsync(AppDb db);
        public abstract void Done();
        public abstract void Failed(Exception e);
    }

    private sealed class Work<T>(Func<AppDb, Task<T>> work) : Work
    {
        private readonly TaskCompletionSource<T> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T _result = default!;
        private Exception? _ownFault;

        public Task<T> Result => _answer.Task;

        public override async Task RunAsync(AppDb db)
        {
            try
            {
                _result = await work(db);
            }
            catch (Exception e) when (e is not System.Data.Common.DbException)
            {
                _ownFault = e;
            }
        }

        public override void Done()
        {
            if (_ownFault is null) _answer.SetResult(_result);
            else _answer.SetException(_ownFault);
        }

        public override void Failed(Exception e) => _answer.TrySetException(_ownFault ?? e);
    }
}
