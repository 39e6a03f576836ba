using App.Accounts;
using App.Data;
using App.Factors;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Admin;

/// <summary>With what a person signs in; never the thing itself.</summary>
/// <param name="Password">Whether there is one.</param>
/// <param name="SecondStep">Whether a password alone isn't enough.</param>
/// <param name="App">Whether an authenticator app is connected.</param>
/// <param name="RecoveryCodes">How many are left.</param>
internal sealed record FactorsView(bool Password, bool SecondStep, bool App, int RecoveryCodes, int Passkeys);

/// <param name="Locked">By an admin; nobody signs in to it.</param>
/// <param name="GuessesLocked">By wrong passwords or codes: from devices that aren't known nobody signs in with them for now. <c>unlock</c> lifts it.</param>
/// <param name="Sessions">The living ones, the most recently seen first, 200 at most; the list of sessions has all of them.</param>
internal sealed record UserView(
    Guid Id, string Email, bool EmailVerified, string? Name, DateTimeOffset CreatedAt, bool Locked, bool GuessesLocked, IReadOnlyList<string> Roles, FactorsView Factors, IReadOnlyList<SessionView> Sessions);

/// <summary>One person, as an admin sees them.</summary>
internal sealed class ShowUser(AppDb db, RecoveryCodes recovery, GuessLimits guesses, ListSessions sessions)
{
    /// <summary>One person: their address, roles, factors and living sessions. 404 for an id that nobody has.</summary>
    /// <param name="id">The person's id.</param>
    public static async Task<Results<Ok<UserView>, ProblemHttpResult>> HandleAsync(Guid id, CurrentUser admin, ShowUser show, CancellationToken ct) =>
        await show.TryAsync(id, admin, null, ct) is var (user, _) ? TypedResults.Ok(user) : Problems.NotFound();

    /// <param name="before">The id of the last session of the page that came before this one; what is none of theirs shows the first.</param>
    /// <returns>Null where there is nobody of that id; with it the page of their sessions that the view has.</returns>
    public async Task<(UserView View, SessionPage Page)?> TryAsync(Guid id, CurrentUser admin, string? before, CancellationToken ct)
    {
        if (await db.Users.AsNoTracking().SingleOrDefaultAsync(u => u.Id == id, ct) is not { } user) return null;
        var step = await db.Authenticators.AsNoTracking().SingleOrDefaultAsync(a => a.UserId == id, ct);
        var factors = new FactorsView(
            user.PasswordHash is not null, step is not null, step is { HasApp: true }, await recovery.LeftAsync(id, ct), await db.Passkeys.CountAsync(p => p.UserId == id, ct));
        var roles = (await db.FindRolesAsync(id, ct)).Order(StringComparer.Ordinal);
        var page = await sessions.PageAsync(id, admin, await sessions.PlaceAsync(id, before, ct), ct);
        var guessesLocked = false;
        foreach (var key in GuessedAt(user.NormalizedEmail!, id)) guessesLocked |= await guesses.AreLockedAsync(key, ct);
        return (new UserView(user.Id, user.Email!, user.EmailConfirmed, user.Name, user.CreatedAt, user.IsLocked, guessesLocked, [.. roles], factors, page.Shown), page);
    }

    /// <summary>What strangers' guesses at a person's sign-in are counted as. Whatever of it is locked is shown, and lifted.</summary>
    public static IReadOnlyList<string> GuessedAt(string address, Guid id) => [address, SignInSecondStep.GuessKey(id), SignInSecondStep.RecoveryKey(id)];
}
