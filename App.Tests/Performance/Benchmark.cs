#:package NSec.Cryptography

// One command that compares Gatehouse with what the machine can do: `dotnet run App.Tests/Performance/Benchmark.cs`.
// It alternates a bare Kestrel (Floor.cs) with a published Gatehouse, so that ratios hold on a busy machine too.
// All traffic stays on loopback; it takes about ten minutes and prints a table.

using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using NSec.Cryptography;

const string Me = "/api/users/currentuser";
const string Password = "seven brass lanterns";
if (!File.Exists("/usr/bin/wrk"))
{
    Console.Error.WriteLine("The benchmark needs wrk: apt-get install -y wrk");
    return 1;
}
var here = Path.GetDirectoryName(Here())!;
var folder = Path.Combine(Path.GetTempPath(), "gatehouse-benchmark");
Directory.CreateDirectory(folder);
foreach (var old in Directory.GetDirectories(folder, "data-*")) Directory.Delete(old, recursive: true);
var serviceSecret = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(folder)));
var table = new Table();

Console.Error.WriteLine("Publishing (ReadyToRun) …");
var app = Server.PublishApp(Path.Combine(here, "..", "..", "App"), folder);
var bare = Server.Publish(Path.Combine(here, "Floor.cs"), folder, "floor");

// The start: an empty database first, then the one it has made.
var data = Directory.CreateDirectory(Path.Combine(folder, $"data-{Guid.NewGuid():N}")).FullName;
var empty = new List<double>();
for (var run = 0; run < 3; run++)
{
    using var first = Gatehouse(Path.Combine(data, $"empty-{run}"));
    empty.Add(await first.FirstAnswerAsync("/account/sign-in"));
}
var ours = Gatehouse(data);
await ours.FirstAnswerAsync("/account/sign-in");
var warm = new List<double>();
for (var run = 0; run < 3; run++)
{
    ours.Dispose();
    ours = Gatehouse(data);
    warm.Add(await ours.FirstAnswerAsync("/account/sign-in"));
}
var atRest = ours.Megabytes;

// Sixteen people: one account alone would be slowed down as one that is being guessed at.
using var client = new HttpClient(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false }) { BaseAddress = new Uri(ours.Address) };
string[] people = [.. Enumerable.Range(0, 16).Select(number => $"ada{number}@example.test")];
var cookie = "";
var sessions = new List<(string Access, string Refresh)>();
foreach (var email in people)
{
    using var signedUp = await client.PostAsJsonAsync("/api/users/signup", new { email, password = Password });
    cookie = string.Join("; ", signedUp.EnsureSuccessStatusCode().Headers.GetValues("Set-Cookie").Select(line => line.Split(';')[0]));
    for (var session = 0; session < 2; session++) sessions.Add(await GrantAsync(await SignInAsync(client, email)));
}
var bearer = sessions[0].Access;

// The floor answers what ours does, byte for byte: a header costs the same whoever writes it.
var bodies = Directory.CreateDirectory(Path.Combine(folder, "bodies")).FullName;
var reads = new List<(string Name, string Path, string Header, string Target)>
{
    ("who am I, bearer", Me, $"Authorization: Bearer {bearer}", ">= 0.90"),
    ("who am I, cookie", Me, $"Cookie: {cookie}", ">= 0.90"),
    ("forward-auth, bearer", "/auth/verify", $"Authorization: Bearer {bearer}", ">= 0.90"),
    ("forward-auth, cookie", "/auth/verify", $"Cookie: {cookie}", ">= 0.90"),
    ("forward-auth, cookie, token for a service", "/auth/verify?audience=orders", $"Cookie: {cookie}", ">= 0.90"),
    ("JWKS", "/.well-known/jwks.json", "Accept: */*", ">= 0.95"),
    ("discovery", "/.well-known/openid-configuration", "Accept: */*", ">= 0.95"),
};
foreach (var read in reads.ToList())
{
    using var request = new HttpRequestMessage(HttpMethod.Get, read.Path);
    request.Headers.TryAddWithoutValidation(read.Header.Split(": ")[0], read.Header.Split(": ")[1]);
    using var answer = await client.SendAsync(request);
    if (answer.StatusCode == HttpStatusCode.NotFound) reads.Remove(read);
    else File.WriteAllBytes(Path.Combine(bodies, read.Path.Split('?')[0].Replace('/', '+')), await answer.EnsureSuccessStatusCode().Content.ReadAsByteArrayAsync());
    KeepHeaders(read.Path, answer);
}
// A service asks about a token that is known: the price is its own secret, a form, and a look-up. And it asks for a token of its own: a signature.
var basic = "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes("orders:" + Uri.EscapeDataString(serviceSecret)));
var posts = new List<(string Name, string Path, string Form, string Target)>
{
    ("introspection, a service by its secret", "/connect/introspect", $"token={bearer}", ">= 0.60"),
    ("client credentials", "/connect/token", "grant_type=client_credentials", ">= 0.12"),
};
foreach (var post in posts)
{
    using var question = new HttpRequestMessage(HttpMethod.Post, post.Path) { Content = new StringContent(post.Form, null, "application/x-www-form-urlencoded") };
    question.Headers.TryAddWithoutValidation("Authorization", basic);
    using var told = await client.SendAsync(question);
    var body = await told.EnsureSuccessStatusCode().Content.ReadAsByteArrayAsync();
    if (JsonNode.Parse(body)!["active"]?.GetValue<bool>() is false) throw new InvalidOperationException("Introspection doesn't know the token.");
    File.WriteAllBytes(Path.Combine(bodies, post.Path.Replace('/', '+')), body);
    KeepHeaders(post.Path, told);
}
var floor = Floor();
var bareStarts = new List<double> { await floor.FirstAnswerAsync(Me) };
while (bareStarts.Count < 3)
{
    floor.Dispose();
    floor = Floor();
    bareStarts.Add(await floor.FirstAnswerAsync(Me));
}
table.Add("cold start, migrated database", $"{Seconds(warm)}, {warm.Min() / bareStarts.Min():0.0} times the floor's {Seconds(bareStarts)}", "<= 1.0 s, 5 times");
table.Add("cold start, empty database", $"{Seconds(empty)}, {empty.Min() / bareStarts.Min():0.0} times the floor's", "<= 2.0 s, 10 times");
foreach (var (name, path, header, target) in reads) table.Add(name, Wrk.Compare(floor, ours, path, "-H", header), target);
foreach (var (name, path, form, target) in posts) table.Add(name, Wrk.Compare(floor, ours, path, "-s", Path.Combine(here, "form.lua"), "--", basic, form), target);

if (Environment.GetEnvironmentVariable("READS") is not null)
{
    // What is asked most, alone: four minutes.
    ours.Dispose();
    floor.Dispose();
    table.Print();
    return 0;
}

// Refresh: each connection walks along its own session's chain.
var minted = new ConcurrentBag<string>();
await RefreshAsync(TimeSpan.FromSeconds(10));
minted.Clear();
var (before, clock) = (ours.CpuMicroseconds, Stopwatch.StartNew());
await RefreshAsync(TimeSpan.FromSeconds(5));
table.Add("refresh, 32 at once", $"{minted.Count / clock.Elapsed.TotalSeconds:0} /s, {(ours.CpuMicroseconds - before) / minted.Count:0} µs CPU each", "<= 120 µs");

// For the last measurement: a parent shown again within its ten seconds is good for one more access token, at no write.
await Task.WhenAll(sessions.Select(async session =>
{
    for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start).TotalSeconds < 8;)
        minted.Add((await GrantAsync(await client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = session.Refresh }))).Access);
}));

// Passwords: as many sign-ins as the cores can hash, and nobody else notices. What is compiled on the way is compiled before.
// Short turns, because the machine's own speed changes from minute to minute.
const int Rounds = 6;
SignInsPerSecond(15);
var (hashes, signIns) = (0.0, 0.0);
for (var round = 0; round < Rounds; round++)
{
    hashes += HashesPerSecond(TimeSpan.FromSeconds(3)) / Rounds;
    signIns += SignInsPerSecond(4) / Rounds;
}
table.Add("sign-in, 16 at once", $"{signIns:0} /s, {signIns / hashes:0.00} of the hash bound ({hashes:0} /s on {Environment.ProcessorCount} cores)", ">= 0.95");
var quiet = P99(TimeSpan.FromSeconds(5));
var crowd = Task.Factory.StartNew(() => SignInsPerSecond(8), TaskCreationOptions.LongRunning);
await Task.Delay(TimeSpan.FromSeconds(1));
var busy = P99(TimeSpan.FromSeconds(6));
table.Add("who am I p99, 500 /s, quiet", $"{quiet:0.0} ms", "");
table.Add("who am I p99, 500 /s, 16 sign-ins", $"{busy:0.0} ms, with {await crowd / signIns:0.00} of the sign-ins that there are without ({await crowd / hashes:0.00} of the hash bound)", "<= 4 ms, >= 0.95");
var afterLoad = ours.Megabytes;

string[] TokensOf(string name, IEnumerable<string> tokens)
{
    var file = Path.Combine(folder, name);
    File.WriteAllLines(file, tokens);
    return ["-s", Path.Combine(here, "tokens.lua"), "--", file];
}
// Tokens it has never seen: one that remembers a thousand has forgotten each before its turn comes again.
ours.Dispose();
var forgetful = Gatehouse(data, ("Tokens__CacheSize", "1000"));
await forgetful.FirstAnswerAsync("/account/sign-in");
var unseen = TokensOf("unseen", minted);
Wrk.Run(forgetful.Address + Me, 10, unseen);
table.Add("token never seen before, good", Wrk.Compare(floor, forgetful, Me, unseen), ">= 0.29");
var forged = TokensOf("forged", minted.Select(token => token[..^9] + (token[^9] == 'A' ? 'B' : 'A') + token[^8..]));
Wrk.Run(forgetful.Address + Me, 10, forged);
table.Add("token never seen before, forged", Wrk.Compare(floor, forgetful, Me, forged), ">= 0.29");
forgetful.Dispose();

ours = Gatehouse(data);
await ours.FirstAnswerAsync("/account/sign-in");
// As long as it takes to have seen each of them; some 4000 new ones a second are verified.
Wrk.Run(ours.Address + Me, (minted.Count / 3000) + 1, unseen);
table.Add($"{minted.Count} tokens, each seen before", Wrk.Compare(floor, ours, Me, unseen), "CPU <= 1.5x");
table.Add("memory at rest / after load", $"{atRest:0} / {afterLoad:0} MB (floor {floor.Megabytes:0} MB after load)", "<= 130 / 190 MB");
ours.Dispose();
floor.Dispose();
table.Print();
Directory.Delete(data, recursive: true);
return 0;

Server Floor() => new(bare, "Floor.dll", ("BODIES", bodies), ("Logging__LogLevel__Default", "Warning"));

static string Seconds(List<double> starts) => $"{starts.Min():0.00} s (of 3: {string.Join(", ", starts.Select(s => s.ToString("0.00", CultureInfo.InvariantCulture)))})";

static string Here([CallerFilePath] string path = "") => path;

Server Gatehouse(string dataDir, params (string Key, string Value)[] more) => new(app, "App.dll", [.. more,
    ("DataDir", dataDir), ("ASPNETCORE_ENVIRONMENT", "Production"), ("Issuer", "https://id.example.test"), ("Proxy__TerminatesTls", "true"),
    ("Keys__MasterKey", Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(folder)))), ("RateLimits__PerAddressPerMinute", "100000"),
    ("Services__0__Id", "orders"), ("Services__0__Secret", serviceSecret)]);

static double HashesPerSecond(TimeSpan time)
{
    var argon = PasswordBasedKeyDerivationAlgorithm.Argon2id(new Argon2Parameters { DegreeOfParallelism = 1, MemorySize = 19456, NumberOfPasses = 2 });
    var (count, clock) = (0, Stopwatch.StartNew());
    var threads = Enumerable.Range(0, Environment.ProcessorCount).Select(_ => new Thread(() =>
    {
        while (clock.Elapsed < time)
        {
            argon.DeriveBytes(Encoding.UTF8.GetBytes(Password), RandomNumberGenerator.GetBytes(16), 32);
            Interlocked.Increment(ref count);
        }
    })).ToList();
    threads.ForEach(thread => thread.Start());
    threads.ForEach(thread => thread.Join());
    return count / clock.Elapsed.TotalSeconds;
}

double SignInsPerSecond(int seconds)
{
    var (took, count) = Wrk.Run(ours.Address + "/api/tokens", seconds, ["-c16", "-s", Path.Combine(here, "signin.lua"), "--", Password, .. people]);
    return count / took;
}

void KeepHeaders(string path, HttpResponseMessage answer)
{
    string[] own = ["Date", "Connection", "Transfer-Encoding"];
    File.WriteAllLines(Path.Combine(bodies, path.Split('?')[0].Replace('/', '+') + ".headers"),
        answer.Headers.Where(header => !own.Contains(header.Key)).Select(header => $"{header.Key}: {string.Join(", ", header.Value)}"));
}

static async Task<HttpResponseMessage> SignInAsync(HttpClient client, string email) =>
    await client.PostAsJsonAsync("/api/tokens", new { email, password = Password });

async Task RefreshAsync(TimeSpan time)
{
    var clock = Stopwatch.StartNew();
    await Task.WhenAll(Enumerable.Range(0, sessions.Count).Select(async number =>
    {
        while (clock.Elapsed < time)
        {
            sessions[number] = await GrantAsync(await client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = sessions[number].Refresh }));
            minted.Add(sessions[number].Access);
        }
    }));
}

static async Task<(string Access, string Refresh)> GrantAsync(HttpResponseMessage answer)
{
    using (answer)
    {
        var grant = (await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonNode>())!;
        return (grant["access_token"]!.GetValue<string>(), grant["refresh_token"]!.GetValue<string>());
    }
}

// Threads of its own and plain sockets, so that what is timed is the server and not this client's thread pool.
double P99(TimeSpan time)
{
    const int Threads = 4, PerSecond = 500;
    var times = new ConcurrentBag<double>();
    var message = Encoding.ASCII.GetBytes($"GET {Me} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bearer}\r\n\r\n");
    var clock = Stopwatch.StartNew();
    var threads = Enumerable.Range(0, Threads).Select(number => new Thread(() =>
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        socket.Connect(IPAddress.Loopback, ours.Port);
        using var pause = new ManualResetEventSlim();
        var buffer = new byte[16384];
        for (var turn = 0; clock.Elapsed < time; turn++)
        {
            var due = (turn * Threads + number) * 1000.0 / PerSecond;
            var early = due - clock.Elapsed.TotalMilliseconds;
            if (early > 0) pause.Wait(TimeSpan.FromMilliseconds(early));
            // A request that the one before it held up counts from when it was due.
            var start = early > 0 ? clock.Elapsed.TotalMilliseconds : due;
            socket.Send(message);
            socket.Receive(buffer);
            times.Add(clock.Elapsed.TotalMilliseconds - start);
        }
    })).ToList();
    threads.ForEach(thread => thread.Start());
    threads.ForEach(thread => thread.Join());
    var sorted = times.Order().ToList();
    return sorted[(int)(sorted.Count * 0.99)];
}
