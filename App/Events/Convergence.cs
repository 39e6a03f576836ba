using App.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Events;

/// <summary>Who refuses the tokens of a revocation by now.</summary>
/// <param name="Applied">How many services have applied it.</param>
/// <param name="Services">How many are concerned and in contact.</param>
/// <param name="Seconds">From the revocation to the last of them; absent until all have, or where it is too long ago to say.</param>
/// <param name="Behind">Those that haven't.</param>
internal sealed record ConvergenceView(int Applied, int Services, double? Seconds, IReadOnlyList<ServiceBehind> Behind);

/// <param name="Service">The service's id.</param>
/// <param name="Seconds">How long it has been behind.</param>
internal sealed record ServiceBehind(string Service, double Seconds);

/// <summary>
/// Answers for one entry of the log which services have applied it. A service counts while it was in contact within the life of an access
/// token: one that has been away for longer holds no token that is still good. It has applied when each of its instances has.
/// </summary>
internal sealed class Convergence(AppDb db, EntryText text, TokenFacts tokens, TimeProvider time)
{
    /// <returns>Null where no service is concerned.</returns>
    public async Task<ConvergenceView?> OfAsync(LoggedEvent entry, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var since = now - tokens.Lifetime;
        var readers = await db.FeedReaders.AsNoTracking().Where(r => r.ContactAt > since).ToListAsync(ct);
        var services = readers.Where(r => text.Concerns(entry, r.Audience)).GroupBy(r => r.Service).OrderBy(s => s.Key, StringComparer.Ordinal).ToList();
        if (services.Count == 0) return null;

        // Those to whom it was pushed and who didn't take it, though they may have taken what came later.
        var aside = await db.UndeliveredEvents.Where(u => u.Cursor == entry.Cursor).Select(u => u.Service).ToListAsync(ct);
        var behind = services.Where(s => s.Any(r => !HasApplied(r, entry.Cursor) || (r.Instance == FeedReader.Push && aside.Contains(r.Service))))
            .Select(s => new ServiceBehind(s.Key, Math.Max(0, Math.Round((now - entry.OccurredAt).TotalSeconds, 3)))).ToList();
        double? seconds = null;
        if (behind.Count == 0)
        {
            var times = services.SelectMany(s => s).Select(r => r.AppliedAt(entry.Cursor)).ToList();
            if (!times.Contains(null)) seconds = Math.Max(0, Math.Round((times.Max()!.Value - entry.OccurredAt).TotalSeconds, 3));
        }

        return new ConvergenceView(services.Count - behind.Count, services.Count, seconds, behind);
    }

    /// <summary>The same for the revocation of a session; null also where the log no longer holds it.</summary>
    public async Task<ConvergenceView?> OfSessionAsync(Guid sessionId, CancellationToken ct)
    {
        var entry = await db.SecurityEvents.AsNoTracking().Where(e => e.SessionId == sessionId).OrderByDescending(e => e.Cursor).FirstOrDefaultAsync(ct);
        return entry is null ? null : await OfAsync(entry, ct);
    }

    private static bool HasApplied(FeedReader reader, long cursor) => reader.Applied >= cursor || reader.HasAhead(cursor);
}
