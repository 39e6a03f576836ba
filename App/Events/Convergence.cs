using App.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Events;

/// <summary>Who refuses the tokens of a revocation by now.</summary>
/// <param name="Applied">How many services have applied it.</param>
/// <param name="Services">How many are concerned and in contact.</param>
/// <param name="Seconds">From the revocation to the last of them; absent until all have, or where it is too long ago to say.</param>
/// <param name="Behind">Those that haven't.</param>
internal sealed record ConvergenceView(int Applied, int Services, double? Seconds, IReadOnlyList<ServiceBehind> Behind);

/// <summary>How the instances of a service keep up with the log, by their own word.</summary>
/// <param name="Newest">The newest cursor given out.</param>
/// <param name="P50Seconds">From an event to its being applied, at each instance, over the last thousand events: half of them took no longer. Absent while that can't be said.</param>
/// <param name="P99Seconds">The same for 99 of 100.</param>
/// <param name="Instances">Those that were in contact within a day, by name; the hundred latest at most.</param>
internal sealed record FeedView(long Newest, double? P50Seconds, double? P99Seconds, IReadOnlyList<InstanceView> Instances);

/// <param name="Instance">As it calls itself; empty where it has no name, <c>(poll)</c> and <c>(PUSH)</c> for the ways without one.</param>
/// <param name="Applied">Everything up to this cursor is applied.</param>
/// <param name="Behind">How many of the last thousand events concern it and aren't applied.</param>
/// <param name="BehindSeconds">How old the first of these is; 0 where there is none.</param>
internal sealed record InstanceView(string Instance, DateTimeOffset ContactAt, long Applied, int Behind, double BehindSeconds);

/// <param name="Service">The service's id.</param>
/// <param name="Seconds">How long it has been behind.</param>
internal sealed record ServiceBehind(string Service, double Seconds);

/// <summary>
/// Answers for one entry of the log which services have applied it. A service has when each of its instances has. One that hasn't been heard of
/// for a while may have lost its line alone, and go on taking the tokens that people bring it: it counts for as long as a token that the entry
/// concerns may be good, and after that, like all, while it was in contact within the life of an access token. One that has said goodbye counts no more.
/// </summary>
internal sealed class Convergence(AppDb db, EntryText text, TokenFacts tokens, LiveServices live, TimeProvider time)
{
    private const int MostShown = 100;
    private const int MostCounted = 1000;

    // Whoever hasn't been heard of for longer isn't there any more.
    internal static readonly TimeSpan Remembered = TimeSpan.FromDays(1);

    /// <returns>Null where no service is concerned.</returns>
    public async Task<ConvergenceView?> OfAsync(LoggedEvent entry, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var since = now - (now < entry.ExpiresAt ? Remembered : tokens.Lifetime);
        var readers = await db.FeedReaders.AsNoTracking().Where(r => r.ContactAt > since && r.Applied < FeedReader.Everything).ToListAsync(ct);
        var services = readers.Where(r => live.IsThere(r.Service) && text.Concerns(entry, r.Audience) && !r.CameAfter(entry)).GroupBy(r => r.Service).OrderBy(s => s.Key, StringComparer.Ordinal).ToList();
        if (services.Count == 0) return null;

        // Those who were told and didn't take it, though they may have taken what came later.
        var aside = await db.UndeliveredEvents.Where(u => u.Cursor == entry.Cursor).Select(u => u.Service).ToListAsync(ct);
        var behind = services.Where(s => s.Any(r => !HasApplied(r, entry.Cursor) || (!r.IsInstance && aside.Contains(r.Service))))
            .Select(s => new ServiceBehind(s.Key, Seconds(now - entry.OccurredAt))).ToList();
        double? seconds = null;
        if (behind.Count == 0)
        {
            var times = services.SelectMany(s => s).Select(r => r.AppliedAt(entry.Cursor)).ToList();
            if (!times.Contains(null)) seconds = Seconds(times.Max()!.Value - entry.OccurredAt);
        }

        return new ConvergenceView(services.Count - behind.Count, services.Count, seconds, behind);
    }

    /// <summary>The same for the revocation of a session; null also where the log no longer holds it.</summary>
    public async Task<ConvergenceView?> OfSessionAsync(Guid sessionId, CancellationToken ct)
    {
        var entry = await db.SecurityEvents.AsNoTracking().Where(e => e.SessionId == sessionId).OrderByDescending(e => e.Cursor).FirstOrDefaultAsync(ct);
        return entry is null ? null : await OfAsync(entry, ct);
    }

    /// <returns>Null where nothing of the service has been in contact for a day.</returns>
    public async Task<FeedView?> OfServiceAsync(string service, string? audience, CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var since = now - Remembered;
        var readers = await db.FeedReaders.AsNoTracking().Where(r => r.Service == service && r.ContactAt > since && r.Applied < FeedReader.Everything).OrderByDescending(r => r.ContactAt).Take(MostShown).ToListAsync(ct);
        if (readers.Count == 0) return null;
        var newest = await db.EventCounter.Select(c => c.Value).SingleAsync(ct);
        var entries = await db.SecurityEvents.AsNoTracking().OrderByDescending(e => e.Cursor).Take(MostCounted).ToListAsync(ct);
        entries.RemoveAll(e => !text.Concerns(e, audience));
        var aside = await db.UndeliveredEvents.Where(u => u.Service == service).Select(u => u.Cursor).ToListAsync(ct);

        var seconds = readers.SelectMany(r => SecondsOf(r.Acknowledged(), entries)).Order().ToList();
        return new FeedView(newest, Percentile(seconds, 50), Percentile(seconds, 99), [.. readers.OrderBy(r => r.Instance, StringComparer.OrdinalIgnoreCase).Select(r => Describe(r, entries, aside, now))]);
    }

    private static InstanceView Describe(FeedReader reader, List<LoggedEvent> entries, List<long> aside, DateTimeOffset now)
    {
        var behind = entries.FindAll(e => !HasApplied(reader, e.Cursor) || (!reader.IsInstance && aside.Contains(e.Cursor)));
        return new(reader.Instance, reader.ContactAt, reader.Applied, behind.Count, behind is [.., var oldest] ? Seconds(now - oldest.OccurredAt) : 0);
    }

    /// <summary>
    /// How long each entry took to be acknowledged. What a reader says first is where it begins, or where our memory of it does: that tells no time.
    /// Both lists are in order, so one walk along them finds the acknowledgement that covers each entry.
    /// </summary>
    /// <param name="acks">The oldest first.</param>
    /// <param name="entries">The newest first.</param>
    internal static IEnumerable<double> SecondsOf(IReadOnlyList<(long Cursor, DateTimeOffset At)> acks, IReadOnlyList<LoggedEvent> entries)
    {
        var began = acks is [(0, var at), ..] ? at : default;
        var covered = 0;
        for (var i = entries.Count - 1; i >= 0; i--)
        {
            var entry = entries[i];
            while (covered < acks.Count && acks[covered].Cursor < entry.Cursor) covered++;
            if (covered == acks.Count) yield break;
            // Of the very moment in which it began, what its first word covers may have been before it.
            if (entry.OccurredAt > began ? covered > 0 : entry.OccurredAt == began && covered > 1) yield return Seconds(acks[covered].At - entry.OccurredAt);
        }
    }

    // By the nearest rank: a time that was measured.
    internal static double? Percentile(List<double> sorted, int percent) => sorted.Count == 0 ? null : sorted[(((sorted.Count * percent) + 99) / 100) - 1];

    internal static double Seconds(TimeSpan span) => Math.Max(0, Math.Round(span.TotalSeconds, 3));

    internal static bool HasApplied(FeedReader reader, long cursor) => reader.Applied >= cursor || reader.HasAhead(cursor);
}
