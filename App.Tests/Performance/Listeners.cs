// One command that measures what an open feed costs in memory: `dotnet run App.Tests/Performance/Listeners.cs`. It takes about two minutes
// and prints a table. Needs `ulimit -n` above twice the listeners (10 000, or LISTENERS); the kernel keeps what they are sent until the end.

using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

const int First = 500, Ends = 5;
var listeners = int.Parse(Environment.GetEnvironmentVariable("LISTENERS") ?? "10000", CultureInfo.InvariantCulture);
var root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Here())!, "..", ".."));
var folder = Path.Combine(Path.GetTempPath(), "gatehouse-propagation");
var data = Directory.CreateDirectory(Path.Combine(folder, $"data-{Guid.NewGuid():N}")).FullName;
var secret = Convert.ToHexString(RandomNumberGenerator.GetBytes(24));
var table = new Table();

Console.Error.WriteLine("Publishing …");
var app = Path.Combine(folder, "app");
Run("dotnet", root, "publish", "App", "-c", "Release", "-o", app, "--artifacts-path", Path.Combine(folder, "build"), $"-p:NuGetLockFilePath={Path.Combine(folder, "app.lock.json")}", "--nologo", "-v", "quiet");
var ours = new Server(app, "App.dll", ("DataDir", data), ("ASPNETCORE_ENVIRONMENT", "Production"), ("Issuer", "https://id.example.test"), ("Proxy__TerminatesTls", "true"),
    ("Keys__MasterKey", Convert.ToBase64String(RandomNumberGenerator.GetBytes(32))), ("RateLimits__PerAddressPerMinute", "100000"),
    ("Services__0__Id", "measured"), ("Services__0__Secret", secret), ("Logging__LogLevel__Default", "Warning"));
await ours.FirstAnswerAsync("/health/ready");
using var client = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = new Uri(ours.Address) };
var (email, password) = ("ada@example.test", "seven brass lanterns");
using (await client.PostAsJsonAsync("/api/users/signup", new { email, password })) { }
var sessions = new List<JsonNode>();
for (var session = 0; session <= Ends; session++)
{
    using var answer = await client.PostAsJsonAsync("/api/tokens", new { email, password });
    sessions.Add((await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonNode>())!);
}

var open = new List<Socket>();
await OpenAsync(First);
await Task.Delay(TimeSpan.FromSeconds(15));
var before = ours.Megabytes;
await OpenAsync(listeners);
await Task.Delay(TimeSpan.FromSeconds(30));
var after = ours.Megabytes;
table.Add($"memory with {First} / {listeners} listeners", $"{before:0} / {after:0} MB = {Each(after):0.0} KB each", "<= 40 KB each");

var cpu = ours.CpuMicroseconds;
for (var session = 1; session <= Ends; session++)
{
    using var request = new HttpRequestMessage(HttpMethod.Delete, $"/api/sessions/{sessions[session]["session_id"]}") { Headers = { Authorization = new("Bearer", $"{sessions[0]["access_token"]}") } };
    using var answer = await client.SendAsync(request);
    answer.EnsureSuccessStatusCode();
    await Task.Delay(TimeSpan.FromSeconds(3));
}

var told = open.Sum(Drain);
table.Add($"after {Ends} ends of sessions, of which {told} of {Ends * listeners} arrived", $"{ours.Megabytes:0} MB = {Each(ours.Megabytes):0.0} KB each; {(ours.CpuMicroseconds - cpu) / (Ends * listeners):0.0} µs of CPU for each delivery", "");
table.Print();
open.ForEach(socket => socket.Dispose());
ours.Dispose();
Directory.Delete(data, recursive: true);
return told == Ends * listeners ? 0 : 1;

double Each(double megabytes) => (megabytes - before) * 1024 / (listeners - First);

// A handful at a time; each has been let in when its first bytes are here.
async Task OpenAsync(int upTo)
{
    var credentials = Convert.ToBase64String(Encoding.UTF8.GetBytes($"measured:{secret}"));
    while (open.Count < upTo)
    {
        var number = open.Count;
        open.AddRange(await Task.WhenAll(Enumerable.Range(number, Math.Min(32, upTo - number)).Select(async i =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(IPAddress.Loopback, ours.Port);
            await socket.SendAsync(Encoding.ASCII.GetBytes($"GET /events?instance=listener-{i % 1000} HTTP/1.1\r\nHost: id.example.test\r\nAuthorization: Basic {credentials}\r\n\r\n"));
            var answer = new byte[12];
            if (await socket.ReceiveAsync(answer) < answer.Length || !Encoding.ASCII.GetString(answer).EndsWith(" 200", StringComparison.Ordinal)) throw new InvalidOperationException("A listener wasn't let in.");
            return socket;
        })));
    }
}

static int Drain(Socket socket)
{
    var (text, buffer) = (new StringBuilder(), new byte[16 * 1024]);
    while (socket.Available > 0) text.Append(Encoding.UTF8.GetString(buffer, 0, socket.Receive(buffer)));
    return text.ToString().Split("event: session-revoked").Length - 1;
}

static string Here([CallerFilePath] string path = "") => path;

static void Run(string program, string workingFolder, params string[] arguments)
{
    using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(program, arguments) { WorkingDirectory = workingFolder, RedirectStandardOutput = true })!;
    var output = process.StandardOutput.ReadToEnd();
    process.WaitForExit();
    if (process.ExitCode != 0) throw new InvalidOperationException($"{program} exited with {process.ExitCode}: {output}");
}
