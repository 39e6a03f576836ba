using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using App.Accounts;
using App.Data;
using App.Factors;
using App.Passwords;
using App.Sessions;
using App.Ui;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Profile;

public sealed class ChangePasswordRequest
{
    /// <summary>The password in force.</summary>
    [Required, MaxLength(1024)] public string CurrentPassword { get; set; } = "";

    /// <summary>The one to come: as at sign-up, or from 8 characters on beside a second factor (<c>Passwords:MinLengthWithSecondFactor</c>).</summary>
    [Required, MaxLength(1024)] public string Password { get; set; } = "";

    /// <summary>Leaves the other sessions signed in; without it they end.</summary>
    public bool KeepOthers { get; set; }
}

/// <summary>A signed-in person changes their password. A browser's session goes on under a new id; a program keeps the session of its token.</summary>
internal sealed class ChangePassword(AppDb db, CheckPassword check, PasswordPolicy policy, ShortPassword shortPassword, PasswordChecks passwords, SetPassword set, StartSession start, SecondFactor second)
{
    public abstract record Outcome
    {
        /// <param name="Grant">For the browser, in place of the session it had; null for a bearer.</param>
        public sealed record Changed(Grant? Grant) : Outcome;

        /// <param name="Why">Not <see cref="CheckPassword.Outcome.Right"/>.</param>
        public sealed record Refused(CheckPassword.Outcome Why) : Outcome;
        public sealed record Invalid(IReadOnlyList<Fault> Faults) : Outcome;
    }

    /// <summary>
    /// A new password for the caller. The other sessions end, unless <c>keepOthers</c> is set; a browser's own goes on under a new id, with new cookies, and a bearer's as it is.
    /// 400 without a field where the current password is wrong, with <c>field</c> <c>password</c> where the new one won't do. 429 after ten wrong ones.
    /// </summary>
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(
        ChangePasswordRequest request, CurrentUser user, ChangePassword change, SessionCookies cookies, KnownDevices devices, HttpContext http, CancellationToken ct)
    {
        switch (await change.TryAsync(request, user, Client.Of(http), SessionHandler.BearsToken(http.Request), ct))
        {
            case Outcome.Changed(var grant):
                if (grant is null) return TypedResults.NoContent();
                await devices.RememberAsync(http, user.Id, ct);
                cookies.Write(http, grant);
                return TypedResults.NoContent();
            case Outcome.Invalid(var faults):
                return Problems.Invalid(faults);
            case Outcome.Refused(var why):
                return CheckPassword.Problem(why, http);
            default:
                throw new UnreachableException();
        }
    }

    /// <summary>The length that a new password of this person must have.</summary>
    public async Task<(int Min, int Max)> LengthAsync(CurrentUser user, CancellationToken ct) => policy.LengthFor(await second.IsOnAsync(user.Id, ct));

    /// <summary>How long a password that stands alone must be, where the one of this session is shorter and nothing stands beside it.</summary>
    public async Task<int?> ShortOfAsync(CurrentUser user, HttpContext http, CancellationToken ct) =>
        shortPassword.IsNoted(http, user.SessionId) && !await second.IsOnAsync(user.Id, ct) ? policy.LengthFor(hasSecondFactor: false).Min : null;

    public async Task<Outcome> TryAsync(ChangePasswordRequest request, CurrentUser caller, Client client, bool bearer, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (await db.Users.SingleOrDefaultAsync(u => u.Id == caller.Id, ct) is not { } user) return new Outcome.Refused(new CheckPassword.Outcome.Gone());
        var faults = policy.Check(request.Password, user.Email!, user.Name, await second.IsOnAsync(user.Id, ct)).ToList();
        if (request.Password.Length > 0 && request.Password == request.CurrentPassword) faults.Add(new Fault("Password is the one you have already", "password", () => Text.SamePassword));
        if (faults.Count > 0) return new Outcome.Invalid(faults);
        if (await check.OfAsync(user, request.CurrentPassword, caller, client, ct) is not CheckPassword.Outcome.Right and var refused) return new Outcome.Refused(refused);

        var hash = await passwords.HashAsync(request.Password, ct);
        await using var transaction = await db.BeginWriteAsync(ct);
        if (await check.OvertakenAsync(user, caller, ct) is { } over) return new Outcome.Refused(over);
        await set.InUnitOfWorkAsync(user, hash, client, caller.SessionId, endOthers: !request.KeepOthers, ct);
        var grant = bearer ? null : await start.BeginAsync(user, caller.Amr, client, [caller.SessionId], ct);
        if (grant is null && !bearer) return new Outcome.Refused(new CheckPassword.Outcome.Gone());
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return new Outcome.Changed(grant);
    }
}

/// <summary>What a page says where the current password was asked for and not given.</summary>
internal static class PasswordFaults
{
    public static IReadOnlyList<Fault> Of(HttpContext http, CheckPassword.Outcome refused, string field) => refused is CheckPassword.Outcome.LockedOut(var wait)
        ? Refusal.Wait(http, 429, wait, Sentence.With(Text.LockedOut, When.Lasting(wait)))
        : Refusal.Invalid(http, [new Fault(Text.WrongPassword, field)]);
}
