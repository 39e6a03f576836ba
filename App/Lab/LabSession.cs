using App.Data;
using App.Sessions;
using Microsoft.EntityFrameworkCore;
using SessionOptions = App.Sessions.SessionOptions;

namespace App.Lab;

/// <summary>
/// A session of the signed-in person that exists to be ended, so that their browser keeps its own. It begins and ends by the ordinary verbs,
/// is listed and logged as any other, and its tokens never leave this process.
/// </summary>
internal sealed class LabSession(AppDb db, StartSession start, EndSession end, SessionOptions options, TimeProvider time)
{
    private static readonly Client Program = new("", "Lab");

    /// <returns>Null where the account is gone, or the session that asks is over: a page may outlive it.</returns>
    public async Task<Grant?> BeginAsync(CurrentUser user, CancellationToken ct)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        if (!await db.Sessions.Living(time.GetUtcNow(), options).AnyAsync(s => s.Id == user.SessionId && s.UserId == user.Id, ct)) return null;
        if (await db.Users.SingleOrDefaultAsync(u => u.Id == user.Id, ct) is not { } person) return null;
        if (await start.BeginAsync(person, user.Amr, Program, [], ct) is not { } grant) return null;
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return grant;
    }

    public Task EndAsync(Grant grant, CancellationToken ct) => end.TryAsync(grant.User, grant.User.SessionId, ct);
}
