using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using App.Data;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Events;

/// <summary>A poll for Security Event Tokens (RFC 8936 section 2.2). Every member may be left out.</summary>
public sealed class PollRequest
{
    /// <summary>The most SETs to return; 0 only acknowledges. At most 1000 come at once, which is also the default.</summary>
    public int? MaxEvents { get; set; }

    /// <summary>False, the default, waits up to 30 seconds for something to return.</summary>
    public bool? ReturnImmediately { get; set; }

    /// <summary>The <c>jti</c> of SETs that were applied; at most 1000.</summary>
    public IReadOnlyList<string>? Ack { get; set; }

    /// <summary>SETs that were refused, by <c>jti</c>; at most 1000. They are set aside, and come again when an admin has them sent again.</summary>
    public Dictionary<string, PollFault>? SetErrs { get; set; }
}

/// <summary>Why a receiver refused a SET (RFC 8936 section 2.6).</summary>
public sealed class PollFault
{
    /// <summary>An error code (RFC 8935 section 2.4), of which 40 letters, digits and underscores are kept.</summary>
    public string? Err { get; set; }

    /// <summary>For people; not looked at.</summary>
    public string? Description { get; set; }
}

/// <param name="Sets">SETs by their <c>jti</c>.</param>
/// <param name="MoreAvailable">True where there are more than were returned.</param>
internal sealed record PollAnswer(IReadOnlyDictionary<string, string> Sets, bool MoreAvailable);

/// <summary>The feed by poll (RFC 8936), for receivers that can't hold a stream. What a service hasn't acknowledged comes again at its next poll.</summary>
internal sealed partial class PollEvents(
    AppDb db, EventFeed feed, EntryText text, RegisteredServices registered, FeedContacts contacts, Pollers polls, LiveServices live, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<PollEvents> logger)
{
    private const int Most = 1000;
    internal static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);
    internal static readonly TimeSpan BetweenContacts = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The feed by poll (RFC 8936): the events that concern the service and that it hasn't acknowledged, 1000 at most, each a signed token (RFC 8417) by its <c>jti</c>.
    /// Where there are none it waits up to 30 seconds, unless <c>returnImmediately</c> is set. 400 for <c>maxEvents</c> below 0, and for more than 1000 acknowledged or refused at once.
    /// </summary>
    public static async Task<Results<Ok<PollAnswer>, ProblemHttpResult>> HandleAsync(PollRequest request, CallingService service, PollEvents poll, HttpContext http, CancellationToken ct)
    {
        if (request.MaxEvents < 0) return Problems.Invalid([new Fault("maxEvents must be 0 or more", "maxEvents")]);
        if (request.Ack?.Count > Most) return Problems.Invalid([new Fault($"ack may have at most {Most} entries", "ack")]);
        if (request.SetErrs?.Count > Most) return Problems.Invalid([new Fault($"setErrs may have at most {Most} entries", "setErrs")]);
        // Nobody can wait here any more: answered "nothing", it would be back at once, again and again.
        if (poll.IsStopping && request.ReturnImmediately != true) return Problems.Unavailable(http, TimeSpan.FromSeconds(1));
        return await poll.RunAsync(request, service, http.Features.Get<ShownToken>(), ct) is { } answer ? TypedResults.Ok(answer) : Problems.NotAuthorized();
    }

    private bool IsStopping => lifetime.ApplicationStopping.IsCancellationRequested;

    /// <returns>Null for a service whose credentials were withdrawn while it waited.</returns>
    private async Task<PollAnswer?> RunAsync(PollRequest request, CallingService service, ShownToken? token, CancellationToken ct)
    {
        if (request.SetErrs is { Count: > 0 } refused) Refused(service.Id, refused.Count, CodeOf(refused.First().Value));
        if (await ReadAsync(service, request, ct) is not { } reader) return null;
        var most = Math.Min(request.MaxEvents ?? Most, Most);
        var again = await db.UndeliveredEvents.AsNoTracking().Where(u => u.Service == service.Id && u.Again).OrderBy(u => u.Cursor).Take(most + 1).ToListAsync(ct);
        var room = Math.Max(0, most - again.Count);
        // Asked for none, as with an acknowledgement alone: only whether there are some (RFC 8936 section 2.3).
        if (most == 0) return new PollAnswer(new Dictionary<string, string>(), again.Count > 0 || (await DueAsync(reader, reader.Applied, service, 1, ct)).Due.Count > 0);

        using var served = live.Serve(service, token);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(ct, lifetime.ApplicationStopping, served.End);
        end.CancelAfter(LongestWait);
        var looked = reader.Applied;
        while (true)
        {
            if (served.IsOver) return null;
            var changed = feed.Changed;
            // What doesn't concern the service is passed over once, not at each event of others.
            (var found, looked) = await DueAsync(reader, looked, service, room + 1, ct);
            if (found.Count > 0 || again.Count > 0 || request.ReturnImmediately == true || end.IsCancellationRequested)
            {
                var audience = text.AudienceOf(service);
                foreach (var entry in found.Take(room)) await text.SettleAsync(entry.Event, ct);
                var sets = found.Take(room).ToDictionary(e => e.Event.Id.ToString(), e => text.Set(e, audience));
                foreach (var one in again.Take(most)) sets[one.EventId.ToString()] = text.Sign(Encoding.UTF8.GetBytes(one.Payload));
                return new PollAnswer(sets, found.Count > room || again.Count > most);
            }

            try
            {
                await changed.WaitAsync(end.Token);
            }
            catch (OperationCanceledException) when (!ct.IsCancellationRequested)
            {
                // Nothing came in time; the answer says so.
            }
        }
    }

    /// <returns>What is to be told, and up to where the log was looked at for it.</returns>
    private async Task<(List<FeedEntry> Due, long Looked)> DueAsync(FeedReader reader, long cursor, CallingService service, int most, CancellationToken ct)
    {
        var ahead = AheadOf(reader);
        var due = new List<FeedEntry>();
        while (due.Count < most && await feed.AfterAsync(cursor, Most, ct) is { Count: > 0 } entries)
        {
            cursor = entries[^1].Event.Cursor;
            due.AddRange(entries.Where(e => text.Concerns(e.Event, service.Audience) && !ahead.Contains(e.Event.Cursor)).Take(most - due.Count));
        }

        return (due, cursor);
    }

    // The service's own row is all that an acknowledgement can reach, and of that only what concerns the service.
    private async Task<FeedReader?> ReadAsync(CallingService service, PollRequest request, CancellationToken ct)
    {
        var reader = await FindAsync(service, ct);
        if (request is { Ack: null or [], SetErrs: null or { Count: 0 } } && reader is not null && time.GetUtcNow() - reader.ContactAt < BetweenContacts) return reader;
        try
        {
            return await WriteAsync(service, request, ct);
        }
        catch (DbUpdateException e) when (UniqueViolation.Is(e))
        {
            // Two of its polls at once, where a transaction doesn't keep the other from writing the same: what one has written is there now.
            return await WriteAsync(service, request, ct);
        }
    }

    /// <returns>Null for a service that was removed meanwhile: nothing of it comes back.</returns>
    private async Task<FeedReader?> WriteAsync(CallingService service, PollRequest request, CancellationToken ct)
    {
        var acked = Ids(request.Ack ?? []);
        var refused = (request.SetErrs ?? []).Where(e => Guid.TryParse(e.Key, out _)).DistinctBy(e => Guid.Parse(e.Key)).ToDictionary(e => Guid.Parse(e.Key), e => CodeOf(e.Value));
        foreach (var id in acked) refused.Remove(id);

        var since = polls.Since(service); // whether or not it acknowledges anything yet
        db.ChangeTracker.Clear();
        await using var transaction = await db.BeginWriteAsync(ct);
        // Asked before its rows are held, as others do; a place that went meanwhile went with its service.
        var isNew = !await db.FeedReaders.AnyAsync(r => r.Service == service.Id && r.Instance == FeedReader.Poll, ct);
        if (isNew && (await registered(db, [service.Id], ct)).Count == 0) return null;
        await db.HoldReadersAsync([service.Id], ct);
        var reader = await FindAsync(service, ct);
        if (reader is null)
        {
            if (!isNew) return null;
            db.FeedReaders.Add(reader = new FeedReader { Service = service.Id, Instance = FeedReader.Poll });
            reader.Begin(since);
        }

        (reader.Audience, reader.ContactAt) = (service.Audience, time.GetUtcNow());
        var from = reader.Applied;
        var ids = acked.Concat(refused.Keys).ToList();
        var named = ids.Count == 0 ? [] : await db.SecurityEvents.AsNoTracking().Where(e => ids.Contains(e.Id) && e.Cursor > from).ToListAsync(ct);
        named.RemoveAll(e => !text.Concerns(e, service.Audience));
        await SetAsideAsync(service, acked, refused, named, ct);
        await AdvanceAsync(reader, service, named, ct);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        contacts.Measure(named.Where(e => !refused.ContainsKey(e.Id)), service.Id, since);
        return reader;
    }

    // Left in its place, what was refused would come again at once, and a receiver that waits for more would turn in circles.
    private async Task SetAsideAsync(CallingService service, List<Guid> acked, Dictionary<Guid, string> refused, List<LoggedEvent> named, CancellationToken ct)
    {
        var ids = acked.Concat(refused.Keys).ToList();
        if (ids.Count == 0) return;
        var aside = await db.UndeliveredEvents.Where(u => u.Service == service.Id && ids.Contains(u.EventId)).ToListAsync(ct);
        foreach (var one in aside)
        {
            if (refused.TryGetValue(one.EventId, out var error)) (one.Again, one.Error) = (false, error);
            else db.Remove(one);
        }

        var (audience, now) = (text.AudienceOf(service), time.GetUtcNow());
        foreach (var entry in named.Where(e => refused.ContainsKey(e.Id) && !aside.Exists(u => u.EventId == e.Id)))
            db.UndeliveredEvents.Add(UndeliveredEvent.Of(entry, service.Id, text.Claims(entry, audience), refused[entry.Id], now));
    }

    private async Task AdvanceAsync(FeedReader reader, CallingService service, List<LoggedEvent> named, CancellationToken ct)
    {
        var ahead = AheadOf(reader);
        ahead.UnionWith(named.Select(e => e.Cursor));
        // Also past what doesn't concern it, or the log would be kept for its sake: most of that isn't even read.
        var (from, last) = (reader.Applied, Math.Max(ahead.Max, feed.Newest));
        var rows = db.SecurityEvents.AsNoTracking().Where(e => e.Cursor > from && e.Cursor <= last);
        if (!text.HearsAll(service.Audience)) rows = rows.Where(e => e.KeyId != null || e.Audiences != null);
        var applied = last;
        await foreach (var row in rows.OrderBy(e => e.Cursor).AsAsyncEnumerable().WithCancellation(ct))
        {
            if (!text.Concerns(row, service.Audience) || ahead.Contains(row.Cursor)) continue;
            applied = row.Cursor - 1;
            break;
        }

        // Only what it said itself has a time: what it has applied at which one is read from that.
        if (named.Count > 0) reader.Acknowledge(applied, time.GetUtcNow());
        else reader.Applied = Math.Max(reader.Applied, applied);
        ahead.RemoveWhere(cursor => cursor <= applied);
        reader.Ahead = ahead.Count == 0 ? null : string.Join(' ', ahead);
    }

    private static List<Guid> Ids(IEnumerable<string> names) => [.. names.Select(a => Guid.TryParse(a, out var id) ? id : Guid.Empty).Where(id => id != Guid.Empty).Distinct()];

    // Its letters alone: the rest of what it wrote is read by nobody.
    private static string CodeOf(PollFault? fault) => new([.. (fault?.Err ?? "").Where(c => char.IsAsciiLetterOrDigit(c) || c is '_').Take(40)]);

    private Task<FeedReader?> FindAsync(CallingService service, CancellationToken ct) =>
        db.FeedReaders.SingleOrDefaultAsync(r => r.Service == service.Id && r.Instance == FeedReader.Poll, ct);

    private static SortedSet<long> AheadOf(FeedReader reader) =>
        [.. (reader.Ahead ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(c => long.Parse(c, CultureInfo.InvariantCulture))];

    [LoggerMessage(2531, LogLevel.Warning, "{Service} refused {Count} security events, the first with {Error}")]
    private partial void Refused(string service, int count, string error);
}

/// <summary>Since when each service polls here.</summary>
internal sealed class Pollers(TimeProvider time)
{
    // Who is there comes again before: what was committed while they were away took its time for that reason.
    private static readonly TimeSpan Absent = 2 * (PollEvents.LongestWait + PollEvents.BetweenContacts);

    private readonly ConcurrentDictionary<string, (DateTimeOffset Since, DateTimeOffset Last)> _seen = new();

    public DateTimeOffset Since(CallingService service)
    {
        var now = time.GetUtcNow();
        return _seen.AddOrUpdate(service.Id, (now, now), (_, known) => (now - known.Last > Absent ? now : known.Since, now)).Since;
    }
}
