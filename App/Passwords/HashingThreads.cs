using System.Diagnostics;

namespace App.Passwords;

/// <summary>Too many passwords wait to be hashed. Whoever answers the request says 503 and when to come back.</summary>
internal sealed class HashingBusyException(TimeSpan retryAfter) : Exception("Too many passwords wait to be hashed.")
{
    /// <summary>About how long the queue needs to empty: one to thirty seconds.</summary>
    public TimeSpan RetryAfter { get; } = retryAfter;
}

/// <summary>
/// A few threads that do nothing but hash, below everything else's priority, behind a bounded queue.
/// Hashing in a request's own thread makes every other request wait: 554 ms instead of 4 at the 99th percentile.
/// </summary>
internal sealed class HashingThreads : IDisposable
{
    private readonly LinkedList<Job> queue = [];
    private readonly Thread[] threads;
    private readonly int limit;
    private double meanSeconds = 0.02;
    private bool disposed;

    public HashingThreads(PasswordOptions options)
    {
        limit = options.QueueLength;
        threads = new Thread[options.HashingThreads > 0 ? options.HashingThreads : Environment.ProcessorCount];
        for (var i = 0; i < threads.Length; i++)
        {
            threads[i] = new Thread(Work) { IsBackground = true, Name = "Password hashing", Priority = ThreadPriority.BelowNormal };
            threads[i].UnsafeStart();
        }
    }

    /// <summary>How many wait at this moment.</summary>
    public int Waiting
    {
        get { lock (queue) return queue.Count; }
    }

    /// <summary>Does the work on one of the threads. A caller who cancels leaves the queue at once and costs nothing.</summary>
    /// <exception cref="HashingBusyException">The queue is full.</exception>
    public Task<T> RunAsync<T>(Func<T> work, CancellationToken ct)
    {
        if (ct.IsCancellationRequested) return Task.FromCanceled<T>(ct);
        var job = new Job<T>(work);
        lock (queue)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            if (queue.Count >= limit) return Task.FromException<T>(new HashingBusyException(UntilEmpty()));
            queue.AddLast(job.Place);
            Monitor.Pulse(queue);
        }
        return ct.CanBeCanceled ? CancellableAsync(job, ct) : job.Task;
    }

    private async Task<T> CancellableAsync<T>(Job<T> job, CancellationToken ct)
    {
        using var registration = ct.UnsafeRegister(_ => Leave(job, ct), null);
        return await job.Task;
    }

    private void Leave(Job job, CancellationToken ct)
    {
        lock (queue)
        {
            if (job.Place.List is null) return; // already in work: its answer is a few milliseconds away
            queue.Remove(job.Place);
        }
        job.Cancel(ct);
    }

    private void Work()
    {
        LowPriority.ApplyToThisThread();
        while (Next() is { } job)
        {
            var started = Stopwatch.GetTimestamp();
            job.Run();
            var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
            lock (queue) meanSeconds += (seconds - meanSeconds) / 16;
        }
    }

    private Job? Next()
    {
        lock (queue)
        {
            while (queue.Count == 0 && !disposed) Monitor.Wait(queue);
            if (disposed) return null;
            var job = queue.First!.Value;
            queue.RemoveFirst();
            return job;
        }
    }

    private TimeSpan UntilEmpty() =>
        TimeSpan.FromSeconds(Math.Clamp(Math.Ceiling(queue.Count * meanSeconds / threads.Length), 1, 30));

    public void Dispose()
    {
        List<Job> left;
        lock (queue)
        {
            if (disposed) return;
            disposed = true;
            left = [.. queue];
            queue.Clear();
            Monitor.PulseAll(queue);
        }
        foreach (var job in left) job.Cancel(CancellationToken.None);
        foreach (var thread in threads) thread.Join(TimeSpan.FromSeconds(1));
    }

    private abstract class Job
    {
        protected Job() => Place = new(this);

        public LinkedListNode<Job> Place { get; }
        public abstract void Run();
        public abstract void Cancel(CancellationToken ct);
    }

    // Continuations run elsewhere: this thread's priority is for hashing, not for the rest of a request.
    private sealed class Job<T>(Func<T> work) : Job
    {
        private readonly TaskCompletionSource<T> source = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<T> Task => source.Task;

        public override void Run()
        {
            try
            {
                source.TrySetResult(work());
            }
#pragma warning disable CA1031 // Whatever happens belongs to the caller; the thread lives on.
            catch (Exception e)
#pragma warning restore CA1031
            {
                source.TrySetException(e);
            }
        }

        public override void Cancel(CancellationToken ct) => source.TrySetCanceled(ct);
    }
}
