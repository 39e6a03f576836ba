using System.ComponentModel.DataAnnotations;
using System.Security.Cryptography;
using System.Text.Json.Serialization;
using App.Data;
using App.Events;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Sessions;

public sealed class RefreshRequest
{
    [Required, MaxLength(1024), JsonPropertyName("refresh_token")]
    public string RefreshToken { get; set; } = "";
}

/// <summary>
/// A refresh token becomes its successor and a new access token (contract section 3). The cookie renewal and the endpoint both end here.
/// Losers of a race show the direct parent within ten seconds and get the same successor; any other reuse means that two parties hold
/// the token, and ends the session (RFC 9700 section 4.14.2).
/// </summary>
internal sealed partial class RenewSession(
    AppDb db, RefreshKey refreshKey, Grants grants, RevokeSessions revoke, SessionOptions options, TimeProvider time, ILogger<RenewSession> logger)
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    public abstract record Outcome
    {
        public sealed record Renewed(Grant Grant) : Outcome;
        /// <param name="Genuine">It was one of ours once; its session is over, or nobody's any more.</param>
        public sealed record Refused(bool Genuine) : Outcome;
    }

    public static async Task<Results<Ok<TokenAnswer>, ProblemHttpResult>> HandleAsync(RefreshRequest request, RenewSession renew, CancellationToken ct) =>
        request.RefreshToken is not { Length: > 0 } ? Problems.Invalid([new Fault("You must supply a refresh token", "refresh_token")])
        : await renew.TryAsync(request.RefreshToken, ct) switch
        {
            Outcome.Renewed(var grant) => TypedResults.Ok(grant.ToAnswer()),
            _ => Problems.NotAuthorized(),
        };

    public async Task<Outcome> TryAsync(string? presented, CancellationToken ct)
    {
        if (RefreshToken.Parse(presented, refreshKey) is not { } token) return new Outcome.Refused(Genuine: false);
        var hash = token.Hash();

        // Twice: whoever loses the race to rotate finds itself, at the second look, holding the parent.
        for (var look = 0; look < 2; look++)
        {
            var asOf = time.GetUtcNow();
            var found = await db.FindRenewableAsync(token.SessionId, ct);
            if (found is not var (session, user, roles) || !IsAlive(session)) return new Outcome.Refused(Genuine: true);

            if (Same(hash, session.RefreshHash))
            {
                var successor = token.Successor(refreshKey);
                if (await RotateAsync(session, hash, successor, ct)) return Renewed(successor);
            }
            else if (Same(hash, session.ParentHash) && (time.GetUtcNow() - session.RotatedAt!.Value).Duration() <= Grace)
            {
                return Renewed(token.Successor(refreshKey));
            }
            else
            {
                await revoke.RunAsync(s => s.Id == session.Id, Causes.RefreshReuse, ct);
                Reused(session.UserId, session.Id);
                return new Outcome.Refused(Genuine: true);
            }

            Outcome.Renewed Renewed(RefreshToken successor) =>
                new(grants.Create(StartSession.Describe(user, session, roles), successor, session.ExpiresAt, asOf));
        }

        return new Outcome.Refused(Genuine: true);
    }

    private bool IsAlive(Session session)
    {
        var now = time.GetUtcNow();
        return session.RevokedAt is null && now < session.ExpiresAt && now < session.LastSeenAt + options.IdleLifetime;
    }

    private async Task<bool> RotateAsync(Session session, byte[] hash, RefreshToken successor, CancellationToken ct)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        var rotated = await db.RotateAsync(session.Id, hash, successor.Hash(), time.GetUtcNow(), ct);
        await transaction.CommitAsync(ct);
        return rotated;
    }

    private static bool Same(byte[] hash, byte[]? other) => other is not null && CryptographicOperations.FixedTimeEquals(hash, other);

    [LoggerMessage(4001, LogLevel.Warning, "A refresh token of user {UserId} was used twice; session {SessionId} has been ended")]
    private partial void Reused(Guid userId, Guid sessionId);
}
