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
    /// <param name="isQuick">Whether it does so little that it may be called by whoever has just committed the end, before anybody else hears.</param>
    /// <returns>Dispose to stop watching.</returns>
    public IDisposable Subscribe(Guid userId, Action<Guid?> onEnded, bool isQuick = false)
    {
        var id = Guid.NewGuid();
        _watchers[id] = new Watcher(userId, onEnded, isQuick);
        return new Subscription(() => _watchers.TryRemove(id, out _));
    }

    public void Dispose() => _index.Applied -= OnApplied;

    private void OnApplied(LoggedEvent entry)
    {
        foreach (var (_, watcher) in _watchers)
        {
            if (entry.UserId is not null && watcher.UserId != entry.UserId) continue;
            if (watcher.IsQuick) watcher.OnEnded(entry.SessionId);
            else ThreadPool.UnsafeQueueUserWorkItem(Tell, (watcher, entry.SessionId), preferLocal: false);
        }
    }

    // A page that is idle would look at the database and draw itself anew on the thread that calls.
    private static void Tell((Watcher Watcher, Guid? Session) one) => one.Watcher.OnEnded(one.Session);

    private sealed record Watcher(Guid UserId, Action<Guid?> OnEnded, bool IsQuick);

    private sealed class Subscription(Action stop) : IDisposable
    {
        public void Dispose() => stop();
    }
}
