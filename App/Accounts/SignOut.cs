using App.Events;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Accounts;

/// <summary>Nothing, as JSON.</summary>
internal sealed record Nothing;

/// <summary>
/// Ends every session that the caller holds and clears both cookies. Asking twice, or without one, is no error. Where a bearer token decides,
/// cookies beside it are not looked at; they go all the same, for who asked to be signed out here is told that they are.
/// </summary>
internal sealed class SignOut(RevokeSessions revoke, HeldSessions held, SessionCookies cookies)
{
    /// <summary>Ends the session that the caller holds, and clears both cookies. 200 also without one, or where it had ended already.</summary>
    public static async Task<Ok<Nothing>> HandleAsync(HttpContext http, SignOut signOut)
    {
        await signOut.RunAsync(http);
        return TypedResults.Ok(new Nothing());
    }

    /// <summary>Also where the caller has left by now: who closes the tab on signing out means it.</summary>
    public async Task RunAsync(HttpContext http)
    {
        var sessions = await held.OfAsync(http);
        if (sessions.Count > 0) await revoke.RunAsync(s => sessions.Contains(s.Id), Causes.SignOut, CancellationToken.None);
        cookies.Clear(http);
    }
}
