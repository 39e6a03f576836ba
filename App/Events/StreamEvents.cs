using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using App.Data;
using App.Ops;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.EntityFrameworkCore;

namespace App.Events;

/// <summary>
/// The feed as server-sent events. A connection holds its position and nothing else: woken by a commit, it takes what comes after that from
/// the memory that all share. Whoever doesn't read is dropped, and resumes later where it stood.
/// </summary>
internal sealed partial class StreamEvents(
    EventFeed feed, EntryText text, FeedContacts contacts, LiveServices live, IServiceScopeFactory scopes, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<StreamEvents> logger) : IDisposable
{
    private const string EventStream = "text/event-stream";
    private const int AtOnce = 100;
    private const int Page = 500;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim _reading = new(4);

    public void Dispose() => _reading.Dispose();

    /// <summary>
    /// The feed as server-sent events. <c>id</c> is the cursor, <c>event</c> the type, <c>data</c> JSON with the signed event (RFC 8417) as <c>set</c>; a <c>heartbeat</c> every five seconds carries the newest cursor.
    /// Without a position (header <c>Last-Event-ID</c>, else <c>?cursor=</c>), and for one that the log no longer reaches, a <c>snapshot</c> with all revocations in force comes first. 400 for an <c>instance</c> that is no name.
    /// </summary>
    /// <param name="cursor">Whole number: what comes after this is sent.</param>
    /// <param name="instance">Which instance of the service reads; 1 to 64 of the characters A-Z, a-z, 0-9, '.', '_' and '-'.</param>
    public static async Task HandleAsync(HttpContext http, CallingService service, StreamEvents stream, string? cursor, string? instance)
    {
        if (!FeedContacts.IsName(instance ??= ""))
        {
            await Problems.BadRequest("instance must be 1 to 64 of the characters A-Z, a-z, 0-9, '.', '_' and '-'").ExecuteAsync(http);
            return;
        }

        // A body that is left away would never end either.
        if (http.Features.Get<CameAsHead>() is not null)
        {
            http.Response.ContentType = EventStream;
            return;
        }

        var given = http.Request.Headers["Last-Event-ID"] is [{ Length: > 0 } header] ? header : cursor;
        var token = http.Features.Get<ShownToken>();
        using var lapsed = stream.Lapse(token);
        using var served = stream.Serve(service, token);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stream.Stopping, served.End, lapsed?.Token ?? default);
        try
        {
            await stream.RunAsync(http, service, instance, long.TryParse(given, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null, end.Token);
        }
        catch (Exception e) when (end.IsCancellationRequested ? e is OperationCanceledException || DatabaseFault.Is(e) : (e as OperationCanceledException)?.CancellationToken == http.RequestAborted)
        {
            // SQL Server's driver says of what was cancelled that it failed.
            // The reader has left, or this process is stopping, and it resumes elsewhere; or its credentials are good no more.
            // Begun only now, it would be an empty stream that some readers never open again.
            if (http.Response.HasStarted || http.RequestAborted.IsCancellationRequested) return;
            await (stream.Stopping.IsCancellationRequested ? Problems.Unavailable(http, TimeSpan.FromSeconds(1)) : Problems.NotAuthorized()).ExecuteAsync(http);
        }
    }

    private CancellationToken Stopping => lifetime.ApplicationStopping;

    private LiveServices.Served Serve(CallingService service, ShownToken? token) => live.Serve(service, token);

    // The reader resumes with another token where it stood.
    private CancellationTokenSource? Lapse(ShownToken? token) =>
        token is null ? null : new CancellationTokenSource(token.End > time.GetUtcNow() ? token.End - time.GetUtcNow() : TimeSpan.Zero, time);

    private async Task RunAsync(HttpContext http, CallingService service, string instance, long? given, CancellationToken ct)
    {
        // Before the first byte: if the database is away, the answer is a problem and no empty stream.
        var (newest, told, prunedTo) = await feed.MarksAsync(ct);
        var position = given is { } known && known >= prunedTo && known <= newest ? known : (long?)null;
        // By the database's mark, not by this process' own, which may lag: what another replica wrote meanwhile belongs to the snapshot.
        var cursor = position ?? told;
        contacts.Began(service, instance);

        http.Response.ContentType = EventStream;
        http.Response.Headers["X-Accel-Buffering"] = "no";
        http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        var body = http.Response.BodyWriter;
        var audience = text.AudienceOf(service);
        if (position is null) await WriteSnapshotAsync(http, service, cursor, ct);
        await FlushAsync(http, service, ct); // that it has been let in, at least

        var beat = -1L; // the first heartbeat says that the snapshot, or what was missed, is complete: up to the mark, once this process has read so far
        while (true)
        {
            var (changed, seen, mark) = (feed.Changed, feed.Newest, feed.Beats);
            var entries = await feed.AfterAsync(cursor, AtOnce, ct);
            foreach (var entry in entries)
            {
                cursor = entry.Event.Cursor;
                if (!text.Concerns(entry.Event, service.Audience)) continue;
                await text.SettleAsync(entry.Event, ct);
                body.Write(text.Frame(entry, audience).Span);
            }

            if (entries.Count == 0)
            {
                cursor = Math.Max(cursor, seen);
                if (beat != mark && seen >= newest)
                {
                    beat = mark;
                    contacts.Seen(service, instance);
                    body.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"id: {cursor}\nevent: heartbeat\ndata: {{\"cursor\":{cursor}}}\n\n")));
                }
            }

            if (body.UnflushedBytes > 0) await FlushAsync(http, service, ct);
            else if (entries.Count == 0) await changed.WaitAsync(ct); // else none of them was for this reader, and more may lie ready
        }
    }

    private async Task WriteSnapshotAsync(HttpContext http, CallingService service, long cursor, CancellationToken ct)
    {
        var horizon = time.GetUtcNow() - RevocationIndex.Slack;
        var body = http.Response.BodyWriter;
        body.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"id: {cursor}\nevent: snapshot\ndata: ")));
        using (var json = new Utf8JsonWriter(body))
        {
            json.WriteStartObject();
            json.WriteNumber("cursor", cursor);
            json.WriteStartArray("events");
            for (var read = 0L; await InForceAsync(read, cursor, horizon, ct) is [.., var last] page; read = last.Cursor)
            {
                foreach (var entry in page.Where(e => e.Revokes && text.Concerns(e, service.Audience))) EntryText.Write(json, entry);
                json.Flush();
                await FlushAsync(http, service, ct);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        body.Write("\n\n"u8);
    }

    // A page at a time, and few at once: however many services start together, and however slowly they read, neither the memory for all that
    // is in force nor a connection of the database is theirs meanwhile.
    private async Task<List<LoggedEvent>> InForceAsync(long after, long upTo, DateTimeOffset horizon, CancellationToken ct)
    {
        await _reading.WaitAsync(ct);
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            return await scope.ServiceProvider.GetRequiredService<AppDb>().SecurityEvents.AsNoTracking()
                .Where(e => e.Cursor > after && e.Cursor <= upTo && e.ExpiresAt > horizon).OrderBy(e => e.Cursor).Take(Page).ToListAsync(ct);
        }
        finally
        {
            _reading.Release();
        }
    }

    // The buffers below are bounded: a reader who doesn't empty them stops the writer here.
    private async Task FlushAsync(HttpContext http, CallingService service, CancellationToken ct)
    {
        var flush = http.Response.BodyWriter.FlushAsync(ct);
        if (flush.IsCompletedSuccessfully)
        {
            if (flush.Result.IsCompleted) throw new OperationCanceledException(http.RequestAborted);
            return;
        }

        var writing = flush.AsTask();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        if (await Task.WhenAny(writing, Task.Delay(Patience, stop.Token)) == writing)
        {
            await stop.CancelAsync();
            await writing;
            return;
        }

        if (!ct.IsCancellationRequested) Dropped(service.Id);
        http.Abort();
        throw new OperationCanceledException(http.RequestAborted);
    }

    [LoggerMessage(2511, LogLevel.Warning, "The feed of {Service} was dropped: it doesn't read")]
    private partial void Dropped(string service);
}
