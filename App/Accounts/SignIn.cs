using System.ComponentModel.DataAnnotations;
using App.Data;
using App.Factors;
using App.Ops;
using App.Passwords;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;

namespace App.Accounts;

public sealed class SignInRequest
{
    [Required, MaxLength(254)] public string Email { get; set; } = "";
    [Required, MaxLength(1024)] public string Password { get; set; } = "";
}

/// <summary>An e-mail and a password become a session. The endpoints and the page all end here.</summary>
internal sealed partial class SignIn(
    AppDb db, GuessLimits guesses, PasswordChecks passwords, SecondFactor factor, SecondSteps steps, SignInSecondStep secondStep, StartSession start, KnownDevices devices, RefusedSignIn refused, Figures figures, ILogger<SignIn> logger)
{
    public abstract record Outcome
    {
        public sealed record SignedIn(Grant Grant) : Outcome
        {
            /// <summary>After a recovery code: how many are left.</summary>
            public int? CodesLeft { get; init; }
        }

        public sealed record LockedOut(TimeSpan Wait) : Outcome;

        /// <summary>The password was right, and it isn't enough: no session yet.</summary>
        public sealed record SecondStepDue(string Challenge) : Outcome;

        public sealed record Rejected : Outcome;

        /// <summary>The password was right and the code that came with it wasn't.</summary>
        public sealed record WrongCode : Outcome;
        public sealed record Invalid(IReadOnlyList<Fault> Faults) : Outcome;
    }

    // The hash was replaced while the password was compared with it: it is judged by the new one.
    private sealed record Overtaken : Outcome;

    /// <summary>
    /// A password becomes a session: 200 and both cookies. The session that this browser held before ends.
    /// 400 without a field for a wrong password, an unknown address and a locked account alike. 401 <c>mfa_required</c> where a second step is due: its <c>challenge</c>, good for five minutes,
    /// goes to <c>/api/users/signin/mfa</c> with a code, or to <c>/api/passkeys/sign-in/begin</c>. 429 after ten wrong passwords within 15 minutes, for an address that nobody has just the same.
    /// </summary>
    public static async Task<Results<Ok<SignedInUser>, ProblemHttpResult>> HandleAsync(
        HttpContext http, HeldSessions held, SignIn signIn, SessionCookies cookies, KnownDevices devices, CancellationToken ct)
    {
        if (await CourseBody.ReadAsync(http.Request, ct) is not { } body) return Problems.BadRequest("Malformed JSON");
        var request = new SignInRequest { Email = body.Text("email"), Password = body.Text("password") };
        var outcome = await signIn.TryAsync(request, Client.Of(http), await held.ReplacedBySignInAsync(http), ct);
        if (outcome is not Outcome.SignedIn(var grant)) return Refusal(outcome, http);
        await devices.RememberAsync(http, grant.User.Id, ct);
        cookies.Write(http, grant);
        return TypedResults.Ok(new SignedInUser(grant.User.Email, grant.User.Id));
    }

    /// <param name="rejected">The status of "wrong": 400 on the course's route, 401 on ours.</param>
    public static ProblemHttpResult Refusal(Outcome outcome, HttpContext http, int rejected = 400) => outcome switch
    {
        Outcome.Invalid(var faults) => Problems.Invalid(faults),
        Outcome.LockedOut(var wait) => GuessLimits.Refusal(http, wait),
        Outcome.SecondStepDue(var challenge) => Problems.SecondStepRequired(challenge),
        Outcome.WrongCode => Problems.InvalidCode(),
        _ => Problems.InvalidCredentials(rejected),
    };

    /// <summary>Counts what a sign-in came to.</summary>
    public static Outcome Count(Outcome outcome, Figures figures)
    {
        if (outcome is Outcome.Invalid) return outcome; // nothing was tried
        figures.SignIn(outcome switch
        {
            Outcome.SignedIn => "ok",
            Outcome.SecondStepDue => "second_step",
            Outcome.LockedOut => "limited",
            _ => "wrong",
        });
        return outcome;
    }

    /// <param name="replaced">The sessions this browser held until now, which the new one replaces.</param>
    /// <param name="code">The second step, where somebody gives both at once.</param>
    public async Task<Outcome> TryAsync(SignInRequest request, Client client, IReadOnlyList<Guid> replaced, CancellationToken ct, string? code = null) =>
        Count(await DecideAsync(request, client, replaced, code, ct), figures);

    private async Task<Outcome> DecideAsync(SignInRequest request, Client client, IReadOnlyList<Guid> replaced, string? code, CancellationToken ct)
    {
        var faults = new List<Fault>();
        if (!EmailAddress.TryParse(request.Email, out var email)) faults.Add(EmailAddress.FaultOf(request.Email));
        if (string.IsNullOrWhiteSpace(request.Password)) faults.Add(new Fault("You must supply a password", "password", () => Text.NoPassword));
        if (faults.Count > 0 || email is null) return new Outcome.Invalid(faults);

        var user = await db.FindForSignInAsync(email, ct);
        // The owner's own device counts apart: a stranger's guesses don't lock it.
        var counted = devices.GuessesOf(client, email.Key, user);
        if (await guesses.ReserveAsync(counted, ct) is { } wait) return new Outcome.LockedOut(wait);
        Outcome? outcome;
        var right = false;
        try
        {
            while (true)
            {
                // An unknown user costs what a wrong password costs: the check against nobody's hash is done all the same.
                var result = await passwords.VerifyAsync(user?.PasswordHash, request.Password, ct);
                right = user is not null && result != PasswordVerificationResult.Failed;
                outcome = !right || user is { IsLocked: true }
                    ? new Outcome.Rejected()
                    : await BeginAsync(user!, email, counted, request.Password, result, client, replaced, code, ct);
                if (outcome is not Overtaken) break;
                user = await db.FindForSignInAsync(email, ct);
            }
        }
        catch
        {
            await guesses.GiveBackAsync(counted);
            throw;
        }

        if (outcome is Outcome.SecondStepDue && !devices.Knows(client, user!)) await refused.NoteStepDueAsync(user!.Id, client, ct);
        // The password's verdict is in; the code's is counted by itself.
        if (outcome is null) return await secondStep.ByCodeAsync(user!, code!, client, replaced, ct);
        if (outcome is Outcome.Rejected)
        {
            await guesses.CountWrongAsync(counted, new WrongGuess(user?.Id, Amr.Password, client, AtLocked: right));
            Wrong(client.Address);
        }

        return outcome;
    }

    // The session, its audit, the replaced one's event and the end of the count: all or nothing.
    // Null where a second step is due and its code is here to be judged.
    private async Task<Outcome?> BeginAsync(
        User user, EmailAddress email, string counted, string password, PasswordVerificationResult result, Client client, IReadOnlyList<Guid> replaced, string? code, CancellationToken ct)
    {
        // A hash of older making becomes one of today's while the password is at hand.
        var renewed = result == PasswordVerificationResult.SuccessRehashNeeded ? await passwords.HashAsync(password, ct) : null;
        await using var transaction = await db.BeginWriteAsync(ct);
        // Hashing took a while, or waited for its turn: what the token is going to say is read now.
        var verified = user;
        await db.HoldUserAsync(verified.Id, ct);
        if (await db.FindForSignInAsync(email, ct) is not { } current || current.Id != verified.Id || current.PasswordHash != verified.PasswordHash) return new Overtaken();
        if (current.IsLocked) return new Outcome.Rejected();
        user = current;
        if (renewed is not null)
        {
            await db.Users.Where(u => u.Id == user.Id && u.PasswordHash == user.PasswordHash).ExecuteUpdateAsync(set => set.SetProperty(u => u.PasswordHash, renewed), ct);
            user.PasswordHash = renewed;
        }

        await guesses.ForgetAsync(counted, ct);
        var due = await factor.IsOnAsync(user.Id, ct);
        var challenge = due && code is null ? steps.Begin(user.Id) : null;
        var grant = due ? null : await start.BeginAsync(user, [Amr.Password], client, replaced, ct);
        if (grant is null && !due) return new Outcome.Rejected();
        if (grant is not null) await devices.TellIfNewAsync(user, grant.User.SessionId, client, ct);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return grant is not null ? new Outcome.SignedIn(grant)
            : challenge is not null ? new Outcome.SecondStepDue(challenge)
            : null;
    }

    [LoggerMessage(5002, LogLevel.Information, "A sign-in from {Address} was refused")]
    private partial void Wrong(string address);
}
