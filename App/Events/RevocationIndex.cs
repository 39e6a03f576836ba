using System.Collections.Concurrent;

namespace App.Events;

/// <summary>
/// Every revocation still in force, in memory: asked on each request, in constant time, without I/O or allocation.
/// It holds no more than the events whose tokens could still be alive: for the longest life that tokens are minted with at any replica, or
/// were until a little ago (<see cref="TokenLife"/>).
/// </summary>
internal sealed class RevocationIndex(TimeProvider time)
{
    /// <summary>A wall clock that jumps back must not revive what was forgotten just before: entries outlive their tokens by this much, here and at verifiers.</summary>
    public static readonly TimeSpan Slack = TimeSpan.FromMinutes(15);

    private readonly ConcurrentDictionary<Guid, DateTimeOffset> _sessions = new();
    private readonly ConcurrentDictionary<Guid, Bar> _users = new();
    private readonly ConcurrentDictionary<string, DateTimeOffset> _keys = new(StringComparer.Ordinal);

    // Beside the dictionaries: asking one whether it is empty takes its locks when it isn't.
    private volatile bool _anyUsers;
    private volatile bool _anyKeys;

    /// <summary>Raised for an event that is news to this process, after the index answers accordingly. On any thread; must not throw.</summary>
    public event Action<LoggedEvent>? Applied;

    public int Count => _sessions.Count + _users.Count + _keys.Count;

    /// <summary>Whether the token that says this of its bearer was revoked: by its session, by its user as a whole, or by its key.</summary>
    public bool IsRevoked(CurrentUser user) =>
        IsRevoked(user.SessionId, user.KeyId) || (_anyUsers && _users.TryGetValue(user.Id, out var bar) && user.IssuedAt <= bar.NotBefore);

    public bool IsRevoked(Guid sessionId, string keyId) =>
        _sessions.ContainsKey(sessionId) || (_anyKeys && _keys.ContainsKey(keyId));

    public bool IsRevoked(Guid sessionId) => _sessions.ContainsKey(sessionId);

    /// <summary>Takes an event in. Any number of times: by the commit here, by the follower, by both at once.</summary>
    public void Apply(LoggedEvent entry)
    {
        if (TakeIn(entry)) Applied?.Invoke(entry);
    }

    public void ForgetExpired()
    {
        var horizon = time.GetUtcNow() - Slack;
        foreach (var session in _sessions)
            if (session.Value < horizon) _sessions.TryRemove(session);
        foreach (var user in _users)
            if (user.Value.ExpiresAt < horizon) _users.TryRemove(user);
        foreach (var key in _keys)
            if (key.Value < horizon) _keys.TryRemove(key);
    }

    private bool TakeIn(LoggedEvent entry)
    {
        if (entry is { SessionId: { } session, Type: EventTypes.SessionRevoked }) return _sessions.TryAdd(session, entry.ExpiresAt);
        if (entry is { KeyId: { } key, Revokes: true })
        {
            _anyKeys = true;
            return _keys.TryAdd(key, entry.ExpiresAt);
        }

        if (entry is not { UserId: { } user, NotBefore: { } notBefore }) return true;
        _anyUsers = true;
        var bar = new Bar(notBefore, entry.ExpiresAt);
        while (!_users.TryAdd(user, bar))
        {
            if (!_users.TryGetValue(user, out var known)) continue;
            if (known.NotBefore >= notBefore) return false;
            if (_users.TryUpdate(user, bar with { ExpiresAt = known.ExpiresAt > bar.ExpiresAt ? known.ExpiresAt : bar.ExpiresAt }, known)) return true;
        }

        return true;
    }

    /// <summary>Tokens of a user issued at this second or before it are refused; forgotten when the last of them has expired.</summary>
    private readonly record struct Bar(long NotBefore, DateTimeOffset ExpiresAt);
}
