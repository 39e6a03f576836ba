using App.Data;
using Microsoft.EntityFrameworkCore;

namespace App.OAuth;

/// <summary>
/// Keeps the registry current with what other replicas change, well within a second, and writes down which services were heard of.
/// </summary>
internal sealed partial class FollowRegistry(ServiceRegistry registry, IServiceScopeFactory scopes, ILogger<FollowRegistry> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan BetweenContacts = TimeSpan.FromMinutes(1);

    private bool _failing;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // The wall's own time: it is a pace, not a deadline.
        using var timer = new PeriodicTimer(Interval);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await registry.CatchUpAsync(stoppingToken);
                await WriteContactsAsync(stoppingToken);
                _failing = false;
            }
            catch (Exception e) when (e is not OperationCanceledException || !stoppingToken.IsCancellationRequested)
            {
                if (!_failing) LogLost(e.Message);
                _failing = true;
            }
        }
    }

    internal async Task WriteContactsAsync(CancellationToken ct)
    {
        var due = registry.All.Select(s => (s.Description.Id, s.Contact, At: s.Contact.Due(BetweenContacts))).Where(s => s.At is not null).ToList();
        if (due.Count == 0) return;
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        await using var transaction = await db.BeginWriteAsync(ct);
        foreach (var (id, _, at) in due)
        {
            // Another replica's later word stays, but for one from a clock that was ahead.
            var future = at + BetweenContacts;
            await db.OAuthClients.Where(c => c.ClientId == id && (c.LastContactAt == null || c.LastContactAt < at || c.LastContactAt > future))
                .ExecuteUpdateAsync(set => set.SetProperty(c => c.LastContactAt, at), ct);
        }

        await transaction.CommitAsync(ct);
        foreach (var (_, contact, at) in due) contact.Written(at!.Value);
    }

    [LoggerMessage(6001, LogLevel.Warning, "The registry of services can't be followed; changes made elsewhere wait: {Cause}")]
    private partial void LogLost(string cause);
}
