using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Nodes;
using App.Data;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;

namespace App.Factors;

public sealed class AddPasskeyRequest
{
    /// <summary>As the beginning gave it.</summary>
    [Required, MaxLength(4096)] public string Handle { get; set; } = "";

    /// <summary>What <c>navigator.credentials.create</c> returned, as JSON (WebAuthn section 5.1).</summary>
    public JsonElement Credential { get; set; }

    /// <summary>What to call it; by default the name of what keeps it.</summary>
    [MaxLength(Passkey.LongestName)] public string? Name { get; set; }
}

/// <summary>Somebody who is signed in, and has proved it of late, adds a passkey to their account.</summary>
internal sealed partial class AddPasskey(
    AppDb db, IPasskeyHandler<User> webAuthn, PasskeyCeremonies ceremonies, FactorChange change, Brand brand, TimeProvider time, ILogger<AddPasskey> logger)
{
    /// <summary>More than anybody keeps; each costs a kilobyte in every list of credentials that a browser is sent.</summary>
    public const int MostPerAccount = 20;

    /// <summary>Bytes of a key in SQL Server. WebAuthn allows 1023; authenticators use a few hundred at most.</summary>
    public const int LongestId = 900;

    private const string ToAdd = "add";

    /// <summary>
    /// Options for making a passkey (WebAuthn section 5.4), and a cookie without which the answer to them is no good.
    /// 401 <c>proof_required</c> without a proof within the last ten minutes.
    /// </summary>
    public static async Task<Results<Ok<PasskeyOptions>, ProblemHttpResult>> BeginAsync(CurrentUser user, AddPasskey add, HttpContext http) =>
        TypedResults.Ok(await add.BeginAsync(user, http));

    /// <summary>
    /// An authenticator's answer becomes a passkey of the caller's; a letter tells the owner. The proof that it was begun with is enough.
    /// 400 for an answer that isn't good, was given before, or came after five minutes or from another browser or session, and past 20 passkeys.
    /// </summary>
    public static async Task<Results<Created<PasskeyView>, ProblemHttpResult>> FinishAsync(AddPasskeyRequest request, CurrentUser user, AddPasskey add, HttpContext http, CancellationToken ct) =>
        await add.TryAsync(request, user, http, ct) is { } added
            ? TypedResults.Created($"/api/passkeys/{added.Id}", PasskeyView.Of(added))
            : Problems.BadRequest("The passkey could not be added");

    private async Task<PasskeyOptions> BeginAsync(CurrentUser user, HttpContext http)
    {
        var begun = await webAuthn.MakeCreationOptionsAsync(new PasskeyUserEntity { Id = user.Id.ToString(), Name = user.Email, DisplayName = user.Name ?? user.Email }, http);
        // The name of the product, not of its host: it's what the authenticator shows.
        var options = JsonNode.Parse(begun.CreationOptionsJson)!;
        options["rp"]!["name"] = brand.Name;
        return new PasskeyOptions(ceremonies.Begin(ToAdd, begun.AttestationState!, user.SessionId.ToString(), http), JsonSerializer.SerializeToElement(options));
    }

    /// <returns>Null where it isn't a good answer to what was begun here, or was given before.</returns>
    private async Task<Passkey?> TryAsync(AddPasskeyRequest request, CurrentUser user, HttpContext http, CancellationToken ct)
    {
        if (request.Credential.ValueKind != JsonValueKind.Object || ceremonies.Open(request.Handle, ToAdd, user.SessionId.ToString(), http) is not { } ceremony) return null;
        var result = await webAuthn.PerformAttestationAsync(new PasskeyAttestationContext { HttpContext = http, CredentialJson = request.Credential.GetRawText(), AttestationState = ceremony.State });
        // Identity leaves it to us to see that it was made for this very user.
        if (!result.Succeeded || result.UserEntity.Id != user.Id.ToString() || !result.Passkey.IsUserVerified || result.Passkey.CredentialId.Length > LongestId)
        {
            Refused(user.Id);
            return null;
        }

        try
        {
            return await SaveAsync(result.Passkey, request.Name, ceremony, user, Client.Of(http), ct);
        }
        catch (DbUpdateException e) when (UniqueViolation.Is(e))
        {
            return null;
        }
    }

    private async Task<Passkey?> SaveAsync(UserPasskeyInfo made, string? name, PasskeyCeremony ceremony, CurrentUser user, Client client, CancellationToken ct)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        await db.HoldUserAsync(user.Id, ct);
        // Ended meanwhile, by a lock perhaps: nothing of it is good for later.
        if (await db.FindLifeAsync(user.SessionId, ct) is not { RevokedAt: null }) return null;
        if (await db.Passkeys.CountAsync(p => p.UserId == user.Id, ct) >= MostPerAccount) return null;
        var now = time.GetUtcNow();
        var passkey = new Passkey
        {
            Id = Guid.CreateVersion7(now),
            UserId = user.Id,
            CredentialHash = Passkey.HashOf(made.CredentialId),
            Name = ManagePasskeys.Clean(name) ?? AuthenticatorName.Of(made.AttestationObject) ?? SessionWords.Name(Device.Parse(client.UserAgent)),
            CreatedAt = now,
            IsSynced = made.IsBackedUp,
            SignCount = made.SignCount,
        };
        ceremonies.Use(ceremony);
        db.Add(passkey);
        db.Add(new IdentityUserPasskey<Guid>
        {
            UserId = user.Id,
            CredentialId = made.CredentialId,
            Data = new IdentityPasskeyData
            {
                PublicKey = made.PublicKey,
                CreatedAt = now,
                SignCount = made.SignCount,
                Transports = made.Transports,
                IsUserVerified = made.IsUserVerified,
                IsBackupEligible = made.IsBackupEligible,
                IsBackedUp = made.IsBackedUp,
                AttestationObject = made.AttestationObject,
                ClientDataJson = made.ClientDataJson,
            },
        });
        await change.NoteAsync(FactorChange.PasskeyAdded, user, client.Address, ct, passkey.Id.ToString());
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return passkey;
    }

    [LoggerMessage(4202, LogLevel.Information, "A new passkey of user {UserId} was refused")]
    private partial void Refused(Guid userId);
}
