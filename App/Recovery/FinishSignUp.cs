using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using App.Accounts;
using App.Factors;
using App.Mail;
using App.Ops;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Recovery;

public sealed class FinishSignUpRequest
{
    /// <summary>What stands behind <c>token=</c> in the letter's link.</summary>
    [Required, MaxLength(100)] public string Token { get; set; } = "";

    /// <summary>The password given at sign-up.</summary>
    [Required, MaxLength(1024)] public string Password { get; set; } = "";
}

/// <summary>
/// Where accounts begin with a letter: its link and the password given at sign-up make the account. Both are needed, so that nobody
/// gets a stranger to confirm an account whose password the stranger has chosen.
/// </summary>
internal sealed class FinishSignUp(OneTimeLinks links, CheckPassword check, SignUp signUp)
{
    public const string Link = "sign-up";

    public abstract record Outcome
    {
        public sealed record SignedUp(Grant Grant) : Outcome;
        public sealed record WrongPassword : Outcome;
        public sealed record LockedOut(TimeSpan Wait) : Outcome;
        public sealed record LinkOver : Outcome;
    }

    /// <summary>
    /// Where <c>Accounts:SignUp</c> is <c>ConfirmFirst</c>: the link of the letter, good for a day, and the password given at sign-up make the account. 201 and both cookies.
    /// 400 for another password, which leaves the link good, and for a link that is used or too old, or whose address is taken by now. 429 after ten wrong passwords.
    /// </summary>
    public static async Task<Results<Created<SignedInUser>, ProblemHttpResult>> HandleAsync(
        HttpContext http, HeldSessions held, FinishSignUp finish, SessionCookies cookies, KnownDevices devices, CancellationToken ct)
    {
        if (await CourseBody.ReadAsync(http.Request, ct) is not { } body) return Problems.BadRequest("Malformed JSON");
        var request = new FinishSignUpRequest { Token = body.Text("token"), Password = body.Text("password") };
        switch (await finish.TryAsync(request, Client.Of(http), await held.ReplacedBySignInAsync(http), ct))
        {
            case Outcome.SignedUp(var grant):
                await devices.RememberAsync(http, grant.User.Id, ct);
                cookies.Write(http, grant);
                return TypedResults.Created((string?)null, new SignedInUser(grant.User.Email, grant.User.Id));
            case Outcome.LockedOut(var wait):
                return GuessLimits.Refusal(http, wait);
            case Outcome.WrongPassword:
                return Problems.InvalidCredentials();
            default:
                return Refusals.LinkOver(http);
        }
    }

    /// <returns>The address that a good link was sent to.</returns>
    public async Task<string?> AddressAsync(string? token, CancellationToken ct) =>
        await links.FindAsync(Link, token, ct) is { Details: { } details } ? JsonSerializer.Deserialize<Applicant>(details)!.Email : null;

    /// <param name="replaced">The sessions this browser held until now, which the new one replaces.</param>
    public async Task<Outcome> TryAsync(FinishSignUpRequest request, Client client, IReadOnlyList<Guid> replaced, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (await links.FindAsync(Link, request.Token, ct) is not { Details: { } details } link) return new Outcome.LinkOver();
        var applicant = JsonSerializer.Deserialize<Applicant>(details)!;
        switch (await check.OfAsync($"sign-up link {Convert.ToHexString(link.Hash)}", applicant.PasswordHash, request.Password, new WrongGuess(null, Amr.Password, client), ct))
        {
            case CheckPassword.Outcome.LockedOut(var wait):
                return new Outcome.LockedOut(wait);
            case CheckPassword.Outcome.Wrong:
                return new Outcome.WrongPassword();
        }

        // Taken meanwhile, or used by a second click: whoever has the address signs in.
        return await signUp.SaveAsync(applicant, confirmed: true, client, replaced, ct, also: () => links.UseAsync(link, ct)) is SignUp.Outcome.SignedUp(var grant)
            ? new Outcome.SignedUp(grant)
            : new Outcome.LinkOver();
    }
}
