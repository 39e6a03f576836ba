using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using App.Audit;
using App.Events;
using App.Sessions;
using App.Tests.Events;
using App.Tests.OAuth;
using App.Tests.Ops;
using App.Tests.Push;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Data;

public sealed class SqliteStorageTests(SqliteStorageTests.Sqlite apps) : StorageContract(apps), IClassFixture<SqliteStorageTests.Sqlite>
{
    public sealed class Sqlite : Apps
    {
        public override TestApp One { get; } = TestApp.Start();

        public override TestApp Two => _two ??= One.StartReplica();

        public override Task InitializeAsync() => Task.FromResult(Two.Services);

        public override async Task DisposeAsync()
        {
            await Two.DisposeAsync();
            await One.DisposeAsync();
        }

        private TestApp? _two;
    }

    // The log can't be opened for the flush. Somebody else than the app must have looked before, and hold a connection: the log goes with the last.
    private sealed class RefusedDisk(string log)
    {
        public static async Task<RefusedDisk> OfAsync(TestApp app)
        {
            // So many that the followers of the log and of the registry, who look at any moment, leave others one: whoever opens the file meanwhile is refused at once.
            await RestAsync(app, 4);
            var log = Path.Combine(app.Folder, "gatehouse.db-wal");
            File.Move(log, log + ".away");
            Directory.CreateDirectory(log);
            return new RefusedDisk(log);
        }

        public void GiveBack()
        {
            Directory.Delete(log);
            File.Move(log + ".away", log);
        }

        private static Task<int> RestAsync(TestApp app, int connections) => connections == 0 ? Task.FromResult(0) : app.DbAsync(async db =>
        {
            await db.Database.OpenConnectionAsync();
            await db.Users.CountAsync();
            return await RestAsync(app, connections - 1);
        });
    }

    [Theory] // whichever of its rows can't be written
    [InlineData("AspNetUsers")]
    [InlineData("Sessions")]
    [InlineData("Audit")]
    [InlineData("SecurityEventLog")]
    public async Task A_sign_up_is_written_whole_or_not_at_all(string table)
    {
        await using var app = TestApp.Start();
        var old = await app.SignUpAsync();
        var trigger = $"CREATE TRIGGER broken BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'disk on fire'); END";
        await app.DbAsync(db => db.Database.ExecuteSqlRawAsync(trigger));
        var before = await CountAsync(app);

        // Signed in as somebody else, so that a session is replaced in the same unit of work.
        var answer = await app.SendAsync(HttpMethod.Post, "/api/users/signup", cookies: old.Cookies, json: new { email = "half@example.test", password = TestApp.Password });

        Assert.True((int)answer.StatusCode >= 500);
        Assert.DoesNotContain("fire", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.False(answer.Headers.Contains("Set-Cookie"));
        Assert.Equal(before, await CountAsync(app));
        Assert.Equal(old.Email, await app.WhoAmIAsync(bearer: old.AccessToken));

        await app.DbAsync(db => db.Database.ExecuteSqlRawAsync("DROP TRIGGER broken"));
        Assert.Equal(HttpStatusCode.Created, (await app.Client.PostAsJsonAsync("/api/users/signup", new { email = "half@example.test", password = TestApp.Password })).StatusCode);
        Assert.Equal(old.Email, await app.WhoAmIAsync(bearer: old.AccessToken));
    }

    [Fact]
    public async Task A_commit_leaves_the_disk_to_the_shared_flush_and_readers_do_not_wait_for_writers() =>
        Assert.Equal((1, "wal"), await apps.One.DbAsync(async db => (
            await db.Database.SqlQueryRaw<int>("SELECT synchronous AS Value FROM pragma_synchronous").SingleAsync(), // 1 = NORMAL
            await db.Database.SqlQueryRaw<string>("SELECT journal_mode AS Value FROM pragma_journal_mode").SingleAsync())));

    [Fact] // Nobody may be told "done" of what the disk refused: here the log can't be opened for the flush.
    public async Task A_write_that_the_disk_refuses_is_not_acknowledged()
    {
        await using var app = TestApp.Start();
        await using var held = new SqliteConnection($"Data Source={Path.Combine(app.Folder, "gatehouse.db")};Pooling=False");
        await held.OpenAsync();
        await app.SignUpAsync();
        await using var look = held.CreateCommand();
        look.CommandText = "SELECT count(*) FROM AspNetUsers";
        await look.ExecuteScalarAsync();
        var disk = await RefusedDisk.OfAsync(app);

        var answer = await app.Client.PostAsJsonAsync("/api/users/signup", new { email = "unflushed@example.test", password = TestApp.Password });

        disk.GiveBack();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.False(answer.Headers.Contains("Set-Cookie"));
        await app.SignUpAsync();
    }

    [Theory]
    [InlineData(true)] // for a moment: who renews is told nothing but that it was done
    [InlineData(false)] // for longer: what is refused later on changes nothing, and is good when somebody comes again
    public async Task A_disk_that_refuses_ends_no_session_as_stolen(bool isOverSoon)
    {
        await using var app = TestApp.Start();
        await using var held = new SqliteConnection($"Data Source={Path.Combine(app.Folder, "gatehouse.db")};Pooling=False");
        await held.OpenAsync();
        var (first, second) = (await app.SignUpAsync(), await app.SignUpAsync());
        await using var look = held.CreateCommand();
        look.CommandText = "SELECT count(*) FROM AspNetUsers";
        await look.ExecuteScalarAsync();
        var disk = await RefusedDisk.OfAsync(app);

        var renewal = StatusAsync(first);
        if (isOverSoon)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(60)); // it waits meanwhile, and for far longer
            Assert.False(renewal.IsCompleted);
        }
        else
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, await renewal);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, await StatusAsync(second));
        }

        disk.GiveBack();
        if (isOverSoon) Assert.Equal(HttpStatusCode.OK, await renewal);
        app.Time.Advance(TimeSpan.FromSeconds(11)); // past the grace of those who come again
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(second));

        async Task<HttpStatusCode> StatusAsync(TestUser user) => (await app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = user.RefreshToken })).StatusCode;
    }

    [Fact] // A heartbeat says that nothing older is missing: who hears none knows, after a while, that it may be behind.
    public async Task While_the_disk_refuses_nobody_is_told_what_another_process_has_written_nor_that_there_is_nothing()
    {
        await using var app = TestApp.Start();
        var (feed, session) = (app.Get<EventFeed>(), Guid.NewGuid());
        await using var other = new SqliteConnection($"Data Source={Path.Combine(app.Folder, "gatehouse.db")};Pooling=False");
        await other.OpenAsync();
        await app.SignUpAsync();
        await using var write = other.CreateCommand();
        write.CommandText = "BEGIN IMMEDIATE; UPDATE EventCounter SET Value = Value + 1";
        await write.ExecuteNonQueryAsync();
        var before = feed.Newest;
        var disk = await RefusedDisk.OfAsync(app);

        write.CommandText = $"INSERT INTO SecurityEventLog (Cursor, Id, Type, OccurredAt, ExpiresAt, UserId, SessionId, Reason) VALUES ((SELECT Value FROM EventCounter), @id, '{EventTypes.SessionRevoked}', @at, @at, @id, @session, 'sign-out'); COMMIT";
        write.Parameters.AddWithValue("@id", Guid.NewGuid());
        write.Parameters.AddWithValue("@session", session);
        write.Parameters.AddWithValue("@at", app.Time.GetUtcNow().AddMinutes(6).UtcTicks);
        await write.ExecuteNonQueryAsync();
        app.Time.Advance(TimeSpan.FromSeconds(3)); // one that takes two seconds for it is slow, and no more
        await Wait.UntilAsync(() => app.Log.Lines.Any(line => line.Contains("what is newest wasn't told within two seconds", StringComparison.Ordinal)));
        Assert.True(app.Get<RevocationIndex>().IsRevoked(session)); // here at once, which harms nobody
        Assert.Equal(before, feed.Newest);

        disk.GiveBack();
        await Wait.UntilAsync(() => feed.Newest == before + 1);
    }

    [Fact]
    public async Task A_cookie_that_is_due_to_be_renewed_is_good_within_the_skew_while_the_database_is_away()
    {
        await using var app = TestApp.Start();
        var file = Path.Combine(app.Folder, "gatehouse.db");
        var user = await app.SignUpAsync();
        Assert.Equal(user.Email, await app.WhoAmIAsync(cookies: user.Cookies));
        app.Time.Advance(TimeSpan.FromSeconds(305));
        File.Move(file, file + ".away");

        var answer = await LookAsync();
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Contains(user.Email, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.False(answer.Headers.Contains("Set-Cookie"));
        app.Time.Advance(TimeSpan.FromSeconds(26)); // past the skew
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await LookAsync()).StatusCode);

        File.Move(file + ".away", file);
        Assert.True((await LookAsync()).Headers.Contains("Set-Cookie"));

        Task<HttpResponseMessage> LookAsync() => app.SendAsync(HttpMethod.Get, "/api/users/currentuser", cookies: user.Cookies);
    }

    [Fact] // A process goes on writing to a file that was removed or moved away, and after it nobody finds any of that.
    public async Task A_write_to_a_database_that_was_moved_away_is_not_acknowledged()
    {
        await using var app = TestApp.Start();
        var file = Path.Combine(app.Folder, "gatehouse.db");
        var user = await app.SignUpAsync();
        File.Move(file, file + ".away");

        var answer = await app.Client.PostAsJsonAsync("/api/users/signup", new { email = "orphan@example.test", password = TestApp.Password });

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.False(answer.Headers.Contains("Set-Cookie"));
        Assert.Equal(user.Email, await app.WhoAmIAsync(bearer: user.AccessToken));
        File.Move(file + ".away", file);
        await app.SignUpAsync();
    }

    [Fact] // An empty one in its place would make everything that is asked of it a fault of ours, and what is brought back would find its name taken.
    public async Task A_database_that_was_moved_away_is_made_anew_by_nobody_whatever_the_connection_string()
    {
        await using var app = TestApp.Start(FeedServices.Settings);
        var file = Path.Combine(app.Folder, "gatehouse.db");
        await using var replica = app.StartReplica([.. FeedServices.Settings, ("ConnectionStrings:Default", $"Data Source={file}")]);
        var user = await app.SignUpAsync();
        var billing = ("Authorization", FeedServices.Credentials("billing"));
        Assert.Equal(HttpStatusCode.OK, await IntrospectAsync());
        File.Move(file, file + ".away");
        replica.CloseIdleConnections(); // what was open could still be read

        replica.Time.Advance(TimeSpan.FromSeconds(3));
        foreach (var answer in new[]
        {
            await replica.SendAsync(HttpMethod.Get, "/events", headers: billing),
            await replica.SendAsync(HttpMethod.Get, "/events?cursor=0", headers: billing),
            await replica.SendAsync(HttpMethod.Post, "/events/poll", json: new { returnImmediately = true }, headers: billing),
            await replica.SendAsync(HttpMethod.Post, "/events/ack", json: new { cursor = 1_000_000, instance = "one" }, headers: billing),
            await replica.SendAsync(HttpMethod.Get, "/api/sessions", user.AccessToken),
        })
        {
            await ErrorAnswersTests.AssertProblemAsync(answer, 503);
            Assert.NotNull(answer.Headers.RetryAfter);
        }

        Assert.Equal(HttpStatusCode.ServiceUnavailable, await IntrospectAsync());
        Assert.Equal(user.Email, await replica.WhoAmIAsync(bearer: user.AccessToken));
        Assert.False(File.Exists(file));
        File.Move(file + ".away", file);
        await replica.Get<FollowLog>().CatchUpAsync(CancellationToken.None);
        Assert.Equal(HttpStatusCode.OK, await IntrospectAsync());

        async Task<HttpStatusCode> IntrospectAsync() => (await replica.PostAsync("/connect/introspect", billing.Item2, ("token", user.AccessToken))).StatusCode;
    }

    [Fact] // One after the other they would wait twice as long, the later ones without a hope.
    public async Task Whoever_waits_behind_a_writer_that_waits_in_vain_is_told_with_it()
    {
        await using var app = TestApp.Start();
        var users = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => app.SignUpAsync()));
        await using var other = new SqliteConnection($"Data Source={Path.Combine(app.Folder, "gatehouse.db")};Pooling=False");
        await other.OpenAsync();
        await using (await other.BeginTransactionAsync())
        {
            var clock = Stopwatch.StartNew();
            var refused = await Task.WhenAll(users.Select(async user =>
            {
                using var answer = await app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = user.RefreshToken });
                return (answer.StatusCode, answer.Headers.RetryAfter);
            }));
            Assert.All(refused, each => Assert.Equal((HttpStatusCode.ServiceUnavailable, true), (each.StatusCode, each.RetryAfter is not null)));
            Assert.InRange(clock.Elapsed, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(3.9));
        }

        foreach (var user in users) Assert.Equal(HttpStatusCode.OK, (await app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = user.RefreshToken })).StatusCode);
    }

    [Fact] // Else whoever hashes for a second before they write would wait for another two.
    public async Task While_nobody_can_write_only_the_first_to_ask_waits_for_it()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        await using (var other = new SqliteConnection($"Data Source={Path.Combine(app.Folder, "gatehouse.db")};Pooling=False"))
        {
            await other.OpenAsync();
            await using var held = await other.BeginTransactionAsync();
            var first = await RefusedAsync();
            // The middle one of three: any may meet a moment in which the machine does something else.
            TimeSpan[] later = [await RefusedAsync(), await RefusedAsync(), await RefusedAsync()];
            Assert.InRange(later.Order().ElementAt(1), TimeSpan.Zero, first / 2);
        }

        Assert.Equal(HttpStatusCode.OK, (await app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = user.RefreshToken })).StatusCode);

        async Task<TimeSpan> RefusedAsync()
        {
            var clock = Stopwatch.StartNew();
            using var answer = await app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = user.RefreshToken });
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            return clock.Elapsed;
        }
    }

    [Fact] // Asked again within its grace, it would be told "done" of what no file has.
    public async Task A_renewal_at_a_database_that_was_moved_away_changes_nothing()
    {
        await using var app = TestApp.Start();
        var file = Path.Combine(app.Folder, "gatehouse.db");
        var user = await app.SignUpAsync();
        File.Move(file, file + ".away");
        for (var i = 0; i < 2; i++) Assert.Equal(HttpStatusCode.ServiceUnavailable, (await app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = user.RefreshToken })).StatusCode);

        File.Move(file + ".away", file);
        app.Time.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal(HttpStatusCode.OK, (await app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = user.RefreshToken })).StatusCode);
    }

    private static Task<(int Users, int Sessions, int Ended, int Audit, int Events)> CountAsync(TestApp app) => app.DbAsync(async db => (
        await db.Users.CountAsync(), await db.Sessions.CountAsync(), await db.Sessions.CountAsync(s => s.RevokedAt != null), await db.Audit.CountAsync(), await db.SecurityEvents.CountAsync()));
}
