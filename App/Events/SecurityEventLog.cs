using App.Data;

namespace App.Events;

/// <summary>
/// Appends to the log inside the caller's unit of work. When that commits, the index of this process knows before the caller goes on
/// (<see cref="ApplyOnCommit"/>), and other processes find it in the table (<see cref="FollowLog"/>).
/// </summary>
internal sealed class SecurityEventLog(AppDb db, TimeProvider time)
{
    /// <param name="concernedFor">How long tokens that this event makes invalid could still be alive.</param>
    public void SessionRevoked(Guid userId, Guid sessionId, string reason, TimeSpan concernedFor) =>
        Append(EventTypes.SessionRevoked, reason, concernedFor, userId, sessionId, keyId: null);

    /// <summary>What tokens say of this person is out of date, whichever session they belong to.</summary>
    /// <param name="notBefore">Tokens issued at or before this moment are concerned.</param>
    public void UserChanged(Guid userId, string type, string reason, DateTimeOffset notBefore, TimeSpan concernedFor) =>
        Append(type, reason, notBefore - time.GetUtcNow() + concernedFor, userId, sessionId: null, keyId: null);

    /// <param name="concernedFor">How long tokens signed with this key could still be alive.</param>
    public void SigningKeyChanged(string keyId, string reason, TimeSpan concernedFor) =>
        Append(EventTypes.SigningKeyChanged, reason, concernedFor, userId: null, sessionId: null, keyId);

    private void Append(string type, string reason, TimeSpan concernedFor, Guid? userId, Guid? sessionId, string? keyId)
    {
        var now = time.GetUtcNow();
        db.SecurityEvents.Add(new SecurityEvent
        {
            Id = Guid.CreateVersion7(now),
            Type = type,
            Reason = reason,
            OccurredAt = now,
            ExpiresAt = now + concernedFor,
            UserId = userId,
            SessionId = sessionId,
            KeyId = keyId,
        });
    }
}
