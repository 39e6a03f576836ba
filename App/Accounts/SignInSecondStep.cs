using System.ComponentModel.DataAnnotations;
using App.Data;
using App.Factors;
using App.Ops;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Accounts;

public sealed class SecondStepRequest
{
    /// <summary>As the first step's problem <c>mfa_required</c> gave it; good for five minutes and five tries.</summary>
    [Required, MaxLength(100)] public string Challenge { get; set; } = "";

    /// <summary>Six digits from the authenticator app, or a recovery code.</summary>
    [Required, MaxLength(64)] public string Code { get; set; } = "";
}

/// <summary>
/// The second step of a sign-in: after the right password, a code. Wrong ones are counted per challenge, and for the account across all of
/// its challenges exactly as wrong passwords are, so that asking for a new challenge gives nobody new tries, and the owner's own device counts apart.
/// </summary>
internal sealed partial class SignInSecondStep(
    AppDb db, GuessLimits guesses, SecondFactor factor, SecondSteps steps, StartSession start, KnownDevices devices, RefusedSignIn refused, Figures figures, ILogger<SignInSecondStep> logger)
{
    /// <summary>
    /// The second step of a sign-in, by a code: 200 and both cookies.
    /// 401 with <c>field</c> <c>code</c> for a code that is wrong or used already; without a field where the challenge is over, and the password is to be given again.
    /// 400 where either is missing. 429 after ten wrong codes within 15 minutes, whatever their challenges;
    /// and for a code of the app after a hundred in a row, with <c>Retry-After</c> of a day: then a recovery code or a passkey is taken.
    /// </summary>
    public static async Task<Results<Ok<SignedInUser>, ProblemHttpResult>> HandleAsync(
        HttpContext http, HeldSessions held, SignInSecondStep secondStep, SessionCookies cookies, KnownDevices devices, CancellationToken ct)
    {
        if (await CourseBody.ReadAsync(http.Request, ct) is not { } body) return Problems.BadRequest("Malformed JSON");
        var request = new SecondStepRequest { Challenge = body.Text("challenge"), Code = body.Text("code") };
        var outcome = await secondStep.TryAsync(request, Client.Of(http), await held.ReplacedBySignInAsync(http), ct);
        if (outcome is not SignIn.Outcome.SignedIn(var grant)) return SignIn.Refusal(outcome, http, rejected: 401);
        await devices.RememberAsync(http, grant.User.Id, ct);
        cookies.Write(http, grant);
        return TypedResults.Ok(new SignedInUser(grant.User.Email, grant.User.Id));
    }

    /// <returns><see cref="SignIn.Outcome.Rejected"/> where the challenge is over: back to the password.</returns>
    public async Task<SignIn.Outcome> TryAsync(SecondStepRequest request, Client client, IReadOnlyList<Guid> replaced, CancellationToken ct) =>
        SignIn.Count(await DecideAsync(request, client, replaced, ct), figures);

    private async Task<SignIn.Outcome> DecideAsync(SecondStepRequest request, Client client, IReadOnlyList<Guid> replaced, CancellationToken ct)
    {
        List<Fault> faults = [];
        if (string.IsNullOrWhiteSpace(request.Challenge)) faults.Add(new Fault("You must supply the challenge", "challenge"));
        if (string.IsNullOrWhiteSpace(request.Code)) faults.Add(new Fault("You must supply a code", "code"));
        if (faults.Count > 0) return new SignIn.Outcome.Invalid(faults);

        if (await steps.OwnerAsync(request.Challenge, ct) is not { } owner) return new SignIn.Outcome.Rejected();
        if (await db.Users.SingleOrDefaultAsync(u => u.Id == owner, ct) is not { } user) return new SignIn.Outcome.Rejected();
        if (user.IsLocked)
        {
            await refused.NoteAtLockedAsync(user.Id, Amr.Code, client, ct);
            return new SignIn.Outcome.Rejected();
        }

        return await CountedAsync(user, request.Code, client, async () =>
            !await steps.CountTryAsync(request.Challenge, ct) ? new SignIn.Outcome.Rejected()
            : await SpendAsync(user, request.Code, request.Challenge, client, replaced, ct), ct);
    }

    /// <summary>The same for who gave password and code at once.</summary>
    public Task<SignIn.Outcome> ByCodeAsync(User user, string code, Client client, IReadOnlyList<Guid> replaced, CancellationToken ct) =>
        CountedAsync(user, code, client, () => SpendAsync(user, code, null, client, replaced, ct), ct);

    private async Task<SignIn.Outcome> CountedAsync(User user, string code, Client client, Func<Task<SignIn.Outcome>> judge, CancellationToken ct)
    {
        // A stranger who knows the password must not keep the owner from their own device, here no more than at the first step.
        var account = devices.GuessesOf(client, GuessKey(user.Id, code), user);
        if (await guesses.ReserveAsync(account, ct) is { } wait) return new SignIn.Outcome.LockedOut(wait);
        SignIn.Outcome outcome;
        try
        {
            outcome = await judge();
            if (outcome is SignIn.Outcome.Rejected) await guesses.GiveBackAsync(account);
        }
        catch
        {
            await guesses.GiveBackAsync(account);
            throw;
        }

        if (outcome is SignIn.Outcome.WrongCode)
        {
            await guesses.CountWrongAsync(account, new WrongGuess(user.Id, Amr.Code, client, OfMany: !SecondFactor.IsOfApp(code)));
            Wrong(user.Id, client.Address);
        }

        return outcome;
    }

    /// <summary>
    /// One count for everything that takes a person's codes of the app, and one for what takes recovery codes: these are for the day when the
    /// app's are of no use, and that others have guessed at them is such a day.
    /// </summary>
    public static string GuessKey(Guid userId, string code) => SecondFactor.IsOfApp(code) ? GuessKey(userId) : RecoveryKey(userId);

    /// <summary>That of the app's codes.</summary>
    public static string GuessKey(Guid userId) => $"second step of {userId}";

    /// <summary>That of recovery codes.</summary>
    public static string RecoveryKey(Guid userId) => $"recovery of {userId}";

    // Code, challenge and session: all or nothing, so that none of the first two is used up without the last.
    private async Task<SignIn.Outcome> SpendAsync(User user, string code, string? challenge, Client client, IReadOnlyList<Guid> replaced, CancellationToken ct)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        await db.HoldUserAsync(user.Id, ct);
        // With the password its challenges end; where there is none, the password itself is looked at again.
        if (challenge is null && await db.FindPasswordHashAsync(user.Id, ct) != user.PasswordHash) return new SignIn.Outcome.Rejected();
        var spent = await factor.SpendAsync(user.Id, code, ct);
        if (spent == SecondFactor.Spent.Nothing) return new SignIn.Outcome.WrongCode();
        if (challenge is not null && !await steps.FinishAsync(challenge, user.Id, ct)) return new SignIn.Outcome.Rejected();
        await guesses.ForgetAsync(devices.GuessesOf(client, GuessKey(user.Id, code), user), ct);
        if (await start.BeginAsync(user, [Amr.Password, Amr.Code, Amr.Several], client, replaced, ct) is not { } grant) return new SignIn.Outcome.Rejected();
        int? left = spent == SecondFactor.Spent.RecoveryCode ? await factor.NoteRecoveryAsync(user.Id, grant.User.SessionId, client.Address, ct) : null;
        await devices.TellIfNewAsync(user, grant.User.SessionId, client, ct);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return new SignIn.Outcome.SignedIn(grant) { CodesLeft = left };
    }

    [LoggerMessage(5011, LogLevel.Information, "A code for user {UserId} from {Address} was refused")]
    private partial void Wrong(Guid userId, string address);
}
