using App.Passwords;

namespace App.Tests.Passwords;

internal static class BusyHashing
{
    /// <summary>Keeps a hashing thread until the gate opens: with <c>Passwords:HashingThreads</c> 1, whatever is to be hashed waits in the queue.</summary>
    /// <returns>Ends when it is free again.</returns>
    public static async Task<Task> KeepHashingAsync(this TestApp app, ManualResetEventSlim gate)
    {
        var started = new TaskCompletionSource();
        var busy = app.Get<HashingThreads>().RunAsync(() =>
        {
            started.SetResult();
            gate.Wait();
            return true;
        }, CancellationToken.None);
        await started.Task; // until then it would be the one that waits
        return busy;
    }
}
