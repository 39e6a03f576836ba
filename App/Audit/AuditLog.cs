using App.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Audit;

/// <summary>Writes audit rows into the caller's unit of work: they are saved with their effect or not at all.</summary>
internal sealed class AuditLog(AppDb db, TimeProvider time)
{
    private const string Insert = """
        INSERT INTO "Audit" ("At", "Action", "UserId", "SessionId", "Address", "Detail") VALUES (@at, @action, @userId, @sessionId, @address, @detail)
        """;

    // Of nobody it writes nothing, and is the same work.
    private const string InsertOf = """
        INSERT INTO "Audit" ("At", "Action", "UserId", "SessionId", "Address", "Detail")
        SELECT @at, @action, "Id", @sessionId, @address, @detail FROM "AspNetUsers" WHERE "Id" = @userId
        """;

    private static readonly TimeSpan Fold = TimeSpan.FromMinutes(1);

    /// <param name="actor">The admin who did it to somebody else's account, or to a key.</param>
    public void Add(string action, Guid? userId = null, Guid? sessionId = null, string? address = null, string? detail = null, Guid? actor = null) =>
        db.Audit.Add(new AuditEntry
        {
            At = time.GetUtcNow(),
            Action = AuditActions.Known(action),
            UserId = userId,
            SessionId = sessionId,
            Address = address,
            Detail = detail,
            ActorId = actor,
        });

    /// <summary>The same for what somebody may do as often as they like: all of it within a minute is one row, which tells the last.</summary>
    public async Task AddFoldedAsync(string action, Guid userId, Guid sessionId, string address, string? detail, CancellationToken ct)
    {
        var since = time.GetUtcNow() - Fold;
        var folded = await db.Audit.Where(a => a.UserId == userId && a.SessionId == sessionId && a.Action == action && a.At > since)
            .ExecuteUpdateAsync(set => set.SetProperty(a => a.Detail, detail).SetProperty(a => a.Address, address), ct);
        if (folded == 0) Add(action, userId, sessionId, address, detail);
    }

    /// <summary>The same, at once and in the caller's transaction: for what happens with every sign-in, where the context would be half of the price.</summary>
    public Task WriteAsync(string action, Guid userId, Guid sessionId, string address, string detail, CancellationToken ct) =>
        db.WriteAsync(Insert, ct, ("@at", time.GetUtcNow()), ("@action", AuditActions.Known(action)), ("@userId", userId), ("@sessionId", sessionId), ("@address", address), ("@detail", detail));

    /// <summary>The same where there may be no such person: how long it takes tells nobody whether there is.</summary>
    public Task WriteOfAsync(string action, Guid? userId, Guid? sessionId, string address, string detail, CancellationToken ct) =>
        db.WriteAsync(InsertOf, ct, ("@at", time.GetUtcNow()), ("@action", AuditActions.Known(action)), ("@userId", userId ?? Guid.Empty), ("@sessionId", sessionId), ("@address", address), ("@detail", detail));
}
