using App.Audit;
using App.Data;
using App.Events;
using Microsoft.EntityFrameworkCore;

namespace App.Sessions;

/// <summary>A person who has just proved who they are gets a session, in the transaction of what led to it, which the caller saves and commits.</summary>
internal sealed class StartSession(AppDb db, Grants grants, RevokeSessions revoke, AuditLog audit, SessionOptions options, TimeProvider time)
{
    /// <summary>Of a person's: past it, a sign-in ends those that were not seen for the longest.</summary>
    public const int MostLiving = 1000;

    // A few each time: where there were far more before there was a bound, nobody's sign-in is held up by all of them.
    private const int MostAtOnce = 20;

    /// <param name="amr">How they proved it, RFC 8176.</param>
    /// <param name="replaced">The sessions this browser held until now: they end, so that nobody can plant one that a victim signs in to.</param>
    /// <param name="action">What the audit calls it, where nobody has signed in; null where it isn't to know.</param>
    /// <returns>Null where an admin has locked the account: the caller then undoes all of it, and answers as to a stranger.</returns>
    public async Task<Grant?> BeginAsync(User user, IReadOnlyList<string> amr, Client client, IReadOnlyList<Guid> replaced, CancellationToken ct, string? action = "signed-in")
    {
        var now = time.GetUtcNow();
        var sessionId = Guid.CreateVersion7(now);
        var refreshToken = RefreshToken.First(sessionId);
        var session = new Session
        {
            Id = sessionId,
            UserId = user.Id,
            StartedAt = now,
            LastSeenAt = now,
            AuthenticatedAt = now,
            ExpiresAt = now + options.AbsoluteLifetime,
            Amr = string.Join(' ', amr),
            Address = client.Address,
            UserAgent = client.UserAgent,
            RefreshHash = refreshToken.Hash(),
        };
        // What led to it comes first: an account that is new refers to nothing, and the session to it.
        await db.SaveChangesAsync(ct);
        if (!await db.InsertAsync(session, ct)) return null;
        if (action is not null) await audit.WriteAsync(action, user.Id, sessionId, client.Address, session.Amr, ct);
        if (replaced.Count > 0) await revoke.InUnitOfWorkAsync(s => replaced.Contains(s.Id), Causes.Replaced, ct);
        await MakeRoomAsync(user.Id, now, ct);
        // What the tokens say is what stands here now: whoever led here looked at the person before they were held.
        var (_, owner, roles) = (await db.FindRenewableAsync(sessionId, ct))!;
        return grants.Create(Describe(owner, session, roles), refreshToken, session, now);
    }

    // A program that signs in each time it runs leaves them behind, and to end them all must stay the work of a moment, for which others who write wait.
    private async Task MakeRoomAsync(Guid userId, DateTimeOffset now, CancellationToken ct)
    {
        if (await db.Sessions.CountAsync(s => s.UserId == userId && s.RevokedAt == null, ct) <= MostLiving) return;
        var surplus = await db.Sessions.Living(now, options).Where(s => s.UserId == userId).OrderByDescending(s => s.LastSeenAt).Skip(MostLiving).Take(MostAtOnce).Select(s => s.Id).ToListAsync(ct);
        if (surplus.Count > 0) await revoke.InUnitOfWorkAsync(s => surplus.Contains(s.Id), Causes.Replaced, ct);
    }

    public static CurrentUser Describe(User user, Session session, IReadOnlyList<string> roles) => new()
    {
        Id = user.Id,
        SessionId = session.Id,
        Email = user.Email!,
        EmailVerified = user.EmailConfirmed,
        Name = user.Name,
        Roles = roles,
        Amr = session.Amr.Split(' ', StringSplitOptions.RemoveEmptyEntries),
        AuthTime = session.AuthenticatedAt.ToUnixTimeSeconds(),
        // The earliest that will do: one second after the last event that refused all of this user's tokens.
        IssuedAt = user.TokensNotBefore + 1 ?? 0,
        // Set anew for each token.
        TokenId = "",
        ExpiresAt = 0,
        KeyId = "",
    };
}
