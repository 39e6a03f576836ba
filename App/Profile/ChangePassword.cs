using System.ComponentModel.DataAnnotations;
using App.Accounts;
using App.Data;
using App.Factors;
using App.Passwords;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Profile;

public sealed class ChangePasswordRequest
{
    /// <summary>The password in force.</summary>
    [Required, MaxLength(1024)] public string CurrentPassword { get; set; } = "";

    /// <summary>The one to come.</summary>
    [Required, MaxLength(1024)] public string Password { get; set; } = "";

    /// <summary>Leaves the other sessions signed in; without it they end.</summary>
    public bool KeepOthers { get; set; }
}

/// <summary>A signed-in person changes their password. A browser's session goes on under a new id; a program keeps the session of its token.</summary>
internal sealed class ChangePassword(AppDb db, CheckPassword check, PasswordPolicy policy, PasswordChecks passwords, SetPassword set, StartSession start, SecondFactor second)
{
    public abstract record Outcome
    {
        /// <param name="Grant">For the browser, in place of the session it had; null for a bearer.</param>
        public sealed record Changed(Grant? Grant) : Outcome;
        public sealed record Wrong : Outcome;
        public sealed record LockedOut(TimeSpan Wait) : Outcome;
        public sealed record Invalid(IReadOnlyList<Fault> Faults) : Outcome;
        public sealed record Gone : Outcome;
    }

    public static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        ChangePasswordRequest request, CurrentUser user, ChangePassword change, SessionCookies cookies, HttpContext http, CancellationToken ct)
    {
        switch (await change.TryAsync(request, user, Client.Of(http), SessionHandler.BearsToken(http.Request), ct))
        {
            case Outcome.Changed(var grant):
                if (grant is not null) cookies.Write(http, grant);
                return TypedResults.NoContent();
            case Outcome.Invalid(var faults):
                return Problems.Invalid(faults);
            case Outcome.LockedOut(var wait):
                return Problems.TooManyRequests(http, wait);
            case Outcome.Wrong:
                return Problems.InvalidCredentials();
            default:
                return Problems.NotAuthorized();
        }
    }

    /// <summary>The length that a new password of this person must have.</summary>
    public async Task<(int Min, int Max)> LengthAsync(CurrentUser user, CancellationToken ct) => policy.LengthFor(await second.IsOnAsync(user.Id, ct));

    public async Task<Outcome> TryAsync(ChangePasswordRequest request, CurrentUser caller, Client client, bool bearer, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (await db.Users.SingleOrDefaultAsync(u => u.Id == caller.Id, ct) is not { } user) return new Outcome.Gone();
        var faults = policy.Check(request.Password, user.Email!, user.Name, await second.IsOnAsync(user.Id, ct)).ToList();
        if (request.Password == request.CurrentPassword) faults.Add(new Fault("Password is the one you have already", "password", () => Text.SamePassword));
        if (faults.Count > 0) return new Outcome.Invalid(faults);
        switch (await check.OfAsync(user, request.CurrentPassword, ct))
        {
            case CheckPassword.Outcome.LockedOut(var wait):
                return new Outcome.LockedOut(wait);
            case CheckPassword.Outcome.Wrong:
                return new Outcome.Wrong();
        }

        var hash = await passwords.HashAsync(request.Password, ct);
        await using var transaction = await db.BeginWriteAsync(ct);
        if (!await check.StillHoldsAsync(user, ct)) return new Outcome.Wrong();
        // Ended meanwhile: nothing new begins from it.
        if (await db.FindLifeAsync(caller.SessionId, ct) is not { RevokedAt: null }) return new Outcome.Gone();
        await set.InUnitOfWorkAsync(user, hash, client, caller.SessionId, endOthers: !request.KeepOthers, ct);
        var grant = bearer ? null : await start.BeginAsync(user, caller.Amr, client, [caller.SessionId], ct);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return new Outcome.Changed(grant);
    }
}
