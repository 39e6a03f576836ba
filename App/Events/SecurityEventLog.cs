using App.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Events;

/// <summary>
/// When the newest token of a user's living sessions was issued, at the latest, by the clock of whoever minted it. Sessions, whose slice stands
/// above, know it and register it.
/// </summary>
internal delegate Task<DateTimeOffset?> NewestToken(AppDb db, Guid userId, CancellationToken ct);

/// <summary>
/// Appends to the log inside the caller's write transaction; without one it throws. The entries get their cursors and are written when that
/// transaction commits, and the index of this process knows before the caller goes on (<see cref="CommitEvents"/>).
/// Other processes find them in the table (<see cref="FollowLog"/>).
/// </summary>
internal sealed class SecurityEventLog(AppDb db, CommitEvents commit, TokenFacts tokens, NewestToken newest, TimeProvider time)
{
    public void SessionRevoked(Cause cause, Guid userId, Guid sessionId) =>
        Append(cause, Concerns.Session, entry => (entry.UserId, entry.SessionId) = (userId, sessionId));

    /// <summary>
    /// Every token of this user issued until now is refused; the user's row says so too, so that whoever mints for them from now on, at
    /// whichever replica, mints with a later <c>iat</c>. A second event in the same second moves it on, past what was minted in between.
    /// Where a replica's clock is ahead, "until now" reaches as far as the newest token it minted: no further than the skew that is allowed, or
    /// the tokens minted next would be from too far in the future. A renewal that has read the user before this is committed rotates nothing
    /// after it, and reads anew.
    /// What is several changes at once to their owner is one to everybody else: said again in one transaction, it adds nothing.
    /// </summary>
    /// <exception cref="TooManyChangesException">Half a minute of seconds is used up.</exception>
    public async Task UserChangedAsync(Cause cause, Guid userId, CancellationToken ct)
    {
        if (commit.Says(db, cause, userId)) return;
        var now = time.GetUtcNow().ToUnixTimeSeconds();
        var user = db.Users.Where(u => u.Id == userId);
        await user.ExecuteUpdateAsync(set => set.SetProperty(u => u.TokensNotBefore, u => u.TokensNotBefore >= now ? u.TokensNotBefore + 1 : now), ct);
        var notBefore = await user.Select(u => u.TokensNotBefore).SingleAsync(ct);
        // Asked with the user's row locked: a session that begins is either found, or begins with what this has changed.
        var farthest = now + (long)tokens.ClockSkew.TotalSeconds - 1;
        var minted = Math.Min((await newest(db, userId, ct))?.ToUnixTimeSeconds() ?? 0, farthest);
        if (minted > notBefore)
        {
            notBefore = minted;
            await user.ExecuteUpdateAsync(set => set.SetProperty(u => u.TokensNotBefore, notBefore), ct);
        }

        if (notBefore > farthest) throw new TooManyChangesException();
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
        await db.EventCounter.ExecuteUpdateAsync(set => set.SetProperty(c => c.Value, c => c.Value + EventFeed.Leap).SetProperty(c => c.PrunedTo, c => c.Value + EventFeed.Leap), ct);
        await TokenLife.KeepAsync(db, tokens, tokens.LongestLifetime, time.GetUtcNow(), ct);
        await transaction.CommitAsync(ct);
    }

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

/// <summary>One user was changed some thirty times within a second: the tokens minted next would be from too far in the future. A moment later there is room again.</summary>
public sealed class TooManyChangesException() : System.Data.Common.DbException("The user is being changed too often.")
{
    public override bool IsTransient => true;
}
