using App.Data;

namespace App.Tests.Data;

public sealed class SharedSyncTests
{
    [Fact]
    public async Task Everybody_who_waits_is_told_when_the_disk_has_it()
    {
        var file = Path.GetTempFileName();
        var sync = new SharedSync(file);

        for (var round = 0; round < 5; round++) await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(sync.WaitAsync))).WaitAsync(TimeSpan.FromSeconds(20));

        File.Delete(file);
    }

    [Fact] // The last connection to close moves the log into the database and removes it.
    public async Task A_log_that_is_gone_has_nothing_left_to_flush() =>
        await new SharedSync(Path.Combine(Path.GetTempPath(), $"gone-{Guid.NewGuid():N}")).WaitAsync().WaitAsync(TimeSpan.FromSeconds(20));

    [Fact]
    public async Task A_disk_that_refuses_is_told_to_those_who_wait_and_the_next_ones_try_again()
    {
        var path = Path.Combine(Path.GetTempPath(), $"log-{Guid.NewGuid():N}");
        var sync = new SharedSync(path);
        Directory.CreateDirectory(path);
        await Assert.ThrowsAsync<UnflushedException>(sync.WaitAsync);

        Directory.Delete(path);
        await File.WriteAllTextAsync(path, "a commit");
        await sync.WaitAsync().WaitAsync(TimeSpan.FromSeconds(20));
        File.Delete(path);
    }
}
