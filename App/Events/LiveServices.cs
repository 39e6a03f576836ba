namespace App.Events;

/// <summary>
/// The services there are, for those who serve one for longer than a request. The registry's slice stands above, and tells here whenever
/// something has changed: whoever was let in by credentials that are good no more is let go, and pushing starts and ends.
/// A revoked key, which the registry doesn't know of, lets go those whose token it signed.
/// </summary>
internal sealed class LiveServices : IDisposable
{
    private readonly Lock _turn = new();
    private readonly HashSet<Served> _served = [];
    private readonly RevocationIndex _revocations;
    private volatile Func<CallingService, string?, bool> _isGood = (_, _) => true;
    private volatile Func<string, bool> _isThere = _ => true;
    private volatile IReadOnlyList<PushReceiver> _receivers = [];
    private volatile TaskCompletionSource _changed = NewSource();

    public LiveServices(RevocationIndex revocations)
    {
        _revocations = revocations;
        _revocations.Applied += OnApplied;
    }

    /// <summary>Those who want events pushed.</summary>
    public IReadOnlyList<PushReceiver> Receivers => _receivers;

    /// <summary>False for one that was removed, though a replica that didn't know yet may have written down that it was heard of.</summary>
    public bool IsThere(string service) => _isThere(service);

    /// <summary>Ends at the next change. Take it before looking, wait for it after.</summary>
    public Task Changed => _changed.Task;

    /// <param name="isGood">Whether the service is still there, as it was, the secret that it showed still good, and the token of that <c>jti</c> not taken back.</param>
    /// <param name="isThere">Whether there is a service of this id.</param>
    public void Set(Func<CallingService, string?, bool> isGood, Func<string, bool> isThere, IReadOnlyList<PushReceiver> receivers)
    {
        (_isGood, _isThere, _receivers) = (isGood, isThere, receivers);
        LetGo();
        Interlocked.Exchange(ref _changed, NewSource()).TrySetResult();
    }

    /// <summary>Somebody is served until they leave, which they say by disposing, or their credentials are good no more.</summary>
    /// <param name="token">What the service has shown; null where that was its secret.</param>
    public Served Serve(CallingService service, ShownToken? token)
    {
        var one = new Served(this, service, token);
        lock (_turn)
        {
            _served.Add(one);
            if (one.IsOver) one.LetGo();
        }

        return one;
    }

    public void Dispose() => _revocations.Applied -= OnApplied;

    private void OnApplied(LoggedEvent entry)
    {
        if (entry is { KeyId: not null, Revokes: true }) LetGo();
    }

    private void LetGo()
    {
        lock (_turn)
        {
            foreach (var one in _served)
                if (one.IsOver) one.LetGo();
        }
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>One connection or request that is served.</summary>
    internal sealed class Served(LiveServices live, CallingService service, ShownToken? token) : IDisposable
    {
        private readonly CancellationTokenSource _end = new();

        /// <summary>Ends with the credentials.</summary>
        public CancellationToken End => _end.Token;

        /// <summary>Whether the credentials are good no more; <see cref="End"/> may be a moment behind.</summary>
        public bool IsOver => !live._isGood(service, token?.Id) || (token is not null && live._revocations.IsRevoked(Guid.Empty, token.KeyId));

        public void Dispose()
        {
            lock (live._turn) live._served.Remove(this);
            _end.Dispose();
        }

        // Not on this thread: what hangs on it has other things to do than let the next one wait.
        internal void LetGo() => _ = _end.CancelAsync();
    }
}

/// <summary>Where a service wants its events pushed (RFC 8935).</summary>
/// <param name="Secret">Sent as a bearer token, so that the receiver knows us; null where it asks for none.</param>
internal sealed record PushReceiver(CallingService Service, Uri Url, string? Secret)
{
    public override string ToString() => $"push receiver of {Service.Id}";
}
