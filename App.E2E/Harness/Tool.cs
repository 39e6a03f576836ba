using System.Diagnostics;

namespace App.E2E.Harness;

/// <summary>Programs of the machine that the tests need: found, or fetched from Debian, or asked for in one line.</summary>
internal static class Tool
{
    // A mirror that stumbles is asked again, and whoever else installs something is waited for.
    private const string Again = "-o Acquire::Retries=3 -o DPkg::Lock::Timeout=120";
    private static readonly SemaphoreSlim Installing = new(1);

    /// <summary>The first of <paramref name="names"/> on PATH; a name with a slash is taken as it stands.</summary>
    public static string? Find(params string?[] names) =>
        names.Where(name => !string.IsNullOrEmpty(name))
            .SelectMany(name => name!.Contains('/', StringComparison.Ordinal) ? [name] : Folders().Select(folder => Path.Combine(folder, name)))
            .FirstOrDefault(File.Exists);

    /// <summary>Finds a program, or installs it where that is possible without asking anybody.</summary>
    /// <exception cref="InvalidOperationException">One line that says how to get it.</exception>
    public static async Task<string> FindOrInstallAsync(string[] names, string[] packages)
    {
        if (Find(names) is { } found) return found;
        var cure = $"apt-get install -y {string.Join(' ', packages)}";
        if (!File.Exists("/etc/debian_version") || Environment.UserName != "root")
            throw new InvalidOperationException($"The tests need {names[^1]}: install it ({cure}) and run again.");
        // One after the other: apt-get gives up at once where another holds its lists.
        await Installing.WaitAsync();
        try
        {
            if (Find(names) is null) await RunAsync("/bin/sh", ["-c", $"apt-get {Again} update && DEBIAN_FRONTEND=noninteractive {cure.Replace("apt-get", "apt-get " + Again, StringComparison.Ordinal)}"], "/", TimeSpan.FromMinutes(10));
        }
        finally
        {
            Installing.Release();
        }

        return Find(names) ?? throw new InvalidOperationException($"`{cure}` ran, yet there is no {names[^1]} on PATH.");
    }

    /// <summary>Runs a program to its end and returns what it printed; a non-zero exit is an exception that holds it.</summary>
    public static async Task<string> RunAsync(string file, string[] arguments, string folder, TimeSpan limit)
    {
        var (exit, output) = await TryRunAsync(new ProcessStartInfo(file, arguments) { WorkingDirectory = folder }, limit);
        return exit == 0 ? output : throw new InvalidOperationException($"{file} {string.Join(' ', arguments)} exited with {exit}:\n{output}");
    }

    /// <summary>Runs a program to its end; past the limit it is killed and a <see cref="TimeoutException"/> holds its output.</summary>
    public static async Task<(int Exit, string Output)> TryRunAsync(ProcessStartInfo start, TimeSpan limit)
    {
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{start.FileName} doesn't start.");
        var output = Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        using var end = new CancellationTokenSource(limit);
        try
        {
            await process.WaitForExitAsync(end.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{start.FileName} didn't end within {limit}:\n{string.Concat(await output)}");
        }
        return (process.ExitCode, string.Concat(await output));
    }

    private static string[] Folders() => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
}
