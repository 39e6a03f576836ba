using App.Audit;
using App.Data;
using App.Sessions;
using Microsoft.EntityFrameworkCore;

namespace App.Factors;

/// <summary>What the owner of an account reads of a sign-in that was refused.</summary>
internal sealed class RefusedSignIn(AppDb db, AuditLog audit, TimeProvider time)
{
    public const string Action = "sign-in-refused";

    /// <summary>In the detail after the way it was tried, where an admin has locked the account.</summary>
    public const string AtLocked = " locked";

    private static readonly TimeSpan Series = TimeSpan.FromMinutes(15);

    /// <summary>
    /// A passkey, or a second step, was tried at an account that an admin has locked. Such tries are counted nowhere else; however many are
    /// made, each way is one row within a quarter of an hour.
    /// </summary>
    /// <param name="method">RFC 8176.</param>
    public async Task NoteAtLockedAsync(Guid userId, string method, Client client, CancellationToken ct)
    {
        var (what, since) = (method + AtLocked, time.GetUtcNow() - Series);
        await using var transaction = await db.BeginWriteAsync(ct);
        if (await db.Audit.AnyAsync(a => a.UserId == userId && a.Action == Action && EF.Functions.Like(a.Detail, what + "|%") && a.At > since, ct)) return;
        // Not by the context, which may still hold what was begun and is not to be.
        await audit.WriteOfAsync(Action, userId, null, client.Address, With(what, client), ct);
        await transaction.CommitAsync(ct);
    }

    /// <summary>With the device, which no session remembers: its names are ours, or a word of letters and digits.</summary>
    public static string With(string what, Client client) => Device.Parse(client.UserAgent) is var device ? $"{what}|{device.Kind}|{device.Browser}|{device.Os}" : what;
}
