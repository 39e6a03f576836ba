using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using App.E2E.Harness;
using Xunit.Abstractions;

namespace App.E2E.Processes;

/// <summary>
/// While the database can't be written, those whose tokens are known don't notice, everybody else is told in time and in form, nobody is told
/// "done" of what isn't, and it is over by itself.
/// </summary>
[Collection("Database away")]
public sealed class DatabaseAwayTests(ITestOutputHelper output)
{
    private const int Known = 4;

    /// <summary>Two passwords of each are hashed at a time, below everybody else's priority: few enough that it is the database they wait for.</summary>
    private const int Visiting = 3;

    /// <summary>Two seconds, and what a busy machine adds to them.</summary>
    private static readonly TimeSpan LongestRefusal = TimeSpan.FromSeconds(2.5);

    /// <summary>A machine that stands makes known tokens wait as well, which need neither database nor hash: so much of that isn't the refusal's.</summary>
    private static readonly TimeSpan LongestStandstill = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan LongestHealing = TimeSpan.FromSeconds(5);

    /// <summary>A second in CI; a minute by hand (TARGETS): <c>AWAY_SECONDS=60</c>.</summary>
    private static readonly TimeSpan Away = TimeSpan.FromSeconds(int.TryParse(Environment.GetEnvironmentVariable("AWAY_SECONDS"), out var seconds) ? seconds : 1);

    [Fact]
    public async Task Locked_by_another_process()
    {
        await using var service = await Service.StartAsync();
        using var holder = await HolderAsync(service);
        await OutliveAsync(
            service,
            async () =>
            {
                holder.Start();
                Assert.Equal("held", await holder.StandardOutput.ReadLineAsync());
            },
            async () =>
            {
                holder.Kill();
                await holder.WaitForExitAsync();
            });
    }

    [Fact]
    public async Task Locked_at_the_start_and_for_a_command()
    {
        await using var service = await Service.StartAsync();
        service.Kill();
        using var holder = await HolderAsync(service);
        holder.Start();
        Assert.Equal("held", await holder.StandardOutput.ReadLineAsync());

        var (exit, said) = await Tool.TryRunAsync(await Service.CommandAsync(["keys", "rotate"], [("DataDir", service.DataDir), ("ASPNETCORE_ENVIRONMENT", "Development")]), TimeSpan.FromMinutes(1));
        Assert.Equal(1, exit);
        Assert.StartsWith("The database can't be used just now:", Assert.Single(said.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);

        var starting = service.StartAsync();
        await Task.Delay(TimeSpan.FromSeconds(4)); // longer than anybody waits for a writer
        holder.Kill();
        await holder.WaitForExitAsync();
        await starting;
        await service.Client.SignUpAsync(Person.New());
    }

    [Fact]
    public async Task Moved_away()
    {
        await using var service = await Service.StartAsync();
        var file = Path.Combine(service.DataDir, "gatehouse.db");
        await OutliveAsync(service, () => MoveAsync(file, file + ".away"), () => MoveAsync(file + ".away", file));

        static Task MoveAsync(string from, string to)
        {
            File.Move(from, to);
            return Task.CompletedTask;
        }
    }

    [SmallDiskFact]
    public async Task On_a_full_disk()
    {
        var disk = TestRun.NewFolder("disk");
        await Disks.MountAsync(disk);
        try
        {
            await using var service = await Service.StartAsync(disk);
            await OutliveAsync(service, () => Disks.FillAsync(Path.Combine(disk, "ballast")), () =>
            {
                File.Delete(Path.Combine(disk, "ballast"));
                return Task.CompletedTask;
            });
        }
        finally
        {
            await Disks.UnmountAsync(disk);
        }
    }

    [ReadOnlyFileFact] // A file system that has an error turns itself read-only while files are open; by hand none can be made so, but a file can.
    public async Task Made_read_only()
    {
        await using var service = await Service.StartAsync();
        string[] files = [Path.Combine(service.DataDir, "gatehouse.db"), Path.Combine(service.DataDir, "gatehouse.db-wal")];
        await OutliveAsync(service, () => Disks.MakeReadOnlyAsync(files), () => Disks.MakeWritableAsync(files));
    }

    private static async Task<Process> HolderAsync(Service service) =>
        new() { StartInfo = new(await Tool.FindOrInstallAsync(["python3"], ["python3"]), ["-u", "-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1], isolation_level=None).execute('BEGIN EXCLUSIVE'); print('held'); sys.stdin.read()", Path.Combine(service.DataDir, "gatehouse.db")]) { RedirectStandardInput = true, RedirectStandardOutput = true } };

    private async Task OutliveAsync(Service service, Func<Task> begin, Func<Task> end)
    {
        await using var regulars = await Regulars.StartAsync(service, Known);
        var visitors = await Task.WhenAll(Enumerable.Range(0, Visiting).Select(_ => Visitor.NewAsync(service)));
        var ledger = new Ledger();
        await begin();
        try
        {
            var clock = Stopwatch.StartNew();
            await Task.WhenAll(visitors.Select(visitor => Task.Run(async () =>
            {
                while (clock.Elapsed < Away) await visitor.TryEverythingAsync(ledger);
            })));
        }
        finally
        {
            await end();
        }

        var healing = Stopwatch.StartNew();
        foreach (var visitor in visitors) await visitor.UntilServedAsync(healing, LongestHealing);
        output.WriteLine($"normal {healing.ElapsedMilliseconds} ms after it was back");
        await regulars.StopAsync();
        output.WriteLine($"{regulars.Passed} answers to known tokens, the slowest after {regulars.Slowest.TotalMilliseconds:0} ms; {regulars.Failed.Count} wrong");
        output.WriteLine($"refused: {string.Join(", ", ledger.Refused.Select(r => $"{r.Value} x {r.Key}"))}; the slowest after {ledger.Slowest.TotalMilliseconds:0} ms; done: {ledger.Done.Count}");

        Assert.Empty(regulars.Failed);
        Assert.Empty(ledger.Failed);
        Assert.Equal(["refresh", "sign-in", "sign-out", "sign-up"], ledger.Refused.Keys.Order());
        Assert.InRange(ledger.Slowest, TimeSpan.Zero, LongestRefusal + (regulars.Slowest < LongestStandstill ? regulars.Slowest : LongestStandstill));
        foreach (var holds in ledger.Done) await holds();
        await Parallel.ForEachAsync(ledger.RefusedPeople, async (person, _) => await service.Client.IsWholeOrAbsentAsync(person));
        foreach (var visitor in visitors) await visitor.IsWholeAsync();
        Assert.Equal("ok", await service.CheckIntegrityAsync());
    }

    /// <summary>What was answered, and what must be so afterwards.</summary>
    private sealed class Ledger
    {
        private long _slowest;

        public ConcurrentQueue<string> Failed { get; } = new();
        public ConcurrentDictionary<string, int> Refused { get; } = new();
        public ConcurrentQueue<Person> RefusedPeople { get; } = new();
        public ConcurrentQueue<Func<Task>> Done { get; } = new();
        public TimeSpan Slowest => TimeSpan.FromTicks(Interlocked.Read(ref _slowest));

        /// <returns>The answer where it is one that says "done"; null where it refuses, as it should.</returns>
        public async Task<HttpResponseMessage?> AskAsync(string what, Func<Task<HttpResponseMessage>> ask)
        {
            var clock = Stopwatch.StartNew();
            var answer = await ask();
            if (answer.IsSuccessStatusCode) return answer;
            for (var slowest = _slowest; clock.Elapsed.Ticks > slowest; slowest = _slowest) Interlocked.CompareExchange(ref _slowest, clock.Elapsed.Ticks, slowest);
            Refused.AddOrUpdate(what, 1, (_, count) => count + 1);
            using (answer)
            {
                if (answer.StatusCode != HttpStatusCode.ServiceUnavailable || answer.Content.Headers.ContentType?.MediaType != "application/problem+json" || answer.Headers.RetryAfter is null || answer.Headers.Contains("Set-Cookie"))
                    Failed.Enqueue($"{what}: {(int)answer.StatusCode} {answer.Content.Headers.ContentType} Retry-After {answer.Headers.RetryAfter}: {await answer.Content.ReadAsStringAsync()}");
            }

            return null;
        }
    }

    /// <summary>Somebody who tries all that has to be written down: again and again what is refused.</summary>
    private sealed class Visitor(HttpClient client, Person person, Credentials leaving, string refresh)
    {
        private string _refresh = refresh;
        private bool _hasLeft;

        public static async Task<Visitor> NewAsync(Service service)
        {
            var client = service.NewClient();
            var person = Person.New("visitor");
            return new(client, person, await client.SignUpAsync(person), (await client.GetTokensAsync(person)).RefreshToken);
        }

        public Task TryEverythingAsync(Ledger ledger) => Task.WhenAll(SignUpAsync(ledger), SignInAsync(ledger), RenewAsync(ledger), LeaveAsync(ledger));

        private async Task SignUpAsync(Ledger ledger)
        {
            var stranger = Person.New("stranger");
            if (await ledger.AskAsync("sign-up", () => client.PostSignUpAsync(stranger)) is { } signedUp) Note(ledger, signedUp, stranger);
            else ledger.RefusedPeople.Enqueue(stranger);
        }

        private async Task SignInAsync(Ledger ledger)
        {
            if (await ledger.AskAsync("sign-in", () => client.PostSignInAsync(person)) is { } signedIn) Note(ledger, signedIn, person);
        }

        private async Task RenewAsync(Ledger ledger)
        {
            if (await ledger.AskAsync("refresh", () => client.PostRefreshAsync(_refresh)) is { } renewed) _refresh = (await Api.GrantAsync(renewed)).RefreshToken;
        }

        private async Task LeaveAsync(Ledger ledger)
        {
            if (_hasLeft) return;
            using var left = await ledger.AskAsync("sign-out", () => client.SendAsync(HttpMethod.Post, "/api/users/signout", cookie: leaving.CookieHeader));
            _hasLeft = left is not null;
        }

        public async Task UntilServedAsync(Stopwatch clock, TimeSpan longest)
        {
            while (true)
            {
                using var answer = await client.PostSignInAsync(person);
                if (answer.StatusCode == HttpStatusCode.OK) return;
                Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
                Assert.True(clock.Elapsed < longest, $"Still away after {clock.Elapsed}.");
                await Task.Delay(20);
            }
        }

        /// <summary>The renewal that was refused goes on from where it was; who was told that they have left has, and who wasn't may have.</summary>
        public async Task IsWholeAsync()
        {
            using var renewed = await client.PostRefreshAsync(_refresh);
            await Api.GrantAsync(renewed);
            var isOver = await client.WhoAmIAsync(cookie: "session=" + leaving.Session) is null;
            Assert.True(isOver || !_hasLeft);
            using var again = await client.PostRefreshAsync(leaving.Refresh);
            Assert.Equal(isOver ? HttpStatusCode.Unauthorized : HttpStatusCode.OK, again.StatusCode);
            client.Dispose();
        }

        private void Note(Ledger ledger, HttpResponseMessage answer, Person who)
        {
            var credentials = Credentials.From(answer);
            answer.Dispose();
            ledger.Done.Enqueue(async () =>
            {
                Assert.Equal(who.Email, await client.WhoAmIAsync(bearer: credentials.AccessToken));
                using var renewed = await client.PostRefreshAsync(credentials.Refresh);
                await Api.GrantAsync(renewed);
            });
        }
    }
}
