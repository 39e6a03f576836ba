using System.Diagnostics;
using System.Net;
using App.Strategies;

namespace App.Lab;

/// <summary>How one call was answered.</summary>
internal enum Reply { Accepted, Refused, Failed }

/// <summary>Calls in a row that were answered alike.</summary>
internal sealed record Stretch(Reply Reply, TimeSpan From, TimeSpan To, int Calls);

/// <summary>One service, called again and again: what it answered, from the moment that counts on. Written by one, read by many.</summary>
internal sealed class Lane(Strategy strategy)
{
    private readonly Lock _turn = new();
    private readonly List<Stretch> _stretches = [];

    public Strategy Strategy => strategy;

    public IReadOnlyList<Stretch> Stretches
    {
        get { lock (_turn) return [.. _stretches]; }
    }

    /// <summary>From the moment that counts to the first answer that says no; null while none has.</summary>
    public TimeSpan? RefusedAfter => Stretches.FirstOrDefault(s => s.Reply == Reply.Refused)?.From;

    public int Calls => Stretches.Sum(s => s.Calls);

    public int Failed => Stretches.Where(s => s.Reply == Reply.Failed).Sum(s => s.Calls);

    /// <summary>From the first call that failed to the first that didn't any more.</summary>
    public TimeSpan Down => Stretches.Where(s => s.Reply == Reply.Failed).Aggregate(TimeSpan.Zero, (sum, s) => sum + (s.To - s.From));

    public void Note(Reply reply, TimeSpan at)
    {
        lock (_turn)
        {
            if (_stretches is [.., var last])
            {
                // What is said now has been true since the last answer, as far as anybody knows.
                _stretches[^1] = last with { To = at, Calls = last.Reply == reply ? last.Calls + 1 : last.Calls };
                if (last.Reply == reply) return;
            }

            _stretches.Add(new Stretch(reply, at, at, 1));
        }
    }
}

/// <summary>Calls the services of a visit, all at once and each without end, until told to stop.</summary>
internal sealed class Callers : IDisposable
{
    // At first a call follows upon the other, to see milliseconds; then it is the seconds that matter.
    private static readonly TimeSpan Closely = TimeSpan.FromSeconds(1), ShortPause = TimeSpan.FromMilliseconds(1), LongPause = TimeSpan.FromMilliseconds(25);

    private readonly CancellationTokenSource _stop;
    private readonly List<Task> _calling;
    private long _zero = long.MaxValue;

    public Callers(LabVisit visit, IReadOnlyList<Lane> lanes, CancellationToken ct)
    {
        _stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        _calling = [.. visit.Stands.Join(lanes, s => s.Strategy, l => l.Strategy, (stand, lane) => CallAsync(visit, stand, lane, _stop.Token))];
    }

    /// <summary>From now on answers are noted.</summary>
    public void Begin() => Volatile.Write(ref _zero, Stopwatch.GetTimestamp());

    public TimeSpan Elapsed => Volatile.Read(ref _zero) is var zero && zero == long.MaxValue ? TimeSpan.Zero : Stopwatch.GetElapsedTime(zero);

    private TimeSpan Pause => Elapsed < Closely ? ShortPause : LongPause;

    /// <summary>Waits for something to come true, as often as it changes anything.</summary>
    /// <returns>False where the time was over first.</returns>
    public async Task<bool> UntilAsync(Func<bool> met, TimeSpan limit)
    {
        while (!met())
        {
            if (Elapsed > limit) return false;
            await Task.Delay(Pause, _stop.Token);
        }

        return true;
    }

    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_calling);
    }

    public void Dispose()
    {
        _stop.Cancel();
        _stop.Dispose();
    }

    private async Task CallAsync(LabVisit visit, Stand stand, Lane lane, CancellationToken ct)
    {
        using var caller = visit.NewCaller(stand);
        try
        {
            while (true)
            {
                var begun = Stopwatch.GetTimestamp();
                var reply = await AskAsync(caller, ct);
                // A call that was sent before the moment says nothing of what came after it.
                if (begun >= Volatile.Read(ref _zero)) lane.Note(reply, Elapsed);
                await Task.Delay(Pause, ct);
            }
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            // Enough was seen.
        }
    }

    private static async Task<Reply> AskAsync(HttpClient caller, CancellationToken ct)
    {
        try
        {
            using var answer = await caller.GetAsync("/", ct);
            return answer.StatusCode switch
            {
                HttpStatusCode.OK => Reply.Accepted,
                HttpStatusCode.Unauthorized => Reply.Refused,
                _ => Reply.Failed,
            };
        }
        catch (HttpRequestException)
        {
            return Reply.Failed;
        }
    }
}
