using System.ComponentModel.DataAnnotations;
using App.Accounts;
using App.Data;
using App.Mail;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Recovery;

public sealed class ForgotRequest
{
    [Required, MaxLength(254)] public string Email { get; set; } = "";
}

/// <summary>
/// Somebody says that they have forgotten their password. Nothing here looks for the account: what is asked for is put in the box, the same for
/// every address, and <see cref="RecoveryLetters"/> finds out later whether there is a letter to write.
/// </summary>
internal sealed class AskForReset(AppDb db, Outbox outbox)
{
    public const string Letter = "reset";

    /// <summary>The one that an administrator has sent.</summary>
    public const string StartedLetter = "reset-started";

    public abstract record Outcome
    {
        public sealed record Asked : Outcome;
        public sealed record Invalid(IReadOnlyList<Fault> Faults) : Outcome;
    }

    public enum Letters
    {
        Asked,

        /// <summary>The one before isn't written yet, and serves as well.</summary>
        Waiting,
        Enough,
    }

    /// <summary>202 with nothing in it for every address, known or not; a letter follows where there is an account, whose link is good for an hour. 400 for what can't be an address.</summary>
    public static async Task<Results<Accepted<Nothing>, ProblemHttpResult>> HandleAsync(HttpContext http, AskForReset ask, CancellationToken ct)
    {
        if (await CourseBody.ReadAsync(http.Request, ct) is not { } body) return Problems.BadRequest("Malformed JSON");
        return await ask.TryAsync(new ForgotRequest { Email = body.Text("email") }, ct) is Outcome.Invalid(var faults)
            ? Problems.Invalid(faults)
            : TypedResults.Accepted((string?)null, new Nothing());
    }

    /// <param name="returnUrl">Where the person was going when the password was asked for; the letter's link remembers it.</param>
    public async Task<Outcome> TryAsync(ForgotRequest request, CancellationToken ct, string? returnUrl = null)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (!EmailAddress.TryParse(request.Email, out var email)) return new Outcome.Invalid([EmailAddress.FaultOf(request.Email)]);
        await using var transaction = await db.BeginWriteAsync(ct);
        // Enough for whoever deletes the first by mistake, too few to fill anybody's letter box.
        // Apart from the letters of a sign-up, which anybody may ask for in the owner's name.
        var counted = $"{Letter} {email.Key}";
        if (await outbox.MayAskAsync(counted, ct)) outbox.AddDraft(Letter, string.IsNullOrEmpty(returnUrl) ? email.Key : $"{email.Key}\n{returnUrl}", counted, usefulFor: SetPassword.ResetLasts);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return new Outcome.Asked();
    }

    /// <summary>The same for an account that is known, on an administrator's word. In the caller's write transaction.</summary>
    public async Task<Letters> ForOwnerAsync(Guid userId, CancellationToken ct)
    {
        // Apart from what anybody may ask for in the owner's name, who would else keep the help of an admin away.
        var counted = $"{StartedLetter} {userId}";
        if (await outbox.IsWaitingAsync(userId, StartedLetter, ct)) return Letters.Waiting;
        if (!await outbox.MayAskAsync(counted, ct)) return Letters.Enough;
        outbox.AddDraft(StartedLetter, userId.ToString(), counted, userId, SetPassword.ResetLasts);
        return Letters.Asked;
    }
}
