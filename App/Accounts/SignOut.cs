using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Accounts;

/// <summary>Nothing, as JSON.</summary>
internal sealed record Nothing;

/// <summary>Ends the caller's session and clears both cookies. Asking twice, or without one, is no error.</summary>
internal sealed class SignOut(RevokeSessions revoke, RefreshKey refreshKey, SessionCookies cookies)
{
    public static async Task<Ok<Nothing>> HandleAsync(HttpContext http, SignOut signOut, CancellationToken ct)
    {
        await signOut.RunAsync(http, ct);
        return TypedResults.Ok(new Nothing());
    }

    public async Task RunAsync(HttpContext http, CancellationToken ct)
    {
        if (Of(http) is { } sessionId) await revoke.RunAsync(s => s.Id == sessionId, "sign-out", ct);
        cookies.Clear(http);
    }

    // A browser whose access token can no longer be renewed may still name its session by a genuine refresh token.
    private Guid? Of(HttpContext http) =>
        CurrentUser.From(http.User)?.SessionId
        ?? (http.Request.Headers.Authorization.Count == 0 ? RefreshToken.Parse(cookies.Read(http.Request).Refresh.ToString(), refreshKey)?.SessionId : null);
}
