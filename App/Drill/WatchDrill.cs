using System.Data.Common;
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
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(200), LaterPace = TimeSpan.FromSeconds(1);

    public void Begun(Guid id) => _ = FollowAsync(id, lifetime.ApplicationStopping);

    private async Task FollowAsync(Guid id, CancellationToken ct)
    {
        var began = time.GetUtcNow();
        DrillView? view = null;
        using var timer = new PeriodicTimer(Pace, time);
        try
        {
            while (await timer.WaitForNextTickAsync(ct))
            {
                if (time.GetUtcNow() - began > DrillWords.Patience) timer.Period = LaterPace;
                if (await LookAsync(id, view, ct) is not { } seen) continue;
                view = seen;
                if (DrillOutcome.Of(view, time.GetUtcNow()) is not { } outcome) continue;
                await EndAsync(id, outcome, ct);
                return;
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
        catch (Exception e) when (e is DbException || e.InnerException is DbException)
        {
            return null; // The next look may succeed.
        }
    }

    private async Task EndAsync(Guid id, DrillOutcome outcome, CancellationToken ct)
    {
        figures.Drill(outcome.Word, outcome.Seconds);
        if (outcome.Late > 0) NotWithin(id, outcome.Word, outcome.Service ?? "", outcome.Seconds ?? 0, outcome.Late);
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        await using var transaction = await db.BeginWriteAsync(ct);
        await db.Sessions.Where(s => s.Id == id).ExecuteUpdateAsync(set => set.SetProperty(s => s.UserAgent, outcome.Write()), ct);
        await transaction.CommitUnflushedAsync(ct);
    }

    [LoggerMessage(7205, LogLevel.Warning, "Fire drill {SessionId} wasn't within its target: {Outcome}, {Service} {Seconds} s, {Late} in all")]
    private partial void NotWithin(Guid sessionId, string outcome, string service, double seconds, int late);

    [LoggerMessage(7206, LogLevel.Error, "What came of a fire drill can't be written down: {Cause}")]
    private partial void LogFailed(string cause);
}
