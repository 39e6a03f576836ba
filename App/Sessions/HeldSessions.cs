using App.Tokens;

namespace App.Sessions;

/// <summary>
/// The sessions that a request holds: what sign-out ends, and what a new sign-in in the same browser replaces.
/// A bearer token stands alone; of a browser's cookies, the refresh tokens count too, because they outlive the access token.
/// Who holds nothing but an access token whose time is over means its session all the same.
/// </summary>
internal sealed class HeldSessions(SessionCookies cookies, RefreshKey refreshKey, TokenVerifier verifier)
{
    public async ValueTask<IReadOnlyList<Guid>> OfAsync(HttpContext http)
    {
        var held = new HashSet<Guid>();
        if (CurrentUser.From(http.User) is { } user) held.Add(user.SessionId);
        if (SessionHandler.BearsToken(http.Request)) return [.. held];
        foreach (var text in cookies.RefreshTokens(http.Request))
            if (RefreshToken.Parse(text, refreshKey) is { } token) held.Add(token.SessionId);
        if (held.Count == 0 && SessionCookies.Unwrap(cookies.Read(http.Request).Session.ToString()) is { } past && await verifier.RecogniseAsync(past) is { } former) held.Add(former.SessionId);
        return [.. held];
    }

    /// <summary>The same, for a new sign-in: a program that shows a bearer token keeps its session.</summary>
    public async ValueTask<IReadOnlyList<Guid>> ReplacedBySignInAsync(HttpContext http) => SessionHandler.BearsToken(http.Request) ? [] : await OfAsync(http);
}
