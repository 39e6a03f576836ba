using System.Security.Cryptography;
using System.Text;
using App.Data;
using App.Events;
using Microsoft.EntityFrameworkCore;

namespace App.Push;

/// <summary>
/// Sends one receiver what concerns it, in order, one at a time. Whatever it has to remember stands in the receiver's row: it takes the row
/// for as long as it sends, so that of several replicas one is at it, and whoever comes next goes on from there, after a restart too.
/// An event may come twice, when a sender dies before it could write down that it was taken; it is never left out.
/// </summary>
internal sealed partial class PushSender(
    PushReceiver receiver, HasReceiver isThere, EventFeed feed, EntryText text, PushDelivery delivery, FeedContacts contacts, IServiceScopeFactory scopes, PushOptions options, TimeProvider time, ILogger<PushSender> logger)
{
    private const int AtOnce = 100;
    private const int MostSetAsideAtOnce = 1000;

    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    // No turn and no pause lasts so long, though one clock is ahead and another behind: a row that says so is of a clock that has been set right.
    private static readonly TimeSpan Farthest = 2 * LongestPause;

    // The wall's own time: how often a row is looked at that another has, or that must wait.
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(200);

    private readonly string _audience = text.AudienceOf(receiver.Service);
    private long? _looked; // nothing up to here is left to send
    private volatile bool _again = true;
    private bool _lost;

    private string Service => receiver.Service.Id;

    /// <summary>Events that were set aside are wanted again.</summary>
    public void Again()
    {
        _again = true;
        feed.Wake();
    }

    public async Task RunAsync(CancellationToken ct)
    {
        while (true)
        {
            var changed = feed.Changed;
            var left = true;
            try
            {
                left = await WorkAsync(ct);
                _lost = false;
            }
            catch (Exception e) when (!ct.IsCancellationRequested)
            {
                if (!_lost) LogLost(Service, e.Message);
                _lost = true;
            }

            await (left ? Task.Delay(Pace, ct) : changed.WaitAsync(ct));
        }
    }

    /// <returns>Whether something is left that this sender couldn't do now.</returns>
    private async Task<bool> WorkAsync(CancellationToken ct)
    {
        if (!await IsDueAsync(ct)) return false;
        if (await TakeAsync(ct) is not { } turn) return true;
        try
        {
            if (_again) await SendAgainAsync(turn, ct);
            return await SendAsync(turn, ct);
        }
        finally
        {
            // What couldn't be written down didn't happen.
            _looked = null;
            if (await turn.GiveBackAsync()) _looked = turn.Place.Cursor;
        }
    }

    private async Task<bool> IsDueAsync(CancellationToken ct)
    {
        if (_again || _looked is not { } cursor) return true;
        while (await feed.AfterAsync(cursor, AtOnce, ct) is { Count: > 0 } entries)
        {
            foreach (var entry in entries)
            {
                if (Concerns(entry.Event)) return true;
                _looked = cursor = entry.Event.Cursor;
            }
        }

        return false;
    }

    private async Task<PushTurn?> TakeAsync(CancellationToken ct)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        var now = time.GetUtcNow();
        if (await db.PushPositions.AsNoTracking().SingleOrDefaultAsync(p => p.Service == Service, ct) is not { } place)
        {
            await PushTurn.BeginAsync(db, isThere, Service, now, ct);
            return null;
        }

        // The row says what is done, also where it was made anew; what doesn't concern the receiver is passed over again.
        _looked = place.Cursor;
        if (IsAhead(place.HeldUntil, now) || IsAhead(place.NextAttemptAt, now) || !await IsDueAsync(ct)) return null;
        place.Cursor = _looked.Value;
        return await PushTurn.TakeAsync(scopes, time, place, ct);
    }

    private async Task<bool> SendAsync(PushTurn turn, CancellationToken ct)
    {
        var place = turn.Place;
        while (await feed.AfterAsync(place.Cursor, AtOnce, ct) is { Count: > 0 } entries)
        {
            foreach (var entry in entries)
            {
                if (Concerns(entry.Event))
                {
                    await text.SettleAsync(entry.Event, ct);
                    if (!await turn.KeepAsync(ct)) return true;
                    contacts.Seen(receiver.Service, FeedReader.Push);
                    switch (await delivery.PostAsync(receiver, text.Set(entry, _audience), ct))
                    {
                        case Delivery.Failed(var why):
                            await FailAsync(turn, why, ct);
                            return true;
                        case Delivery.Refused(var error):
                            Refused(Service, error, entry.Event.Cursor);
                            turn.SetAside(Undelivered(entry.Event, error));
                            break;
                        default:
                            contacts.Applied(receiver.Service, FeedReader.Push, entry.Event.Cursor);
                            break;
                    }

                    (place.Attempts, place.FailingSince, place.LastError) = (0, null, null);
                }

                place.Cursor = entry.Event.Cursor;
                // Before anything later counts as applied.
                if (turn.SetAsideCount > 0 && !await turn.SaveAsync(ct)) return true;
            }
        }

        return false;
    }

    // What has been waiting for too long is set aside with the one that failed, lest each of them take its time too.
    private async Task FailAsync(PushTurn turn, string why, CancellationToken ct)
    {
        var (place, now) = (turn.Place, time.GetUtcNow());
        if (place.FailingSince is null) Failing(Service, why);
        place.FailingSince ??= now;
        place.LastError = why;
        place.NextAttemptAt = now + Pause(++place.Attempts);
        var horizon = now - options.GiveUpAfter;
        if (place.FailingSince > horizon) return;

        var cursor = place.Cursor;
        while (turn.SetAsideCount < MostSetAsideAtOnce && await feed.AfterAsync(cursor, AtOnce, ct) is { Count: > 0 } entries)
        {
            foreach (var entry in entries.TakeWhile(e => !Concerns(e.Event) || e.Event.OccurredAt <= horizon))
            {
                if (Concerns(entry.Event)) turn.SetAside(Undelivered(entry.Event, why));
                cursor = entry.Event.Cursor;
            }

            if (cursor < entries[^1].Event.Cursor) break;
        }

        if (turn.SetAsideCount > 0) GivenUp(Service, turn.SetAsideCount, why);
        place.Cursor = cursor;
    }

    // One attempt each: whoever asked for it is there to see what comes of it.
    private async Task SendAgainAsync(PushTurn turn, CancellationToken ct)
    {
        _again = false;
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            var db = scope.ServiceProvider.GetRequiredService<AppDb>();
            var wanted = db.UndeliveredEvents.Where(u => u.Service == Service && u.Again);
            while (await wanted.AsNoTracking().OrderBy(u => u.Cursor).FirstOrDefaultAsync(ct) is { } one)
            {
                if (!await turn.KeepAsync(ct)) return;
                var outcome = await delivery.PostAsync(receiver, text.Sign(Encoding.UTF8.GetBytes(one.Payload)), ct);
                await using var transaction = await db.BeginWriteAsync(ct);
                switch (outcome)
                {
                    case Delivery.Refused(var error):
                        await wanted.Where(u => u.Cursor == one.Cursor).ExecuteUpdateAsync(set => set.SetProperty(u => u.Again, false).SetProperty(u => u.Error, error), ct);
                        break;
                    case Delivery.Failed(var why):
                        await wanted.ExecuteUpdateAsync(set => set.SetProperty(u => u.Again, false).SetProperty(u => u.Error, why), ct);
                        break;
                    default:
                        await wanted.Where(u => u.Cursor == one.Cursor).ExecuteDeleteAsync(ct);
                        break;
                }

                await transaction.CommitAsync(ct);
            }
        }
        catch
        {
            _again = true;
            throw;
        }
    }

    private bool Concerns(LoggedEvent entry) => text.Concerns(entry, receiver.Service.Audience);

    private UndeliveredEvent Undelivered(LoggedEvent entry, string error) => UndeliveredEvent.Of(entry, Service, text.Claims(entry, _audience), error, time.GetUtcNow());

    private static bool IsAhead(DateTimeOffset until, DateTimeOffset now) => until > now && until - now <= Farthest;

    // Doubled each time, and never at the same moment for all who wait.
    private static TimeSpan Pause(int attempts) =>
        TimeSpan.FromSeconds(Math.Min(LongestPause.TotalSeconds, Math.Pow(2, Math.Min(attempts - 1, 10))) * (RandomNumberGenerator.GetInt32(500, 1001) / 1000.0));

    [LoggerMessage(2601, LogLevel.Warning, "Events can't be pushed to {Service} and wait: {Cause}")]
    private partial void LogLost(string service, string cause);

    [LoggerMessage(2602, LogLevel.Warning, "The push receiver of {Service} {Cause}; it is tried again, with growing pauses")]
    private partial void Failing(string service, string cause);

    [LoggerMessage(2603, LogLevel.Warning, "The push receiver of {Service} refused event {Cursor}: {Error}")]
    private partial void Refused(string service, string error, long cursor);

    [LoggerMessage(2604, LogLevel.Error, "{Count} events for {Service} are set aside: its push receiver {Cause}")]
    private partial void GivenUp(string service, int count, string cause);
}
