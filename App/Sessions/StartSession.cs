using App.Audit;
using App.Data;
using App.Events;

namespace App.Sessions;

/// <summary>A person who has just proved who they are gets a session, in the transaction of what led to it, which the caller saves and commits.</summary>
internal sealed class StartSession(AppDb db, Grants grants, RevokeSessions revoke, AuditLog audit, SessionOptions options, TimeProvider time)
{
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

        var roles = await db.FindRolesAsync(user.Id, ct);
        return grants.Create(Describe(user, session, roles), refreshToken, session, now);
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
