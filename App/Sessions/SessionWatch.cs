using System.Collections.Concurrent;
using App.Events;

namespace App.Sessions;

/// <summary>Tells open pages, live, when a session of their user has ended: here, at another replica, or by the command line.</summary>
internal sealed class SessionWatch : IDisposable
{
    private readonly ConcurrentDictionary<Guid, Watcher> _watchers = new();
    private readonly RevocationIndex _index;

    public SessionWatch(RevocationIndex index)
    {
        _index = index;
        _index.Applied += OnApplied;
    }

    /// <summary>True when nothing more may be done in this session's name. A page outlives its access token, not its session or key.</summary>
    public bool IsEnded(CurrentUser user) => _index.IsRevoked(user.SessionId, user.KeyId);

    /// <param name="onEnded">Called with the ended session's id, on any thread; must not throw.</param>
    /// <returns>Dispose to stop watching.</returns>
    public IDisposable Subscribe(Guid userId, Action<Guid?> onEnded)
    {
        var id = Guid.NewGuid();
        _watchers[id] = new Watcher(userId, onEnded);
        return new Subscription(() => _watchers.TryRemove(id, out _));
    }

    public void Dispose() => _index.Applied -= OnApplied;

    private void OnApplied(LoggedEvent entry)
    {
        foreach (var (_, watcher) in _watchers)
            if (entry.UserId is null || watcher.UserId == entry.UserId) ThreadPool.UnsafeQueueUserWorkItem(Tell, (watcher, entry.SessionId), preferLocal: false);
    }

    // Not on the thread that has just committed: a page that is idle would look at the database and draw itself anew there, before anybody else heard.
    private static void Tell((Watcher Watcher, Guid? Session) one) => one.Watcher.OnEnded(one.Session);

    private sealed record Watcher(Guid UserId, Action<Guid?> OnEnded);

    private sealed class Subscription(Action stop) : IDisposable
    {
        public void Dispose() => stop();
    }
}
