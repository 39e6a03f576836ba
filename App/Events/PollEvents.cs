using System.Globalization;
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

    /// <summary>SETs that were refused, by <c>jti</c>. They are logged, and come again.</summary>
    public Dictionary<string, PollFault>? SetErrs { get; set; }
}

/// <summary>Why a receiver refused a SET (RFC 8936 section 2.6).</summary>
public sealed class PollFault
{
    public string? Err { get; set; }
    public string? Description { get; set; }
}

/// <param name="Sets">SETs by their <c>jti</c>.</param>
/// <param name="MoreAvailable">True where there are more than were returned.</param>
internal sealed record PollAnswer(IReadOnlyDictionary<string, string> Sets, bool MoreAvailable);

/// <summary>The feed by poll (RFC 8936), for receivers that can't hold a stream. What a service hasn't acknowledged comes again at its next poll.</summary>
internal sealed partial class PollEvents(
    AppDb db, EventFeed feed, EntryText text, FeedContacts contacts, LiveServices live, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<PollEvents> logger)
{
    private const int Most = 1000;
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan BetweenContacts = TimeSpan.FromSeconds(10);

    public static async Task<Results<Ok<PollAnswer>, ProblemHttpResult>> HandleAsync(PollRequest request, CallingService service, PollEvents poll, CancellationToken ct)
    {
        if (request.MaxEvents < 0) return Problems.Invalid([new Fault("maxEvents must be 0 or more", "maxEvents")]);
        if (request.Ack?.Count > Most) return Problems.Invalid([new Fault($"ack may have at most {Most} entries", "ack")]);
        if (request.SetErrs?.Count > Most) return Problems.Invalid([new Fault($"setErrs may have at most {Most} entries", "setErrs")]);
        return await poll.RunAsync(request, service, ct) is { } answer ? TypedResults.Ok(answer) : Problems.NotAuthorized();
    }

    /// <returns>Null for a service whose credentials were withdrawn while it waited.</returns>
    private async Task<PollAnswer?> RunAsync(PollRequest request, CallingService service, CancellationToken ct)
    {
        if (request.SetErrs is { Count: > 0 } refused) Refused(service.Id, refused.Count, new string([.. (refused.First().Value?.Err ?? "").Where(char.IsAsciiLetterOrDigit).Take(40)]));
        var reader = await ReadAsync(service, request.Ack ?? [], ct);
        var most = Math.Min(request.MaxEvents ?? Most, Most);
        if (most == 0) return new PollAnswer(new Dictionary<string, string>(), false);

        using var end = CancellationTokenSource.CreateLinkedTokenSource(ct, lifetime.ApplicationStopping, live.Until(service));
        end.CancelAfter(LongestWait);
        while (true)
        {
            if (live.Until(service).IsCancellationRequested) return null;
            var changed = feed.Changed;
            var found = await DueAsync(reader, service, most + 1, ct);
            if (found.Count > 0 || request.ReturnImmediately == true || end.IsCancellationRequested)
            {
                var audience = text.AudienceOf(service);
                return new PollAnswer(found.Take(most).ToDictionary(e => e.Event.Id.ToString(), e => text.Set(e, audience)), found.Count > most);
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

    private async Task<List<FeedEntry>> DueAsync(FeedReader reader, CallingService service, int most, CancellationToken ct)
    {
        var ahead = AheadOf(reader);
        var due = new List<FeedEntry>();
        var cursor = reader.Applied;
        while (due.Count < most && await feed.AfterAsync(cursor, Most, ct) is { Count: > 0 } entries)
        {
            cursor = entries[^1].Event.Cursor;
            due.AddRange(entries.Where(e => text.Concerns(e.Event, service.Audience) && !ahead.Contains(e.Event.Cursor)).Take(most - due.Count));
        }

        return due;
    }

    // The service's own row is all that an acknowledgement can reach, and of that only what concerns the service.
    private async Task<FeedReader> ReadAsync(CallingService service, IReadOnlyList<string> ack, CancellationToken ct)
    {
        var reader = await FindAsync(service, ct);
        if (ack.Count == 0 && reader is not null && time.GetUtcNow() - reader.ContactAt < BetweenContacts) return reader;
        var ids = ack.Select(a => Guid.TryParse(a, out var id) ? id : Guid.Empty).Where(id => id != Guid.Empty).Distinct().ToList();

        db.ChangeTracker.Clear();
        await using var transaction = await db.BeginWriteAsync(ct);
        reader = await FindAsync(service, ct);
        if (reader is null) db.FeedReaders.Add(reader = new FeedReader { Service = service.Id, Instance = FeedReader.Poll });
        (reader.Audience, reader.ContactAt) = (service.Audience, time.GetUtcNow());
        var from = reader.Applied;
        var named = await db.SecurityEvents.AsNoTracking().Where(e => ids.Contains(e.Id) && e.Cursor > from).ToListAsync(ct);
        named.RemoveAll(e => !text.Concerns(e, service.Audience));
        await AdvanceAsync(reader, service, named, ct);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        contacts.Measure(named, service.Id);
        return reader;
    }

    private async Task AdvanceAsync(FeedReader reader, CallingService service, List<LoggedEvent> named, CancellationToken ct)
    {
        if (named.Count == 0) return;
        var ahead = AheadOf(reader);
        ahead.UnionWith(named.Select(e => e.Cursor));
        var (from, last) = (reader.Applied, ahead.Max);
        var rows = await db.SecurityEvents.AsNoTracking().Where(e => e.Cursor > from && e.Cursor <= last).OrderBy(e => e.Cursor).ToListAsync(ct);
        var applied = from;
        foreach (var row in rows)
        {
            if (text.Concerns(row, service.Audience) && !ahead.Contains(row.Cursor)) break;
            applied = row.Cursor;
        }

        reader.Acknowledge(applied, time.GetUtcNow());
        ahead.RemoveWhere(cursor => cursor <= applied);
        reader.Ahead = ahead.Count == 0 ? null : string.Join(' ', ahead);
    }

    private Task<FeedReader?> FindAsync(CallingService service, CancellationToken ct) =>
        db.FeedReaders.SingleOrDefaultAsync(r => r.Service == service.Id && r.Instance == FeedReader.Poll, ct);

    private static SortedSet<long> AheadOf(FeedReader reader) =>
        [.. (reader.Ahead ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(c => long.Parse(c, CultureInfo.InvariantCulture))];

    [LoggerMessage(2531, LogLevel.Warning, "{Service} refused {Count} security events, the first with {Error}")]
    private partial void Refused(string service, int count, string error);
}
