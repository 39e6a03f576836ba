using System.ComponentModel.DataAnnotations;
using App.Accounts;
using App.Audit;
using App.Data;
using App.Factors;
using App.Sessions;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Profile;

public sealed class ChangeNameRequest
{
    /// <summary>What the person would like to be called; blank for no name.</summary>
    [MaxLength(200)] public string? Name { get; set; }
}

/// <summary>A person is called something else. No token becomes wrong enough to be refused by it: this browser's next one says the new name, the others' once they renew.</summary>
internal sealed class ChangeName(AppDb db, RecentProof proof, AuditLog audit)
{
    /// <summary>Another name for the caller, or none. A browser's next token says it, the others' once they renew. 400 for what isn't at most 200 characters of text.</summary>
    public static async Task<Results<NoContent, ProblemHttpResult>> HandleAsync(ChangeNameRequest request, CurrentUser user, ChangeName change, HttpContext http, CancellationToken ct) =>
        await change.TryAsync(request, user, http, ct) is { Count: > 0 } faults ? Problems.Invalid(faults) : TypedResults.NoContent();

    /// <returns>What is wrong with it; nothing when it is changed.</returns>
    public async Task<IReadOnlyList<Fault>> TryAsync(ChangeNameRequest request, CurrentUser caller, HttpContext http, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        var named = !string.IsNullOrWhiteSpace(request.Name);
        var name = named ? SignUp.NameOf(request.Name!) : null;
        if (named && name is null) return [SignUp.InvalidName];
        await using var transaction = await db.BeginWriteAsync(ct);
        if (await db.Users.SingleOrDefaultAsync(u => u.Id == caller.Id, ct) is not { } user || user.Name == name) return [];
        user.Name = name;
        await audit.AddFoldedAsync("name-changed", user.Id, caller.SessionId, Client.Of(http).Address, null, ct);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        await proof.SayAsync(caller, http, ct);
        return [];
    }
}
