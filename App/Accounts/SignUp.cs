using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using System.Text.Encodings.Web;
using System.Text.Json;
using App.Audit;
using App.Data;
using App.Factors;
using App.Mail;
using App.Passwords;
using App.Sessions;
using App.Ui;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;

namespace App.Accounts;

public sealed class SignUpRequest
{
    [Required, MaxLength(254)] public string Email { get; set; } = "";

    /// <summary>15 to 128 characters of text, or as <c>Passwords:MinLength</c> and <c>Passwords:MaxLength</c> say, and none that is guessed first.</summary>
    [Required, MaxLength(1024)] public string Password { get; set; } = "";

    /// <summary>What the person would like to be called; blank for no name.</summary>
    [MaxLength(200)] public string? Name { get; set; }
}

/// <summary>The answer of sign-up and sign-in, exactly as the course's.</summary>
internal sealed record SignedInUser(string Email, Guid Id);

/// <summary>A stranger becomes a user, signed in. The endpoint and the page both end here.</summary>
internal sealed partial class SignUp(
    AppDb db, PasswordPolicy policy, PasswordChecks passwords, StartSession start, GuessLimits guesses, AuditLog audit, Outbox outbox, OneTimeLinks links, AccountOptions options, TimeProvider time, ILogger<SignUp> logger)
{
    private const int LongestName = 200;

    // What isn't ASCII would take six times its room in the row of the link.
    private static readonly JsonSerializerOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static readonly Fault InvalidName = new("Name must be at most 200 characters of text", "name", () => Sentence.With(Text.BadName, LongestName));

    public abstract record Outcome
    {
        public sealed record SignedUp(Grant Grant) : Outcome;

        /// <param name="Kept">For a former owner, who can have it back for a while: nobody could sign in with it.</param>
        public sealed record EmailInUse(bool Kept = false) : Outcome;

        /// <summary>The account begins with the link in a letter, which the owner of the address gets in any case.</summary>
        public sealed record LetterSent : Outcome;

        public sealed record Invalid(IReadOnlyList<Fault> Faults) : Outcome;
    }

    /// <summary>
    /// A stranger becomes a user: 201 and both cookies. The session that this browser held before ends.
    /// Where <c>Accounts:SignUp</c> is <c>ConfirmFirst</c> it is 202 for every address, taken or not, and the link of a letter leads on to <c>/api/users/finish-sign-up</c>.
    /// 400 with an entry for each member at fault, the address' first; without a field for an address that is taken.
    /// </summary>
    public static async Task<Results<Created<SignedInUser>, Accepted<Nothing>, ProblemHttpResult>> HandleAsync(
        HttpContext http, HeldSessions held, SignUp signUp, SessionCookies cookies, KnownDevices devices, CancellationToken ct)
    {
        if (await CourseBody.ReadAsync(http.Request, ct) is not { } body) return Problems.BadRequest("Malformed JSON");
        var request = new SignUpRequest { Email = body.Text("email"), Password = body.Text("password"), Name = body.Optional("name") };
        switch (await signUp.TryAsync(request, Client.Of(http), await held.ReplacedBySignInAsync(http), ct))
        {
            case Outcome.SignedUp(var grant):
                await devices.RememberAsync(http, grant.User.Id, ct);
                cookies.Write(http, grant);
                return TypedResults.Created((string?)null, new SignedInUser(grant.User.Email, grant.User.Id));
            case Outcome.LetterSent:
                return TypedResults.Accepted((string?)null, new Nothing());
            case Outcome.Invalid(var faults):
                return Problems.Invalid(faults);
            default:
                return Problems.EmailInUse();
        }
    }

    /// <param name="replaced">The sessions this browser held until now, which the new one replaces.</param>
    /// <param name="returnUrl">Where the person was going when an account was asked for; the letter's link remembers it.</param>
    public async Task<Outcome> TryAsync(SignUpRequest request, Client client, IReadOnlyList<Guid> replaced, CancellationToken ct, string? returnUrl = null)
    {
        var faults = new List<Fault>();
        var named = !string.IsNullOrWhiteSpace(request.Name);
        var name = named ? NameOf(request.Name!) : null;
        if (!EmailAddress.TryParse(request.Email, out var email)) faults.Add(EmailAddress.FaultOf(request.Email));
        faults.AddRange(policy.Check(request.Password, request.Email, name));
        if (named && name is null) faults.Add(InvalidName);
        if (faults.Count > 0 || email is null) return new Outcome.Invalid(faults);
        var applicant = new Applicant(email.Text, email.Key, name, await passwords.HashAsync(request.Password, ct));
        return options.SignUp == SignUpMode.ConfirmFirst ? await WriteFirstAsync(applicant, returnUrl, ct) : await SaveAsync(applicant, confirmed: false, client, replaced, ct);
    }

    // The same work for every address: whether it is taken shows only to whoever reads its mail.
    private async Task<Outcome> WriteFirstAsync(Applicant applicant, string? returnUrl, CancellationToken ct)
    {
        // Beside it and not in it: there is room for one of them in the row of the link.
        var details = JsonSerializer.Serialize(applicant, Compact) + (returnUrl is null ? "" : "\n" + returnUrl);
        await using var transaction = await db.BeginWriteAsync(ct);
        if (await outbox.MayAskAsync(applicant.Key, ct)) outbox.AddDraft(OwnerLetters.SignUp, details, applicant.Key, usefulFor: TimeSpan.FromHours(1));
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return new Outcome.LetterSent();
    }

    // NFC, as for everything that people type: keyboards differ in how they compose an accent. Null for what can't be a name.
    public static string? NameOf(string typed) =>
        PasswordText.Normalize(typed.Trim()) is { Length: <= LongestName } text && !text.Any(char.IsControl) ? text : null;

    /// <summary>Account, session, audit, letter and the replaced session's event: all or nothing.</summary>
    /// <param name="confirmed">Whether the address has been shown to be theirs.</param>
    /// <param name="also">What must be so too, in the same transaction; false undoes it all.</param>
    public async Task<Outcome> SaveAsync(Applicant applicant, bool confirmed, Client client, IReadOnlyList<Guid> replaced, CancellationToken ct, Func<Task<bool>>? also = null)
    {
        var now = time.GetUtcNow();
        var user = new User
        {
            Id = Guid.CreateVersion7(now),
            Email = applicant.Email,
            NormalizedEmail = applicant.Key,
            EmailConfirmed = confirmed,
            UserName = applicant.Email,
            NormalizedUserName = applicant.Key,
            Name = applicant.Name,
            PasswordHash = applicant.PasswordHash,
            SecurityStamp = Guid.NewGuid().ToString("N"),
            CreatedAt = now,
            Language = client.Language,
        };
        try
        {
            await using var transaction = await db.BeginWriteAsync(ct);
            if (also is not null && !await also()) return new Outcome.EmailInUse();
            db.Users.Add(user);
            if (!confirmed) outbox.AskToConfirm(user);
            audit.Add("signed-up", user.Id, address: client.Address);
            var grant = await start.BeginAsync(user, [Amr.Password], client, replaced, ct) ?? throw new UnreachableException();
            // An address that was changed by mistake, or by a thief, is kept for its owner as long as they can undo that.
            // Asked once the row is there, which waits for a change that is just setting the address free.
            if (await links.HoldsAsync(applicant.Key, null, ct)) return new Outcome.EmailInUse(Kept: true);
            // What strangers have tried at an address that was nobody's isn't held against its owner.
            await guesses.ForgetAsync(applicant.Key, ct);
            await db.SaveChangesAsync(ct);
            await transaction.CommitAsync(ct);
            Made(user.Id);
            return new Outcome.SignedUp(grant);
        }
        catch (DbUpdateException e) when (UniqueViolation.Is(e))
        {
            return new Outcome.EmailInUse(); // somebody was faster
        }
    }

    internal static async Task WarmUpAsync(IServiceProvider services, CancellationToken ct)
    {
        // Nobody: it isn't to be logged.
        var signUp = ActivatorUtilities.CreateInstance<SignUp>(services, NullLogger<SignUp>.Instance);
        await signUp.SaveAsync(new Applicant("nobody@example.test", "NOBODY@EXAMPLE.TEST", null, ""), confirmed: false, new Client("", ""), [], ct);
    }

    [LoggerMessage(5001, LogLevel.Information, "User {UserId} signed up")]
    private partial void Made(Guid userId);
}
