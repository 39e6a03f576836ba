using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace App.Tokens;

/// <summary>
/// Decides whether a text is a genuine access token of ours for this audience, now.
/// The strict form first, then Microsoft.IdentityModel for the signature, issuer, audience and type. No state but the keys.
/// </summary>
internal sealed class TokenVerifier(SigningKeyRing ring, TokenOptions options, PublicUrl publicUrl, TimeProvider time)
{
    private static readonly JsonWebTokenHandler Handler = new() { MapInboundClaims = false, MaximumTokenSizeInBytes = StrictToken.MaxLength };

    private volatile TokenValidationParameters? _last;

    /// <param name="boundTo">The audience of one service, which the token must name and no other; null for a token meant for everybody.</param>
    public ValueTask<TokenVerdict> VerifyAsync(string token, string? boundTo = null) => JudgeAsync(token, boundTo, past: false);

    /// <summary>
    /// Whose a token is that is ours in all but its time, however long that is over: for who signs out with the last that they hold, and no reason to let anybody in.
    /// </summary>
    public async ValueTask<CurrentUser?> RecogniseAsync(string token) => await JudgeAsync(token, null, past: true) is TokenVerdict.Genuine(var user) ? user : null;

    private async ValueTask<TokenVerdict> JudgeAsync(string token, string? boundTo, bool past)
    {
        var algorithm = Algorithm;
        if (StrictToken.Parse(token, algorithm, out var fault) is not { } strict) return new TokenVerdict.Refused(fault);
        if (boundTo is not null && (strict.Audience is not [var only] || only != boundTo || only == options.Audience)) return new TokenVerdict.Refused(TokenFault.MeantForOthers);
        if (boundTo is null && !strict.Audience.Contains(options.Audience)) return new TokenVerdict.Refused(TokenFault.MeantForOthers); // before its signature costs anything
        if (!IsInTime(strict.User.IssuedAt, strict.User.ExpiresAt, strict.NotBefore, out fault, past)) return new TokenVerdict.Refused(fault);
        if ((ring.IsShared ? ring.Signing.Key : ring.Find(strict.KeyId) ?? (past ? await ring.FindRetiredAsync(strict.KeyId) : null)) is not { } key) return new TokenVerdict.Refused(TokenFault.UnknownKey);

        var result = await Handler.ValidateTokenAsync(token, boundTo is null ? ParametersOf(key, algorithm) : Parameters(key, algorithm, boundTo));
        return result.IsValid ? new TokenVerdict.Genuine(strict.User with { Audience = boundTo }) : new TokenVerdict.Refused(FaultOf(result.Exception));
    }

    /// <summary>
    /// The same for a service's own token (client credentials), which is never a person's: it has neither <c>id</c> nor <c>sid</c>.
    /// </summary>
    public async ValueTask<ServiceToken?> VerifyServiceAsync(string token)
    {
        if (StrictToken.Open(token, Algorithm, out _) is not var (keyId, claims) || ServiceToken.Read(claims, keyId) is not { } service) return null;
        if (!IsInTime(service.IssuedAt, service.ExpiresAt, null, out _) || (ring.IsShared ? ring.Signing.Key : ring.Find(keyId)) is not { } key) return null;
        return (await Handler.ValidateTokenAsync(token, Parameters(key, Algorithm, options.Audience))).IsValid ? service : null;
    }

    /// <summary>The one audience that a text names, if it has the form of a person's token. Nothing of it is verified.</summary>
    public string? AudienceIn(string token) => StrictToken.Parse(token, Algorithm, out _)?.Audience is [var only] ? only : null;

    private string Algorithm => ring.IsShared ? SecurityAlgorithms.HmacSha256 : SecurityAlgorithms.EcdsaSha256;

    /// <summary>
    /// True until <c>exp</c> and 30 s have passed, for a token seen before.
    /// </summary>
    public bool IsAlive(CurrentUser user) => IsAlive(user.ExpiresAt);

    /// <summary>The same for one whose end was noted when it was verified (<see cref="EndOf"/>): a wall clock that is set back doesn't revive it.</summary>
    public bool IsAlive(long expiresAt, long end) => IsAlive(expiresAt) && time.GetTimestamp() < end;

    /// <summary>When a token that is alive now will be over, as a timestamp: on the clock that only goes forward.</summary>
    public long EndOf(long expiresAt)
    {
        var left = DateTimeOffset.FromUnixTimeSeconds(expiresAt) + TokenOptions.ClockSkew - time.GetUtcNow();
        return time.GetTimestamp() + (long)(left.TotalSeconds * time.TimestampFrequency);
    }

    private bool IsAlive(long expiresAt) => IsAliveAt(expiresAt, time.GetUtcNow().ToUnixTimeSeconds());

    private static bool IsAliveAt(long expiresAt, long now) => now - expiresAt < TokenOptions.ClockSkew.TotalSeconds;

    private bool IsInTime(long issued, long expires, long? notBefore, out TokenFault fault, bool past = false)
    {
        var now = time.GetUtcNow().ToUnixTimeSeconds();
        if (past) now = Math.Min(now, expires); // when it last was
        var skew = (long)TokenOptions.ClockSkew.TotalSeconds;
        TokenFault? found = !IsAliveAt(expires, now) ? TokenFault.Expired
            : issued > now + skew || notBefore > now + skew ? TokenFault.NotYetValid
            : expires <= issued || expires - issued > TokenOptions.LongestLifetime.TotalSeconds || notBefore > expires ? TokenFault.LifetimeOutOfBounds
            : null;
        fault = found ?? default;
        return found is null;
    }

    // Of the key that signed the last one: nearly always the same.
    private TokenValidationParameters ParametersOf(SecurityKey key, string algorithm)
    {
        var last = _last;
        return last is not null && ReferenceEquals(last.IssuerSigningKey, key) ? last : _last = Parameters(key, algorithm, options.Audience);
    }

    private TokenValidationParameters Parameters(SecurityKey key, string algorithm, string audience) => new()
    {
        ValidIssuer = publicUrl.Issuer,
        ValidAudience = audience,
        ValidAlgorithms = [algorithm],
        ValidTypes = [StrictToken.Type],
        IssuerSigningKey = key,
        TryAllIssuerSigningKeys = true, // "all" is the one that the token's kid named
        RequireExpirationTime = true,
        RequireSignedTokens = true,
        IgnoreTrailingSlashWhenValidatingAudience = false,
        ValidateLifetime = false, // done above: the library would take the time from the wall, not from TimeProvider
    };

    private static TokenFault FaultOf(Exception? exception) => exception switch
    {
        SecurityTokenInvalidIssuerException => TokenFault.IssuedByOthers,
        SecurityTokenInvalidAudienceException => TokenFault.MeantForOthers,
        SecurityTokenInvalidSignatureException or SecurityTokenSignatureKeyNotFoundException => TokenFault.Signature,
        _ => TokenFault.Validator,
    };
}
