using App.Data;

namespace App.Audit;

/// <summary>Writes audit rows into the caller's unit of work: they are saved with their effect or not at all.</summary>
internal sealed class AuditLog(AppDb db, TimeProvider time)
{
    public void Add(string action, Guid? userId = null, Guid? sessionId = null, string? address = null, string? detail = null) =>
        db.Audit.Add(new AuditEntry
        {
            At = time.GetUtcNow(),
            Action = action,
            UserId = userId,
            SessionId = sessionId,
            Address = address,
            Detail = detail,
        });
}
