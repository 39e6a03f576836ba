using App.Data;
using App.Events;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Events;

public sealed class FollowLogTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();
    private FollowLog Log => _app.Get<FollowLog>();
    private RevocationIndex Index => _app.Get<RevocationIndex>();

    public Task InitializeAsync() => Task.FromResult(_app.Services);

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task What_another_process_writes_is_known_after_a_look()
    {
        var session = await WriteAsync();
        await Log.CatchUpAsync(CancellationToken.None);
        Assert.True(Index.IsRevoked(session));
    }

    [Fact]
    public async Task It_looks_by_itself_five_times_a_second()
    {
        var session = await WriteAsync();
        await Tokens.SigningKeysTests.Eventually(() => Index.IsRevoked(session));
    }

    [Fact]
    public async Task Each_entry_is_news_once_however_often_it_is_read()
    {
        var news = 0;
        Index.Applied += _ => Interlocked.Increment(ref news);
        for (var i = 0; i < 20; i++) await WriteAsync();
        await WriteAsync(type: EventTypes.SigningKeyChanged);
        await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => Log.CatchUpAsync(CancellationToken.None)));
        Assert.Equal(21, news);
    }

    [Fact]
    public async Task A_database_that_is_away_is_waited_for_and_said_once()
    {
        await ExecuteAsync("ALTER TABLE SecurityEventLog RENAME TO Away");
        for (var i = 0; i < 5; i++)
        {
            await Assert.ThrowsAnyAsync<System.Data.Common.DbException>(() => Log.CatchUpAsync(CancellationToken.None));
        }

        await Tokens.SigningKeysTests.Eventually(() => Lost() > 0);
        await ExecuteAsync("ALTER TABLE Away RENAME TO SecurityEventLog");
        var session = await WriteAsync();
        await Tokens.SigningKeysTests.Eventually(() => Index.IsRevoked(session));
        Assert.Equal(1, Lost());

        int Lost() => _app.Log.Lines.Count(l => l.StartsWith("Warning App.Events.FollowLog", StringComparison.Ordinal));
    }

    [Fact] // What this process has opened it goes on reading, and what is written elsewhere by then isn't there.
    public async Task A_file_that_was_moved_away_is_not_the_log()
    {
        var file = Path.Combine(_app.Folder, "gatehouse.db");
        Assert.True(await Log.IsCurrentAsync());
        File.Move(file, file + ".away");
        _app.Time.Advance(TimeSpan.FromSeconds(3));
        Assert.False(await Log.IsCurrentAsync());

        File.Move(file + ".away", file);
        await Log.CatchUpAsync(CancellationToken.None);
        Assert.True(await Log.IsCurrentAsync());
    }

    [Fact]
    public async Task A_start_takes_in_every_revocation_still_in_force_however_many_came_after()
    {
        var first = await WriteAsync();
        // Just over, and yet in force for whoever's clock should be ahead.
        var over = await WriteAsync(expires: _app.Time.GetUtcNow());
        var expired = await WriteAsync(expires: _app.Time.GetUtcNow() - RevocationIndex.Slack);
        for (var i = 0; i < 150; i++) await WriteAsync(type: "other");

        await using var replica = _app.StartReplica();
        Assert.True(replica.Get<RevocationIndex>().IsRevoked(first));
        Assert.True(replica.Get<RevocationIndex>().IsRevoked(over));
        Assert.False(replica.Get<RevocationIndex>().IsRevoked(expired));
    }

    [Fact]
    public async Task What_is_in_memory_is_listed_the_newest_first_past_leaps_and_past_what_was_in_its_place_before()
    {
        var feed = _app.Get<EventFeed>();
        await ExecuteAsync("UPDATE EventCounter SET Value = 2046");
        for (var i = 0; i < 4; i++) await WriteAsync();
        await ExecuteAsync($"UPDATE EventCounter SET Value = Value + {EventFeed.Leap}");
        await WriteAsync();
        await Log.CatchUpAsync(CancellationToken.None);
        await ExecuteAsync($"UPDATE EventCounter SET Value = Value + {EventFeed.Leap}");
        await Log.CatchUpAsync(CancellationToken.None);
        Assert.Equal((long[])[EventFeed.Leap + 2051, 2050, 2049, 2048, 2047], feed.Recent().Select(e => e.Cursor));

        // The numbers of what nobody can be concerned by any more are free, and what stood there a round ago is no news.
        await ExecuteAsync("UPDATE EventCounter SET Value = Value + 2047");
        await WriteAsync();
        await Log.CatchUpAsync(CancellationToken.None);
        Assert.Equal((long[])[(2 * EventFeed.Leap) + 4099], feed.Recent().Select(e => e.Cursor));
    }

    [Fact] // Or it would be lost with the power, and its cursor come again for another entry.
    public async Task Nobody_is_told_of_what_is_not_on_the_disk_yet()
    {
        // The follower, which flushes and tells, may come between: not five times in a row.
        var untold = 0;
        for (var i = 0; i < 5; i++)
        {
            await _app.DbAsync(async db =>
            {
                var (feed, session) = (_app.Get<EventFeed>(), Guid.NewGuid());
                await using var transaction = await db.BeginWriteAsync(CancellationToken.None);
                _app.Get<CommitEvents>().Add(db, new LoggedEvent { Id = Guid.NewGuid(), Type = EventTypes.SessionRevoked, Reason = "sign-out", OccurredAt = _app.Time.GetUtcNow(), UserId = Guid.NewGuid(), SessionId = session });
                var before = feed.Newest;
                // All but the wait for the disk.
                await transaction.CommitUnflushedAsync(CancellationToken.None);
                if (feed.Newest == before) untold++;
                Assert.True(Index.IsRevoked(session)); // here at once, which harms nobody
                db.IsOnDisk();
                Assert.Equal(before + 1, feed.Newest);
                return 0;
            });
        }

        Assert.NotEqual(0, untold);
    }

    [Fact]
    public async Task What_it_has_read_does_not_pile_up_in_memory()
    {
        for (var minute = 0; minute < 30; minute++)
        {
            for (var i = 0; i < 10; i++) await WriteAsync();
            _app.Time.Advance(TimeSpan.FromMinutes(1));
            await Log.CatchUpAsync(CancellationToken.None);
        }

        // 6 minutes of life and 15 of slack, at ten a minute.
        Assert.InRange(Index.Count, 150, 230);
        _app.Time.Advance(TimeSpan.FromMinutes(30));
        await Log.CatchUpAsync(CancellationToken.None);
        Assert.Equal(0, Index.Count);
    }

    // By SQL, as a process does that this one knows nothing of.
    [Fact]
    public async Task Clocks_that_differ_are_told_of_once()
    {
        foreach (var ahead in new[] { 5, 6, 7 })
        {
            await WriteAsync(ahead: ahead);
            await Log.CatchUpAsync(CancellationToken.None);
        }

        var told = Assert.Single(_app.Log.Lines, l => l.StartsWith("Warning App.Events.FollowLog", StringComparison.Ordinal));
        Assert.Contains("2502 The clock of another replica is 6 s ahead", told, StringComparison.Ordinal);
    }

    private async Task<Guid> WriteAsync(string type = EventTypes.SessionRevoked, DateTimeOffset? expires = null, int ahead = 0)
    {
        var session = Guid.NewGuid();
        var now = _app.Time.GetUtcNow();
        await _app.DbAsync(async db =>
        {
            await using var transaction = await db.BeginWriteAsync(CancellationToken.None);
            await db.Database.ExecuteSqlAsync($"UPDATE EventCounter SET Value = Value + 1");
            await db.Database.ExecuteSqlAsync($"""
                INSERT INTO SecurityEventLog (Cursor, Id, Type, OccurredAt, ExpiresAt, UserId, SessionId, KeyId, Reason)
                VALUES ((SELECT Value FROM EventCounter), {Guid.NewGuid()}, {type}, {now.AddSeconds(ahead).UtcTicks}, {(expires ?? now.AddMinutes(6)).UtcTicks}, {Guid.NewGuid()}, {session}, NULL, 'sign-out')
                """);
            await transaction.CommitAsync(CancellationToken.None);
            return 0;
        });
        return session;
    }

    private Task<int> ExecuteAsync(string sql) => _app.DbAsync(db => db.Database.ExecuteSqlRawAsync(sql));
}
