using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

/// <summary>A published program on a port of its own; its CPU and memory as the kernel counts them.</summary>
internal sealed class Server : IDisposable
{
    private static readonly List<Server> Running = [];
    private readonly Process _process;
    private readonly Stopwatch _since = Stopwatch.StartNew();

    // A benchmark that fails leaves nobody behind.
    static Server()
    {
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Running.ForEach(server => server._process.Kill());
        AppDomain.CurrentDomain.UnhandledException += (_, _) => Running.ForEach(server => server._process.Kill());
    }

    public Server(string folder, string program, params (string Key, string Value)[] settings)
    {
        using (var listener = new TcpListener(IPAddress.Loopback, 0))
        {
            listener.Start();
            Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        }
        var start = new ProcessStartInfo("dotnet", [Path.Combine(folder, program), "--urls", Address]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (key, value) in settings) start.Environment[key] = value;
        _process = Process.Start(start)!;
        Running.Add(this);
        _process.OutputDataReceived += (_, _) => { };
        _process.ErrorDataReceived += (_, line) => { if (line.Data is { } text) Console.Error.WriteLine(text); };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>Publishes a program beside the clone: its lock files and obj folders stay as they are.</summary>
    public static string Publish(string project, string folder, string name, params string[] options)
    {
        var target = Path.Combine(folder, name);
        string[] arguments = ["publish", project, "-c", "Release", "-o", target, "--artifacts-path", Path.Combine(folder, $"{name}-build"),
            $"-p:NuGetLockFilePath={Path.Combine(folder, $"{name}.lock.json")}", "--nologo", "-v", "quiet", .. options];
        using var publish = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true })!;
        var output = publish.StandardOutput.ReadToEnd();
        publish.WaitForExit();
        return publish.ExitCode == 0 ? target : throw new InvalidOperationException(output);
    }

    /// <summary>As one ought to publish Gatehouse.</summary>
    public static string PublishApp(string project, string folder) => Publish(project, folder, "app", "-p:PublishReadyToRun=true", "-r", "linux-x64", "--self-contained", "false");

    public int Port { get; }
    public int Id => _process.Id;
    public string Address => $"http://127.0.0.1:{Port}";
    public double Megabytes => Number("status", "VmRSS:") / 1024;

    /// <summary>What it has read from files and sockets so far, also from those that the kernel had in memory.</summary>
    public double KilobytesRead => Number("io", "rchar:") / 1024;

    public double CpuMicroseconds
    {
        get
        {
            var fields = File.ReadAllText($"/proc/{_process.Id}/stat").Split(") ")[1].Split(' ');
            return (double.Parse(fields[11], CultureInfo.InvariantCulture) + double.Parse(fields[12], CultureInfo.InvariantCulture)) * 10_000;
        }
    }

    /// <summary>Seconds from the start of the process to the first 200.</summary>
    public async Task<double> FirstAnswerAsync(string path)
    {
        using var client = new HttpClient();
        while (_since.Elapsed.TotalSeconds < 120 && !_process.HasExited)
        {
            try
            {
                using var answer = await client.GetAsync(Address + path);
                if (answer.StatusCode == HttpStatusCode.OK) return _since.Elapsed.TotalSeconds;
            }
            catch (HttpRequestException)
            {
                await Task.Delay(5);
            }
        }
        throw new InvalidOperationException($"No 200 from {Address}{path} within two minutes.");
    }

    public void Dispose()
    {
        Running.Remove(this);
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    private double Number(string file, string label) =>
        double.Parse(File.ReadLines($"/proc/{_process.Id}/{file}").First(line => line.StartsWith(label, StringComparison.Ordinal)).Split(':')[1].Replace("kB", "").Trim(), CultureInfo.InvariantCulture);
}
