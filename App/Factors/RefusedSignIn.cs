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

    private const string StepDue = " second-step";

    private static readonly TimeSpan Series = TimeSpan.FromMinutes(15);

    /// <summary>
    /// A passkey, or a second step, was tried at an account that an admin has locked. Such tries are counted nowhere else; however many are
    /// made, each way is one row within a quarter of an hour.
    /// </summary>
    /// <param name="method">RFC 8176.</param>
    public Task NoteAtLockedAsync(Guid userId, string method, Client client, CancellationToken ct) => NoteAsync(userId, method + AtLocked, client, ct);

    /// <summary>
    /// The password was right, and two-step sign-in asked for more, of a device that isn't known: whoever has the password and goes no further
    /// is seen here alone (ASVS 5.0, 6.3.5). As often as the above.
    /// </summary>
    public Task NoteStepDueAsync(Guid userId, Client client, CancellationToken ct) => NoteAsync(userId, Amr.Password + StepDue, client, ct);

    /// <summary>Whether that is what a detail says.</summary>
    public static bool IsStepDue(string what) => what.EndsWith(StepDue, StringComparison.Ordinal);

    private async Task NoteAsync(Guid userId, string what, Client client, CancellationToken ct)
    {
        var since = time.GetUtcNow() - Series;
        await using var transaction = await db.BeginWriteAsync(ct);
        if (await db.Audit.AnyAsync(a => a.UserId == userId && a.Action == Action && EF.Functions.Like(a.Detail, what + "|%") && a.At > since, ct)) return;
        // Not by the context, which may still hold what was begun and is not to be.
        await audit.WriteOfAsync(Action, userId, null, client.Address, With(what, client), ct);
        await transaction.CommitAsync(ct);
    }

    /// <summary>With the device, which no session remembers: its names are ours, or a word of letters and digits.</summary>
    public static string With(string what, Client client) => Device.Parse(client.UserAgent) is var device ? $"{what}|{device.Kind}|{device.Browser}|{device.Os}" : what;
}
