using System.ComponentModel.DataAnnotations;
using App.Accounts;
using App.Data;
using App.Factors;
using App.Mail;
using App.Ops;
using App.Passwords;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Recovery;

public sealed class ResetRequest
{
    /// <summary>What stands behind <c>token=</c> in the letter's link.</summary>
    [Required, MaxLength(100)] public string Token { get; set; } = "";

    /// <summary>The new one: as at sign-up, or from 8 characters on beside a second factor (<c>Passwords:MinLengthWithSecondFactor</c>).</summary>
    [Required, MaxLength(1024)] public string Password { get; set; } = "";

    /// <summary>Whose password it is, where the client wants that checked: the link is for one person and no other.</summary>
    [MaxLength(254)] public string? Email { get; set; }

    /// <summary>
    /// Of an account whose address nobody has confirmed yet: two-step sign-in was turned on by somebody else, and is turned off. It stays otherwise,
    /// and whatever this says where the address is confirmed.
    /// </summary>
    public bool RemoveTwoStep { get; set; }
}

/// <summary>
/// The link in a letter becomes a new password: once, within an hour. Every session ends, and nobody is signed in by it:
/// the sign-in that follows asks for the second factor where there is one.
/// </summary>
internal sealed class ResetPassword(AppDb db, OneTimeLinks links, PasswordPolicy policy, PasswordChecks passwords, SetPassword set, RemoveFactors factors, SecondFactor second)
{
    public abstract record Outcome
    {
        public sealed record Done : Outcome;

        /// <summary>Used, too old, withdrawn, made up, or somebody else's.</summary>
        public sealed record LinkOver : Outcome;
        public sealed record Invalid(IReadOnlyList<Fault> Faults) : Outcome;
    }

    /// <summary>
    /// The link of a letter becomes a new password: once, within an hour. Every session of the person ends, and nobody is signed in by it.
    /// 400 with <c>field</c> <c>password</c> for one that won't do, which leaves the link good; without a field for a link that is used, withdrawn, too old or somebody else's.
    /// </summary>
    public static async Task<Results<Ok<Nothing>, ProblemHttpResult>> HandleAsync(HttpContext http, ResetPassword reset, CancellationToken ct)
    {
        if (await CourseBody.ReadAsync(http.Request, ct) is not { } body) return Problems.BadRequest("Malformed JSON");
        var request = new ResetRequest { Token = body.Text("token"), Password = body.Text("password"), Email = body.Text("email") is { Length: > 0 } email ? email : null, RemoveTwoStep = body.IsTrue("removeTwoStep") };
        return await reset.TryAsync(request, Client.Of(http), ct) switch
        {
            Outcome.Done => TypedResults.Ok(new Nothing()),
            Outcome.Invalid(var faults) => Problems.Invalid(faults),
            _ => Refusals.LinkOver(http),
        };
    }

    /// <summary>Whether a link is still good; looking doesn't use it up.</summary>
    public async Task<bool> IsGoodAsync(string? token, CancellationToken ct) => await FindAsync(token, ct) is not null;

    /// <param name="Min">Of a new password of the link's owner.</param>
    /// <param name="MayRemoveTwoStep">As <see cref="ResetRequest.RemoveTwoStep"/> does.</param>
    public sealed record Terms(int Min, int Max, string? Email, bool MayRemoveTwoStep);

    /// <returns>For a bad link, anybody's length and no address.</returns>
    public async Task<Terms> DescribeAsync(string? token, CancellationToken ct)
    {
        var user = (await FindAsync(token, ct))?.User;
        var isOn = user is not null && await second.IsOnAsync(user.Id, ct);
        var (min, max) = policy.LengthFor(isOn && user!.EmailConfirmed);
        return new Terms(min, max, user?.Email, isOn && !user!.EmailConfirmed);
    }

    public async Task<Outcome> TryAsync(ResetRequest request, Client client, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (await FindAsync(request.Token, ct) is not (var link, var user)) return new Outcome.LinkOver();
        if (request.Email is not null && (!EmailAddress.TryParse(request.Email, out var email) || email.Key != user.NormalizedEmail)) return new Outcome.LinkOver();
        if (policy.Check(request.Password, user.Email!, user.Name, user.EmailConfirmed && await second.IsOnAsync(user.Id, ct)) is { Count: > 0 } faults) return new Outcome.Invalid(faults);
        var hash = await passwords.HashAsync(request.Password, ct);

        await using var transaction = await db.BeginWriteAsync(ct);
        await db.HoldUserAsync(user.Id, ct);
        if (!await links.UseAsync(link, ct)) return new Outcome.LinkOver();
        // Hashing takes a while, in which their address may have been confirmed, or changed.
        await db.Entry(user).ReloadAsync(ct);
        if (!IsTo(user, link)) return new Outcome.LinkOver();
        if (!user.EmailConfirmed)
        {
            // Whoever made an account with an address that isn't theirs may have left themselves a way in, for when its owner takes it over. A second
            // step is none, and may be the owner's: it goes where they say that it isn't theirs.
            await factors.PasskeysAsync(user.Id, client.Address, ct);
            if (request.RemoveTwoStep) await factors.AuthenticatorAsync(user.Id, client.Address, ct);
            // Whoever has the letter has the address. That the account is theirs is yet to be shown while there is a step of somebody's, and the next letter asks again.
            user.EmailConfirmed = !await second.IsOnAsync(user.Id, ct);
        }

        await set.InUnitOfWorkAsync(user, hash, client, keep: null, endOthers: true, ct);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return new Outcome.Done();
    }

    private async Task<(OneTimeLink Link, User User)?> FindAsync(string? token, CancellationToken ct) =>
        await links.FindAsync(SetPassword.ResetLink, token, ct) is { } link
        && await db.Users.SingleOrDefaultAsync(u => u.Id == link.UserId, ct) is { IsLocked: false } user && IsTo(user, link) ? (link, user) : null;

    // The letter went to one address, as that of a confirmation does; where no letter brought the link it names none.
    private static bool IsTo(User user, OneTimeLink link) => link.Details is null || link.Details == user.NormalizedEmail;
}
