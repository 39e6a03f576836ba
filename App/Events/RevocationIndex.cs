using System.Collections.Concurrent;

namespace App.Events;

/// <summary>
/// Every revocation still in force, in memory: asked on each request, in constant time, without I/O.
/// It holds no more than the events whose tokens could still be alive.
/// </summary>
internal sealed class RevocationIndex(TimeProvider time)
{
    // A wall clock that jumps back must not revive what was forgotten just before: entries outlive their tokens by this much.
    private static readonly TimeSpan Slack = TimeSpan.FromMinutes(15);

    private readonly ConcurrentDictionary<Guid, DateTimeOffset> _sessions = new();
    private readonly ConcurrentDictionary<string, DateTimeOffset> _keys = new(StringComparer.Ordinal);

    /// <summary>Raised once for each event that is news to this process, after the index answers accordingly. On any thread; must not throw.</summary>
    public event Action<SecurityEvent>? Applied;

    public int Count => _sessions.Count + _keys.Count;

    public bool IsRevoked(Guid sessionId, string keyId) =>
        _sessions.ContainsKey(sessionId) || (!_keys.IsEmpty && _keys.ContainsKey(keyId));

    public bool IsRevoked(Guid sessionId) => _sessions.ContainsKey(sessionId);

    /// <summary>Takes an event in. Any number of times: by the commit here, by the follower, by both at once.</summary>
    public void Apply(SecurityEvent entry)
    {
        var news = entry switch
        {
            { Type: EventTypes.SessionRevoked, SessionId: { } session } => _sessions.TryAdd(session, entry.ExpiresAt),
            { Type: EventTypes.SigningKeyChanged, Reason: "revoked", KeyId: { } key } => _keys.TryAdd(key, entry.ExpiresAt),
            _ => true,
        };
        if (news) Applied?.Invoke(entry);
    }

    public void ForgetExpired()
    {
        var horizon = time.GetUtcNow() - Slack;
        foreach (var (session, expires) in _sessions)
            if (expires < horizon) _sessions.TryRemove(new(session, expires));
        foreach (var (key, expires) in _keys)
            if (expires < horizon) _keys.TryRemove(new(key, expires));
    }
}
