using App.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Events;

/// <summary>
/// Appends to the log inside the caller's write transaction; without one it throws. The entries get their cursors and are written when that
/// transaction commits, and the index of this process knows before the caller goes on (<see cref="CommitEvents"/>).
/// Other processes find them in the table (<see cref="FollowLog"/>).
/// </summary>
internal sealed class SecurityEventLog(AppDb db, CommitEvents commit, TokenFacts tokens, TimeProvider time)
{
    public void SessionRevoked(Cause cause, Guid userId, Guid sessionId) =>
        Append(cause, Concerns.Session, entry => (entry.UserId, entry.SessionId) = (userId, sessionId));

    /// <summary>
    /// Every token of this user issued until now is refused; the user's row says so too, so that whoever mints for them from now on, at
    /// whichever replica, mints with a later <c>iat</c>. A second event in the same second moves it on, past what was minted in between.
    /// </summary>
    public async Task UserChangedAsync(Cause cause, Guid userId, CancellationToken ct)
    {
        var now = time.GetUtcNow().ToUnixTimeSeconds();
        var user = db.Users.Where(u => u.Id == userId);
        await user.ExecuteUpdateAsync(set => set.SetProperty(u => u.TokensNotBefore, u => u.TokensNotBefore >= now ? u.TokensNotBefore + 1 : now), ct);
        var notBefore = await user.Select(u => u.TokensNotBefore).SingleAsync(ct);
        var audiences = await BoundAudience.OfUserAsync(db, userId, ct);
        Append(cause, Concerns.User, entry => (entry.UserId, entry.NotBefore, entry.Audiences) = (userId, notBefore, audiences));
    }

    public void SigningKeyChanged(Cause cause, string keyId) =>
        Append(cause, Concerns.Key, entry => entry.KeyId = keyId);

    /// <summary>
    /// Leaps past every cursor that was ever given out by a database which this one is an older copy of: whoever read there resumes with a
    /// snapshot, instead of missing what comes here under the numbers that they know. With which life tokens were minted since the copy was
    /// made, nobody knows: what ends them is remembered for the longest there is.
    /// </summary>
    public async Task LeapAsync(CancellationToken ct)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        await db.EventCounter.ExecuteUpdateAsync(set => set.SetProperty(c => c.Value, c => c.Value + Leap).SetProperty(c => c.PrunedTo, c => c.Value + Leap), ct);
        await TokenLife.KeepAsync(db, tokens, tokens.LongestLifetime, time.GetUtcNow(), ct);
        await transaction.CommitAsync(ct);
    }

    private const long Leap = 1_000_000_000;

    private void Append(Cause cause, Concerns whom, Action<LoggedEvent> name)
    {
        if (cause.Concerns != whom) throw new ArgumentException($"{cause.Reason} concerns a {cause.Concerns}, not a {whom}.", nameof(cause));
        var now = time.GetUtcNow();
        var entry = new LoggedEvent
        {
            Id = Guid.CreateVersion7(now),
            Type = cause.Type,
            Reason = cause.Reason,
            OccurredAt = now,
        };
        name(entry);
        commit.Add(db, entry);
    }
}
