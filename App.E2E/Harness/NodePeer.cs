using System.Diagnostics;

namespace App.E2E.Harness;

/// <summary>A Node program of <c>Peers/</c> with the packages its lock file names, in a process of its own.</summary>
internal sealed class NodePeer : IAsyncDisposable
{
    private static readonly Lazy<Task<string>> TheFolder = new(InstallAsync);
    private readonly Process _process;

    private NodePeer(Process process, int port)
    {
        _process = process;
        Client = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
    }

    public HttpClient Client { get; }

    public static async Task<NodePeer> StartAsync(string script, params (string Key, string Value)[] environment)
    {
        var start = new ProcessStartInfo(await NodeAsync(), [script]) { WorkingDirectory = await TheFolder.Value, RedirectStandardOutput = true };
        foreach (var (key, value) in environment) start.Environment[key] = value;
        var process = Process.Start(start) ?? throw new InvalidOperationException("node doesn't start.");
        var line = await process.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromMinutes(1));
        if (line?.Split(' ') is not ["listening", var port]) throw new InvalidOperationException($"{script} said \"{line}\" instead of its port.");
        return new NodePeer(process, int.Parse(port, System.Globalization.CultureInfo.InvariantCulture));
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    /// <summary>The peers' sources with the packages of their lock file.</summary>
    public static Task<string> FolderAsync() => TheFolder.Value;

    private static Task<string> NodeAsync() => Tool.FindOrInstallAsync(["node"], ["nodejs", "npm"]);

    private static async Task<string> InstallAsync()
    {
        await NodeAsync();
        var npm = await Tool.FindOrInstallAsync(["npm"], ["npm"]);
        var folder = TestRun.NewFolder("peers");
        var source = Path.Combine(TestRun.Root, "App.E2E", "Peers");
        foreach (var file in Directory.GetFiles(source)) File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        await Tool.RunAsync(npm, ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder, TimeSpan.FromMinutes(5));
        return folder;
    }
}
