using System.Collections.Frozen;
using System.Diagnostics.Metrics;
using App.Ops;
using App.Tokens;

namespace App.Dashboard;

/// <summary>
/// What this process has counted in the last hour, ten seconds at a time. It listens to the instruments that Prometheus reads, and looks at the
/// <see cref="Traffic"/> of every request from slot to slot, so that no request knows of it. It takes 347 KB, however much happens.
/// </summary>
internal sealed class Recorder : IHostedService, IDisposable
{
    public static readonly TimeSpan Slot = TimeSpan.FromSeconds(10);
    public const int Slots = 360;
    public const int SlotsOfAMinute = 6;

    private readonly Lock _turn = new();
    private readonly MeterListener _listener = new();
    private readonly IMeterFactory _meters;
    private readonly Traffic _traffic;
    private readonly TimeProvider _time;
    private readonly long _began;
    private readonly long[] _totals = new long[Cell.Count];
    private readonly long[] _before = new long[Cell.Count]; // at the beginning of the slot
    private readonly int[] _ring = new int[Slots * Cell.Count];
    private long _slot;
    private ITimer? _timer;

    public Recorder(IMeterFactory meters, Figures figures, TimeProvider time)
    {
        (_meters, _traffic, _time) = (meters, figures.Traffic, time);
        (_began, Since) = (time.GetTimestamp(), time.GetUtcNow());
        _listener.InstrumentPublished = Listen;
        _listener.SetMeasurementEventCallback<long>(Count);
        _listener.SetMeasurementEventCallback<double>(Measure);
    }

    /// <summary>When the process began.</summary>
    public DateTimeOffset Since { get; }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _listener.Start();
        _timer = _time.CreateTimer(_ => Roll(), null, Slot, Slot);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose()
    {
        _listener.Dispose();
        _timer?.Dispose();
    }

    /// <summary>The last minute, the last hour, and each minute of it. What is going on now is in all of them.</summary>
    public Reading Read()
    {
        lock (_turn)
        {
            var into = RollTo(_time.GetElapsedTime(_began));
            var runs = _time.GetElapsedTime(_began);
            List<Window> minutes = [];
            for (var m = Slots / SlotsOfAMinute; m > 0; m--) minutes.Add(Sum(_slot - (m * SlotsOfAMinute) + 1, SlotsOfAMinute, TimeSpan.FromMinutes(1)));
            return new Reading(
                Since,
                Sum(_slot - SlotsOfAMinute + 1, SlotsOfAMinute, Shorter(runs, (Slot * (SlotsOfAMinute - 1)) + into)),
                Sum(_slot - Slots + 1, Slots, Shorter(runs, (Slot * (Slots - 1)) + into)),
                minutes);
        }

        static TimeSpan Shorter(TimeSpan one, TimeSpan other) => one < other ? one : other;
    }

    internal void Roll()
    {
        lock (_turn) RollTo(_time.GetElapsedTime(_began));
    }

    /// <returns>How long the slot has lasted.</returns>
    private TimeSpan RollTo(TimeSpan now)
    {
        var slot = now.Ticks / Slot.Ticks;
        if (slot > _slot)
        {
            Collect();
            for (var cell = 0; cell < Cell.Count; cell++) _ring[At(_slot, cell)] = (int)Math.Min(int.MaxValue, _totals[cell] - _before[cell]);
            _totals.CopyTo(_before, 0);
            for (var passed = Math.Max(_slot + 1, slot - Slots + 1); passed <= slot; passed++) Array.Clear(_ring, At(passed, 0), Cell.Count);
            _slot = slot;
        }

        return now - (Slot * _slot);
    }

    private Window Sum(long from, int slots, TimeSpan length)
    {
        var sum = new long[Cell.Count];
        for (var slot = Math.Max(0, from); slot < from + slots; slot++)
        {
            if (slot == _slot) break;
            for (var cell = 0; cell < Cell.Count; cell++) sum[cell] += _ring[At(slot, cell)];
        }

        if (from + slots > _slot)
        {
            Collect();
            for (var cell = 0; cell < Cell.Count; cell++) sum[cell] += _totals[cell] - _before[cell];
        }

        return new Window(sum, length);
    }

    private void Collect()
    {
        for (var cell = 0; cell < Traffic.Cells; cell++) _totals[cell] = _traffic.Sum(cell);
    }

    private static int At(long slot, int cell) => ((int)(slot % Slots) * Cell.Count) + cell;

    private void Listen(Instrument instrument, MeterListener listener)
    {
        if (instrument.Meter is { Name: OpsModule.OwnMeter, Scope: var scope } && scope == _meters && Cell.Of.TryGetValue(instrument.Name, out var cells))
            listener.EnableMeasurementEvents(instrument, cells);
    }

    private void Count(Instrument instrument, long value, ReadOnlySpan<KeyValuePair<string, object?>> tags, object? state)
    {
        var (first, words) = (Cells)state!;
        var place = words.Length == 0 ? 0 : tags.Length > 0 ? Array.IndexOf(words, tags[0].Value as string) : -1;
        if (place >= 0) Interlocked.Add(ref _totals[first + place], value);
    }

    private void Measure(Instrument instrument, double seconds, ReadOnlySpan<KeyValuePair<string, object?>> tags, object? state) =>
        Interlocked.Increment(ref _totals[((Cells)state!).First + LogScale.BucketOf(TimeSpan.FromSeconds(seconds))]);

    /// <summary>Where the counts of an instrument stand.</summary>
    /// <param name="Words">The values of its label, one cell for each; others aren't kept.</param>
    internal sealed record Cells(int First, string[] Words);

    /// <summary>What a slot holds.</summary>
    internal static class Cell
    {
        public static readonly string[] SignInWords = ["ok", "wrong", "limited"];
        public static readonly string[] RenewalWords = ["renewed", "replayed", "reused", "refused"];
        public static readonly string[] Reasons = [.. Enum.GetValues<TokenFault>().Select(fault => TokenRefusal.For(fault).Reason)];

        // As Traffic has them.
        public const int Took = 0, TokenChecks = Traffic.TokenChecks, Requests = Traffic.Requests;
        public const int Heard = Traffic.Cells;
        public const int SignIns = Heard + LogScale.Buckets;
        public static readonly int Renewals = SignIns + SignInWords.Length;
        public static readonly int Refused = Renewals + RenewalWords.Length;
        public static readonly int Unavailable = Refused + Reasons.Length;
        public static readonly int Count = Unavailable + 1;

        public static readonly FrozenDictionary<string, Cells> Of = new Dictionary<string, Cells>
        {
            ["gatehouse_revocation_propagation_seconds"] = new(Heard, []),
            ["gatehouse_sign_ins"] = new(SignIns, SignInWords),
            ["gatehouse_renewals"] = new(Renewals, RenewalWords),
            ["gatehouse_tokens_refused"] = new(Refused, Reasons),
            ["gatehouse_requests_unavailable"] = new(Unavailable, []),
        }.ToFrozenDictionary();
    }
}

/// <param name="Since">When the process began.</param>
/// <param name="Minutes">Sixty of them, the last one up to now.</param>
internal sealed record Reading(DateTimeOffset Since, Window Minute, Window Hour, IReadOnlyList<Window> Minutes);

/// <summary>What was counted within some time.</summary>
internal sealed class Window(long[] counts, TimeSpan length)
{
    public TimeSpan Length => length;

    public long this[int cell] => counts[cell];

    public long SignIns(string outcome) => counts[Recorder.Cell.SignIns + Array.IndexOf(Recorder.Cell.SignInWords, outcome)];

    public long Renewals(string outcome) => counts[Recorder.Cell.Renewals + Array.IndexOf(Recorder.Cell.RenewalWords, outcome)];

    /// <summary>The reasons for which tokens were refused, the most frequent first.</summary>
    public IEnumerable<(string Reason, long Count)> Refused() => Recorder.Cell.Reasons
        .Select((reason, i) => (reason, counts[Recorder.Cell.Refused + i])).Where(r => r.Item2 > 0).OrderByDescending(r => r.Item2).ThenBy(r => r.reason, StringComparer.Ordinal);

    /// <param name="first"><see cref="Recorder.Cell.Took"/> or <see cref="Recorder.Cell.Heard"/>.</param>
    public long Measured(int first) => counts.AsSpan(first, LogScale.Buckets).ToArray().Sum();

    /// <summary>By the nearest rank, as exact as <see cref="LogScale"/>; null where nothing was measured.</summary>
    public TimeSpan? Percentile(int first, int percent)
    {
        var rank = ((Measured(first) * percent) + 99) / 100;
        if (rank == 0) return null;
        var bucket = 0;
        for (var seen = counts[first]; seen < rank; seen += counts[first + bucket]) bucket++;
        return LogScale.MiddleOf(bucket);
    }
}
