using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using App.Data;
using App.Ops;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;

namespace App.Factors;

public sealed class PasskeySignInBeginRequest
{
    /// <summary>Of a password's problem <c>mfa_required</c>, where the passkey is the second step; absent where it is the whole sign-in.</summary>
    [MaxLength(100)] public string? Challenge { get; set; }
}

public sealed class PasskeyAnswerRequest
{
    /// <summary>As the beginning gave it.</summary>
    [Required, MaxLength(4096)] public string Handle { get; set; } = "";

    /// <summary>What <c>navigator.credentials</c> returned, as JSON (WebAuthn section 5.1).</summary>
    public JsonElement Credential { get; set; }

    /// <summary>As at the beginning.</summary>
    [MaxLength(100)] public string? Challenge { get; set; }
}

/// <param name="Handle">To be sent back with the answer, by the same browser, within five minutes.</param>
/// <param name="Options">For <c>PublicKeyCredential.parseRequestOptionsFromJSON</c> or its sibling for creation.</param>
internal sealed record PasskeyOptions(string Handle, JsonElement Options);

/// <summary>Who has just signed in.</summary>
internal sealed record PasskeyUser(string Email, Guid Id);

/// <summary>
/// A passkey signs somebody in, is the second step after their password, or proves again that it's them. The options of a first step name
/// no credentials, whoever asks, so that they tell nobody who has an account.
/// </summary>
internal sealed partial class UsePasskey(
    AppDb db, IPasskeyHandler<User> webAuthn, PasskeyCeremonies ceremonies, SecondSteps steps, StartSession start, KnownDevices devices, RecentProof proof, RefusedSignIn refused, Figures figures, TimeProvider time, ILogger<UsePasskey> logger)
{
    private const string ToSignIn = "sign-in", ToConfirm = "confirm";

    /// <summary>
    /// Options for a sign-in by passkey (WebAuthn section 5.5), and a cookie without which the answer to them is no good. Without a challenge the passkey is the whole sign-in, and they name nobody's;
    /// with that of <c>mfa_required</c> it is the second step. 401 for a challenge that is over, or whose owner's account is locked.
    /// </summary>
    public static async Task<Results<Ok<PasskeyOptions>, ProblemHttpResult>> BeginSignInAsync(
        PasskeySignInBeginRequest request, UsePasskey use, RefusedSignIn refused, HttpContext http, CancellationToken ct)
    {
        if (request.Challenge is null) return await use.BeginAsync(null, ToSignIn, null, http);
        if (await use.OwnerAsync(request.Challenge, ct) is not { } owner) return Problems.InvalidCredentials(401);
        if (!owner.IsLocked) return await use.BeginAsync(owner, ToSignIn, request.Challenge, http);
        await refused.NoteAtLockedAsync(owner.Id, Amr.DeviceKey, Client.Of(http), ct);
        return Problems.InvalidCredentials(401);
    }

    /// <summary>
    /// An authenticator's answer becomes a session: 200 and both cookies. The session that this browser held before ends.
    /// 400 for an answer that isn't good, was given before, or came after five minutes or from another browser, and for a locked account: begin again.
    /// </summary>
    public static async Task<Results<Ok<PasskeyUser>, ProblemHttpResult>> FinishSignInAsync(
        PasskeyAnswerRequest request, UsePasskey use, HeldSessions held, SessionCookies cookies, KnownDevices devices, HttpContext http, CancellationToken ct)
    {
        var signedIn = await use.SignInAsync(request, await held.ReplacedBySignInAsync(http), http, ct);
        use.Count(signedIn);
        if (signedIn is not { } grant) return Problems.InvalidCredentials();
        await devices.RememberAsync(http, grant.User.Id, ct);
        cookies.Write(http, grant);
        return TypedResults.Ok(new PasskeyUser(grant.User.Email, grant.User.Id));
    }

    /// <summary>Options for proving again, by one of the caller's passkeys, that it's them, and a cookie without which the answer to them is no good.</summary>
    public static async Task<Results<Ok<PasskeyOptions>, ProblemHttpResult>> BeginConfirmAsync(CurrentUser user, UsePasskey use, HttpContext http, CancellationToken ct) =>
        await use.FindUserAsync(user.Id, ct) is { } known ? await use.BeginAsync(known, ToConfirm, Subject(user), http) : Problems.NotAuthorized();

    /// <summary>
    /// What answers <c>proof_required</c> with a passkey: 204, and for ten minutes the session may change what protects the account.
    /// 400 for an answer that isn't good, was given before, or came after five minutes or from another browser or session: begin again.
    /// </summary>
    public static async Task<Results<NoContent, ProblemHttpResult>> FinishConfirmAsync(
        PasskeyAnswerRequest request, CurrentUser user, UsePasskey use, HttpContext http, CancellationToken ct) =>
        await use.ConfirmAsync(request, user, http, ct) is { } refused ? refused : TypedResults.NoContent();

    private async Task<Ok<PasskeyOptions>> BeginAsync(User? user, string purpose, string? subject, HttpContext http)
    {
        var begun = await webAuthn.MakeRequestOptionsAsync(user, http);
        return TypedResults.Ok(new PasskeyOptions(ceremonies.Begin(purpose, begun.AssertionState!, subject, http), JsonElement.Parse(begun.RequestOptionsJson)));
    }

    private void Count(Grant? signedIn) => figures.SignIn(signedIn is null ? "wrong" : "ok");

    // Session, second step, counter and the used challenge: all or nothing.
    private async Task<Grant?> SignInAsync(PasskeyAnswerRequest request, IReadOnlyList<Guid> replaced, HttpContext http, CancellationToken ct)
    {
        if (await VerifyAsync(request, ToSignIn, request.Challenge, http) is not var (ceremony, user, passkey)) return null;
        var (second, locked, method) = (request.Challenge is not null, user.IsLocked, passkey.IsBackedUp ? Amr.SyncedKey : Amr.DeviceKey);
        var begun = await OnceAsync(async () =>
        {
            await using var transaction = await db.BeginWriteAsync(ct);
            await db.HoldUserAsync(user.Id, ct);
            ceremonies.Use(ceremony);
            if (!await CountAsync(user, passkey, ct)) return null;
            if (second && !await steps.FinishAsync(request.Challenge!, user.Id, ct)) return null;
            List<string> amr = [method, Amr.Several];
            if (second) amr.Insert(0, Amr.Password);
            if (await start.BeginAsync(user, amr, Client.Of(http), replaced, ct) is not { } grant)
            {
                locked = true;
                return null;
            }

            await devices.TellIfNewAsync(user, grant.User.SessionId, Client.Of(http), ct);
            await db.SaveChangesAsync(ct);
            await transaction.CommitAsync(ct);
            return grant;
        });
        if (begun is null && locked) await refused.NoteAtLockedAsync(user.Id, method, Client.Of(http), ct);
        return begun;
    }

    /// <returns>Null where it is proved.</returns>
    private async Task<ProblemHttpResult?> ConfirmAsync(PasskeyAnswerRequest request, CurrentUser caller, HttpContext http, CancellationToken ct)
    {
        if (await VerifyAsync(request, ToConfirm, Subject(caller), http) is not var (ceremony, user, passkey) || user.Id != caller.Id) return Problems.InvalidCredentials();
        var ended = false;
        var counted = await OnceAsync(async () =>
        {
            await using var transaction = await db.BeginWriteAsync(ct);
            ceremonies.Use(ceremony);
            ended = !await proof.GiveAsync(caller, passkey.IsBackedUp ? Amr.SyncedKey : Amr.DeviceKey, Client.Of(http), ct);
            if (ended || !await CountAsync(user, passkey, ct)) return null;
            await db.SaveChangesAsync(ct);
            await transaction.CommitAsync(ct);
            return user;
        });
        // To begin again would be for nothing.
        if (ended) return Problems.NotAuthorized();
        if (counted is null) return Problems.InvalidCredentials();
        await proof.SayAsync(caller, http, ct);
        return null;
    }

    private async Task<(PasskeyCeremony Ceremony, User User, UserPasskeyInfo Passkey)?> VerifyAsync(PasskeyAnswerRequest request, string purpose, string? subject, HttpContext http)
    {
        if (request.Credential.ValueKind != JsonValueKind.Object || ceremonies.Open(request.Handle, purpose, subject, http) is not { } ceremony) return null;
        var result = await webAuthn.PerformAssertionAsync(new PasskeyAssertionContext
        {
            HttpContext = http,
            CredentialJson = request.Credential.GetRawText(),
            AssertionState = ceremony.State,
        });
        if (result.Succeeded) return (ceremony, result.User, result.Passkey);
        Refused(Client.Of(http).Address);
        return null;
    }

    // The counter moves on, or stands at zero; whoever comes second with the same one has a copy (WebAuthn section 6.1.1).
    private async Task<bool> CountAsync(User user, UserPasskeyInfo used, CancellationToken ct)
    {
        var (hash, count, now) = (Passkey.HashOf(used.CredentialId), (long)used.SignCount, time.GetUtcNow());
        var moved = await db.Passkeys.Where(p => p.UserId == user.Id && p.CredentialHash == hash && (p.SignCount < count || (p.SignCount == 0 && count == 0)))
            .ExecuteUpdateAsync(set => set.SetProperty(p => p.SignCount, count).SetProperty(p => p.LastUsedAt, now).SetProperty(p => p.IsSynced, used.IsBackedUp), ct);
        if (moved != 1) return false;
        var stored = await db.UserPasskeys.SingleAsync(p => p.CredentialId == used.CredentialId, ct);
        (stored.Data.SignCount, stored.Data.IsBackedUp) = (used.SignCount, used.IsBackedUp);
        return true;
    }

    private static async Task<T?> OnceAsync<T>(Func<Task<T?>> run) where T : class
    {
        try
        {
            return await run();
        }
        catch (DbUpdateException e) when (UniqueViolation.Is(e))
        {
            return null; // the challenge was answered before
        }
    }

    private async Task<User?> OwnerAsync(string challenge, CancellationToken ct) =>
        await steps.OwnerAsync(challenge, ct) is { } owner ? await FindUserAsync(owner, ct) : null;

    private Task<User?> FindUserAsync(Guid id, CancellationToken ct) => db.Users.SingleOrDefaultAsync(u => u.Id == id, ct);

    private static string Subject(CurrentUser user) => user.SessionId.ToString();

    [LoggerMessage(4201, LogLevel.Information, "A passkey from {Address} was refused")]
    private partial void Refused(string address);
}
