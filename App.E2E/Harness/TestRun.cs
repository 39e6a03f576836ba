using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

[assembly: CollectionBehavior(MaxParallelThreads = 3)]
[assembly: TestCollectionOrderer("App.E2E.Harness.LogsLast", "App.E2E")]

namespace App.E2E.Harness;

/// <summary>What one run of this project leaves behind: a folder with the published app, data, logs; and the secrets that may be in none of the logs.</summary>
internal static class TestRun
{
    /// <summary>To publish takes a minute; where much else is under way, five.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);

    private static readonly Lazy<string> TheFolder = new(MakeFolder);
    private static readonly Lazy<Task<string>> ThePublish = new(PublishAsync);

    // Below those that the system gives by itself, to connections and to whoever asks for any: what is free stays free until it is listened on, also while its
    // service is away. Above those that browsers don't call.
    // A stretch of its own for each run on this machine: what one run plans with, or has killed and will start again, is free for the other.
    private const int Ports = 500, Stretches = 10;
    private static readonly (int FirstPort, FileStream Lock) Stretch = TakeStretch();
    private static int _ports = Random.Shared.Next(Ports);

    /// <summary>Swept by the last collection of the run (<see cref="LogsLast"/>).</summary>
    public static string Folder => TheFolder.Value;

    public static string Logs => Directory.CreateDirectory(Path.Combine(Folder, "logs")).FullName;

    /// <summary>The root of the clone.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>Where pictures of the pages outlive the run; null unless <c>SCREENSHOTS</c> names a folder: no test looks at them, and they take the browser as long as much that one does.</summary>
    public static string? Pictures { get; } = Environment.GetEnvironmentVariable("SCREENSHOTS") is { Length: > 0 } folder ? Directory.CreateDirectory(Path.Combine(Root, folder)).FullName : null;

    /// <summary>Every password and refresh token the tests have used, with what it is.</summary>
    public static ConcurrentDictionary<string, string> Secrets { get; } = new();

    /// <summary>The folder of the app, published once.</summary>
    public static Task<string> PublishedAsync() => ThePublish.Value;

    public static string NewFolder(string name) => Directory.CreateDirectory(Path.Combine(Folder, $"{name}-{Guid.NewGuid():N}")).FullName;

    /// <summary>A port that nobody listens on, and that no other caller is given, in this run or in another beside it.</summary>
    public static int FreePort()
    {
        while (true)
        {
            var port = Stretch.FirstPort + ((Interlocked.Increment(ref _ports) & int.MaxValue) % Ports);
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, port);
                listener.Start();
                return port;
            }
            catch (SocketException)
            {
                // Somebody's: the next one.
            }
        }
    }

    // A lock that ends with the process.
    private static (int FirstPort, FileStream Lock) TakeStretch()
    {
        for (var number = 0; number < Stretches; number++)
        {
            try
            {
                return (11_000 + (number * Ports), new(Path.Combine(Path.GetTempPath(), $"gatehouse-ports-{number}"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Another run's: the next one.
            }
        }

        throw new InvalidOperationException($"{Stretches} runs are under way on this machine.");
    }

    private static async Task<string> PublishAsync()
    {
        // By hand, round after round: one that is there already, also as it was built. Pages need theirs published.
        if (Environment.GetEnvironmentVariable("PUBLISHED_APP") is { Length: > 0 } given) return Path.GetFullPath(given);
        var (folder, build, system) = (Path.Combine(Folder, "app"), Path.Combine(Folder, "build"), RuntimeInformation.RuntimeIdentifier);
        string[] publish = ["publish", "App", "-c", "Release", "-o", folder, "--nologo", "-v", "quiet"];
        try
        {
            // As for production: some sixty starts are waited for here, and each would compile it all. Beside the clone, whose own restore and build stay as they are.
            await Tool.RunAsync("dotnet", [.. publish, "-r", system, "--self-contained", "false", "-p:PublishReadyToRun=true", "-p:RunAnalyzers=false",
                "-p:RestoreLockedMode=false", $"-p:NuGetLockFilePath={Path.Combine(Folder, "app.lock.json")}", "--artifacts-path", build, .. TakeBuilt(Path.Combine(build, "obj", "App", "release_" + system))], Root, Patience);
        }
        catch (InvalidOperationException)
        {
            // Where the compiler for that can't be had, as it was built.
            await Tool.RunAsync("dotnet", publish, Root, Patience);
        }

        return folder;
    }

    // What was built for these tests is what is published: a second compiler would make the same of the same sources.
    private static string[] TakeBuilt(string into)
    {
        if (new DirectoryInfo(AppContext.BaseDirectory).Parent is not { Name: "Release" }) return []; // and never what is made for a debugger
        Directory.CreateDirectory(into);
        foreach (var file in Directory.GetFiles(Path.Combine(Root, "App", "obj", "Release", "net10.0"), "App.*").Where(file => Path.GetExtension(file) is ".dll" or ".pdb" or ".xml"))
            File.Copy(file, Path.Combine(into, Path.GetFileName(file)));
        return ["-p:SkipCompilerExecution=true", "-p:ProduceReferenceAssembly=false"];
    }

    private static string MakeFolder()
    {
        var folder = Directory.CreateTempSubdirectory("gatehouse-e2e-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Service.KillAll();
        return folder;
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "App.sln"))) return folder.FullName;
        throw new InvalidOperationException($"No App.sln above {AppContext.BaseDirectory}: the tests publish the app from its clone.");
    }
}
