using App.Data;
using App.Profile;
using App.Sessions;
using App.Tokens;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;
using SessionOptions = App.Sessions.SessionOptions;

namespace App.Keys;

/// <summary>A signing key as an admin sees it; never a part of its private half.</summary>
/// <param name="State"><c>next</c>, <c>current</c>, <c>retired</c> or <c>revoked</c>.</param>
/// <param name="EndedAt">When it was retired or revoked.</param>
/// <param name="DueAt">When the schedule replaces the current key, and brings in the next one.</param>
/// <param name="VerifiedUntil">When the last token of a retired key has expired, whatever its life.</param>
public sealed record KeyView(
    string Id, string State, DateTimeOffset CreatedAt, DateTimeOffset? ActivatedAt, DateTimeOffset? EndedAt, DateTimeOffset? DueAt, DateTimeOffset? VerifiedUntil);

/// <param name="Current">The id of the key that signs from now on; while a shared secret still does (<c>Tokens:SharedSecret</c>), of the one that will.</param>
internal sealed record KeysChanged(string Current);

/// <summary>Signing keys in an admin's hands, as <c>App keys</c> has them on the command line. The endpoints and the page both end here.</summary>
internal sealed class ManageKeys(AppDb db, SigningKeys keys, RotateOnSchedule schedule, SessionOptions sessions, TimeProvider time)
{
    // Beyond, it is many: nobody waits for a million rows to be counted.
    private const int MostCounted = 100_000;

    /// <summary>All keys there have been, the newest first.</summary>
    public static async Task<Ok<IReadOnlyList<KeyView>>> HandleListAsync(ManageKeys manage, CancellationToken ct) => TypedResults.Ok(await manage.ListAsync(ct));

    /// <summary>The next key signs; the current one verifies until its last token has expired. Who asks while another's is under way is told of that one. 409 <c>shared_secret</c> while one signs.</summary>
    public static async Task<Results<Ok<KeysChanged>, ProblemHttpResult>> HandleRotateAsync(CurrentUser admin, ManageKeys manage, SigningKeyRing ring, CancellationToken ct) =>
        await manage.RotateAsync(ring.Signing.Key.KeyId, admin, ct) switch
        {
            SigningKeys.Outcome.Done(var current) => TypedResults.Ok(new KeysChanged(current)),
            SigningKeys.Outcome.Forbidden => Problems.Forbidden(),
            SigningKeys.Outcome.AtRest => Problems.SharedSecretSigns(),
            _ => TypedResults.Ok(new KeysChanged(await manage.CurrentAsync(ct))),
        };

    /// <summary>Every token of this key is refused from now on, everywhere; if it was the current one, the next takes over. 404 for a key that isn't there or is revoked already.</summary>
    /// <param name="id">The key's <c>kid</c>.</param>
    public static async Task<Results<Ok<KeysChanged>, ProblemHttpResult>> HandleRevokeAsync(string id, CurrentUser admin, ManageKeys manage, CancellationToken ct) =>
        await manage.RevokeAsync(id, admin, ct) switch
        {
            SigningKeys.Outcome.Done(var current) => TypedResults.Ok(new KeysChanged(current)),
            SigningKeys.Outcome.Forbidden => Problems.Forbidden(),
            _ => Problems.NotFound(),
        };

    public async Task<IReadOnlyList<KeyView>> ListAsync(CancellationToken ct)
    {
        var all = await keys.ListAsync(ct);
        var due = schedule.DueAt(all);
        return [.. all.Select(k => new KeyView(
            k.Id, k.State.ToString().ToLowerInvariant(), k.CreatedAt, k.ActivatedAt, k.EndedAt,
            k.State is SigningKeyState.Current or SigningKeyState.Next ? due : null,
            k.State is SigningKeyState.Retired ? k.EndedAt + SigningKeyRing.VerifiedAfterEnd : null))];
    }

    private async Task<string> CurrentAsync(CancellationToken ct) => (await keys.ListAsync(ct)).First(k => k.State == SigningKeyState.Current).Id;

    /// <summary>How many sessions hold tokens, or get one with their next renewal.</summary>
    /// <returns>Null where there are very many.</returns>
    public async Task<int?> CountSessionsAsync(CancellationToken ct) =>
        await db.Sessions.Living(time.GetUtcNow(), sessions).Take(MostCounted + 1).CountAsync(ct) is <= MostCounted and var count ? count : null;

    /// <param name="seen">The key that the admin saw signing: where it no longer does, what they want has happened. Null rotates whatever signs.</param>
    public Task<SigningKeys.Outcome> RotateAsync(string? seen, CurrentUser admin, CancellationToken ct) => keys.RotateAsync(ct, By(admin, ct), seen);

    public async Task<SigningKeys.Outcome> RevokeAsync(string id, CurrentUser admin, CancellationToken ct)
    {
        SigningKeys.Outcome outcome;
        // Somebody else changed the keys at the same moment: what was wanted is still to be done.
        do outcome = await keys.RevokeAsync(id, ct, By(admin, ct));
        while (outcome is SigningKeys.Outcome.Overtaken);
        return outcome;
    }

    private SigningKeys.ByAdmin By(CurrentUser admin, CancellationToken ct) => new(admin.Id, () => db.IsStillAdminAsync(admin, ct));
}
