namespace App.Drill;

/// <summary>Begins a fire drill whenever one is due: at one replica, whichever comes first. The others find it in the database.</summary>
internal sealed partial class DrillOnSchedule(IServiceScopeFactory scopes, DrillOptions options, TimeProvider time, ILogger<DrillOnSchedule> logger) : BackgroundService
{
    // How much later than due one begins at the most; until then nobody asks the database.
    private static readonly TimeSpan Pace = TimeSpan.FromSeconds(5);

    private DateTimeOffset _due;
    private bool _missing, _failing;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.Every is null) return;
        using var timer = new PeriodicTimer(Pace, time);
        while (await timer.WaitForNextTickAsync(stoppingToken)) await RunOnceAsync(stoppingToken);
    }

    internal async Task RunOnceAsync(CancellationToken ct)
    {
        // Further away than any is: so it was when a clock was ahead.
        if (_due - time.GetUtcNow() is { Ticks: > 0 } wait && wait <= options.Every) return;
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            var schedule = scope.ServiceProvider.GetRequiredService<DrillSchedule>();
            var account = await schedule.AccountAsync(ct);
            Tell(account is null);
            if (account is null) return;
            // Looked at without anybody having to wait for it, and again in the transaction.
            _due = await schedule.DueAsync(account.Id, ct);
            if (_due <= time.GetUtcNow()) await scope.ServiceProvider.GetRequiredService<BeginDrill>().IfDueAsync(ct);
            _failing = false;
        }
        catch (Exception e) when (e is not OperationCanceledException || !ct.IsCancellationRequested)
        {
            if (!_failing) LogFailed(e.Message);
            _failing = true;
        }
    }

    // Once for each change: it is looked at every few seconds.
    private void Tell(bool missing)
    {
        if (missing == _missing) return;
        _missing = missing;
        if (missing) Missing();
        else Found();
    }

    [LoggerMessage(7202, LogLevel.Warning, "No fire drill begins by itself: Drill:Account is no admin's, or is locked")]
    private partial void Missing();

    [LoggerMessage(7203, LogLevel.Information, "Fire drills begin by themselves again: Drill:Account is an admin's")]
    private partial void Found();

    [LoggerMessage(7204, LogLevel.Error, "The fire drill that is due couldn't begin and will be tried again: {Cause}")]
    private partial void LogFailed(string cause);
}
