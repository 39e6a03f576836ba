using App.Data;
using Microsoft.Data.Sqlite;

namespace App.Tests.Data;

public sealed class SharedSyncTests : IDisposable
{
    private readonly string _database = Path.GetTempFileName();

    private string Log => _database + "-wal";

    public void Dispose()
    {
        File.Delete(_database);
        File.Delete(Log);
        File.Delete(_database + "-shm");
    }

    [Fact]
    public async Task Everybody_who_waits_is_told_when_the_disk_has_it()
    {
        await File.WriteAllTextAsync(Log, "a commit");
        var sync = new SharedSync(_database);

        for (var round = 0; round < 5; round++) await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(sync.WaitAsync))).WaitAsync(TimeSpan.FromSeconds(20));
    }

    [Fact] // The last connection to close moves the log into the database and removes it.
    public async Task A_log_that_is_gone_has_nothing_left_to_flush() =>
        await new SharedSync(_database).WaitAsync().WaitAsync(TimeSpan.FromSeconds(20));

    [Theory] // What is written then goes into a file that has no name any more.
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_database_that_is_gone_flushes_nothing(bool logIsThere)
    {
        if (logIsThere) await File.WriteAllTextAsync(Log, "a commit");
        File.Delete(_database);
        Assert.True((await Assert.ThrowsAsync<UnflushedException>(new SharedSync(_database).WaitAsync)).IsWritten);
    }

    [Fact]
    public async Task A_disk_that_refuses_is_told_to_those_who_wait_and_the_next_ones_try_again()
    {
        var sync = new SharedSync(_database);
        Directory.CreateDirectory(Log);
        Assert.True((await Assert.ThrowsAsync<UnflushedException>(sync.WaitAsync)).IsWritten);

        // Nor is anything written that would be refused as well.
        Assert.False(Assert.Throws<UnflushedException>(sync.DemandFile).IsWritten);

        Directory.Delete(Log);
        await File.WriteAllTextAsync(Log, "a commit");
        sync.DemandFile();
        await sync.WaitAsync().WaitAsync(TimeSpan.FromSeconds(20));
    }

    [Fact] // Whoever has committed would be told that they haven't.
    public async Task A_log_that_cannot_be_opened_for_a_moment_is_waited_for()
    {
        var sync = new SharedSync(_database);
        Directory.CreateDirectory(Log);
        var waiting = sync.WaitAsync();
        await Task.Delay(TimeSpan.FromMilliseconds(60)); // enough to have tried
        Assert.False(waiting.IsCompleted);
        Directory.Delete(Log);
        await waiting.WaitAsync(TimeSpan.FromSeconds(20));
    }

    [Fact] // The kernel forgets what a disk has refused: asked again it says "done", and after a power cut that page isn't there, nor anything behind it.
    public async Task After_a_flush_that_failed_the_next_one_counts_only_when_all_of_the_log_was_written_again()
    {
        await using var writer = await OpenAsync();
        await using var other = await OpenAsync();
        await RunAsync(writer, "PRAGMA journal_mode = WAL; CREATE TABLE Kept (Id); INSERT INTO Kept VALUES (1)");
        var before = await File.ReadAllBytesAsync(Log);
        var flushes = 0;
        var sync = new SharedSync(_database, file =>
        {
            if (++flushes <= 2) throw new IOException("Input/output error");
            Assert.Equal(before.Length, RandomAccess.GetLength(file));
        });
        Assert.True((await Assert.ThrowsAsync<UnflushedException>(sync.WaitAsync)).IsWritten);

        await RunAsync(other, "BEGIN IMMEDIATE"); // somebody who might add to it meanwhile
        Assert.False(Assert.Throws<UnflushedException>(sync.DemandFile).IsWritten); // nothing more is written
        Assert.Equal(1, flushes);

        await RunAsync(other, "ROLLBACK");
        Assert.Throws<UnflushedException>(sync.DemandFile); // refused again
        var written = File.GetLastWriteTimeUtc(Log);
        File.SetLastWriteTimeUtc(Log, written.AddHours(-1));
        sync.DemandFile();
        Assert.True(File.GetLastWriteTimeUtc(Log) > written.AddMinutes(-1), "Nothing was written.");
        Assert.Equal(before, await File.ReadAllBytesAsync(Log));
        Assert.Equal(3, flushes);

        await sync.WaitAsync();
        sync.DemandFile();
        Assert.Equal(4, flushes); // once is enough
    }

    [Fact] // The engine itself would do it within somebody's commit, and keep to itself what the disk has refused.
    public async Task A_long_log_is_moved_to_the_database_once_it_is_flushed()
    {
        await using var writer = await OpenAsync();
        await RunAsync(writer, "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 16384; CREATE TABLE Kept (Id)");
        var sync = new SharedSync(_database);
        await AddAsync(1);
        Assert.InRange(LogLength(), 1 << 20, 4 << 20);

        await AddAsync(4);
        // Whoever waits is told before it is moved, and the next ones after it.
        await sync.WaitAsync();
        Assert.Equal(0, LogLength());
        Assert.True(new FileInfo(_database).Length > 4 << 20);

        await using var reader = await OpenAsync();
        await RunAsync(reader, "BEGIN; SELECT count(*) FROM Kept");
        await AddAsync(5);
        await sync.WaitAsync();
        Assert.True(LogLength() > 4 << 20, "Whoever still reads needs it.");
        await RunAsync(reader, "COMMIT");
        await AddAsync(5); // tried again when as much has come again
        await sync.WaitAsync();
        Assert.Equal(0, LogLength());

        async Task AddAsync(int megabytes)
        {
            await RunAsync(writer, $"INSERT INTO Kept VALUES (zeroblob({megabytes << 20}))");
            await sync.WaitAsync();
        }
    }

    private long LogLength() => new FileInfo(Log).Length;

    private async Task<SqliteConnection> OpenAsync()
    {
        var connection = new SqliteConnection($"Data Source={_database};Pooling=False");
        await connection.OpenAsync();
        return connection;
    }

    private static async Task RunAsync(SqliteConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteScalarAsync();
    }
}
