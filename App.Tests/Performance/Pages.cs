// One command that measures what open interactive pages cost: `dotnet run App.Tests/Performance/Pages.cs`. A thousand people (PAGES) each open
// their page of sessions as a browser does, over Blazor's own protocol and without one, and it asks what the server holds for them. It takes
// about three minutes and prints a table.

using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

const string Issuer = "https://id.example.test", Sessions = "/account/sessions", Password = "seven brass lanterns";
const int First = 20, Ended = 20;
var pages = int.Parse(Environment.GetEnvironmentVariable("PAGES") ?? "1000", CultureInfo.InvariantCulture);
var folder = Directory.CreateDirectory(Path.Combine(Path.GetTempPath(), "gatehouse-growth")).FullName;
var data = Directory.CreateDirectory(Path.Combine(folder, $"data-{Guid.NewGuid():N}")).FullName;
var table = new Table();

Console.Error.WriteLine("Publishing (ReadyToRun) …");
var app = Server.PublishApp(Path.Combine(Path.GetDirectoryName(Here())!, "..", "..", "App"), folder);
var ours = new Server(app, "App.dll", ("DataDir", data), ("ASPNETCORE_ENVIRONMENT", "Production"), ("Issuer", Issuer), ("Proxy__TerminatesTls", "true"),
    ("Keys__MasterKey", Convert.ToBase64String(RandomNumberGenerator.GetBytes(32))), ("RateLimits__PerAddressPerMinute", "100000"),
    ("Tokens__AccessTokenLifetime", "01:00:00"), ("Logging__LogLevel__Default", "Warning"));
await ours.FirstAnswerAsync("/account/sign-in");
using var client = new HttpClient(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false }) { BaseAddress = new Uri(ours.Address), Timeout = TimeSpan.FromMinutes(5) };
Console.Error.WriteLine($"Signing up {pages} people …");
var cookies = new string[pages];
await Parallel.ForAsync(0, pages, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, async (number, ct) =>
{
    using var signedUp = await client.PostAsJsonAsync("/api/users/signup", new { email = $"ada{number}@example.test", password = Password }, ct);
    cookies[number] = string.Join("; ", signedUp.EnsureSuccessStatusCode().Headers.GetValues("Set-Cookie").Select(line => line.Split(';')[0]));
});

// What the first few pages cost once is no page's.
var open = new List<OpenPage>();
await OpenAsync(First);
await Task.Delay(TimeSpan.FromSeconds(20));
var before = ours.Megabytes;
await OpenAsync(pages);
var (cpu, since) = (ours.CpuMicroseconds, Stopwatch.GetTimestamp());
await Task.Delay(TimeSpan.FromSeconds(30));
var (after, alive) = (ours.Megabytes, open.Count(page => page.Renders > 0 && page.Fault is null));
var perSecond = (ours.CpuMicroseconds - cpu) / Stopwatch.GetElapsedTime(since).TotalSeconds;
table.Add($"memory with {First} / {pages} pages open, {alive} of them alive", $"{before:0} / {after:0} MB = {(after - before) * 1024 / (pages - First):0} KB each", "<= 150 KB each");
table.Add("CPU of an open page, which looks every five seconds", $"{perSecond / pages:0} µs each second", "");

// That they are alive: whose session is ended from elsewhere, their page leaves.
var times = new List<double>();
for (var number = 0; number < Math.Min(Ended, pages); number++)
{
    var grant = (await (await client.PostAsJsonAsync("/api/tokens", new { email = $"ada{number}@example.test", password = Password })).EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonNode>())!;
    using var request = new HttpRequestMessage(HttpMethod.Delete, "/api/sessions") { Headers = { Authorization = new("Bearer", $"{grant["access_token"]}") } };
    using var ended = await client.SendAsync(request);
    ended.EnsureSuccessStatusCode();
    var start = Stopwatch.GetTimestamp();
    if (await Task.WhenAny(open[number].Left, Task.Delay(TimeSpan.FromSeconds(30))) != open[number].Left) Console.Error.WriteLine($"Page {number} stayed: {open[number].Fault ?? "connected"}, {open[number].Renders} renders, last {open[number].Last}");
    else times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
}

if (times.Count == 0) times.Add(double.NaN);
times.Sort();
table.Add("a session is ended -> its open page leaves for sign-in", $"p50 {times[times.Count / 2]:0} ms, max {times[^1]:0} ms ({times.Count(double.IsFinite)} of {Math.Min(Ended, pages)})", "<= 1000 ms");
foreach (var page in open) page.Dispose();
// A circuit without a connection is kept for three minutes, should its browser come back.
await Task.Delay(TimeSpan.FromSeconds(30));
var closed = ours.Megabytes;
table.Add("memory 30 s after all are closed", $"{closed:0} MB", "");
table.Print();
ours.Dispose();
Directory.Delete(data, recursive: true);
return alive == pages && times.Count(double.IsFinite) == Math.Min(Ended, pages) ? 0 : 1;

static string Here([CallerFilePath] string path = "") => path;

async Task OpenAsync(int upTo)
{
    while (open.Count < upTo)
    {
        var number = open.Count;
        open.AddRange(await Task.WhenAll(Enumerable.Range(number, Math.Min(8, upTo - number)).Select(async i =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, Sessions) { Headers = { { "Cookie", cookies[i] } } };
            using var answer = await client.SendAsync(request);
            var page = new OpenPage();
            await page.OpenAsync(ours.Port, Issuer, Sessions, cookies[i], await answer.EnsureSuccessStatusCode().Content.ReadAsStringAsync());
            return page;
        })));
    }
}

/// <summary>
/// What blazor.web.js does, as far as the server sees it: SignalR over a websocket with the protocol "blazorpack" (MessagePack), a circuit, the page's
/// islands added to it, and an acknowledgement for each rendering and each call of JavaScript.
/// </summary>
internal sealed partial class OpenPage : IDisposable
{
    private static readonly byte[] Ping = [2, 0x91, 6];
    private readonly ClientWebSocket _socket = new();
    private readonly SemaphoreSlim _turn = new(1);
    private readonly CancellationTokenSource _closed = new();
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously), _rendered = new(TaskCreationOptions.RunContinuationsAsynchronously), _left = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public int Renders { get; private set; }
    public string? Fault { get; private set; }

    /// <summary>What the server said last.</summary>
    public string? Last { get; private set; }
    public Task Left => _left.Task;

    /// <summary>Returns when the islands have been rendered anew, now by their circuit.</summary>
    public async Task OpenAsync(int port, string origin, string path, string cookie, string html)
    {
        string[] markers = [.. Markers().Matches(html).Select(match => match.Groups[1].Value).Where(marker => marker.Contains("\"type\":\"server\"", StringComparison.Ordinal))];
        if (markers.Length == 0) throw new InvalidOperationException("The page has nothing interactive.");
        _socket.Options.SetRequestHeader("Cookie", cookie);
        _socket.Options.SetRequestHeader("Origin", origin);
        _socket.Options.SetRequestHeader("Host", new Uri(origin).Host);
        await _socket.ConnectAsync(new Uri($"ws://127.0.0.1:{port}/_blazor"), _closed.Token);
        await SendAsync(Encoding.UTF8.GetBytes("{\"protocol\":\"blazorpack\",\"version\":1}\u001e"));
        _ = ReceiveAsync();
        _ = PingAsync();
        await InvokeAsync("0", "StartCircuit", origin + "/", origin + path, "[]", "");
        await _started.Task.WaitAsync(TimeSpan.FromMinutes(2));
        var operations = string.Join(",", markers.Select((marker, number) => $"{{\"type\":\"add\",\"ssrComponentId\":{number + 1},\"marker\":{marker}}}"));
        await InvokeAsync(null, "UpdateRootComponents", $"{{\"batchId\":1,\"operations\":[{operations}]}}", "");
        await _rendered.Task.WaitAsync(TimeSpan.FromMinutes(2));
    }

    public void Dispose()
    {
        _closed.Cancel();
        _socket.Dispose();
    }

    private async Task PingAsync()
    {
        try
        {
            using var timer = new PeriodicTimer(TimeSpan.FromSeconds(10));
            while (await timer.WaitForNextTickAsync(_closed.Token)) await SendAsync(Ping);
        }
        catch (Exception e) when (e is OperationCanceledException or WebSocketException or ObjectDisposedException)
        {
            Fault ??= e.Message;
        }
    }

    private async Task ReceiveAsync()
    {
        try
        {
            var (held, shaken) = (new List<byte>(), false);
            var buffer = new byte[4096];
            while (true)
            {
                var got = await _socket.ReceiveAsync(buffer.AsMemory(), _closed.Token);
                if (got.MessageType == WebSocketMessageType.Close) throw new InvalidOperationException("The server has closed it.");
                held.AddRange(buffer.AsSpan(0, got.Count));
                if (!shaken)
                {
                    if (held.IndexOf(0x1e) is var end and >= 0)
                    {
                        held.RemoveRange(0, end + 1);
                        shaken = true;
                    }
                    else continue;
                }

                while (Next(held) is { } message) await OnAsync(message);
            }
        }
        catch (Exception e)
        {
            if (!_closed.IsCancellationRequested) Fault ??= e.Message;
            foreach (var waiting in new[] { _started, _rendered }) waiting.TrySetException(e);
        }
    }

    // A message has its length before it, seven bits a byte.
    private static byte[]? Next(List<byte> held)
    {
        var (length, at) = (0, 0);
        while (true)
        {
            if (at == held.Count) return null;
            length |= (held[at] & 0x7f) << (7 * at);
            if (held[at++] < 0x80) break;
        }

        if (held.Count < at + length) return null;
        byte[] message = [.. held.GetRange(at, length)];
        held.RemoveRange(0, at + length);
        return message;
    }

    // [1, headers, id, target, arguments, streams] is a call, [3, headers, id, kind, result] its answer, [6] a ping, [7, …] the end.
    private async Task OnAsync(byte[] message)
    {
        var reader = new Packed(message);
        reader.Count();
        switch (reader.Whole())
        {
            case 3:
                _started.TrySetResult();
                break;
            case 7:
                throw new InvalidOperationException("The server has ended it: " + Encoding.UTF8.GetString(message));
            case 1:
                reader.Count();
                reader.Text();
                var target = Last = reader.Text();
                reader.Count();
                if (target == "JS.RenderBatch")
                {
                    await InvokeAsync(null, "OnRenderCompleted", reader.Whole(), null);
                    Renders++;
                    _rendered.TrySetResult();
                }
                else if (target == "JS.BeginInvokeJS")
                {
                    var (handle, function, arguments) = (reader.Whole(), reader.Text(), reader.Text());
                    Last = function;
                    if (handle != 0) await InvokeAsync(null, "EndInvokeJSFromDotNet", handle, true, $"[{handle},true,null]");
                    if (function!.Contains("navigateTo", StringComparison.Ordinal) && arguments!.Contains("/account/sign-in", StringComparison.Ordinal)) _left.TrySetResult();
                }
                else if (target == "JS.Error")
                {
                    throw new InvalidOperationException("The circuit has failed: " + reader.Text());
                }

                break;
        }
    }

    private Task InvokeAsync(string? id, string target, params object?[] arguments)
    {
        var message = new List<byte> { 0x96, 1, 0x80 };
        Write(message, id);
        Write(message, target);
        message.Add((byte)(0x90 + arguments.Length));
        foreach (var argument in arguments) Write(message, argument);
        message.Add(0x90);
        var framed = new List<byte>();
        for (var length = message.Count; ; length >>= 7)
        {
            framed.Add((byte)((length & 0x7f) | (length >= 0x80 ? 0x80 : 0)));
            if (length < 0x80) break;
        }

        return SendAsync([.. framed, .. message]);
    }

    private static void Write(List<byte> to, object? value)
    {
        switch (value)
        {
            case null:
                to.Add(0xc0);
                break;
            case bool flag:
                to.Add((byte)(flag ? 0xc3 : 0xc2));
                break;
            case long number:
                to.Add(0xd3);
                to.AddRange(BitConverter.GetBytes(BinaryPrimitives.ReverseEndianness(number)));
                break;
            case string text:
                var bytes = Encoding.UTF8.GetBytes(text);
                to.Add(0xdb);
                to.AddRange(BitConverter.GetBytes(BinaryPrimitives.ReverseEndianness(bytes.Length)));
                to.AddRange(bytes);
                break;
        }
    }

    private async Task SendAsync(byte[] bytes)
    {
        await _turn.WaitAsync(_closed.Token);
        try
        {
            await _socket.SendAsync(bytes, WebSocketMessageType.Binary, endOfMessage: true, _closed.Token);
        }
        finally
        {
            _turn.Release();
        }
    }

    [GeneratedRegex("<!--Blazor:(.*?)-->", RegexOptions.Singleline)]
    private static partial Regex Markers();
}

/// <summary>Reads as much MessagePack as the server's calls begin with.</summary>
internal sealed class Packed(byte[] bytes)
{
    private int _at;

    /// <summary>How many follow in an array or map.</summary>
    public int Count() => bytes[_at++] switch
    {
        var small when small is >= 0x80 and <= 0x9f => small & 0x0f,
        0xdc or 0xde => (int)Big(2),
        var other => throw new InvalidOperationException($"No array: {other:x2}"),
    };

    public long Whole() => bytes[_at++] switch
    {
        var small when small < 0x80 => small,
        0xcc or 0xd0 => Big(1),
        0xcd or 0xd1 => Big(2),
        0xce or 0xd2 => Big(4),
        0xcf or 0xd3 => Big(8),
        var other => throw new InvalidOperationException($"No number: {other:x2}"),
    };

    public string? Text()
    {
        var kind = bytes[_at++];
        if (kind == 0xc0) return null;
        var length = kind switch
        {
            >= 0xa0 and <= 0xbf => kind & 0x1f,
            0xd9 => (int)Big(1),
            0xda => (int)Big(2),
            0xdb => (int)Big(4),
            _ => throw new InvalidOperationException($"No text: {kind:x2}"),
        };
        _at += length;
        return Encoding.UTF8.GetString(bytes, _at - length, length);
    }

    private long Big(int size)
    {
        var number = 0L;
        for (var i = 0; i < size; i++) number = (number << 8) | bytes[_at++];
        return number;
    }
}
