using System.ComponentModel.DataAnnotations;
using System.Text;
using App.Audit;
using App.Data;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Factors;

public sealed class RenamePasskeyRequest
{
    /// <summary>White space around it doesn't count.</summary>
    [Required, MaxLength(Passkey.LongestName)] public string Name { get; set; } = "";
}

/// <summary>A passkey as its owner sees it.</summary>
/// <param name="Synced">Backed up by its provider, so it survives the loss of the device.</param>
internal sealed record PasskeyView(Guid Id, string Name, DateTimeOffset CreatedAt, DateTimeOffset? LastUsedAt, bool Synced)
{
    public static PasskeyView Of(Passkey passkey) => new(passkey.Id, passkey.Name, passkey.CreatedAt, passkey.LastUsedAt, passkey.IsSynced);
}

/// <summary>A person looks at their passkeys, names them, and removes one, which needs a recent proof.</summary>
internal sealed class ManagePasskeys(AppDb db, RecentProof proof, FactorChange change, RemoveFactors remove, AuditLog audit)
{
    public enum Outcome
    {
        Done,
        NotFound,
        BadName,
        ProofRequired,
    }

    /// <summary>The caller's passkeys, the oldest first.</summary>
    public static async Task<Ok<IReadOnlyList<PasskeyView>>> ListAsync(CurrentUser user, ManagePasskeys passkeys, CancellationToken ct) =>
        TypedResults.Ok(await passkeys.OfAsync(user, ct));

    /// <summary>Gives one of the caller's passkeys another name. 400 for what isn't 1 to 60 characters of text; 404 for a passkey that isn't the caller's.</summary>
    /// <param name="id">The passkey's id.</param>
    public static async Task<Results<NoContent, ProblemHttpResult>> RenameAsync(Guid id, RenamePasskeyRequest request, CurrentUser user, ManagePasskeys passkeys, HttpContext http, CancellationToken ct) =>
        Answer(await passkeys.TryRenameAsync(user, id, request.Name, Client.Of(http).Address, ct), http);

    /// <summary>
    /// Takes one of the caller's passkeys away, and two-step sign-in with the last one where nothing else could answer it; a letter tells the owner.
    /// 401 <c>proof_required</c> without a proof within the last ten minutes; 404 for a passkey that isn't the caller's.
    /// </summary>
    /// <param name="id">The passkey's id.</param>
    public static async Task<Results<NoContent, ProblemHttpResult>> RemoveAsync(Guid id, CurrentUser user, ManagePasskeys passkeys, HttpContext http, CancellationToken ct) =>
        Answer(await passkeys.TryRemoveAsync(user, id, Client.Of(http).Address, ct), http);

    private static Results<NoContent, ProblemHttpResult> Answer(Outcome outcome, HttpContext http) => outcome switch
    {
        Outcome.Done => TypedResults.NoContent(),
        Outcome.ProofRequired => Problems.ProofRequired(http, Session.ProofLasts),
        Outcome.BadName => Problems.Invalid([new Fault("Name must be 1 to 60 characters of text", "name")]),
        _ => Problems.NotFound(),
    };

    public async Task<IReadOnlyList<PasskeyView>> OfAsync(CurrentUser user, CancellationToken ct) =>
        await db.Passkeys.AsNoTracking().Where(p => p.UserId == user.Id).OrderBy(p => p.CreatedAt).Select(p => PasskeyView.Of(p)).ToListAsync(ct);

    public async Task<Outcome> TryRenameAsync(CurrentUser user, Guid id, string? name, string address, CancellationToken ct)
    {
        if (Clean(name) is not { } clean) return Outcome.BadName;
        await using var transaction = await db.BeginWriteAsync(ct);
        if (await db.Passkeys.SingleOrDefaultAsync(p => p.Id == id && p.UserId == user.Id, ct) is not { } passkey) return Outcome.NotFound;
        if (passkey.Name == clean) return Outcome.Done;
        passkey.Name = clean;
        await audit.AddFoldedAsync(FactorChange.PasskeyRenamed, user.Id, user.SessionId, address, clean, ct);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return Outcome.Done;
    }

    /// <summary>Another person's is as unknown as one that never was.</summary>
    public async Task<Outcome> TryRemoveAsync(CurrentUser user, Guid id, string address, CancellationToken ct)
    {
        if (!await proof.IsGivenAsync(user, ct)) return Outcome.ProofRequired;
        await using var transaction = await db.BeginWriteAsync(ct);
        await db.HoldUserAsync(user.Id, ct);
        if (await db.Passkeys.AsNoTracking().SingleOrDefaultAsync(p => p.Id == id && p.UserId == user.Id, ct) is not { } passkey) return Outcome.NotFound;
        if (await db.FindLifeAsync(user.SessionId, ct) is not { RevokedAt: null }) return Outcome.NotFound; // ended meanwhile
        if (!await db.DeletePasskeyAsync(passkey, ct)) return Outcome.NotFound;
        await change.NoteAsync(FactorChange.PasskeyRemoved, user, address, ct);
        await remove.StepWithoutKeysAsync(user.Id, user.SessionId, address, ct);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return Outcome.Done;
    }

    /// <summary>Null for what can't be a name; half a surrogate pair reads as U+FFFD.</summary>
    public static string? Clean(string? name) =>
        name?.Trim() is { Length: > 0 and <= Passkey.LongestName } text && !text.EnumerateRunes().Any(rune => rune.Value == 0xFFFD || Rune.IsControl(rune)) ? text : null;
}
