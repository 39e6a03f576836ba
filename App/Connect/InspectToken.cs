using App.Data;
using App.OAuth;
using App.Sessions;
using App.Tokens;
using Microsoft.EntityFrameworkCore;

namespace App.Connect;

/// <summary>The key that a token names.</summary>
/// <param name="State">Null for a key that was never ours, or is long forgotten.</param>
/// <param name="EndedAt">When it was retired or revoked.</param>
internal sealed record KeyView(SigningKeyState? State, DateTimeOffset? EndedAt);

/// <summary>
/// What a pasted token says, whether it is good, and why not. The verdict is that of the check which guards every request;
/// the token is neither kept, nor written to a log, nor sent on.
/// </summary>
internal sealed class InspectToken(CheckToken check, ServiceTokens serviceTokens, ServiceRegistry registry, SigningKeyRing ring, AppDb db)
{
    private const string Bearer = "Bearer ";
    private const int LongestKeyId = 64;

    public abstract record Verdict
    {
        /// <param name="Audience">The one service that takes it; null where every service does.</param>
        public sealed record Good(string? Audience) : Verdict;

        /// <summary>A service's own token, nobody's in person.</summary>
        public sealed record GoodOfService(string ClientId) : Verdict;

        /// <param name="At">When that happened, or will; null where it has no time.</param>
        public sealed record Refused(TokenFault Fault, DateTimeOffset? At) : Verdict;
    }

    /// <param name="Algorithm">What ours are signed with.</param>
    public sealed record Finding(TokenReading Reading, Verdict Verdict, KeyView? Key, string Algorithm);

    /// <returns>Null where nothing was pasted.</returns>
    public async Task<Finding?> TryAsync(string? pasted, HttpContext http)
    {
        var token = (pasted ?? "").Trim();
        if (token.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase)) token = token[Bearer.Length..].Trim();
        if (token.Length == 0) return null;
        // Without a dot it may be what the session cookie holds, with the token inside.
        if (!token.Contains('.', StringComparison.Ordinal)) token = SessionCookies.Unwrap(token) ?? token;

        var reading = TokenReading.Of(token);
        var key = await FindKeyAsync(reading, http.RequestAborted);
        return new(reading, await JudgeAsync(token, reading, key, http), key, ring.IsShared ? "HS256" : "ES256");
    }

    private async Task<Verdict> JudgeAsync(string token, TokenReading reading, KeyView? key, HttpContext http)
    {
        string? audience = null;
        var verdict = await check.ExplainAsync(token, null, http);
        if (verdict is TokenVerdict.Refused(TokenFault.MeantForOthers) && reading.Audience is { } named && registry.AudienceOf(named) == named)
            verdict = await check.ExplainAsync(token, audience = named, http);
        if (verdict is not TokenVerdict.Refused(var fault)) return new Verdict.Good(audience);
        if (fault == TokenFault.Claims && await serviceTokens.CheckAsync(token) is var (service, _)) return new Verdict.GoodOfService(service.Description.Id);
        return new Verdict.Refused(fault, await WhenAsync(fault, reading, key, http.RequestAborted));
    }

    private async Task<DateTimeOffset?> WhenAsync(TokenFault fault, TokenReading reading, KeyView? key, CancellationToken ct) => fault switch
    {
        TokenFault.Expired => reading.InClaims("exp")?.Moment,
        TokenFault.NotYetValid => reading.InClaims("nbf")?.Moment ?? reading.InClaims("iat")?.Moment,
        TokenFault.UnknownKey => key?.EndedAt,
        TokenFault.SessionEnded or TokenFault.SessionExpired when Guid.TryParse(reading.InClaims("sid")?.Shown, out var sid) =>
            await db.FindLifeAsync(sid, ct) is { } life ? life.RevokedAt ?? life.ExpiresAt : null,
        _ => null,
    };

    private async Task<KeyView?> FindKeyAsync(TokenReading reading, CancellationToken ct)
    {
        if (ring.IsShared || reading.InHeader("kid")?.Value is not { ValueKind: System.Text.Json.JsonValueKind.String } named) return null;
        var id = TokenMember.TextOf(named);
        if (id.Length is 0 or > LongestKeyId) return new(null, null);
        var key = await db.SigningKeys.AsNoTracking().SingleOrDefaultAsync(k => k.Id == id, ct);
        return key is not null && key.Id == id ? new(key.State, key.EndedAt) : new(null, null);
    }
}
