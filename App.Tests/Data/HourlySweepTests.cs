using App.Accounts;
using App.Audit;
using App.Data;
using App.Events;
using App.Sessions;
using App.Tests.Push;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace App.Tests.Data;

/// <summary>ATTACKS 226: no table grows without end, and nothing goes that somebody still needs.</summary>
public sealed class HourlySweepTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();
    private DateTimeOffset _now;

    public Task InitializeAsync()
    {
        _ = _app.Services;
        _now = _app.Time.GetUtcNow();
        return Task.CompletedTask;
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task It_drops_what_has_expired_and_nothing_else()
    {
        var user = await _app.SignUpAsync();
        await AddAsync(
            // Gone a week after the end, whichever end: absolute, revoked, idle.
            Session("expired, 8 days", user, expires: -8), Session("expired, 6 days", user, expires: -6),
            Session("revoked, 8 days", user, revoked: -8), Session("revoked, 6 days", user, revoked: -6),
            Session("idle, 22 days", user, seen: -22), Session("idle, 20 days", user, seen: -20),
            Session("alive", user),
            Event("expired, 2 h", -2), Event("expired, 0.5 h", -0.5), Event("in force", 0.1),
            Row("a year and a day", -366), Row("a year less a day", -364),
            Limit("15 days", -15 * 24), Limit("13 days", -13 * 24));

        await _app.Get<HourlySweep>().RunOnceAsync(CancellationToken.None);

        await _app.DbAsync(async db =>
        {
            Assert.Equal(["alive", "expired, 6 days", "idle, 20 days", "revoked, 6 days"], await db.Sessions.Where(s => s.UserAgent != "").OrderBy(s => s.UserAgent).Select(s => s.UserAgent).ToListAsync());
            Assert.Equal(["expired, 0.5 h", "in force"], await db.SecurityEvents.OrderBy(e => e.Reason).Select(e => e.Reason).ToListAsync());
            Assert.Equal(1, await db.EventCounter.Select(c => c.PrunedTo).SingleAsync());
            Assert.Equal(["a year less a day"], await db.Audit.Where(a => a.Detail != null && a.Detail.StartsWith("a year")).Select(a => a.Detail).ToListAsync());
            Assert.Equal(["13 days"], await db.Set<GuessLimit>().Select(g => g.Key).ToListAsync());
            Assert.Equal(1, await db.Users.CountAsync());
            return 0;
        });
        Assert.Equal(user.Email, await _app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Equal(2, (await Tokens.SigningKeysTests.KeysAsync(_app)).Count);
    }

    [Theory] // What runs in the background and throws takes the whole service down: a cancellation too, where nobody has asked for one, as clients of databases and servers do in their own haste.
    [InlineData(typeof(InvalidOperationException))]
    [InlineData(typeof(OperationCanceledException))]
    public async Task One_that_fails_keeps_the_others_from_nothing(Type failure)
    {
        var ran = 0;
        using var sweep = new HourlySweep(_app.Get<IServiceScopeFactory>(),
            [new Sweep((_, _, _) => throw (Exception)Activator.CreateInstance(failure)!), new Sweep((_, _, _) => Task.FromResult(++ran))], _app.Time, NullLogger<HourlySweep>.Instance);

        await sweep.RunOnceAsync(CancellationToken.None);

        Assert.Equal(1, ran);
    }

    [Fact]
    public async Task It_runs_every_hour()
    {
        await Wait.UntilAsync(() => _app.Time.Periods.Contains(TimeSpan.FromHours(1))); // it may begin after the start has returned
        await AddAsync(Limit("old", -15 * 24));
        _app.Time.Advance(TimeSpan.FromMinutes(59));
        Assert.Equal(1, await CountAsync());
        _app.Time.Advance(TimeSpan.FromMinutes(1));
        await Wait.UntilAsync(async () => await CountAsync() == 0);
    }

    [Fact]
    public async Task One_slice_that_fails_keeps_no_other_from_forgetting()
    {
        await AddAsync(Limit("old", -15 * 24));
        await _app.DbAsync(db => db.Database.ExecuteSqlRawAsync("DROP TABLE Audit"));
        await _app.Get<HourlySweep>().RunOnceAsync(CancellationToken.None);

        Assert.Equal(0, await CountAsync());
        Assert.Single(_app.Log.Lines, l => l.StartsWith("Error App.Data.HourlySweep 1101", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Replicas_may_sweep_at_once()
    {
        await using var replica = _app.StartReplica();
        await AddAsync([.. Enumerable.Range(0, 1200).Select(i => Limit($"old {i}", -15 * 24))]);
        await Task.WhenAll(_app.Get<HourlySweep>().RunOnceAsync(CancellationToken.None), replica.Get<HourlySweep>().RunOnceAsync(CancellationToken.None));

        Assert.Equal(0, await CountAsync());
        Assert.DoesNotContain(_app.Log.Lines.Concat(replica.Log.Lines), l => l.StartsWith("Error", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_million_rows_keep_no_writer_waiting_longer_than_a_thousand()
    {
        await AddAsync([.. Enumerable.Range(0, (2 * Batches.Size) + 5).Select(i => Limit($"old {i}", -15 * 24)), Limit("young", 0)]);
        List<int> batches = [];
        var (written, turns) = (Task.CompletedTask, 0);
        await _app.DbAsync(async db =>
        {
            await db.WriteInBatchesAsync(db.Set<GuessLimit>().Where(g => g.LastAt < _now).OrderBy(g => g.LastAt), async some =>
            {
                // Whoever asked while the one before was under way has had its turn.
                Assert.Equal(batches.Count, turns);
                written = _app.DbAsync(WriteAsync);
                batches.Add(await some.ExecuteDeleteAsync());
                return batches[^1];
            }, CancellationToken.None);
            return 0;
        });
        await written;

        Assert.Equal([Batches.Size, Batches.Size, 5], batches);
        Assert.Equal(1, await CountAsync());

        async Task<int> WriteAsync(AppDb db)
        {
            await using var turn = await db.BeginWriteAsync(CancellationToken.None);
            return ++turns;
        }
    }

    [Fact] // SQLite would have a thread of the pool wait, and give up before its turn.
    public async Task What_is_pruned_of_the_log_takes_its_turn_among_the_writers()
    {
        await AddAsync(Event("expired", -2));
        var prune = _app.Services.GetServices<Sweep>().Single(s => s.RunAsync.Method.DeclaringType == typeof(EventsModule));
        var pruning = await _app.DbAsync(async db =>
        {
            await using var other = await db.BeginWriteAsync(CancellationToken.None);
            var begun = _app.DbAsync(async db =>
            {
                await prune.RunAsync(db, _now, CancellationToken.None);
                return await db.EventCounter.Select(c => c.PrunedTo).SingleAsync();
            });
            Assert.False(begun.IsCompleted);
            return new { begun };
        });
        Assert.Equal(1, await pruning.begun);
    }

    private Task<int> CountAsync() => _app.DbAsync(db => db.Set<GuessLimit>().CountAsync());

    private Task<int> AddAsync(params object[] rows) => _app.DbAsync(db =>
    {
        db.AddRange(rows);
        return db.SaveChangesAsync();
    });

    private Session Session(string name, TestUser user, int expires = 30, int? revoked = null, int seen = 0) => new()
    {
        Id = Guid.NewGuid(),
        UserId = user.Id,
        UserAgent = name,
        StartedAt = _now.AddDays(-30),
        LastSeenAt = _now.AddDays(seen),
        ExpiresAt = _now.AddDays(expires),
        AuthenticatedAt = _now,
        RevokedAt = revoked is int day ? _now.AddDays(day) : null,
    };

    private long _cursor;

    private LoggedEvent Event(string name, double expires) => new()
    {
        Cursor = ++_cursor,
        Id = Guid.NewGuid(),
        Type = "other",
        Reason = name,
        OccurredAt = _now.AddHours(-3),
        ExpiresAt = _now.AddHours(expires),
    };

    private AuditEntry Row(string name, int days) => new() { Action = "signed-in", Detail = name, At = _now.AddDays(days) };

    private GuessLimit Limit(string key, int hours) => new() { Key = key, LastAt = _now.AddHours(hours) };
}
