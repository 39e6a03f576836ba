using System.Diagnostics;
using Microsoft.EntityFrameworkCore;

namespace App.Data;

/// <summary>
/// Small writes that many requests want at once, in one transaction: on SQLite most of what such a write costs is its transaction, and there is
/// one writer at a time anyway. While one transaction waits for the disk the next one's work gathers, so that nobody waits for company.
/// Each looks before it writes, outside of the transaction: where nobody has anything to write, there is none.
/// On SQL Server, which lets writers work side by side, each is by itself.
/// </summary>
internal sealed class GroupCommit(IServiceScopeFactory scopes)
{
    /// <summary>Bounds how long other writers wait for their turn.</summary>
    private const int Most = 64;

    private const int Longest = 4096;
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(2);

    private readonly Lock _turn = new();
    private readonly Queue<Work> _waiting = [];
    private bool _running;

    /// <summary>Returns the answer when what was written survives a power cut.</summary>
    /// <param name="db">The caller's own, for where nothing is shared.</param>
    /// <param name="look">
    /// Reads, and returns an answer; or what writes and answers, in the shared transaction. That touches rows of its own and violates no constraint: an error
    /// of the database takes the others' work back, too. What either throws by itself before it writes is its own caller's alone.
    /// </param>
    /// <exception cref="System.Data.Common.DbException">Nothing was written. If it is an <see cref="UnflushedException"/> it may have been: read and acted upon by others, until the power fails.</exception>
    public Task<T> RunAsync<T>(AppDb db, Func<AppDb, Task<Step<T>>> look) where T : class
    {
        if (!db.IsSqlite) return AloneAsync(db, look);
        var mine = new Work<T>(look, Stopwatch.GetTimestamp());
        lock (_turn)
        {
            if (_waiting.Count >= Longest) throw new DatabaseBusyException();
            _waiting.Enqueue(mine);
            if (_running) return mine.Result;
            _running = true;
        }

        // Not as part of the request that happens to be first: neither its trace nor its end are the others'.
        ThreadPool.UnsafeQueueUserWorkItem(static me => _ = me.WriteAsync(), this, preferLocal: false);
        return mine.Result;
    }

    private static async Task<T> AloneAsync<T>(AppDb db, Func<AppDb, Task<Step<T>>> look) where T : class
    {
        var step = await look(db);
        return step.Answer ?? await step.Write!(db);
    }

    private async Task WriteAsync()
    {
        for (var isLine = false; Take(isLine) is { Length: > 0 } together; isLine = true)
        {
            try
            {
                await using var scope = scopes.CreateAsyncScope();
                var db = scope.ServiceProvider.GetRequiredService<AppDb>();
                await db.Database.OpenConnectionAsync();
                foreach (var work in together) await work.LookAsync(db);
                await CommitAsync(db, [.. together.Where(work => work.Writes)]);
                foreach (var work in together) work.Done();
            }
            catch (Exception e)
            {
                foreach (var work in together) work.Failed(e);
            }
        }
    }

    private static async Task CommitAsync(AppDb db, IReadOnlyList<Work> writing)
    {
        if (writing.Count == 0) return;
        await using var transaction = await db.BeginWriteAsync(CancellationToken.None, asked: writing[0].Since);
        foreach (var work in writing) await work.WriteAsync(db);
        await transaction.CommitAsync(CancellationToken.None);
    }

    // Who has waited too long is told so, and doesn't hold the others up: the database is as good as away. Who waited for a thread alone waited for no database.
    private Work[] Take(bool isLine)
    {
        lock (_turn)
        {
            while (isLine && _waiting.TryPeek(out var first) && Stopwatch.GetElapsedTime(first.Since) > LongestWait) _waiting.Dequeue().Failed(new DatabaseBusyException());
            var taken = new Work[Math.Min(_waiting.Count, Most)];
            for (var i = 0; i < taken.Length; i++) taken[i] = _waiting.Dequeue();
            _running = taken.Length > 0;
            return taken;
        }
    }

    /// <param name="Answer">Where there is nothing to write.</param>
    /// <param name="Write">In the shared transaction.</param>
    public readonly record struct Step<T>(T? Answer, Func<AppDb, Task<T>>? Write) where T : class;

    private abstract class Work(long since)
    {
        public long Since => since;
        public abstract bool Writes { get; }
        public abstract Task LookAsync(AppDb db);
        public abstract Task WriteAsync(AppDb db);
        public abstract void Done();
        public abstract void Failed(Exception e);
    }

    private sealed class Work<T>(Func<AppDb, Task<Step<T>>> look, long since) : Work(since) where T : class
    {
        private readonly TaskCompletionSource<T> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private Step<T> _step;
        private T? _result;
        private Exception? _ownFault;

        public Task<T> Result => _answer.Task;

        public override bool Writes => _ownFault is null && _step.Write is not null;

        public override Task LookAsync(AppDb db) => OwnAsync(async () =>
        {
            _step = await look(db);
            _result = _step.Answer;
        });

        public override Task WriteAsync(AppDb db) => OwnAsync(async () => _result = await _step.Write!(db));

        private async Task OwnAsync(Func<Task> run)
        {
            try
            {
                await run();
            }
            catch (Exception e) when (e is not System.Data.Common.DbException)
            {
                _ownFault = e;
            }
        }

        public override void Done()
        {
            if (_ownFault is null) _answer.SetResult(_result!);
            else _answer.SetException(_ownFault);
        }

        public override void Failed(Exception e) => _answer.TrySetException(_ownFault ?? e);
    }
}
