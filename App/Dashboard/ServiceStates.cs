using App.Data;
using App.Events;
using App.Services;
using Microsoft.EntityFrameworkCore;

namespace App.Dashboard;

/// <summary>How each service keeps up with revocations. What it should have applied is looked up in memory, so that many cost three queries in all.</summary>
internal sealed class ServiceStates(AppDb db, ListServices services, EventFeed feed, EntryText text, TokenFacts tokens, TimeProvider time)
{
    /// <summary>What is under way isn't behind yet.</summary>
    public static readonly TimeSpan Moment = TimeSpan.FromSeconds(2);

    // A reader of the stream is heard of every five seconds.
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(30);

    // As Convergence has it: whoever hasn't been heard of for longer isn't there any more.
    private static readonly TimeSpan Remembered = TimeSpan.FromDays(1);

    public async Task<IReadOnlyList<ServiceState>> AllAsync(CancellationToken ct)
    {
        var now = time.GetUtcNow();
        var since = now - Remembered;
        // Without what each has said lately, which is most of a row, but for who has said nothing yet: there it says when they began.
        var readers = (await db.FeedReaders.AsNoTracking().Where(r => r.ContactAt > since && r.Applied < FeedReader.Everything)
            .Select(r => new FeedReader { Service = r.Service, Instance = r.Instance, Audience = r.Audience, ContactAt = r.ContactAt, Applied = r.Applied, Ahead = r.Ahead, Acks = r.Applied == 0 ? r.Acks : "" })
            .ToListAsync(ct)).ToLookup(r => r.Service);
        var undelivered = await db.UndeliveredEvents.GroupBy(u => u.Service).Select(g => new { g.Key, Count = g.Count() }).ToDictionaryAsync(g => g.Key, g => g.Count, ct);
        return [.. (await services.AllAsync(ct)).Select(s => Of(s, [.. readers[s.Id]], undelivered.GetValueOrDefault(s.Id), now))
            .OrderByDescending(s => ProblemsOf(s).Any()).ThenBy(s => s.Id, StringComparer.Ordinal)];
    }

    public static IEnumerable<ProblemView> ProblemsOf(ServiceState state)
    {
        if (state.BehindSeconds is { } behind) yield return new(ProblemView.Behind, state.Id, Seconds: behind);
        else if (state.SilentSeconds is { } silent) yield return new(ProblemView.Silent, state.Id, Seconds: silent);
        if (state.Undelivered > 0) yield return new(ProblemView.Undelivered, state.Id, state.Undelivered);
    }

    private ServiceState Of(ServiceView service, List<FeedReader> readers, int undelivered, DateTimeOffset now)
    {
        var following = readers.Count(r => !r.IsInstance || now - r.ContactAt < Silence);
        var silent = readers.Count > 0 && following == 0 ? now - readers.Max(r => r.ContactAt) : (TimeSpan?)null;
        var behind = readers.Select(r => FirstMissing(r, now)).OfType<LoggedEvent>().Select(e => now - e.OccurredAt).Where(age => age > Moment).OrderDescending().ToList();
        return new(service.Id, service.Name, service.Trust, following, behind.Count > 0 ? Seconds(behind[0]) : null, silent is { } span ? Seconds(span) : null, undelivered, service.LastContactAt);
    }

    /// <summary>The oldest entry that the reader should have applied and hasn't, of those in memory; who counts, <see cref="Convergence"/> says.</summary>
    private LoggedEvent? FirstMissing(FeedReader reader, DateTimeOffset now)
    {
        return feed.Recent().TakeWhile(entry => entry.Cursor > reader.Applied).LastOrDefault(entry =>
            (now < entry.ExpiresAt || reader.ContactAt > now - tokens.Lifetime) && text.Concerns(entry, reader.Audience) && !reader.CameAfter(entry) && !reader.HasAhead(entry.Cursor));
    }

    private static double Seconds(TimeSpan span) => Math.Round(span.TotalSeconds, 1);
}
