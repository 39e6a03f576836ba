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
            catch (Exception e) when (e is not OperationCanceledException)
            {
                LogFailed(e.Message);
            }
        }
    }

    [LoggerMessage(1101, LogLevel.Error, "Forgetting what has expired failed: {Cause}")]
    private partial void LogFailed(string cause);
}
