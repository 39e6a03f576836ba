using App.Events;

namespace App.Push;

/// <summary>Has one sender for each receiver there is, so that a slow one delays nobody else; at every replica, where they take turns.</summary>
internal sealed class PushEvents(LiveServices live, IServiceProvider services) : BackgroundService
{
    private readonly Lock _turn = new();
    private readonly Dictionary<PushReceiver, Running> _running = [];

    /// <summary>Events that were set aside are wanted again.</summary>
    public void Again(string service)
    {
        lock (_turn)
            foreach (var (receiver, running) in _running)
                if (receiver.Service.Id == service) running.Sender.Again();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                var changed = live.Changed;
                var wanted = live.Receivers;
                foreach (var gone in Those(r => !wanted.Contains(r))) await EndAsync(gone);
                var running = Those(_ => true);
                foreach (var receiver in wanted.Except(running)) Begin(receiver);
                await changed.WaitAsync(stoppingToken);
            }
        }
        finally
        {
            await Task.WhenAll(Those(_ => true).Select(EndAsync));
        }
    }

    private List<PushReceiver> Those(Predicate<PushReceiver> which)
    {
        lock (_turn) return [.. _running.Keys.Where(r => which(r))];
    }

    private void Begin(PushReceiver receiver)
    {
        var (sender, end) = (ActivatorUtilities.CreateInstance<PushSender>(services, receiver), new CancellationTokenSource());
        lock (_turn) _running[receiver] = new Running(sender, sender.RunAsync(end.Token), end);
    }

    private async Task EndAsync(PushReceiver receiver)
    {
        Running? ended;
        lock (_turn) _running.Remove(receiver, out ended);
        await ended!.End.CancelAsync();
        await ended.Run.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        ended.End.Dispose();
    }

    private sealed record Running(PushSender Sender, Task Run, CancellationTokenSource End);
}
