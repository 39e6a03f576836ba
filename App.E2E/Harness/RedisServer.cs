using System.Diagnostics;
using System.Text.Json;

namespace App.E2E.Harness;

/// <summary>A real redis-server on a free port of loopback, behind a password, that keeps what it holds when it is killed.</summary>
internal sealed class RedisServer : IAsyncDisposable
{
    private const string Stream = "gatehouse:events";
    private static readonly string[] Packages = ["redis-server"];
    private readonly string _folder = TestRun.NewFolder("redis");
    private readonly string _password = Guid.NewGuid().ToString("N");
    private readonly int _port = TestRun.FreePort();
    private Process? _process;

    public RedisServer() => TestRun.Secrets[_password] = "the password of Redis";

    public string ConnectionString => $"127.0.0.1:{_port},password={_password}";

    public async Task StartAsync()
    {
        var server = await Tool.FindOrInstallAsync(["redis-server"], Packages);
        var start = new ProcessStartInfo(server, ["-"]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        _process = Process.Start(start) ?? throw new InvalidOperationException("redis-server doesn't start.");
        _process.OutputDataReceived += (_, _) => { };
        _process.BeginOutputReadLine();
        await _process.StandardInput.WriteAsync($"port {_port}\nbind 127.0.0.1\ndir {_folder}\nrequirepass {_password}\nappendonly yes\nappendfsync always\nsave \"\"\n");
        _process.StandardInput.Close();
        for (var clock = Stopwatch.StartNew(); await TryAskAsync("PING") is not "\"PONG\"";)
        {
            if (_process.HasExited || clock.Elapsed > TimeSpan.FromSeconds(30)) throw new InvalidOperationException("redis-server doesn't answer.");
            await Task.Delay(20);
        }
    }

    /// <summary>kill -9.</summary>
    public void Kill()
    {
        if (_process is not { } process) return;
        process.Kill();
        process.WaitForExit();
        process.Dispose();
        _process = null;
    }

    /// <summary>It holds its connections and answers nobody.</summary>
    public Task HangAsync() => SignalAsync("STOP");

    public Task GoOnAsync() => SignalAsync("CONT");

    public Task EmptyAsync() => AskAsync("FLUSHALL");

    /// <summary>The entries as any client of Redis reads them, fields by name.</summary>
    /// <param name="after">Those that follow this cursor.</param>
    public async Task<List<(string Id, Dictionary<string, string> Fields)>> ReadAsync(long after = 0)
    {
        using var entries = JsonDocument.Parse(await AskAsync("XRANGE", Stream, $"({after}-0", "+"));
        return [.. entries.RootElement.EnumerateArray().Select(entry => (entry[0].GetString()!, FieldsOf(entry[1])))];
    }

    /// <summary>How many wait for its announcements.</summary>
    public async Task<int> ListenersAsync()
    {
        using var told = JsonDocument.Parse(await AskAsync("PUBSUB", "NUMSUB", Stream));
        return told.RootElement[1].GetInt32();
    }

    public ValueTask DisposeAsync()
    {
        Kill();
        return ValueTask.CompletedTask;
    }

    private static Dictionary<string, string> FieldsOf(JsonElement flat) =>
        flat.EnumerateArray().Select(part => part.GetString()!).Chunk(2).ToDictionary(pair => pair[0], pair => pair[1]);

    private async Task SignalAsync(string signal) => await Tool.RunAsync("/bin/sh", ["-c", $"kill -{signal} {_process!.Id}"], _folder, TimeSpan.FromSeconds(30));

    private async Task<string> AskAsync(params string[] command) =>
        await TryAskAsync(command) ?? throw new InvalidOperationException($"redis-cli {string.Join(' ', command)} fails.");

    // An error is none: one that is still loading what it held says so.
    private async Task<string?> TryAskAsync(params string[] command)
    {
        var client = await Tool.FindOrInstallAsync(["redis-cli"], Packages);
        var start = new ProcessStartInfo(client, ["-p", $"{_port}", "--json", "-e", .. command]) { Environment = { ["REDISCLI_AUTH"] = _password } };
        var (exit, output) = await Tool.TryRunAsync(start, TimeSpan.FromSeconds(30));
        return exit == 0 ? output.Trim() : null;
    }
}
