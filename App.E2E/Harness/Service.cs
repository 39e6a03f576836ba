using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;

namespace App.E2E.Harness;

/// <summary>A published Gatehouse in a process of its own, on a free port and a data folder that may be shared.</summary>
internal sealed class Service : IAsyncDisposable
{
    private static readonly ConcurrentDictionary<int, Process> Running = new();

    // A signal that nohup or a shell's & has this process ignore, its children ignore as well; env hears it again, and becomes the program.
    private static readonly Lazy<bool> IsDeaf = new(IgnoresSignals);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly Dictionary<string, string> _settings;
    private Process? _process;
    private ProcessLog? _log;

    private Service(string dataDir, int port, Dictionary<string, string> settings)
    {
        DataDir = dataDir;
        Port = port;
        _settings = settings;
        Client = NewClient();
    }

    public string DataDir { get; }
    public int Port { get; }

    /// <summary>localhost, not 127.0.0.1: browsers treat it as a secure context, and a relying party id can't be an address.</summary>
    public string Address => $"http://localhost:{Port}";

    /// <summary>Sends and keeps no cookies, follows no redirects.</summary>
    public HttpClient Client { get; }

    /// <summary>Starts the app as a team would try it: Development, SQLite, everything in a data folder, limits out of the tests' way.</summary>
    public static async Task<Service> StartAsync(string? dataDir = null, params (string Key, string Value)[] settings)
    {
        var service = new Service(dataDir ?? TestRun.NewFolder("data"), TestRun.FreePort(), new()
        {
            ["ASPNETCORE_ENVIRONMENT"] = "Development",
            ["RateLimits__PerAddressPerMinute"] = "100000",
            // Some sixty processes that live for seconds: what makes code faster on the way costs more than it gains.
            ["DOTNET_TieredPGO"] = "0",
        });
        service._settings["Issuer"] = service.Address;
        foreach (var (key, value) in settings) service._settings[key] = value;
        await service.StartAsync();
        return service;
    }

    /// <summary>One more process on the same database and under the same issuer.</summary>
    public Task<Service> ReplicaAsync() => StartAsync(DataDir, [.. _settings.Select(setting => (setting.Key, setting.Value))]);

    /// <summary>What the process has said since its last start.</summary>
    public string Log => _log!.Text;

    /// <summary>SIGHUP: what may be changed without a restart is read anew.</summary>
    public Task HangUpAsync() => Tool.RunAsync("kill", ["-HUP", $"{_process!.Id}"], TestRun.Folder, Patience);

    /// <summary>It holds its connections and answers nobody.</summary>
    public async Task HangAsync()
    {
        await Tool.RunAsync("kill", ["-STOP", $"{_process!.Id}"], TestRun.Folder, Patience);
        // One thread after another stops, and the last may still answer somebody.
        using var limit = new CancellationTokenSource(Patience);
        while (!HasStopped(_process.Id)) await Task.Delay(5, limit.Token);
    }

    public Task GoOnAsync() => Tool.RunAsync("kill", ["-CONT", $"{_process!.Id}"], TestRun.Folder, Patience);

    /// <summary>kill -9: no handler runs, nothing is flushed.</summary>
    public void Kill()
    {
        if (_process is not { } process) return;
        process.Kill();
        process.WaitForExit();
        Running.TryRemove(process.Id, out _);
        _process = null;
    }

    /// <summary>SIGTERM, as whoever rolls out a new version sends it. Returns the exit code, when the process has ended by itself.</summary>
    public async Task<int> StopAsync()
    {
        var process = _process!;
        await Tool.RunAsync("kill", ["-TERM", $"{process.Id}"], TestRun.Folder, Patience);
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(1));
        Running.TryRemove(process.Id, out _);
        _process = null;
        return process.ExitCode;
    }

    /// <summary>What SQLite says of the database: <c>ok</c>. Of a copy: looking at it brings what is in the log in, and that is the service's work.</summary>
    public async Task<string> CheckIntegrityAsync()
    {
        var copy = TestRun.NewFolder("integrity");
        // Nobody writes between one file and the next: an old one and a new one make a database that never was.
        var lives = _process is not null;
        if (lives) await HangAsync();
        try
        {
            foreach (var file in Directory.GetFiles(DataDir, "gatehouse.db*")) File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        }
        finally
        {
            if (lives) await GoOnAsync();
        }

        var answer = await Tool.RunAsync(await Tool.FindOrInstallAsync(["python3"], ["python3"]), ["-c", "import sqlite3; print(*[row[0] for row in sqlite3.connect('gatehouse.db').execute('PRAGMA integrity_check')])"], copy, TimeSpan.FromMinutes(1));
        Directory.Delete(copy, recursive: true);
        return answer.Trim();
    }

    /// <summary>Returns when the process answers that it is ready.</summary>
    public async Task StartAsync()
    {
        var start = await CommandAsync("--urls", $"http://127.0.0.1:{Port}");
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        var log = _log = new ProcessLog(Path.Combine(TestRun.Logs, $"{Port}-{Guid.NewGuid():N}.log"));
        _process = Process.Start(start) ?? throw new InvalidOperationException("The published app doesn't start.");
        Running[_process.Id] = _process;
        log.Follow(_process);
        await WaitUntilReadyAsync(_process, log);
    }

    /// <summary>A command on this service's data, such as <c>keys rotate</c>, beside the process that serves it.</summary>
    public Task<ProcessStartInfo> CommandAsync(params string[] arguments) =>
        CommandAsync(arguments, [.. _settings.Select(setting => (setting.Key, setting.Value)), ("DataDir", DataDir)]);

    /// <summary>The command line of the published app with a clean environment: only what the test says.</summary>
    public static async Task<ProcessStartInfo> CommandAsync(string[] arguments, params (string Key, string Value)[] settings)
    {
        var folder = await TestRun.PublishedAsync();
        string[] program = ["dotnet", Path.Combine(folder, "App.dll"), .. arguments];
        if (IsDeaf.Value) program = ["env", "--default-signal=HUP,INT,TERM", .. program];
        var start = Clean(new(program[0], program[1..]) { WorkingDirectory = TestRun.Folder });
        foreach (var (key, value) in settings) start.Environment[key] = value;
        return start;
    }

    /// <summary>As where nobody has set anything for the app.</summary>
    public static ProcessStartInfo Clean(ProcessStartInfo start)
    {
        foreach (var key in start.Environment.Keys.Where(key => key.StartsWith("ASPNETCORE_", StringComparison.Ordinal) || key.Contains("__", StringComparison.Ordinal)).ToList())
            start.Environment.Remove(key);
        return start;
    }

    public HttpClient NewClient() =>
        new(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false, ConnectCallback = Loopback.ConnectAsync }) { BaseAddress = new Uri(Address) };

    public ValueTask DisposeAsync()
    {
        Kill();
        Client.Dispose();
        return ValueTask.CompletedTask;
    }

    public static void KillAll()
    {
        foreach (var process in Running.Values)
        {
            process.Kill();
            process.WaitForExit();
        }
    }

    private async Task WaitUntilReadyAsync(Process process, ProcessLog log)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                using var answer = await Client.GetAsync("/health/ready");
                if (answer.StatusCode == HttpStatusCode.OK) return;
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
            {
                // Not listening yet, or never again: the exit code says which. Or it listens and is too busy to answer.
            }
            if (process.HasExited) throw new InvalidOperationException($"The app ended with {process.ExitCode} instead of getting ready:\n{log.Text}");
            if (clock.Elapsed > TimeSpan.FromMinutes(3)) throw new TimeoutException($"The app isn't ready after three minutes:\n{log.Text}");
            await Task.Delay(50);
        }
    }

    private static bool IgnoresSignals()
    {
        // proc(5): a mask in hexadecimal, signal 1 in its lowest bit.
        const ulong Hup = 1, Int = 1 << 1, Term = 1 << 14;
        if (!File.Exists("/proc/self/status")) return false;
        var ignored = File.ReadLines("/proc/self/status").Single(line => line.StartsWith("SigIgn:", StringComparison.Ordinal)).Split('\t')[1];
        return (Convert.ToUInt64(ignored, 16) & (Hup | Int | Term)) != 0;
    }

    private static bool HasStopped(int process)
    {
        try
        {
            return Directory.GetDirectories($"/proc/{process}/task").All(thread => File.ReadAllText(Path.Combine(thread, "stat")).Contains(") T ", StringComparison.Ordinal));
        }
        catch (IOException)
        {
            return false; // a thread that has ended meanwhile
        }
    }
}
