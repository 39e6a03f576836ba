using App.Passwords;

namespace App.Tests.Passwords;

public sealed class HashingThreadsTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly ManualResetEventSlim gate = new();
    private readonly HashingThreads threads = new(new PasswordOptions { HashingThreads = 2, QueueLength = 3 });

    public void Dispose()
    {
        gate.Set();
        threads.Dispose();
    }

    /// <summary>Occupies both threads until the gate opens.</summary>
    private async Task<Task<int>[]> BlockAsync()
    {
        var started = new[] { new TaskCompletionSource(), new TaskCompletionSource() };
        var blocked = started.Select(one => threads.RunAsync(() =>
        {
            one.SetResult();
            gate.Wait();
            return 0;
        }, CancellationToken.None)).ToArray();
        await Task.WhenAll(started.Select(one => one.Task)).WaitAsync(Patience);
        return blocked;
    }

    [Fact]
    public async Task Work_runs_on_threads_of_its_own_and_its_answer_comes_back()
    {
        var (name, pool) = await threads.RunAsync(() => (Thread.CurrentThread.Name, Thread.CurrentThread.IsThreadPoolThread), default);
        Assert.Equal("Password hashing", name);
        Assert.False(pool);
    }

    [Fact]
    public async Task The_caller_goes_on_elsewhere()
    {
        var thread = await threads.RunAsync(() => 1, default).ContinueWith(
            _ => Thread.CurrentThread.Name, default, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        Assert.NotEqual("Password hashing", thread);
    }

    [Fact]
    public async Task On_Linux_the_threads_are_nice_and_the_others_are_not()
    {
        if (!OperatingSystem.IsLinux()) return;
        // proc(5): the nice value is field 19; the name in field 2 may hold spaces, so count from its bracket.
        static int Nice() => int.Parse(
            File.ReadAllText("/proc/thread-self/stat").Split(") ")[^1].Split(' ')[16], System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal(15, await threads.RunAsync(Nice, default));
        Assert.True(await Task.Run(Nice) < 15);
    }

    [Fact]
    public async Task A_failure_belongs_to_its_caller_and_the_thread_lives_on()
    {
        for (var i = 0; i < 4; i++)
        {
            await Assert.ThrowsAsync<InvalidDataException>(() => threads.RunAsync<int>(() => throw new InvalidDataException(), default));
        }
        Assert.Equal(7, await threads.RunAsync(() => 7, default));
    }

    [Fact]
    public async Task Past_the_bound_of_the_queue_it_says_busy_and_for_how_long()
    {
        var blocked = await BlockAsync();
        var queued = Enumerable.Range(0, 3).Select(i => threads.RunAsync(() => i, default)).ToArray();
        Assert.Equal(3, threads.Waiting);
        var busy = await Assert.ThrowsAsync<HashingBusyException>(() => threads.RunAsync(() => 3, default));
        Assert.InRange(busy.RetryAfter, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30));
        gate.Set();
        var answers = await Task.WhenAll(queued).WaitAsync(Patience);
        Assert.Equal([0, 1, 2], answers);
        await Task.WhenAll(blocked).WaitAsync(Patience);
        Assert.Equal(4, await threads.RunAsync(() => 4, default));
    }

    [Fact]
    public async Task Who_cancels_while_waiting_frees_the_place_and_is_never_worked_for()
    {
        await BlockAsync();
        using var gone = new CancellationTokenSource();
        var ran = 0;
        var waiting = Enumerable.Range(0, 3).Select(_ => threads.RunAsync(() => Interlocked.Increment(ref ran), gone.Token)).ToArray();
        await gone.CancelAsync();
        foreach (var one in waiting) await Assert.ThrowsAnyAsync<OperationCanceledException>(() => one.WaitAsync(Patience));
        Assert.Equal(0, threads.Waiting);
        var next = threads.RunAsync(() => 5, default);
        gate.Set();
        Assert.Equal(5, await next.WaitAsync(Patience));
        Assert.Equal(0, ran);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => threads.RunAsync(() => 1, gone.Token));
    }

    [Fact]
    public async Task Who_cancels_too_late_gets_the_answer()
    {
        using var late = new CancellationTokenSource();
        var started = new TaskCompletionSource();
        var task = threads.RunAsync(() =>
        {
            started.SetResult();
            gate.Wait();
            return 9;
        }, late.Token);
        await started.Task.WaitAsync(Patience);
        await late.CancelAsync();
        gate.Set();
        Assert.Equal(9, await task.WaitAsync(Patience));
    }

    [Fact]
    public async Task At_the_end_of_the_process_nobody_waits_for_ever()
    {
        var own = new HashingThreads(new PasswordOptions { HashingThreads = 1, QueueLength = 3 });
        var started = new TaskCompletionSource();
        var running = own.RunAsync(() =>
        {
            started.SetResult();
            gate.Wait();
            return 1;
        }, default);
        await started.Task.WaitAsync(Patience);
        var waiting = own.RunAsync(() => 2, default);
        var end = Task.Run(own.Dispose);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.WaitAsync(Patience));
        gate.Set();
        Assert.Equal(1, await running.WaitAsync(Patience));
        await end.WaitAsync(Patience);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => own.RunAsync(() => 3, default));
    }
}
