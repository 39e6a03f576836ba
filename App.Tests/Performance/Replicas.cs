#:package Microsoft.EntityFrameworkCore.Sqlite

// One command that measures two replicas on one database, and what many revocations cost: `dotnet run App.Tests/Performance/Replicas.cs`.
// It needs redis-server and wrk, takes about five minutes and prints a table. First how long after the answer to "end this session" at one
// replica the other refuses its token, by the database alone and with Redis; then the same while Redis is killed for 20 seconds and comes
// back empty; then a process with 100 000 revocations in force beside one with none.

using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Microsoft.Data.Sqlite;

const int Rounds = 200, People = 10, InForce = 100_000;
const string Me = "/api/users/currentuser", Password = "seven brass lanterns";
foreach (var program in new[] { "redis-server", "wrk" })
{
    if (File.Exists($"/usr/bin/{program}")) continue;
    Console.Error.WriteLine($"The measurement needs {program}: apt-get install -y {program}");
    return 1;
}
var root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Here())!, "..", ".."));
var folder = Directory.CreateDirectory(Path.Combine(Path.GetTempPath(), "gatehouse-replicas")).FullName;
foreach (var old in Directory.GetDirectories(folder, "data-*")) Directory.Delete(old, recursive: true);
var key = Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));
var redisPort = 0;
Process? redis = null;
AppDomain.CurrentDomain.ProcessExit += (_, _) => redis?.Kill();
AppDomain.CurrentDomain.UnhandledException += (_, _) => redis?.Kill();
using var client = new HttpClient(new SocketsHttpHandler { UseCookies = false });
var table = new Table();

Console.Error.WriteLine("Publishing …");
var app = Path.Combine(folder, "app");
Run("dotnet", "publish", Path.Combine(root, "App"), "-c", "Release", "-o", app, "--artifacts-path", Path.Combine(folder, "build"), $"-p:NuGetLockFilePath={Path.Combine(folder, "app.lock.json")}", "--nologo", "-v", "quiet");

await MeasureReplicasAsync("by the database alone", null, "p99 <= 1000 ms");
redisPort = FreePort();
StartRedis();
await MeasureReplicasAsync("with Redis", $"127.0.0.1:{redisPort}", "p99 <= 250 ms");
await MeasureInForceAsync();
table.Print();
return 0;

static string Here([CallerFilePath] string path = "") => path;

static int FreePort()
{
    using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
    listener.Start();
    return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
}

static string Run(string program, params string[] arguments)
{
    using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
    var output = process.StandardOutput.ReadToEnd();
    process.WaitForExit();
    return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{program} exited with {process.ExitCode}: {output}");
}

void StartRedis() =>
    redis = Process.Start(new ProcessStartInfo("redis-server", ["--port", $"{redisPort}", "--bind", "127.0.0.1", "--save", "", "--loglevel", "warning"]) { WorkingDirectory = folder, RedirectStandardOutput = true })!;

async Task<Server> GatehouseAsync(string data, string? withRedis = null)
{
    var server = new Server(app, "App.dll", ("DataDir", data), ("ASPNETCORE_ENVIRONMENT", "Production"), ("Issuer", "https://id.example.test"), ("Proxy__TerminatesTls", "true"),
        ("Keys__MasterKey", key), ("RateLimits__PerAddressPerMinute", "100000"), ("Tokens__AccessTokenLifetime", "01:00:00"), ("Events__Redis", withRedis ?? ""), ("Logging__LogLevel__Default", "Error"));
    await server.FirstAnswerAsync("/health/ready");
    return server;
}

string NewData() => Directory.CreateDirectory(Path.Combine(folder, $"data-{Guid.NewGuid():N}")).FullName;

async Task MeasureReplicasAsync(string name, string? withRedis, string target)
{
    var data = NewData();
    using var a = await GatehouseAsync(data, withRedis);
    using var b = await GatehouseAsync(data, withRedis);
    for (var person = 0; person < People; person++) await SignUpAsync(a, person);

    for (var round = 0; round < 10; round++) await EndAsync(a, b, round);
    var delays = new List<double>();
    for (var round = 0; round < Rounds; round++)
    {
        // Not in step with whoever looks at intervals.
        await Task.Delay(RandomNumberGenerator.GetInt32(250));
        delays.Add(await EndAsync(a, b, round));
    }
    Add($"ended at A -> refused at B, {name}", delays, target);
    if (withRedis is null) return;

    redis!.Kill();
    await redis.WaitForExitAsync();
    delays.Clear();
    for (var clock = Stopwatch.StartNew(); clock.Elapsed.TotalSeconds < 20;) delays.Add(await EndAsync(a, b, delays.Count));
    Add("the same while Redis is killed for 20 s", delays, "p99 <= 1000 ms");
    var newest = Newest(data);
    StartRedis();
    var back = Stopwatch.StartNew();
    while (true)
    {
        using var ask = Process.Start(new ProcessStartInfo("redis-cli", ["-p", $"{redisPort}", "XLEN", "gatehouse:events"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        if (long.TryParse(await ask.StandardOutput.ReadToEndAsync(), out var length) && length == newest) break;
        if (back.Elapsed.TotalSeconds > 60) throw new InvalidOperationException($"The stream isn't complete after a minute: {length} of {newest}.");
        await Task.Delay(20);
    }
    table.Add($"Redis back, empty -> stream of {newest} entries complete", $"{back.Elapsed.TotalSeconds:0.0} s", "");
}

static string EmailOf(int person) => $"ada{person}@example.test";

async Task SignUpAsync(Server at, int person)
{
    using var answer = await client.PostAsJsonAsync($"{at.Address}/api/users/signup", new { email = EmailOf(person), password = Password });
    answer.EnsureSuccessStatusCode();
}

async Task<JsonNode> SignInAsync(Server at, int person)
{
    using var answer = await client.PostAsJsonAsync($"{at.Address}/api/tokens", new { email = EmailOf(person), password = Password });
    return (await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonNode>())!;
}

// Milliseconds from the answer of A to the first refusal by B.
async Task<double> EndAsync(Server a, Server b, int round)
{
    var session = await SignInAsync(a, round % People);
    var token = session["access_token"]!.GetValue<string>();
    if (!await IsAcceptedAsync(b, token)) throw new InvalidOperationException("B refuses what nobody has ended.");
    using var request = new HttpRequestMessage(HttpMethod.Delete, $"{a.Address}/api/sessions/{session["session_id"]}") { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", token) } };
    using var answer = await client.SendAsync(request);
    answer.EnsureSuccessStatusCode();
    var clock = Stopwatch.StartNew();
    while (await IsAcceptedAsync(b, token)) await Task.Delay(1);
    return clock.Elapsed.TotalMilliseconds;
}

async Task<bool> IsAcceptedAsync(Server at, string token)
{
    using var request = new HttpRequestMessage(HttpMethod.Get, at.Address + Me) { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", token) } };
    using var answer = await client.SendAsync(request);
    return (await answer.Content.ReadFromJsonAsync<JsonNode>())!["currentUser"] is not null;
}

void Add(string name, List<double> delays, string target)
{
    delays.Sort();
    table.Add(name, $"p50 {delays[delays.Count / 2]:0.0} ms, p99 {delays[(int)(delays.Count * 0.99)]:0.0} ms, max {delays[^1]:0.0} ms ({delays.Count})", target);
}

static SqliteConnection Open(string data)
{
    var connection = new SqliteConnection($"Data Source={Path.Combine(data, "gatehouse.db")};Pooling=false");
    connection.Open();
    return connection;
}

static long Newest(string data)
{
    using var connection = Open(data);
    using var command = connection.CreateCommand();
    command.CommandText = "SELECT Value FROM EventCounter";
    return (long)command.ExecuteScalar()!;
}

async Task MeasureInForceAsync()
{
    var (none, many) = (NewData(), NewData());
    foreach (var data in new[] { none, many })
    {
        using var first = await GatehouseAsync(data);
        await SignUpAsync(first, 0);
    }
    Revoke(many);

    var (without, with) = (await GatehouseAsync(none), await GatehouseAsync(many));
    using (without)
    using (with)
    {
        var atStart = $"{with.Megabytes:0} and {without.Megabytes:0} MB";
        string[] tokens = [.. new[] { await SignInAsync(without, 0), await SignInAsync(with, 0) }.Select(session => "Authorization: Bearer " + session["access_token"])];
        foreach (var (server, header) in new[] { (without, tokens[0]), (with, tokens[1]) }) Wrk.Run(server.Address + Me, 3, "-H", header);
        var (plain, loaded) = (new Load(0, 0, 0), new Load(0, 0, 0));
        for (var turn = 0; turn < 4; turn++)
        {
            plain += Wrk.Measure(without, Me, 5, "-H", tokens[0]);
            loaded += Wrk.Measure(with, Me, 5, "-H", tokens[1]);
        }
        var (more, less) = (with.Megabytes, without.Megabytes);
        table.Add($"memory of {InForce} revocations in force", $"{more - less:0.0} MB (processes with and without after this load: {more:0} and {less:0} MB; right after the start, with what reading them left behind: {atStart})", "<= 30 MB");
        table.Add($"who am I with {InForce} in force, beside none", $"{loaded.PerSecond / plain.PerSecond:0.00} of the requests, CPU {loaded.CpuEach / plain.CpuEach:0.00}x ({loaded.CpuEach:0.0} µs of {plain.CpuEach:0.0})", "no difference");
    }
}

static void Revoke(string data)
{
    using var connection = Open(data);
    using var transaction = connection.BeginTransaction();
    using var command = connection.CreateCommand();
    var now = TimeProvider.System.GetUtcNow();
    command.CommandText = $"""
        INSERT INTO SecurityEventLog (Cursor, Id, Type, OccurredAt, ExpiresAt, UserId, SessionId, Reason)
        VALUES ($cursor, $id, 'session-revoked', {now.UtcTicks}, {now.AddHours(1).UtcTicks}, $user, $session, 'sign-out')
        """;
    foreach (var name in new[] { "$cursor", "$id", "$user", "$session" }) command.Parameters.AddWithValue(name, 0);
    for (var i = 1; i <= InForce; i++)
    {
        command.Parameters["$cursor"].Value = i;
        foreach (var name in new[] { "$id", "$user", "$session" }) command.Parameters[name].Value = Guid.NewGuid();
        command.ExecuteNonQuery();
    }
    command.CommandText = $"UPDATE EventCounter SET Value = {InForce}";
    command.ExecuteNonQuery();
    transaction.Commit();
}
