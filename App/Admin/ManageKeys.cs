using App.Data;
using App.Profile;
using App.Tokens;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Admin;

/// <summary>A signing key as an admin sees it; never a part of its private half.</summary>
/// <param name="State"><c>next</c>, <c>current</c>, <c>retired</c> or <c>revoked</c>.</param>
internal sealed record KeyView(string Id, string State, DateTimeOffset CreatedAt, DateTimeOffset? ActivatedAt, DateTimeOffset? EndedAt);

/// <param name="Current">The id of the key that signs from now on.</param>
internal sealed record KeysChanged(string Current);

/// <summary>Signing keys over JSON, as <c>App keys</c> has them on the command line.</summary>
internal static class ManageKeys
{
    /// <summary>All keys there have been, the newest first.</summary>
    public static async Task<Ok<IEnumerable<KeyView>>> ListAsync(SigningKeys keys, CancellationToken ct) => TypedResults.Ok((await keys.ListAsync(ct))
        .Select(k => new KeyView(k.Id, k.State.ToString().ToLowerInvariant(), k.CreatedAt, k.ActivatedAt, k.EndedAt)));

    /// <summary>The next key signs; the current one verifies until its last token has expired. Of two admins at the same moment both are told of the one rotation.</summary>
    public static async Task<Results<Ok<KeysChanged>, ProblemHttpResult>> RotateAsync(CurrentUser admin, AppDb db, SigningKeys keys, SigningKeyRing ring, CancellationToken ct) =>
        await keys.RotateAsync(ct, By(admin, db, ct)) switch
        {
            SigningKeys.Outcome.Done(var current) => TypedResults.Ok(new KeysChanged(current)),
            SigningKeys.Outcome.Forbidden => Problems.Forbidden(),
            _ => TypedResults.Ok(new KeysChanged(ring.Signing.Key.KeyId)),
        };

    /// <summary>Every token of this key is refused from now on, everywhere; if it was the current one, the next takes over. 404 for a key that isn't there or is revoked already.</summary>
    public static async Task<Results<Ok<KeysChanged>, ProblemHttpResult>> RevokeAsync(string id, CurrentUser admin, AppDb db, SigningKeys keys, CancellationToken ct)
    {
        SigningKeys.Outcome outcome;
        // Somebody else changed the keys at the same moment: what was wanted is still to be done.
        do outcome = await keys.RevokeAsync(id, ct, By(admin, db, ct));
        while (outcome is SigningKeys.Outcome.Overtaken);
        return outcome switch
        {
            SigningKeys.Outcome.Done(var current) => TypedResults.Ok(new KeysChanged(current)),
            SigningKeys.Outcome.Forbidden => Problems.Forbidden(),
            _ => Problems.NotFound(),
        };
    }

    private static SigningKeys.ByAdmin By(CurrentUser admin, AppDb db, CancellationToken ct) => new(admin.Id, () => db.IsStillAdminAsync(admin, ct));
}
