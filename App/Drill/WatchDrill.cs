using App.Data;
using App.Ops;
using App.Sessions;
using Microsoft.EntityFrameworkCore;

namespace App.Drill;

/// <summary>
/// Looks at a drill that began here until it is over, whoever began it and whether or not anybody looks at a page, and then counts it, and writes
/// down what came of it. One whose process ends meanwhile isn't counted.
/// </summary>
internal sealed partial class WatchDrill(IServiceScopeFactory scopes, Figures figures, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<WatchDrill> logger)
{
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(200), LaterPace = TimeSpan.FromSeconds(1), GivenUp = ShowDrill.Watched + TimeSpan.FromMinutes(5);

    public void Begun(Guid id) => _ = FollowAsync(id, lifetime.ApplicationStopping);

    private async Task FollowAsync(Guid id, CancellationToken ct)
    {
        var began = time.GetUtcNow();
        DrillView? view = null;
        DrillOutcome? over = null;
        using var timer = new PeriodicTimer(Pace, time);
        try
        {
            while (await timer.WaitForNextTickAsync(ct))
            {
                if (time.GetUtcNow() - began > DrillWords.Patience) timer.Period = LaterPace;
                if (over is null)
                {
                    view = await LookAsync(id, view, ct) ?? view;
                    // Not even the database knows of it any more.
                    if (view is null && time.GetUtcNow() - began > GivenUp) return;
                    if (view is null || DrillOutcome.Of(view, time.GetUtcNow()) is not { } outcome) continue;
                    Count(id, over = outcome);
                }

                if (await WriteAsync(id, over, ct)) return;
                timer.Period = LaterPace;
            }
        }
        catch (OperationCanceledException)
        {
            // The process ends.
        }
        catch (Exception e)
        {
            LogFailed(e.Message);
        }
    }

    private async Task<DrillView?> LookAsync(Guid id, DrillView? before, CancellationToken ct)
    {
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            var seen = await scope.ServiceProvider.GetRequiredService<ShowDrill>().OneAsync(id, ct);
            return before is null ? seen : seen?.Remembering(before, time.GetUtcNow());
        }
        catch (Exception e) when (DatabaseFault.Is(e))
        {
            return null; // The next look may succeed.
        }
    }

    private void Count(Guid id, DrillOutcome outcome)
    {
        figures.Drill(outcome.Word, outcome.Seconds);
        if (outcome.Late > 0) NotWithin(id, outcome.Word, outcome.Service ?? "", outcome.Seconds ?? 0, outcome.Late);
    }

    /// <returns>False where the database can't be written to just now.</returns>
    private async Task<bool> WriteAsync(Guid id, DrillOutcome outcome, CancellationToken ct)
    {
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            var db = scope.ServiceProvider.GetRequiredService<AppDb>();
            await using var transaction = await db.BeginWriteAsync(ct);
            await db.Sessions.Where(s => s.Id == id).ExecuteUpdateAsync(set => set.SetProperty(s => s.UserAgent, outcome.Write()), ct);
            await transaction.CommitUnflushedAsync(ct);
            return true;
        }
        catch (Exception e) when (DatabaseFault.Is(e))
        {
            return false;
        }
    }

    [LoggerMessage(7205, LogLevel.Warning, "Fire drill {SessionId} wasn't within its target: {Outcome}, {Service} {Seconds} s, {Late} in all")]
    private partial void NotWithin(Guid sessionId, string outcome, string service, double seconds, int late);

    [LoggerMessage(7206, LogLevel.Error, "What came of a fire drill can't be written down: {Cause}")]
    private partial void LogFailed(string cause);
}
