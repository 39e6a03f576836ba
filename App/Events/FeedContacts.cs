using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Text.RegularExpressions;
using App.Data;
using App.Ops;
using Microsoft.EntityFrameworkCore;

namespace App.Events;

/// <summary>
/// Who reads the feed here, and what they say to have applied. Written down in groups, ten times a second at most, so that many verifiers
/// cost the database one transaction: what is written may lag behind the truth, and never leads.
/// </summary>
internal sealed partial class FeedContacts(
    EventFeed feed, EntryText text, RegisteredServices registered, IServiceScopeFactory scopes, TimeProvider time, IMeterFactory meters, ILogger<FeedContacts> logger) : BackgroundService
{
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Remembered = TimeSpan.FromHours(1);
    private const int MostMeasured = 1000;

    // What was said before a reader left may arrive or be written down after it: as late as a verifier waits for an answer, by a clock that is ahead.
    private static readonly TimeSpan Echo = TimeSpan.FromSeconds(6);

    // As long as another replica may keep to itself that it has just seen the reader.
    private static readonly TimeSpan Late = TimeSpan.FromSeconds(1);

    // Of one service. Of more, the one that was silent for the longest is forgotten: whoever makes up names fills no memory and no table.
    internal const int MostNames = 1000;

    private readonly ConcurrentDictionary<(string Service, string Instance), Reader> _readers = new();
    private readonly SemaphoreSlim _work = new(0, 1);
    private readonly SemaphoreSlim _one = new(1);

    private readonly Histogram<double> _propagation = meters.Create(OpsModule.OwnMeter).CreateHistogram(
        "gatehouse_revocation_propagation_seconds", unit: null, "From the commit of an event to the acknowledgement of a service that it has applied it.", null,
        new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300] });

    /// <summary>Raised after acknowledgements were written down. On any thread; must not throw.</summary>
    public event Action? Written;

    public static bool IsName(string instance) => Name().IsMatch(instance);

    /// <summary>The reader opens its feed here: what was committed before took its time for other reasons.</summary>
    public void Began(CallingService service, string instance) => Note(service, instance, 0, isThere: true);

    /// <summary>The reader stops, and accepts no tokens any more.</summary>
    public void Left(CallingService service, string instance) => Note(service, instance, 0, isThere: false);

    /// <summary>The reader is there, whatever it has applied.</summary>
    public void Seen(CallingService service, string instance) => Note(service, instance, 0);

    /// <summary>The reader has applied everything up to the cursor.</summary>
    public void Applied(CallingService service, string instance, long cursor) => Note(service, instance, cursor);

    /// <summary>Counts how long entries took to be applied by a reader that was there when they were committed.</summary>
    public void Measure(IEnumerable<LoggedEvent> entries, string service, DateTimeOffset since, DateTimeOffset? appliedAt = null)
    {
        var at = appliedAt ?? time.GetUtcNow();
        foreach (var entry in entries.Where(e => e.OccurredAt >= since)) _propagation.Record(Math.Max(0, (at - entry.OccurredAt).TotalSeconds), new KeyValuePair<string, object?>("service", service));
    }

    /// <summary>Writes down what is not yet written.</summary>
    internal async Task WriteAsync(CancellationToken ct)
    {
        await _one.WaitAsync(ct);
        try
        {
            var notes = new List<(Reader Reader, Heard Heard)>();
            var idleSince = time.GetUtcNow() - Remembered;
            if (_readers.Count > MostNames)
            {
                foreach (var key in _readers.GroupBy(r => r.Key.Service).SelectMany(own => own.OrderByDescending(r => r.Value.ContactAt).Skip(MostNames)).Select(r => r.Key)) _readers.TryRemove(key, out _);
            }

            foreach (var (key, reader) in _readers)
            {
                if (reader.Take() is { } heard) notes.Add((reader, heard));
                else if (reader.ContactAt < idleSince) _readers.TryRemove(key, out _);
            }

            if (notes.Count == 0) return;
            try
            {
                await SaveAsync(notes, ct);
            }
            catch
            {
                foreach (var (reader, heard) in notes) reader.GiveBack(heard);
                throw;
            }
        }
        finally
        {
            _one.Release();
        }

        Written?.Invoke();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        for (var failing = false; ;)
        {
            await _work.WaitAsync(stoppingToken);
            try
            {
                await WriteAsync(stoppingToken);
                failing = false;
            }
            catch (Exception e) when (e is not OperationCanceledException || !stoppingToken.IsCancellationRequested)
            {
                if (!failing) NotWritten(e.Message);
                failing = true;
                Signal();
                await Task.Delay(TimeSpan.FromSeconds(1), stoppingToken);
            }

            // The wall's own time: a pace, not a deadline.
            await Task.Delay(Pace, stoppingToken);
        }
    }

    public override void Dispose()
    {
        _work.Dispose();
        _one.Dispose();
        base.Dispose();
    }

    private async Task SaveAsync(List<(Reader Reader, Heard Heard)> notes, CancellationToken ct)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        await using var transaction = await db.BeginWriteAsync(ct);
        var services = notes.Select(n => n.Reader.Service.Id).Distinct().ToList();
        services = [.. await registered(db, services, ct)]; // of one that was removed meanwhile nothing comes back: another of its name has applied nothing yet
        await db.HoldReadersAsync(services, ct);
        var known = (await db.FeedReaders.Where(r => services.Contains(r.Service)).ToListAsync(ct)).DistinctBy(r => KeyOf(r.Service, r.Instance)).ToDictionary(r => KeyOf(r.Service, r.Instance));
        var applied = new List<(Reader Reader, long From, long To, DateTimeOffset At)>();
        foreach (var (reader, (contact, acks, isThere)) in notes.Where(n => services.Contains(n.Reader.Service.Id)))
        {
            var key = KeyOf(reader.Service.Id, reader.Instance);
            if (!known.TryGetValue(key, out var row))
            {
                db.FeedReaders.Add(known[key] = row = new FeedReader { Service = reader.Service.Id, Instance = reader.Instance });
                if (row.IsInstance) row.Begin(reader.Since);
            }

            row.Audience = reader.Service.Audience;
            if (row.HasLeft && (isThere == true || acks.Any(a => a.At > row.ContactAt + Echo))) row.Begin(contact);
            if (contact > row.ContactAt && !row.HasLeft) row.ContactAt = contact;
            foreach (var (cursor, at) in acks.Where(a => a.Cursor > row.Applied))
            {
                applied.Add((reader, row.Applied, cursor, at));
                row.Acknowledge(cursor, at);
            }

            // Another process may have begun under its name while this waited to be written.
            if (isThere == false && row.ContactAt <= contact + Late) row.Leave();
        }

        db.RemoveRange(known.Values.Where(r => r.IsInstance).GroupBy(r => r.Service).SelectMany(own => own.OrderByDescending(r => r.ContactAt).Skip(MostNames)));

        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        // By the row, which all replicas share: what was said to another one isn't measured here again.
        foreach (var (reader, from, to, at) in applied) Measure(Between(reader.Service.Audience, from, to), reader.Service.Id, reader.Since, at);
    }

    // Whatever the spelling, the first of which is shown: SQL Server tells keys apart without case, and two that it finds alike would block all others.
    private static (string Service, string Instance) KeyOf(string service, string instance) => (service, instance.ToUpperInvariant());

    private void Note(CallingService service, string instance, long cursor, bool? isThere = null)
    {
        var now = time.GetUtcNow();
        // Whoever has events pushed opens nothing: we are the ones who come, with what is due.
        var key = KeyOf(service.Id, instance);
        var reader = _readers.GetOrAdd(key, _ => new Reader(service, instance, instance == FeedReader.Push ? DateTimeOffset.MinValue : now, now));
        reader.Note(service, now, cursor, isThere);
        _readers.TryAdd(key, reader); // removed as idle in this very moment: what it has said would be lost
        Signal();
    }

    // Of a reader that is new, the entry that it names; of one that is known, all that concern it and that it has applied since.
    private IEnumerable<LoggedEvent> Between(string? audience, long from, long to) =>
        feed.Recent().SkipWhile(entry => entry.Cursor > to).TakeWhile(entry => entry.Cursor > from && (from != 0 || entry.Cursor == to))
            .Take(MostMeasured).Where(entry => text.Concerns(entry, audience)).Reverse();

    private void Signal()
    {
        try
        {
            _work.Release();
        }
        catch (Exception e) when (e is SemaphoreFullException or ObjectDisposedException)
        {
            // Already told, or nobody is there any more.
        }
    }

    [GeneratedRegex(@"\A[A-Za-z0-9._-]{0,64}\z")]
    private static partial Regex Name();

    [LoggerMessage(2521, LogLevel.Warning, "What services have applied can't be written down and will be tried again: {Cause}")]
    private partial void NotWritten(string cause);

    /// <param name="IsThere">True where it has begun since, false where it has left, null where neither was said.</param>
    private sealed record Heard(DateTimeOffset ContactAt, List<(long Cursor, DateTimeOffset At)> Acks, bool? IsThere);

    private sealed class Reader(CallingService service, string instance, DateTimeOffset since, DateTimeOffset contactAt)
    {
        private readonly Lock _turn = new();
        private Heard? _heard;

        public CallingService Service { get; private set; } = service;
        public string Instance => instance;
        public DateTimeOffset ContactAt { get; private set; } = contactAt;

        /// <summary>Since when it is connected.</summary>
        public DateTimeOffset Since { get; private set; } = since;

        public void Note(CallingService now, DateTimeOffset at, long cursor, bool? isThere)
        {
            lock (_turn)
            {
                (Service, ContactAt) = (now, at);
                if (isThere == true) Since = at;
                var acks = _heard?.Acks ?? [];
                if (cursor > (acks is [.., var last] ? last.Cursor : 0)) acks.Add((cursor, at));
                _heard = new Heard(at, acks, isThere ?? _heard?.IsThere);
            }
        }

        public Heard? Take()
        {
            lock (_turn)
            {
                var heard = _heard;
                _heard = null;
                return heard;
            }
        }

        public void GiveBack(Heard heard)
        {
            lock (_turn) _heard = _heard is { } later ? later with { Acks = [.. heard.Acks, .. later.Acks], IsThere = later.IsThere ?? heard.IsThere } : heard;
        }
    }
}
