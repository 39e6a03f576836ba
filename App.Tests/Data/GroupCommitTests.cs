using System.Data.Common;
using App.Data;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Data;

public sealed class GroupCommitTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => _app.DbAsync(db => db.Database.ExecuteSqlRawAsync("""CREATE TABLE "Written" ("By" TEXT NOT NULL, "In" TEXT NOT NULL)"""));

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task What_gathers_while_another_writes_is_one_transaction()
    {
        Task<string>[] waiting = [];
        await _app.DbAsync(async db =>
        {
            await using var other = await db.BeginWriteAsync(CancellationToken.None);
            waiting = [.. Enumerable.Range(0, 20).Select(i => WriteAsync(i))];
            Assert.DoesNotContain(waiting, w => w.IsCompleted);
            return 0;
        });

        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"{i}"), await Task.WhenAll(waiting));
        var transactions = await WrittenAsync("In");
        Assert.Equal(20, transactions.Count);
        // The first may have gone ahead before the others came.
        Assert.InRange(transactions.Distinct().Count(), 1, 2);
    }

    [Fact]
    public async Task Who_fails_before_writing_fails_alone()
    {
        var good = WriteAsync(1);
        var bad = RunAsync<string>(_ => throw new FormatException("my own"));
        var alsoGood = WriteAsync(2);

        string[] answers = await Task.WhenAll(good, alsoGood);
        Assert.Equal(["1", "2"], answers);
        Assert.Equal("my own", (await Assert.ThrowsAsync<FormatException>(() => bad)).Message);
        Assert.Equal(["1", "2"], (await WrittenAsync("By")).Order());
    }

    [Fact]
    public async Task Where_the_database_fails_nobody_is_told_that_it_was_written_and_the_next_ones_write()
    {
        // While one is looking still, those who come gather: none of them goes ahead.
        TaskCompletionSource looks = new(TaskCreationOptions.RunContinuationsAsynchronously), goesOn = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var first = _app.DbAsync(db => _app.Get<GroupCommit>().RunAsync(db, async _ =>
        {
            looks.SetResult();
            await goesOn.Task;
            return new GroupCommit.Step<string>("seen", null);
        }));
        await looks.Task;
        Task[] together = [WriteAsync(1), WriteAsync(2), RunAsync(async db => $"{await db.WriteAsync("""INSERT INTO "Nowhere" VALUES (1)""", CancellationToken.None)}"), WriteAsync(3)];
        goesOn.SetResult();

        Assert.Equal("seen", await first);
        foreach (var one in together) await Assert.ThrowsAnyAsync<DbException>(() => one);
        Assert.Empty(await WrittenAsync("By"));

        Assert.Equal("9", await WriteAsync(9));
        Assert.Contains("9", await WrittenAsync("By"));
    }

    [Fact]
    public async Task Who_only_looks_is_answered_while_nobody_can_write()
    {
        await _app.DbAsync(async db =>
        {
            await using var other = await db.BeginWriteAsync(CancellationToken.None);
            var looks = Enumerable.Range(0, 5).Select(i => _app.DbAsync(db => _app.Get<GroupCommit>().RunAsync(db, async shared => new GroupCommit.Step<string>($"{await shared.ExistsAsync("SELECT 1", CancellationToken.None)}", null))));
            string[] answers = await Task.WhenAll(looks).WaitAsync(TimeSpan.FromSeconds(10));
            Assert.All(answers, answer => Assert.Equal("True", answer));
            return 0;
        });
    }

    [Fact]
    public async Task Who_waits_too_long_is_told_that_the_database_is_busy_and_nothing_of_theirs_is_written()
    {
        await _app.DbAsync(async db =>
        {
            await using var other = await db.BeginWriteAsync(CancellationToken.None);
            var first = WriteAsync(0);
            await Task.Delay(100); // so that it waits for the writer by itself
            var later = Enumerable.Range(1, 200).Select(i => WriteAsync(i)).ToList();
            foreach (var one in later.Prepend(first)) await Assert.ThrowsAsync<DatabaseBusyException>(() => one.WaitAsync(TimeSpan.FromSeconds(10)));
            return 0;
        });
        Assert.Equal("9", await WriteAsync(9));
        Assert.Equal(["9"], await WrittenAsync("By"));
    }

    [Fact]
    public async Task Many_more_than_fit_into_one_are_all_written_once()
    {
        await Task.WhenAll(Enumerable.Range(0, 200).Select(i => Task.Run(() => WriteAsync(i))));
        var written = await WrittenAsync("By");
        Assert.Equal(200, written.Count);
        Assert.Equal(200, written.Distinct().Count());
    }

    private Task<string> WriteAsync(int by) => RunAsync(async db =>
    {
        var transaction = db.Database.CurrentTransaction!.TransactionId.ToString();
        await db.WriteAsync("""INSERT INTO "Written" VALUES (@by, @in)""", CancellationToken.None, ("@by", $"{by}"), ("@in", transaction));
        return $"{by}";
    });

    private Task<T> RunAsync<T>(Func<AppDb, Task<T>> write) where T : class =>
        _app.DbAsync(db => _app.Get<GroupCommit>().RunAsync(db, _ => Task.FromResult(new GroupCommit.Step<T>(null, write))));

    private Task<List<string>> WrittenAsync(string column) => _app.DbAsync(async db =>
    {
        List<string> values = [];
        await db.ReadAsync($"""SELECT "{column}" FROM "Written" """, row => values.Add(row.GetString(0)), CancellationToken.None);
        return values;
    });
}
