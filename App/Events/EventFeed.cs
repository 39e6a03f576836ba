using System.Collections.Concurrent;
using App.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Events;

/// <summary>
/// The log as a process tells it on, in order and without a gap: commits of its own the moment they are made, those of others when the
/// follower has read them. The newest entries stay in memory, so that any number of readers costs the database nothing.
/// A reader keeps no more than its position: it takes what comes after it, and waits for <see cref="Changed"/>.
/// </summary>
internal sealed class EventFeed(IServiceScopeFactory scopes)
{
    /// <summary>How many entries are kept in memory (a power of two).</summary>
    public const int Kept = 2048;

    /// <summary>By how much cursors are moved on in an older copy of a database, whose readers may know any of those since. A multiple of what is kept, so that the order in memory stays.</summary>
    public const long Leap = 1L << 30;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly Lock _turn = new();
    private readonly FeedEntry?[] _ring = new FeedEntry?[Kept];
    private readonly Dictionary<long, LoggedEvent> _early = [];
    private volatile TaskCompletionSource _changed = NewSource();
    private long _newest;
    private long _beats;

    /// <summary>The newest cursor that readers may pass.</summary>
    public long Newest => Volatile.Read(ref _newest);

    /// <summary>Ends when the feed has moved on or <see cref="Wake"/> was called. Take it before looking, wait for it after.</summary>
    public Task Changed => _changed.Task;

    /// <summary>Raised when an entry came before its predecessor, which only the database can tell then. Must not throw.</summary>
    public event Action? Missing;

    /// <summary>Starts at a cursor: what is in the log up to there is for snapshots.</summary>
    public void Start(long newest, IEnumerable<LoggedEvent> recent)
    {
        lock (_turn)
        {
            foreach (var entry in recent) Keep(entry);
            Volatile.Write(ref _newest, newest);
        }
    }

    /// <param name="read">It was read from the database, in order: what doesn't stand before it there will never come.</param>
    public void Offer(LoggedEvent entry, bool read = false)
    {
        var missing = false;
        lock (_turn)
        {
            if (entry.Cursor <= _newest) return;
            if (read || entry.Cursor == _newest + 1) Pass(entry);
            else if (missing = _early.Count < Kept) _early[entry.Cursor] = entry;
            while (_early.Remove(_newest + 1, out var next)) Pass(next);
        }

        if (missing) Missing?.Invoke();
        else Wake();
    }

    /// <summary>The log was read as far as this: a cursor up to here that isn't known has no entry any more.</summary>
    public void Reached(long cursor)
    {
        lock (_turn)
        {
            if (cursor <= _newest) return;
            Volatile.Write(ref _newest, cursor);
            while (_early.Remove(_newest + 1, out var next)) Pass(next);
        }

        Wake();
    }

    /// <summary>Grows with each heartbeat: readers pass on that the feed is as fresh as now.</summary>
    public long Beats => Volatile.Read(ref _beats);

    public void Beat()
    {
        Interlocked.Increment(ref _beats);
        Wake();
    }

    /// <summary>Lets every waiting reader look up.</summary>
    public void Wake() => Interlocked.Exchange(ref _changed, NewSource()).TrySetResult();

    /// <summary>An entry that is still in memory.</summary>
    public FeedEntry? Find(long cursor) => Volatile.Read(ref _ring[cursor & (Kept - 1)]) is { } found && found.Event.Cursor == cursor ? found : null;

    /// <summary>What is still in memory, the newest first, past a leap of the cursor.</summary>
    public IEnumerable<LoggedEvent> Recent()
    {
        var newest = Newest;
        for (var cursor = newest; cursor > newest - Kept; cursor--)
            if (Volatile.Read(ref _ring[cursor & (Kept - 1)]) is { } entry && (cursor - entry.Event.Cursor) % Leap == 0) yield return entry.Event; // else of another round
    }

    /// <summary>What comes after a cursor, in order, from memory where possible. Empty at the end of the feed; see <see cref="MarksAsync"/> for a cursor that is too old.</summary>
    public async Task<IReadOnlyList<FeedEntry>> AfterAsync(long cursor, int most, CancellationToken ct)
    {
        var newest = Newest;
        var found = new List<FeedEntry>();
        while (found.Count < most && cursor + found.Count < newest && Find(cursor + found.Count + 1) is { } entry) found.Add(entry);
        if (found.Count > 0 || cursor >= newest) return found;

        await using var scope = scopes.CreateAsyncScope();
        var rows = await scope.ServiceProvider.GetRequiredService<AppDb>().SecurityEvents.AsNoTracking()
            .Where(e => e.Cursor > cursor && e.Cursor <= newest).OrderBy(e => e.Cursor).Take(most).ToListAsync(ct);
        return rows.ConvertAll(e => Find(e.Cursor) ?? new FeedEntry(e));
    }

    /// <summary>How far the log has been given out, by the database.</summary>
    public async Task<long> GivenOutAsync(CancellationToken ct)
    {
        await using var scope = scopes.CreateAsyncScope();
        return (await scope.ServiceProvider.GetRequiredService<AppDb>().EventCounter.AsNoTracking().SingleAsync(ct)).Value;
    }

    /// <summary>The same, with how far it may be told on and how far it may be gone. Where the disk doesn't take the rest within a second, it is told later.</summary>
    public async Task<(long GivenOut, long Told, long PrunedTo)> MarksAsync(CancellationToken ct)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        var counter = await db.EventCounter.AsNoTracking().SingleAsync(ct);
        if (counter.Value <= Newest) return (counter.Value, counter.Value, counter.PrunedTo);
        var flush = WriteTransaction.FlushAsync(db);
        await ((Task)flush).WaitAsync(Patience, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        ct.ThrowIfCancellationRequested();
        return (counter.Value, flush is { IsCompletedSuccessfully: true, Result: true } ? counter.Value : Newest, counter.PrunedTo);
    }

    private void Pass(LoggedEvent entry)
    {
        Keep(entry);
        _early.Remove(entry.Cursor);
        Volatile.Write(ref _newest, entry.Cursor);
    }

    private void Keep(LoggedEvent entry) => Volatile.Write(ref _ring[entry.Cursor & (Kept - 1)], new FeedEntry(entry));

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>An entry on its way to readers, with what was made of it for them.</summary>
internal sealed class FeedEntry(LoggedEvent entry)
{
    private readonly ConcurrentDictionary<string, Lazy<byte[]>> _made = new(StringComparer.Ordinal);

    public LoggedEvent Event => entry;

    public ReadOnlyMemory<byte> Cached(string what, Func<byte[]> make) => _made.GetOrAdd(what, _ => new Lazy<byte[]>(make)).Value;
}
