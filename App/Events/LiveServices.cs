namespace App.Events;

/// <summary>
/// The services there are, for those who serve one for longer than a request. The registry's slice stands above, and tells here whenever
/// something has changed: whoever was let in by credentials that are good no more is let go, and pushing starts and ends.
/// </summary>
internal sealed class LiveServices
{
    private readonly Lock _turn = new();
    private readonly Dictionary<CallingService, CancellationTokenSource> _served = [];
    private Func<CallingService, bool> _isGood = _ => true;
    private volatile IReadOnlyList<PushReceiver> _receivers = [];
    private volatile TaskCompletionSource _changed = NewSource();

    /// <summary>Those who want events pushed.</summary>
    public IReadOnlyList<PushReceiver> Receivers => _receivers;

    /// <summary>Ends at the next change. Take it before looking, wait for it after.</summary>
    public Task Changed => _changed.Task;

    /// <param name="isGood">Whether the service is still there, as it was, and the secret that it showed still good.</param>
    public void Set(Func<CallingService, bool> isGood, IReadOnlyList<PushReceiver> receivers)
    {
        List<CancellationTokenSource> ended = [];
        lock (_turn)
        {
            (_isGood, _receivers) = (isGood, receivers);
            foreach (var service in _served.Keys.Where(s => !isGood(s)).ToList())
                if (_served.Remove(service, out var gone)) ended.Add(gone);
        }

        // Not on this thread: a thousand streams may hang on one of them.
        foreach (var gone in ended) _ = gone.CancelAsync();
        Interlocked.Exchange(ref _changed, NewSource()).TrySetResult();
    }

    /// <summary>Ends with the credentials that the service has shown.</summary>
    public CancellationToken Until(CallingService service)
    {
        lock (_turn)
        {
            if (!_isGood(service)) return new CancellationToken(canceled: true);
            if (!_served.TryGetValue(service, out var end)) _served[service] = end = new CancellationTokenSource();
            return end.Token;
        }
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>Where a service wants its events pushed (RFC 8935).</summary>
/// <param name="Secret">Sent as a bearer token, so that the receiver knows us; null where it asks for none.</param>
internal sealed record PushReceiver(CallingService Service, Uri Url, string? Secret)
{
    public override string ToString() => $"push receiver of {Service.Id}";
}
