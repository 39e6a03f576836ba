using System.ComponentModel.DataAnnotations;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text.Json.Serialization;
using App.Data;
using App.Events;
using App.Ops;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Sessions;

public sealed class RefreshRequest
{
    /// <summary>As the sign-in or the last renewal gave it.</summary>
    [Required, AllowNull, MaxLength(1024), JsonPropertyName("refresh_token")]
    public string RefreshToken { get; set => field = value ?? ""; } = "";
}

/// <summary>
/// A refresh token becomes its successor and a new access token (contract section 3). The cookie renewal and the endpoint both end here.
/// Losers of a race show the direct parent within ten seconds and get the same successor; any other reuse means that two parties hold
/// the token, and ends the session (RFC 9700 section 4.14.2).
/// </summary>
internal sealed partial class RenewSession(
    AppDb db, GroupCommit commits, RefreshKey refreshKey, Grants grants, RevokeSessions revoke, SessionOptions options, Figures figures, TimeProvider time, ILogger<RenewSession> logger)
{
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    /// <summary>Of a session that nobody has ended.</summary>
    public const string RanOut = "ran-out";

    public abstract record Outcome
    {
        public sealed record Renewed(Grant Grant) : Outcome;
        /// <param name="Genuine">It was one of ours once; its session is over, or nobody's any more.</param>
        /// <param name="Because">Why that is over, in the word of its row or <see cref="RanOut"/>; null where nobody knows any more.</param>
        public sealed record Refused(bool Genuine, string? Because = null) : Outcome;
    }

    /// <summary>
    /// A refresh token becomes its successor and a new access token, and is used up (RFC 6749 section 6). Sent again within ten seconds it gets the same successor;
    /// any other reuse means that two hold it, and ends the session (RFC 9700 section 4.14.2). 401 for one that isn't good, 400 without one.
    /// </summary>
    public static async Task<Results<Ok<TokenAnswer>, ProblemHttpResult>> HandleAsync(RefreshRequest request, RenewSession renew, HttpContext http, CancellationToken ct)
    {
        if (request.RefreshToken.Length == 0) return Problems.Invalid([new Fault("You must supply a refresh token", "refresh_token")]);
        if (await renew.TryAsync(request.RefreshToken, ct) is Outcome.Renewed(var grant)) return TypedResults.Ok(grant.ToAnswer());
        Refusals.Note(http, "refresh token");
        return Problems.NotAuthorized();
    }

    public async Task<Outcome> TryAsync(string? presented, CancellationToken ct)
    {
        if (RefreshToken.Parse(presented, refreshKey) is not { } token)
        {
            figures.Renewal("refused");
            return new Outcome.Refused(Genuine: false);
        }

        var (standing, found, asOf) = await commits.RunAsync(db, shared => StepAsync(shared, token));
        figures.Renewal(standing switch { Standing.Rotated => "renewed", Standing.Replayed => "replayed", Standing.Reused => "reused", _ => "refused" });
        if (standing is Standing.Rotated or Standing.Replayed)
        {
            var (session, user, roles) = found!;
            return new Outcome.Renewed(grants.Create(StartSession.Describe(user, session, roles), token.Successor(refreshKey), session, asOf));
        }

        if (standing == Standing.Reused)
        {
            // Also where the caller has left by now: whoever it was, two hold the token.
            await revoke.RunAsync(s => s.Id == token.SessionId, Causes.RefreshReuse, CancellationToken.None);
            Reused(found!.Session.UserId, token.SessionId);
            return new Outcome.Refused(Genuine: true, Causes.RefreshReuse.Reason);
        }

        return new Outcome.Refused(Genuine: true, found is null ? null : found.Session.RevokedBecause ?? RanOut);
    }

    private enum Standing
    {
        Over,
        Rotated,
        /// <summary>Within the grace by somebody who held the same.</summary>
        Replayed,
        Reused,
    }

    private sealed record Look(Standing Standing, RenewableSession? Found = null, DateTimeOffset AsOf = default);

    private async Task<GroupCommit.Step<Look>> StepAsync(AppDb db, RefreshToken token)
    {
        var look = await LookAsync(db, token);
        return look.Standing == Standing.Rotated ? new(null, writing => RotateAsync(writing, token, look)) : new(look, null);
    }

    /// <returns>With <see cref="Standing.Rotated"/>, what is still to be done.</returns>
    private async Task<Look> LookAsync(AppDb db, RefreshToken token)
    {
        var asOf = time.GetUtcNow();
        var found = await db.FindRenewableAsync(token.SessionId, CancellationToken.None);
        return Judge(found?.Session, token.Hash(), asOf) switch
        {
            Standing.Over => new Look(Standing.Over, found),
            Standing.Replayed when found!.Session.RotatedAt is { } rotated => new Look(Standing.Replayed, found, asOf < rotated ? asOf : rotated),
            var standing => new Look(standing, found, asOf),
        };
    }

    private async Task<Look> RotateAsync(AppDb db, RefreshToken token, Look look)
    {
        // On SQL Server each is by itself, and who changes the person meanwhile waits: on SQLite nobody else writes now.
        await using var alone = db.IsSqlite ? null : await db.BeginWriteAsync(CancellationToken.None);
        await db.HoldUserAsync(look.Found!.User.Id, CancellationToken.None);
        while (look.Standing == Standing.Rotated && !await TryRotateAsync(look.Found!)) look = await LookAsync(db, token);
        if (alone is not null) await alone.CommitAsync(CancellationToken.None);
        return look;

        // Whoever loses the race finds itself, at the next look, holding the parent; whose person was changed since the last, with what they are now.
        Task<bool> TryRotateAsync(RenewableSession found)
        {
            found.Session.LastSeenAt = time.GetUtcNow();
            return db.RotateAsync(found, token.Hash(), token.Successor(refreshKey).Hash(), CancellationToken.None);
        }
    }

    /// <returns>The session that it would renew now; null where it wouldn't.</returns>
    public async Task<Session?> FindAsync(RefreshToken token, CancellationToken ct) =>
        await db.FindRenewableAsync(token.SessionId, ct) is { Session: var session } && Judge(session, token.Hash(), time.GetUtcNow()) is Standing.Rotated or Standing.Replayed ? session : null;

    private Standing Judge(Session? session, byte[] hash, DateTimeOffset now) =>
        session is not { RevokedAt: null } || options.EndOf(session.ExpiresAt, session.LastSeenAt) <= now ? Standing.Over
        : Same(hash, session.ParentHash) && session.RotatedAt is { } rotated && (now - rotated).Duration() <= Grace ? Standing.Replayed
        : Same(hash, session.RefreshHash) ? Standing.Rotated
        : Standing.Reused;

    private static bool Same(byte[] hash, byte[]? other) => other is not null && CryptographicOperations.FixedTimeEquals(hash, other);

    [LoggerMessage(4001, LogLevel.Warning, "A refresh token of user {UserId} was used twice; session {SessionId} has been ended")]
    private partial void Reused(Guid userId, Guid sessionId);
}
