namespace App.Sessions;

/// <summary>
/// The sessions that a request holds: what sign-out ends, and what a new sign-in in the same browser replaces.
/// A bearer token stands alone; of a browser's cookies, the refresh tokens count too, because they outlive the access token.
/// </summary>
internal sealed class HeldSessions(SessionCookies cookies, RefreshKey refreshKey)
{
    public IReadOnlyList<Guid> Of(HttpContext http)
    {
        var held = new HashSet<Guid>();
        if (CurrentUser.From(http.User) is { } user) held.Add(user.SessionId);
        if (SessionHandler.BearsToken(http.Request)) return [.. held];
        foreach (var text in cookies.RefreshTokens(http.Request))
            if (RefreshToken.Parse(text, refreshKey) is { } token) held.Add(token.SessionId);
        return [.. held];
    }

    /// <summary>The same, for a new sign-in: a program that shows a bearer token keeps its session.</summary>
    public IReadOnlyList<Guid> ReplacedBySignIn(HttpContext http) => SessionHandler.BearsToken(http.Request) ? [] : Of(http);
}
