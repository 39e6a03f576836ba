// One command that measures how long after the answer to "end this session" the verifiers have applied it:
// `dotnet run App.Tests/Performance/Propagation.cs`. It needs node and npm, takes about two minutes and prints a table.
// A hundred verifiers (the one for Node, all in one process) share the feed first with nobody, then with 900 plain readers.

using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

const int Verifiers = 100, Readers = 900, Rounds = 60, People = 6;
const string Issuer = "https://id.example.test";
var here = Path.GetDirectoryName(Here())!;
var root = Path.GetFullPath(Path.Combine(here, "..", ".."));
var folder = Path.Combine(Path.GetTempPath(), "gatehouse-propagation");
var data = Directory.CreateDirectory(Path.Combine(folder, $"data-{Guid.NewGuid():N}")).FullName;
var secret = Convert.ToHexString(RandomNumberGenerator.GetBytes(24));
var table = new Table();

Console.Error.WriteLine("Publishing …");
var app = Path.Combine(folder, "app");
Run("dotnet", root, "publish", "App", "-c", "Release", "-o", app, "--artifacts-path", Path.Combine(folder, "build"), $"-p:NuGetLockFilePath={Path.Combine(folder, "app.lock.json")}", "--nologo", "-v", "quiet");
var node = Directory.CreateDirectory(Path.Combine(folder, "node")).FullName;
foreach (var file in new[] { "App.E2E/Peers/package.json", "App.E2E/Peers/package-lock.json", "App.Tests/Performance/propagation.mjs", "App/Services/Verifiers/gatehouse.mjs" })
    File.Copy(Path.Combine(root, file), Path.Combine(node, Path.GetFileName(file)), overwrite: true);
Run("npm", node, "ci", "--ignore-scripts", "--loglevel=error");

var ours = new Server(app, "App.dll", ("DataDir", data), ("ASPNETCORE_ENVIRONMENT", "Production"), ("Issuer", Issuer), ("Proxy__TerminatesTls", "true"),
    ("Keys__MasterKey", Convert.ToBase64String(RandomNumberGenerator.GetBytes(32))), ("RateLimits__PerAddressPerMinute", "100000"),
    ("Services__0__Id", "measured"), ("Services__0__Secret", secret), ("Logging__LogLevel__Default", "Warning"));
await ours.FirstAnswerAsync("/health/ready");
using var client = new HttpClient(new SocketsHttpHandler { UseCookies = false, MaxConnectionsPerServer = 2000 }) { BaseAddress = new Uri(ours.Address), Timeout = Timeout.InfiniteTimeSpan };

// Who ends sessions, and the sessions to end.
var sessions = new Queue<(string Keeper, string Id)>();
for (var person = 0; person < People; person++)
{
    var (email, password) = ($"ada{person}@example.test", "seven brass lanterns");
    using var signedUp = await client.PostAsJsonAsync("/api/users/signup", new { email, password });
    var keeper = await SignInAsync(email, password);
    for (var session = 0; session < 2 * Rounds / People; session++) sessions.Enqueue((keeper["access_token"]!.GetValue<string>(), (await SignInAsync(email, password))["session_id"]!.GetValue<string>()));
}

var applied = new BlockingCollection<double>();
using var verifiers = Process.Start(new ProcessStartInfo("node", "propagation.mjs")
{
    WorkingDirectory = node,
    RedirectStandardOutput = true,
    Environment = { ["ADDRESS"] = ours.Address, ["ISSUER"] = Issuer, ["COUNT"] = $"{Verifiers}", ["GATEHOUSE_CLIENT_SECRET"] = secret },
})!;
try
{
    verifiers.OutputDataReceived += (_, line) => { if (line.Data is { Length: > 0 } time) applied.Add(double.Parse(time, CultureInfo.InvariantCulture)); };
    verifiers.BeginOutputReadLine();
    Take(Verifiers); // the snapshots
    await MeasureAsync($"{Verifiers} verifiers: ended -> applied", Verifiers, "p50 <= 20 ms, p99 <= 100 ms");

    for (var reader = 0; reader < Readers; reader++) _ = ReadAsync(reader);
    Take(Readers); // their first heartbeats
    await MeasureAsync($"{Verifiers + Readers} connections: ended -> applied or read", Verifiers + Readers, "p99 <= 500 ms");
}
finally
{
    verifiers.Kill();
}

table.Add("memory of Gatehouse with all of them", $"{ours.Megabytes:0} MB", "");
table.Print();
ours.Dispose();
Directory.Delete(data, recursive: true);
return 0;

static string Here([CallerFilePath] string path = "") => path;

static void Run(string program, string workingFolder, params string[] arguments)
{
    using var process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = workingFolder, RedirectStandardOutput = true })!;
    var output = process.StandardOutput.ReadToEnd();
    process.WaitForExit();
    if (process.ExitCode != 0) throw new InvalidOperationException($"{program} exited with {process.ExitCode}: {output}");
}

async Task<JsonNode> SignInAsync(string email, string password)
{
    using var answer = await client.PostAsJsonAsync("/api/tokens", new { email, password });
    return (await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonNode>())!;
}

List<double> Take(int count)
{
    using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
    return [.. Enumerable.Range(0, count).Select(_ => applied.Take(limit.Token))];
}

async Task MeasureAsync(string name, int listeners, string target)
{
    var delays = new List<double>();
    for (var round = 0; round < Rounds; round++)
    {
        var (keeper, id) = sessions.Dequeue();
        using var request = new HttpRequestMessage(HttpMethod.Delete, $"/api/sessions/{id}") { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", keeper) } };
        using var answer = await client.SendAsync(request);
        var ended = (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).TotalMilliseconds;
        answer.EnsureSuccessStatusCode();
        // Some have applied it before the answer was read: that is no delay.
        if (round >= 5) delays.AddRange(Take(listeners).Select(at => Math.Max(0, at - ended))); else Take(listeners);
        await Task.Delay(100);
    }
    delays.Sort();
    table.Add(name, $"p50 {delays[delays.Count / 2]:0.0} ms, p99 {delays[(int)(delays.Count * 0.99)]:0.0} ms, max {delays[^1]:0.0} ms ({delays.Count} deliveries)", target);
}

async Task ReadAsync(int number)
{
    using var request = new HttpRequestMessage(HttpMethod.Get, $"/events?instance=reader-{number}");
    request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"measured:{secret}")));
    using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    using var lines = new StreamReader(await answer.EnsureSuccessStatusCode().Content.ReadAsStreamAsync());
    var first = true;
    while (await lines.ReadLineAsync() is { } line)
    {
        if (!line.StartsWith(first ? "event: heartbeat" : "event: session-revoked", StringComparison.Ordinal)) continue;
        applied.Add((DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).TotalMilliseconds);
        first = false;
    }
}
