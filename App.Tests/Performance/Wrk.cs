using System.Diagnostics;
using System.Globalization;

/// <summary>Runs of wrk over one thread and 32 kept connections.</summary>
internal static class Wrk
{
    // Short turns: what else the machine does then falls on both alike.
    private const int Seconds = 2, Rounds = 5;

    // Both until the JIT is done with them: the second tier takes some ten thousand requests, and a busy machine some seconds for each thousand methods.
    private const int WarmUp = 8;

    /// <summary>Alternates the two servers, each warmed first, and says what share of the floor's figures ours reaches.</summary>
    public static string Compare(Server floor, Server ours, string path, params string[] options)
    {
        Run(floor.Address + path, WarmUp, options);
        Run(ours.Address + path, WarmUp, options);
        var (floors, all) = (new Load(0, 0, 0), new Load(0, 0, 0));
        for (var round = 0; round < Rounds; round++)
        {
            floors += Measure(floor, path, Seconds, options);
            all += Measure(ours, path, Seconds, options);
        }
        return Ratio(floors, all);
    }

    public static string Ratio(Load floor, Load ours) => string.Create(CultureInfo.InvariantCulture,
        $"{ours.PerSecond / floor.PerSecond:0.00} of the floor ({ours.PerSecond:0} /s of {floor.PerSecond:0}), CPU {ours.CpuEach / floor.CpuEach:0.00}x ({ours.CpuEach:0.0} µs of {floor.CpuEach:0.0})");

    public static Load Measure(Server server, string path, int seconds, params string[] options)
    {
        var start = server.CpuMicroseconds;
        var (took, requests) = Run(server.Address + path, seconds, options);
        return new Load(took, requests, server.CpuMicroseconds - start);
    }

    public static (double Seconds, double Requests) Run(string url, int seconds, params string[] options)
    {
        string[] arguments = ["-t1", "-c32", $"-d{seconds}s", url, .. options];
        using var wrk = Process.Start(new ProcessStartInfo("wrk", arguments) { RedirectStandardOutput = true })!;
        var output = wrk.StandardOutput.ReadToEnd();
        wrk.WaitForExit();
        if (output.Contains("Non-2xx", StringComparison.Ordinal)) throw new InvalidOperationException($"{url} refused some requests:\n{output}");
        var requests = Number(output.Split(" requests in ")[0].Split('\n')[^1]);
        return (requests / Number(output.Split("Requests/sec:")[1].Split('\n')[0]), requests);
    }

    private static double Number(string text) => double.Parse(text.Trim(), CultureInfo.InvariantCulture);
}

/// <summary>What a server did: for how long, how many requests, and the CPU microseconds it took.</summary>
internal sealed record Load(double Seconds, double Requests, double Cpu)
{
    public double PerSecond => Requests / Seconds;
    public double CpuEach => Cpu / Requests;

    public static Load operator +(Load a, Load b) => new(a.Seconds + b.Seconds, a.Requests + b.Requests, a.Cpu + b.Cpu);
}
