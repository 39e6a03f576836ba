using System.Text.Json.Serialization;
using App.Tokens;

namespace App.Sessions;

/// <summary>What a person or program holds after sign-in or renewal: an access token and the refresh token to replace it with.</summary>
internal sealed record Grant(CurrentUser User, string AccessToken, string RefreshToken, TimeSpan ExpiresIn, DateTimeOffset SessionExpiresAt)
{
    public TokenAnswer ToAnswer() => new(AccessToken, "Bearer", (long)ExpiresIn.TotalSeconds, RefreshToken, User.SessionId);

    public override string ToString() => $"(grant of session {User.SessionId})";
}

/// <summary>The answer of the token routes (RFC 6749 section 5.1).</summary>
/// <param name="ExpiresIn">Seconds until the access token expires.</param>
internal sealed record TokenAnswer(
    [property: JsonPropertyName("access_token")] string AccessToken,
    [property: JsonPropertyName("token_type")] string TokenType,
    [property: JsonPropertyName("expires_in")] long ExpiresIn,
    [property: JsonPropertyName("refresh_token")] string RefreshToken,
    [property: JsonPropertyName("session_id")] Guid SessionId)
{
    public override string ToString() => "(token answer)";
}

/// <summary>Makes grants; the one place that pairs the two tokens.</summary>
internal sealed class Grants(AccessTokens accessTokens, RefreshKey refreshKey, KnownSessions known, SessionOptions options, TimeProvider time)
{
    /// <param name="asOf">
    /// When what the token says was read, or before: a change since must find the token older than itself. And never later than the session's
    /// row says it was last seen or proved, which is where <see cref="Events.NewestToken"/> looks.
    /// </param>
    public Grant Create(CurrentUser user, RefreshToken refreshToken, Session session, DateTimeOffset asOf)
    {
        var begun = accessTokens.Begin(user, asOf);
        known.Add(begun.SessionId, begun.Id, options.EndOf(session.ExpiresAt, session.LastSeenAt));
        return new Grant(begun, accessTokens.Mint(begun), refreshToken.Reveal(refreshKey), TimeSpan.FromSeconds(begun.ExpiresAt - time.GetUtcNow().ToUnixTimeSeconds()), session.ExpiresAt);
    }
}
