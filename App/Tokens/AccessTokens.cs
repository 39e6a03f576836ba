using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace App.Tokens;

/// <summary>The one place where access tokens are minted (RFC 9068; contract section 2).</summary>
internal sealed class AccessTokens(SigningKeyRing ring, TokenOptions options, PublicUrl publicUrl)
{
    private static readonly JsonWebTokenHandler Handler = new() { SetDefaultTimesOnTokenCreation = false };

    private const int LongestName = 120;

    /// <summary>Signs the claims of <paramref name="user"/>, whose times and token id the caller has set.</summary>
    public string Mint(CurrentUser user)
    {
        var id = user.Id.ToString();
        var claims = new Dictionary<string, object>
        {
            ["sub"] = id,
            ["id"] = id, // the member that middleware of the course reads
            ["sid"] = user.SessionId.ToString(),
            ["jti"] = user.TokenId,
            ["iat"] = user.IssuedAt,
            ["exp"] = user.ExpiresAt,
            ["auth_time"] = user.AuthTime,
            ["aud"] = new[] { user.Audience ?? options.Audience },
            ["email"] = user.Email,
            ["email_verified"] = user.EmailVerified,
        };
        if (user.Name is not null) claims["name"] = Fit(user.Name);
        if (user.Roles.Count > 0) claims["roles"] = user.Roles;
        if (user.Amr.Count > 0) claims["amr"] = user.Amr;
        if (user.Actors.Count > 0) claims["act"] = Act(user.Actors);

        return Handler.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = publicUrl.Issuer,
            TokenType = StrictToken.Type,
            Claims = claims,
            SigningCredentials = ring.Signing,
        });
    }

    private static Dictionary<string, object> Act(IEnumerable<string> actors)
    {
        Dictionary<string, object>? act = null;
        foreach (var actor in actors.Reverse()) act = act is null ? new() { ["sub"] = actor } : new() { ["sub"] = actor, ["act"] = act };
        return act!;
    }

    // A name may be 200 characters, a token 1 KB: what doesn't fit is cut at a whole character. Beyond ASCII, JSON escapes six for one.
    private static string Fit(string name)
    {
        var (room, length) = (LongestName, 0);
        foreach (var rune in name.EnumerateRunes())
        {
            room -= rune.IsAscii ? 1 : 6 * rune.Utf16SequenceLength;
            if (room < 0) return name[..length];
            length += rune.Utf16SequenceLength;
        }

        return name;
    }

    /// <summary>The times and ids of a new token, from now on; never issued before the <c>iat</c> that <paramref name="user"/> comes with.</summary>
    public CurrentUser Begin(CurrentUser user, DateTimeOffset now)
    {
        var issuedAt = Math.Max(now.ToUnixTimeSeconds(), user.IssuedAt);
        return user with
        {
            TokenId = Guid.CreateVersion7(now).ToString("N"),
            IssuedAt = issuedAt,
            ExpiresAt = issuedAt + (long)options.AccessTokenLifetime.TotalSeconds,
            KeyId = ring.Signing.Key.KeyId ?? "",
        };
    }

    /// <summary>The same claims and times for one service alone: refused whenever the token that <paramref name="user"/> comes from would be.</summary>
    public CurrentUser Bind(CurrentUser user, string audience, DateTimeOffset now) =>
        user with { Audience = audience, TokenId = Guid.CreateVersion7(now).ToString("N"), KeyId = ring.Signing.Key.KeyId ?? "" };
}
