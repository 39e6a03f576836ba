using System.Diagnostics;
using System.Net;
using System.Text.RegularExpressions;
using App.E2E.Harness;

namespace App.E2E.Processes;

/// <summary>The README's first command, where nobody has set anything.</summary>
[Collection("First start")]
public sealed partial class FirstStartTests
{
    [Fact]
    public async Task Dotnet_run_works_in_the_clone_and_serves_where_it_says()
    {
        var (folder, configuration) = (TestRun.NewFolder("data"), new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name);
        // A port and a folder of the test's own, the latter as it is called from the root of the clone; called from elsewhere.
        string[] arguments = ["run", "--no-build", "-c", configuration, "--project", Path.Combine(TestRun.Root, "App"), "--", "--urls=http://127.0.0.1:0", "--DataDir=" + Path.GetRelativePath(TestRun.Root, folder)];
        using var process = Process.Start(Service.Clean(new("dotnet", arguments) { WorkingDirectory = TestRun.NewFolder("elsewhere"), RedirectStandardOutput = true, RedirectStandardError = true }))!;
        var log = new ProcessLog(Path.Combine(TestRun.Logs, "first-start.log"));
        log.Follow(process);
        try
        {
            var ready = new Uri(await UntilAsync(() => Task.FromResult(Said().Match(log.Text) is { Success: true } said ? said.Groups["address"].Value : null), log) + "/health/ready");
            using var client = new HttpClient();
            // On a busy machine a part may take longer than the service waits for it at first.
            await UntilAsync(async () => (await client.GetAsync(ready)).StatusCode == HttpStatusCode.OK ? "ready" : null, log);
            Assert.True(File.Exists(Path.Combine(folder, "gatehouse.db")));
        }
        finally
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
        }
    }

    private static async Task<string> UntilAsync(Func<Task<string?>> look, ProcessLog log)
    {
        for (var clock = Stopwatch.StartNew(); ; await Task.Delay(50))
        {
            if (await look() is { } found) return found;
            Assert.True(clock.Elapsed < TimeSpan.FromMinutes(1), log.Text);
        }
    }

    [GeneratedRegex("Gatehouse is ready at (?<address>http://127[.]0[.]0[.]1:[0-9]+)")]
    private static partial Regex Said();
}
