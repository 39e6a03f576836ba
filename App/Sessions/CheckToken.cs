using System.Runtime.InteropServices;
using System.Text;
using App.Data;
using App.Events;
using App.Ops;
using App.Tokens;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Connections.Features;

namespace App.Sessions;

/// <summary>
/// The one answer to "is this token good, now?", whichever door asks. A text seen before costs a hash and two look-ups in memory;
/// a new one is verified and its session looked up unless it was minted here, which also refuses what a restored backup or a deleted user
/// would leave behind.
/// </summary>
internal sealed class CheckToken(
    VerifiedTokens verified, KnownSessions sessions, TokenVerifier verifier, RevocationIndex revocations, SessionOptions options, Figures figures, TimeProvider time)
{
    /// <returns>The ready result for the pipeline; null when the token is not good, and the feature <see cref="TokenRefusal"/> says why.</returns>
    public ValueTask<AuthenticateResult?> RunAsync(ReadOnlyMemory<char> text, Carrier carrier, HttpContext http) => RunAsync(text, carrier, null, http);

    /// <summary>The same for a token bound to one service, asked about by that service.</summary>
    public ValueTask<AuthenticateResult?> RunBoundAsync(string text, string audience, HttpContext http) => RunAsync(text.AsMemory(), Carrier.Service, audience, http);

    private ValueTask<AuthenticateResult?> RunAsync(ReadOnlyMemory<char> text, Carrier carrier, string? audience, HttpContext http)
    {
        figures.Traffic.TokenChecked();
        // Beyond ASCII is no token, and must not share a key with one.
        if (text.Length > StrictToken.MaxLength * 2 || !Ascii.IsValid(text.Span)) return new(Refuse(http, TokenFault.Form));
        var key = KeyOf(text, carrier, http);
        if (verified.Find(key) is not { } known) return VerifyAsync(text.ToString(), key, audience, http);
        var user = CurrentUser.From(known.Result.Principal)!;
        if (user.Audience != audience) return new(Refuse(http, TokenFault.MeantForOthers));
        if (revocations.IsRevoked(user))
        {
            verified.Remove(key);
            return new(Refuse(http, TokenFault.Revoked));
        }

        if (verifier.IsAlive(known.ExpiresAt, known.End)) return new(known.Result);
        if (known.ExpiresAt >= user.ExpiresAt || !verifier.IsAlive(user)) return new(Refuse(http, TokenFault.Expired));
        // Its session was to end first, by what was known then: a renewal may have put that off, here or elsewhere.
        verified.Remove(key);
        return VerifyAsync(text.ToString(), key, audience, http);
    }

    private static AuthenticateResult? Refuse(HttpContext http, TokenFault fault)
    {
        http.Features.Set(TokenRefusal.For(fault));
        return null;
    }

    /// <summary>Past its <c>exp</c>, if only by the skew that is allowed: time to renew, though not yet to refuse.</summary>
    public bool IsExpired(CurrentUser user) => user.ExpiresAt <= time.GetUtcNow().ToUnixTimeSeconds();

    public bool IsInForce(CurrentUser user) => verifier.IsAlive(user) && !revocations.IsRevoked(user);

    // A client that keeps its connection sends the same header again and again, and the server then hands out the very same string:
    // its hash, half of what a known token costs, is remembered beside the connection. A whole string is a form's, and never comes again.
    private static VerifiedTokens.Key KeyOf(ReadOnlyMemory<char> text, Carrier carrier, HttpContext http)
    {
        if (!MemoryMarshal.TryGetString(text, out var source, out var start, out _) || start == 0
            || KeptConnection.ItemsOf(http) is not { } connection) return VerifiedTokens.Key.Of(text.Span, carrier);
        if (connection.TryGetValue(typeof(Presented), out var held) && held is Presented before && before.Is(source, start, text.Length, carrier)) return before.Key;
        var key = VerifiedTokens.Key.Of(text.Span, carrier);
        connection[typeof(Presented)] = new Presented(source, start, text.Length, key);
        return key;
    }

    private sealed record Presented(string Source, int Start, int Length, VerifiedTokens.Key Key)
    {
        public bool Is(string source, int start, int length, Carrier carrier) =>
            ReferenceEquals(source, Source) && start == Start && length == Length && carrier == Key.Carrier;
    }

    /// <summary>The same answer with its reason, for somebody who asks why. Nothing is remembered of it.</summary>
    public async ValueTask<TokenVerdict> ExplainAsync(string token, string? audience, HttpContext http)
    {
        var verdict = Ascii.IsValid(token) ? (await JudgeAsync(token, audience, look: true, http)).Verdict : new TokenVerdict.Refused(TokenFault.Form);
        return verdict is TokenVerdict.Genuine(var user) && !IsInForce(user) ? new TokenVerdict.Refused(TokenFault.Revoked) : verdict;
    }

    /// <param name="look">At the session's row, even if this process knows the session.</param>
    /// <returns>With the verdict, for a token that is good, the end of its session unless that is renewed before.</returns>
    private async ValueTask<(TokenVerdict Verdict, DateTimeOffset SessionEnd)> JudgeAsync(string token, string? audience, bool look, HttpContext http)
    {
        var verdict = await verifier.VerifyAsync(token, audience);
        if (verdict is not TokenVerdict.Genuine(var user)) return (verdict, default);
        if (!look && sessions.EndOf(user.SessionId, user.Id) is { } known) return (verdict, known);
        var session = await http.RequestServices.GetRequiredService<AppDb>().FindLifeAsync(user.SessionId, http.RequestAborted);
        if (session is null || session.UserId != user.Id) return Refused(TokenFault.SessionUnknown);
        if (session.RevokedAt is not null) return Refused(TokenFault.SessionEnded);
        var end = options.EndOf(session.ExpiresAt, session.LastSeenAt);
        if (end <= time.GetUtcNow()) return Refused(TokenFault.SessionExpired);
        // Also in the index, unless the clock misled it at the start.
        if (user.IssuedAt <= session.TokensNotBefore) return Refused(TokenFault.Revoked);
        sessions.Add(user.SessionId, user.Id, end);
        return (verdict, end);

        static (TokenVerdict, DateTimeOffset) Refused(TokenFault fault) => (new TokenVerdict.Refused(fault), default);
    }

    private async ValueTask<AuthenticateResult?> VerifyAsync(string text, VerifiedTokens.Key key, string? audience, HttpContext http)
    {
        var token = key.Carrier == Carrier.Cookie ? SessionCookies.Unwrap(text) : text;
        if (token is null) return Refuse(http, TokenFault.Form);
        var (verdict, sessionEnd) = await JudgeAsync(token, audience, look: false, http);
        if (verdict is TokenVerdict.Refused(var fault)) return Refuse(http, fault);
        var user = ((TokenVerdict.Genuine)verdict).User;
        var result = AuthenticateResult.Success(new AuthenticationTicket(user.ToPrincipal(), SessionHandler.Scheme));
        // No token outlives its session, whose end knows no skew.
        var expiresAt = Math.Min(user.ExpiresAt, (sessionEnd - TokenOptions.ClockSkew).ToUnixTimeSeconds());
        verified.Add(key, result, expiresAt, verifier.EndOf(expiresAt));
        // Asked after adding: a revocation that came between the look-up and here is in the index, if not in what was read.
        return IsInForce(user) ? result : Refuse(http, TokenFault.Revoked);
    }
}

/// <summary>What is remembered beside a connection, which is what a client that sends the same header again is recognised by.</summary>
internal static class KeptConnection
{
    /// <summary>Null under HTTP/2, where requests share a connection at the same time.</summary>
    public static IDictionary<object, object?>? ItemsOf(HttpContext http) =>
        HttpProtocol.IsHttp11(http.Request.Protocol) ? http.Features.Get<IConnectionItemsFeature>()?.Items : null;
}
