using Microsoft.EntityFrameworkCore;

namespace App.Data;

/// <summary>What a slice forgets when nobody can need it any more. Several replicas may do it at once.</summary>
internal sealed record Sweep(Func<AppDb, DateTimeOffset, CancellationToken, Task> RunAsync);

/// <summary>Once an hour lets every slice drop its expired rows, so that no table grows without end.</summary>
internal sealed partial class HourlySweep(IServiceScopeFactory scopes, IEnumerable<Sweep> sweeps, TimeProvider time, ILogger<HourlySweep> logger) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromHours(1), time);
        while (await timer.WaitForNextTickAsync(stoppingToken)) await RunOnceAsync(stoppingToken);
    }

    internal async Task RunOnceAsync(CancellationToken ct)
    {
        foreach (var sweep in sweeps)
        {
            try
            {
                await using var scope = scopes.CreateAsyncScope();
                var db = scope.ServiceProvider.GetRequiredService<AppDb>();
                SqlServerPatience.TakeTime(db);
                await sweep.RunAsync(db, time.GetUtcNow(), ct);
            }
            catch (Exception e) when (e is not OperationCanceledException || !ct.IsCancellationRequested)
            {
                LogFailed(e.Message);
            }
        }
    }

    [LoggerMessage(1101, LogLevel.Error, "Forgetting what has expired failed: {Cause}")]
    private partial void LogFailed(string cause);
}

/// <summary>Many rows at once would keep every other writer waiting (SQLite) or lock their table (SQL Server).</summary>
internal static class Batches
{
    public const int Size = 1000;

    extension(AppDb db)
    {
        public Task ForgetAsync<T>(IOrderedQueryable<T> rows, CancellationToken ct) => db.WriteInBatchesAsync(rows, some => some.ExecuteDeleteAsync(ct), ct);

        /// <summary>
        /// Whether there are any is asked outside of the transaction, so that nobody waits where there are none; each transaction takes its turn among the writers.
        /// Nobody is told of it, so that it need not survive a power cut.
        /// </summary>
        /// <param name="rows">Those that are wanted, by a column with an index where there is one.</param>
        /// <param name="write">Leaves none of its rows among the wanted.</param>
        public async Task WriteInBatchesAsync<T>(IOrderedQueryable<T> rows, Func<IQueryable<T>, Task<int>> write, CancellationToken ct)
        {
            for (var found = Size; found == Size;)
            {
                found = await rows.Take(Size).CountAsync(ct);
                if (found == 0) return;
                await using var turn = await db.BeginWriteAsync(ct);
                await write(rows.Take(found));
                await turn.CommitUnflushedAsync(ct);
            }
        }
    }
}
