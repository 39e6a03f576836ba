#:package Microsoft.EntityFrameworkCore.Sqlite

// One command that measures how costs grow with the number of people: `dotnet run App.Tests/Performance/Growth.cs`. It compares a Gatehouse
// of a hundred people and sessions with one of a million (PEOPLE), which it alternates, and prints a table. It needs wrk and takes about six
// minutes; the large file takes twice a gigabyte in the machine's temp folder while it is filled.

using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Data.Sqlite;

const string Me = "/api/users/currentuser";
const string Password = "seven brass lanterns";
const int Few = 100, WhoSignIn = 16, Rounds = 6;
var many = int.Parse(Environment.GetEnvironmentVariable("PEOPLE") ?? "1000000", CultureInfo.InvariantCulture);
var here = Path.GetDirectoryName(Here())!;
var folder = Directory.CreateDirectory(Path.Combine(Path.GetTempPath(), "gatehouse-growth")).FullName;
foreach (var old in Directory.GetDirectories(folder, "data-*")) Directory.Delete(old, recursive: true);
string[] people = [.. Enumerable.Range(0, WhoSignIn).Select(number => $"ada{number}@example.test")];
var now = DateTimeOffset.UtcNow.UtcTicks;
var table = new Table();

Console.Error.WriteLine("Publishing (ReadyToRun) …");
var app = Server.PublishApp(Path.Combine(here, "..", "..", "App"), folder);
var (smallData, largeData) = (await MakeAsync(Few), await MakeAsync(many));
table.Add("size of the database", $"{Megabytes(smallData):0.0} and {Megabytes(largeData):0} MB", "");

// The start, in turns: whatever reads a whole table shows here.
var (small, large) = (Start(smallData), Start(largeData));
var starts = (Small: new List<double>(), Large: new List<double>());
for (var round = 0; round < 4; round++)
{
    small.Dispose();
    large.Dispose();
    small = Start(smallData);
    starts.Small.Add(await small.FirstAnswerAsync("/account/sign-in"));
    large = Start(largeData);
    starts.Large.Add(await large.FirstAnswerAsync("/account/sign-in"));
}

table.Add("start", $"{starts.Small.Min():0.00} and {starts.Large.Min():0.00} s (best of 4), of the last {small.CpuMicroseconds / 1e6:0.0} and {large.CpuMicroseconds / 1e6:0.0} s of CPU and {small.KilobytesRead:0} and {large.KilobytesRead:0} KB read", "no difference");
await Task.Delay(TimeSpan.FromSeconds(10));
table.Add("memory at rest", $"{small.Megabytes:0} and {large.Megabytes:0} MB", "no difference");

var (smallToken, largeToken) = (await TokenAsync(small), await TokenAsync(large));
Compare("who am I, bearer", ">= 0.97", 3, (server, seconds) => Wrk.Measure(server, Me, seconds, "-H", $"Authorization: Bearer {(server == small ? smallToken : largeToken)}"));
Compare("sign-in, 16 at once", ">= 0.95", 5, (server, seconds) => Wrk.Measure(server, "/api/tokens", seconds, ["-c16", "-s", Path.Combine(here, "signin.lua"), "--", Password, .. people]));
await SearchAsync();
Sweep(small, smallData, Few);
Sweep(large, largeData, many);
table.Add("memory after that", $"{small.Megabytes:0} and {large.Megabytes:0} MB", "no difference");
table.Print();
small.Dispose();
large.Dispose();
foreach (var data in new[] { smallData, largeData }) Directory.Delete(data, recursive: true);
return 0;

static string Here([CallerFilePath] string path = "") => path;

static double Megabytes(string data) => new DirectoryInfo(data).EnumerateFiles("*.db").Sum(file => file.Length) / 1048576.0;

Server Start(string data) => new(app, "App.dll", Settings(data));

(string Key, string Value)[] Settings(string data) => [("DataDir", data), ("ASPNETCORE_ENVIRONMENT", "Production"), ("Issuer", "https://id.example.test"), ("Proxy__TerminatesTls", "true"),
    ("Keys__MasterKey", Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(folder)))), ("RateLimits__PerAddressPerMinute", "100000"), ("Logging__LogLevel__Default", "Warning")];

// The app makes its own tables and the sixteen who really sign in; all others are rows like the first of them.
async Task<string> MakeAsync(int count)
{
    Console.Error.WriteLine($"Filling: {count} people …");
    var data = Directory.CreateDirectory(Path.Combine(folder, $"data-{count}")).FullName;
    using (var ours = Start(data))
    {
        await ours.FirstAnswerAsync("/account/sign-in");
        using var client = new HttpClient { BaseAddress = new Uri(ours.Address) };
        foreach (var email in people)
        {
            using var signedUp = await client.PostAsJsonAsync("/api/users/signup", new { email, password = Password });
            signedUp.EnsureSuccessStatusCode();
        }
    }

    using var db = Open(data);
    Run(db, "PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; BEGIN");
    var more = count - WhoSignIn;
    // Ids are UUIDs of version 7: in the order of their time. Sessions are those of three weeks, after which an idle one is forgotten, audit
    // is that of a year, and both begin an hour before that: what the next sweep finds.
    var user = (string i) => Id($"(@now - @day * 400 + {i} * (@day * 399 / {more}))", i, 1);
    var (sessionAt, auditAt) = ($"(@now - @day * 21 - @hour + i * ((@day * 21 + @hour) / {more}))", $"(@now - @day * 365 - @hour + i * ((@day * 365 + @hour) / {more}))");
    var whose = user($"(1 + i * 7919 % {more})");
    Fill(db, more, "AspNetUsers", new()
    {
        ["Id"] = user("i"),
        ["CreatedAt"] = $"@now - @day * 400 + i * (@day * 399 / {more})",
        ["Name"] = "'Person ' || i",
        ["Email"] = "'person' || i || '@example.test'",
        ["UserName"] = "'person' || i || '@example.test'",
        ["NormalizedEmail"] = "replace(x.NormalizedEmail, 'ada0', 'person' || i)",
        ["NormalizedUserName"] = "replace(x.NormalizedUserName, 'ada0', 'person' || i)",
        ["SecurityStamp"] = "lower(hex(randomblob(16)))",
        ["ConcurrencyStamp"] = "lower(hex(randomblob(16)))",
    });
    Fill(db, more, "Sessions", new()
    {
        ["Id"] = Id(sessionAt, "i", 2),
        ["UserId"] = whose,
        ["StartedAt"] = sessionAt,
        ["AuthenticatedAt"] = sessionAt,
        ["LastSeenAt"] = sessionAt,
        ["ExpiresAt"] = sessionAt + " + @day * 30",
        ["RefreshHash"] = "randomblob(32)",
        ["ParentHash"] = "CASE i % 2 WHEN 0 THEN randomblob(32) END",
        ["RotatedAt"] = $"CASE i % 2 WHEN 0 THEN {sessionAt} END",
    });
    Fill(db, more, "Audit", new()
    {
        ["Id"] = "i + 1000",
        ["At"] = auditAt,
        ["Action"] = "'signed-in'",
        ["Detail"] = "'pwd'",
        ["UserId"] = whose,
        ["SessionId"] = Id(sessionAt, "i", 2),
    });
    Run(db, "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
    foreach (var name in new[] { "AspNetUsers", "Sessions", "Audit" })
        if (Number(db, $"SELECT count(*) FROM {name}") < count) throw new InvalidOperationException($"{name} isn't full.");
    return data;
}

static string Id(string at, string i, int kind) =>
    $"printf('%08X-%04X-7%03X-8%03X-%012X', ({at} - 621355968000000000) / 10000 >> 16, (({at} - 621355968000000000) / 10000) & 65535, {i} * 40503 % 4096, {kind}, {i} * 2654435761 % 281474976710656)";

void Fill(SqliteConnection db, int count, string name, Dictionary<string, string> own)
{
    var columns = new List<string>();
    using (var command = db.CreateCommand())
    {
        command.CommandText = $"SELECT name FROM pragma_table_info('{name}')";
        using var reader = command.ExecuteReader();
        while (reader.Read()) columns.Add(reader.GetString(0));
    }

    Run(db, $"""
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}), x AS MATERIALIZED (SELECT * FROM {name} ORDER BY rowid LIMIT 1)
        INSERT INTO {name} ({string.Join(", ", columns)}) SELECT {string.Join(", ", columns.Select(column => own.GetValueOrDefault(column) ?? $"x.{column}"))} FROM n, x
        """);
}

static SqliteConnection Open(string data)
{
    var db = new SqliteConnection($"Data Source={Directory.GetFiles(data, "*.db").Single()};Pooling=false");
    db.Open();
    return db;
}

int Run(SqliteConnection db, string sql)
{
    using var command = db.CreateCommand();
    command.CommandText = sql;
    command.CommandTimeout = 0;
    command.Parameters.AddWithValue("@now", now);
    command.Parameters.AddWithValue("@day", TimeSpan.TicksPerDay);
    command.Parameters.AddWithValue("@hour", TimeSpan.TicksPerHour);
    return command.ExecuteNonQuery();
}

static long Number(SqliteConnection db, string sql)
{
    using var command = db.CreateCommand();
    command.CommandText = sql;
    return (long)command.ExecuteScalar()!;
}

async Task<string> TokenAsync(Server server)
{
    using var client = new HttpClient();
    using var answer = await client.PostAsJsonAsync(server.Address + "/api/tokens", new { email = people[0], password = Password });
    return $"{(await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonNode>())!["access_token"]}";
}

void Compare(string name, string target, int seconds, Func<Server, int, Load> measure)
{
    measure(small, 2 * seconds);
    measure(large, 2 * seconds);
    var (one, other) = (new Load(0, 0, 0), new Load(0, 0, 0));
    for (var round = 0; round < Rounds; round++)
    {
        one += measure(small, seconds);
        other += measure(large, seconds);
    }

    table.Add(name, $"{other.PerSecond / one.PerSecond:0.00} of that with {Few} ({other.PerSecond:0} /s of {one.PerSecond:0}), CPU {other.CpuEach / one.CpuEach:0.00}x", target);
}

// An admin looks for people, each time for somebody else: by the beginning of an address, a whole one, a name, an id, and a name that many begin with.
async Task SearchAsync()
{
    var command = new ProcessStartInfo("dotnet", [Path.Combine(app, "App.dll"), "users", "grant", people[0], "admin"]) { RedirectStandardOutput = true };
    foreach (var (key, value) in Settings(largeData)) command.Environment[key] = value;
    using (var grant = Process.Start(command)!) await grant.WaitForExitAsync();
    using var client = new HttpClient { BaseAddress = new Uri(large.Address), DefaultRequestHeaders = { { "Authorization", $"Bearer {await TokenAsync(large)}" } } };
    foreach (var (what, query) in new (string, Func<int, string>)[]
    {
        ("the beginning of an address", i => $"person{i}"),
        ("an address", i => $"person{i}@example.test"),
        ("a name", i => $"person {i}"),
        ("an id", i => ""),
        ("what all names begin with", i => "Person "),
    })
    {
        var times = new List<double>();
        var ids = new Queue<string>((await FindAsync("person1")).Select(user => $"{user!["id"]}"));
        for (var i = 0; i < 220; i++)
        {
            var text = query(many / 2 + i * 37);
            if (text.Length == 0) ids.Enqueue(text = ids.Dequeue());
            var since = Stopwatch.GetTimestamp();
            if ((await FindAsync(text)).Count == 0) throw new InvalidOperationException($"Nobody found by {text}.");
            if (i >= 20) times.Add(Stopwatch.GetElapsedTime(since).TotalMilliseconds);
        }

        times.Sort();
        table.Add($"an admin's search by {what}, {many}", $"p50 {times[100]:0.0} ms, p95 {times[190]:0.0} ms, the slowest {times[^1]:0.0} ms (200)", "p95 <= 100 ms");
    }

    async Task<JsonArray> FindAsync(string text) =>
        (await client.GetFromJsonAsync<JsonNode>($"/api/admin/users?query={Uri.EscapeDataString(text)}"))!["users"]!.AsArray();
}

// What the hourly sweep sends about the tables that grow with people, from beside the running server: as long as a statement takes, nobody else writes.
void Sweep(Server server, string data, int count)
{
    using var db = Open(data);
    Run(db, "PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL");
    var (slowest, refused) = (0.0, 0);
    using var stop = new CancellationTokenSource();
    var begun = new TaskCompletionSource();
    var signIns = Task.Run(async () =>
    {
        while (!stop.IsCancellationRequested)
        {
            var since = Stopwatch.GetTimestamp();
            try
            {
                await TokenAsync(server);
            }
            catch (HttpRequestException)
            {
                refused++;
            }

            begun.TrySetResult();
            slowest = Math.Max(slowest, Stopwatch.GetElapsedTime(since).TotalMilliseconds);
        }
    });
    // Not before somebody signs in beside it.
    begun.Task.Wait();
    var told = new List<string>();
    foreach (var (name, sql) in new[]
    {
        ("sessions", """DELETE FROM Sessions WHERE ExpiresAt < @now - @day * 7 OR RevokedAt < @now - @day * 7 OR LastSeenAt < @now - @day * 21"""),
        ("audit", """DELETE FROM Audit WHERE At < @now - @day * 365"""),
    })
    {
        var since = Stopwatch.GetTimestamp();
        var gone = Run(db, sql);
        told.Add($"{name} {Stopwatch.GetElapsedTime(since).TotalMilliseconds:0} ms ({gone} gone)");
    }

    stop.Cancel();
    signIns.Wait();
    table.Add($"hourly sweep, {count}", $"{string.Join(", ", told)}; the slowest sign-in meanwhile {slowest:0} ms, {refused} refused", "");
}
