#:package Microsoft.EntityFrameworkCore.Sqlite

// One command that pulls the plug a few hundred times: `dotnet run App.Tests/Performance/PowerCut.cs`. It needs strace and takes about four minutes.
// What the process writes to its database and flushes is written down while people sign up, sign in and sign out. From that the files are put
// together as a disk would have them had the power failed at a moment: with what was flushed by then, and of the rest nothing, some, or all.
// Whatever somebody had been told by then must be in them. Then the same on a disk that refuses flushes for a while; as Linux does, what such
// a flush was for is never written again by itself. It exits with 1 if anything is lost.

using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.Data.Sqlite;

const int People = 8, Each = 40, Cuts = 200;
var folder = Directory.CreateDirectory(Path.Combine(Path.GetTempPath(), "gatehouse-powercut")).FullName;
var table = new Table();

Console.Error.WriteLine("Publishing …");
var app = Server.PublishApp(Path.Combine(Path.GetDirectoryName(Here())!, "..", "..", "App"), folder);
var lost = await MeasureAsync("sound disk", []);
// Of each thread that flushes; the one that does it for all who have committed is at its fortieth soon.
lost += await MeasureAsync("disk that refuses 60 flushes", ["-e", "inject=fsync:error=EIO:when=40..99"]);
table.Print();
return lost == 0 ? 0 : 1;

async Task<int> MeasureAsync(string name, string[] faults)
{
    var data = Directory.CreateDirectory(Path.Combine(folder, $"data-{Guid.NewGuid():N}")).FullName;
    var (log, database) = (Path.Combine(data, "calls"), Path.Combine(data, "gatehouse.db"));
    var ours = new Server(app, "App.dll", ("DataDir", data), ("ASPNETCORE_ENVIRONMENT", "Production"), ("Issuer", "https://id.example.test"), ("Proxy__TerminatesTls", "true"),
        ("Keys__MasterKey", Convert.ToBase64String(RandomNumberGenerator.GetBytes(32))), ("RateLimits__PerAddressPerMinute", "100000"), ("Logging__LogLevel__Default", "None"));
    await ours.FirstAnswerAsync("/health/ready");
    await Task.Delay(TimeSpan.FromSeconds(3));
    using var strace = Process.Start("strace", ["-f", "-p", $"{ours.Id}", "-y", "-xx", "-ttt", "-s", "131072", "-o", log, "-e", "trace=pwrite64,fsync,fdatasync,ftruncate", "-e", "quiet=attach,exit", .. faults]);
    while (!File.Exists(log)) await Task.Delay(50);
    await Task.Delay(TimeSpan.FromSeconds(1));
    var files = new[] { database, database + "-wal" }.ToDictionary(file => file, file => new Kept(File.ReadAllBytes(file)));
    var (told, refused) = (new List<Told>(), 0);
    await Task.WhenAll(Enumerable.Range(0, People).Select(person => Task.Run(() => WriteAsync(person))));
    ours.Dispose();
    strace.WaitForExit();

    var random = new Random(1);
    var (first, last) = (told[0].At, told[^1].At);
    var cuts = new Queue<double>(Enumerable.Range(0, Cuts).Select(_ => first + (random.NextDouble() * (last - first))).Order());
    var (missing, broken, flushes) = (0, 0, 0);
    foreach (var (at, call, path, offset, bytes, good) in Calls(log))
    {
        while (cuts.TryPeek(out var cut) && cut < at) Pull(cuts.Dequeue());
        if (!files.TryGetValue(path, out var file)) continue;
        if (call == "pwrite64") file.Write(offset, bytes);
        else if (call == "ftruncate") file.Truncate(offset);
        else
        {
            file.Flush(good);
            flushes++;
        }
    }

    table.Add(name, $"{Cuts} cuts, each with nothing, some and all of what wasn't flushed: of {told.Count} answers {missing} lost, {broken} files broken; {flushes} flushes, {refused} times 503", "0 lost");
    Directory.Delete(data, recursive: true);
    return missing + broken;

    async Task WriteAsync(int person)
    {
        using var client = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = new Uri(ours.Address) };
        for (var round = 0; round < Each; round++)
        {
            var (email, password) = ($"ada{person}x{round}@example.test", "seven brass lanterns");
            if (await AskAsync(HttpMethod.Post, "/api/users/signup", new { email, password }) is null) continue;
            Note($"user {email}");
            if (await AskAsync(HttpMethod.Post, "/api/tokens", new { email, password }) is not { } tokens) continue;
            Note($"session {tokens["session_id"]}");
            if (await AskAsync(HttpMethod.Delete, $"/api/sessions/{tokens["session_id"]}", null, $"{tokens["access_token"]}") is null) continue;
            Note($"ended {tokens["session_id"]}");
        }

        async Task<JsonNode?> AskAsync(HttpMethod method, string path, object? body, string? bearer = null)
        {
            using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body) };
            if (bearer is not null) request.Headers.Authorization = new("Bearer", bearer);
            using var answer = await client.SendAsync(request);
            if (answer.IsSuccessStatusCode) return method == HttpMethod.Delete ? new JsonObject() : await answer.Content.ReadFromJsonAsync<JsonNode>();
            Interlocked.Increment(ref refused);
            return null;
        }

        void Note(string what)
        {
            lock (told) told.Add(new Told((DateTime.UtcNow - DateTime.UnixEpoch).TotalSeconds, what));
        }
    }

    void Pull(double at)
    {
        foreach (var share in new[] { 0, 0.5, 1 })
        {
            var image = Directory.CreateDirectory(Path.Combine(data, "image")).FullName;
            foreach (var (path, file) in files) File.WriteAllBytes(Path.Combine(image, Path.GetFileName(path)), file.After(share, random));
            try
            {
                var there = Read(Path.Combine(image, "gatehouse.db"));
                missing += told.TakeWhile(t => t.At <= at).Count(t => !there.Contains(t.What));
            }
            catch (SqliteException e)
            {
                Console.Error.WriteLine(e.Message);
                broken++;
            }

            Directory.Delete(image, recursive: true);
        }
    }
}

static HashSet<string> Read(string database)
{
    using var connection = new SqliteConnection($"Data Source={database};Pooling=False");
    connection.Open();
    var there = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
    using var command = connection.CreateCommand();
    command.CommandText = "SELECT 'user ' || Email FROM AspNetUsers UNION ALL SELECT 'session ' || Id FROM Sessions UNION ALL SELECT 'ended ' || Id FROM Sessions WHERE RevokedAt IS NOT NULL UNION ALL SELECT integrity_check FROM pragma_integrity_check";
    using var rows = command.ExecuteReader();
    while (rows.Read()) there.Add(rows.GetString(0));
    return there.Contains("ok") ? there : throw new SqliteException(string.Join("; ", there.Where(row => !row.Contains(' ', StringComparison.Ordinal))), 11);
}

// A call that another thread's interrupts is on two lines: what it was given on the first, when it was over and what came of it on the second.
static IEnumerable<(double At, string Call, string Path, int Offset, byte[] Bytes, bool Good)> Calls(string log)
{
    var begun = new Dictionary<string, string>();
    foreach (var line in File.ReadLines(log))
    {
        var parts = line.Split(' ', 3, StringSplitOptions.RemoveEmptyEntries);
        var (thread, at, rest) = (parts[0], double.Parse(parts[1], CultureInfo.InvariantCulture), parts[2]);
        if (rest.EndsWith("<unfinished ...>", StringComparison.Ordinal))
        {
            begun[thread] = rest[..^"<unfinished ...>".Length];
            continue;
        }

        if (Forms.Resumed().Match(rest) is { Success: true } resumed) rest = (begun.Remove(thread, out var start) ? start : "") + resumed.Groups[1].Value;
        if (Forms.Call().Match(rest) is not { Success: true } call) continue;
        var numbers = Forms.Numbers().Matches(call.Groups["rest"].Value).Select(number => int.Parse(number.Groups[1].Value, CultureInfo.InvariantCulture)).ToList();
        yield return (at, call.Groups["call"].Value, Text(call.Groups["path"].Value), numbers.LastOrDefault(), Bytes(call.Groups["bytes"].Value), call.Groups["result"].Value != "-1");
    }

    static string Text(string path) => path.StartsWith("\\x", StringComparison.Ordinal) ? System.Text.Encoding.UTF8.GetString(Bytes(path)) : path;
    static byte[] Bytes(string text) => Convert.FromHexString(text.Replace("\\x", "", StringComparison.Ordinal));
}

static string Here([CallerFilePath] string path = "") => path;

internal sealed record Told(double At, string What);

/// <summary>A file as the disk has it, and what was written to it since the last flush.</summary>
internal sealed class Kept
{
    private readonly List<(int Offset, byte[]? Bytes)> _unflushed = [];
    private readonly MemoryStream _flushed = new();

    public Kept(byte[] before) => _flushed.Write(before);

    public void Write(int offset, byte[] bytes) => _unflushed.Add((offset, bytes));

    public void Truncate(int length) => _unflushed.Add((length, null));

    // One that failed leaves its pages marked as written: they aren't, and the next one passes them over.
    public void Flush(bool good)
    {
        if (good) Apply(_flushed, _unflushed);
        _unflushed.Clear();
    }

    public byte[] After(double share, Random random)
    {
        using var file = new MemoryStream();
        _flushed.WriteTo(file);
        Apply(file, _unflushed.Where(_ => random.NextDouble() < share));
        return file.ToArray();
    }

    private static void Apply(MemoryStream file, IEnumerable<(int Offset, byte[]? Bytes)> writes)
    {
        foreach (var (offset, bytes) in writes)
        {
            file.Position = offset;
            if (bytes is null) file.SetLength(offset);
            else file.Write(bytes);
        }
    }
}

internal static partial class Forms
{
    [GeneratedRegex(@"^<\.\.\. \w+ resumed>(.*)$")]
    public static partial Regex Resumed();

    [GeneratedRegex("""^(?<call>\w+)\(\d+<(?<path>[^>]*)>(?:, "(?<bytes>(?:\\x..)*)")?(?<rest>[^)]*)\)\s+= (?<result>-?\d+)""")]
    public static partial Regex Call();

    [GeneratedRegex(@", (\d+)")]
    public static partial Regex Numbers();
}
