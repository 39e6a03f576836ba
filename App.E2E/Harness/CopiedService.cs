using System.Diagnostics;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace App.E2E.Harness;

/// <summary>A small service made of nothing but what its page shows, started with the command that stands there.</summary>
internal sealed class CopiedService : IAsyncDisposable
{
    private const string FastApi = "/usr/lib/python3/dist-packages/fastapi/__init__.py", Uvicorn = "/usr/lib/python3/dist-packages/uvicorn/__init__.py";
    private const string Jwt = "/usr/lib/python3/dist-packages/jwt/__init__.py", GoJwt = "/usr/share/gocode/src/github.com/golang-jwt/jwt";
    private static readonly SemaphoreSlim OneDotnet = new(1);

    private readonly Process _process;
    private readonly ProcessLog _log;

    private CopiedService(Process process, ProcessLog log, int port)
    {
        (_process, _log, Port) = (process, log, port);
        Client = new HttpClient(new SocketsHttpHandler { UseCookies = false, ConnectCallback = Loopback.ConnectAsync }) { BaseAddress = new Uri($"http://localhost:{port}") };
    }

    public int Port { get; }

    public HttpClient Client { get; }

    /// <summary>Whom it greets; null where it refuses.</summary>
    public async Task<string?> GreetsAsync(string? bearer = null, string? cookie = null)
    {
        using var answer = await Client.SendAsync(HttpMethod.Get, "/", bearer, cookie);
        if (answer.StatusCode == System.Net.HttpStatusCode.Unauthorized) return null;
        Assert.True(answer.IsSuccessStatusCode, $"{answer.StatusCode}\n{_log.Text}");
        return (await answer.Content.ReadFromJsonAsync<JsonNode>())!["hello"]!.GetValue<string>();
    }

    /// <summary>Returns when it listens.</summary>
    /// <param name="id">Under which it is registered.</param>
    public static async Task<CopiedService> StartAsync(ShownCode code, string language, string id, string secret, Service gatehouse)
    {
        var folder = TestRun.NewFolder(id);
        await code.WriteAsync(folder, gatehouse);
        var port = TestRun.FreePort();
        var run = code.Run.Replace("3000", $"{port}", StringComparison.Ordinal);
        var start = new ProcessStartInfo { WorkingDirectory = folder, FileName = "/bin/sh", RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["GATEHOUSE_CLIENT_SECRET"] = secret;
        switch (language)
        {
            case "express" or "fastify":
                Directory.CreateSymbolicLink(Path.Combine(folder, "node_modules"), Path.Combine(await NodePeer.FolderAsync(), "node_modules"));
                break;
            case "aspnetcore":
                await BuildAsync(folder, code.Setup.Contains("JwtBearer", StringComparison.Ordinal));
                run = run.Replace("dotnet run", "dotnet bin/Debug/net10.0/orders.dll", StringComparison.Ordinal); // what it comes to, without a look at the project
                break;
            case "fastapi":
                foreach (var file in new[] { FastApi, Uvicorn, Jwt }) await Tool.FindOrInstallAsync([file], ["python3-fastapi", "python3-uvicorn", "python3-jwt", "python3-cryptography"]);
                start.Environment["PATH"] = "/usr/bin:" + Environment.GetEnvironmentVariable("PATH"); // Debian's own, which has these packages
                break;
            case "go":
                await GoAsync(folder, id);
                foreach (var (key, value) in new[] { ("GOFLAGS", "-mod=mod"), ("GOPROXY", "off"), ("GO111MODULE", "on") }) start.Environment[key] = value;
                break;
        }

        start.ArgumentList.Add("-c");
        start.ArgumentList.Add(run);
        var log = new ProcessLog(Path.Combine(TestRun.Logs, $"{id}.log"));
        var process = Process.Start(start) ?? throw new InvalidOperationException($"{run} doesn't start.");
        log.Follow(process);
        var service = new CopiedService(process, log, port);
        try
        {
            await service.ListensAsync();
            return service;
        }
        catch
        {
            await service.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private async Task ListensAsync()
    {
        for (var clock = Stopwatch.StartNew(); ; await Task.Delay(50))
        {
            try
            {
                using var line = new TcpClient();
                await line.ConnectAsync("localhost", Port);
                return;
            }
            catch (SocketException)
            {
                if (_process.HasExited || clock.Elapsed > TimeSpan.FromMinutes(3)) throw new InvalidOperationException($"The copied service doesn't listen:\n{_log.Text}");
            }
        }
    }

    // What `dotnet new web` makes, without its first-run talk; one build at a time, since each would take every core.
    private static async Task BuildAsync(string folder, bool jwt)
    {
        var package = jwt ? """<ItemGroup><PackageReference Include="Microsoft.AspNetCore.Authentication.JwtBearer" Version="10.0.14" /></ItemGroup>""" : "";
        await File.WriteAllTextAsync(Path.Combine(folder, "orders.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk.Web">
              <PropertyGroup><TargetFramework>net10.0</TargetFramework><ImplicitUsings>enable</ImplicitUsings><Nullable>enable</Nullable></PropertyGroup>
              {package}
            </Project>
            """);
        await OneDotnet.WaitAsync();
        try
        {
            await Tool.RunAsync("dotnet", ["build", "--nologo", "-v", "quiet", "-p:TreatWarningsAsErrors=true"], folder, TimeSpan.FromMinutes(10));
        }
        finally
        {
            OneDotnet.Release();
        }
    }

    // What `go mod init` and `go get` make of Debian's package.
    private static async Task GoAsync(string folder, string module)
    {
        string[] packages = ["golang-go", "golang-github-golang-jwt-jwt-dev"];
        await Tool.FindOrInstallAsync(["go", "/usr/bin/go"], packages);
        await Tool.FindOrInstallAsync([GoJwt + "/token.go"], packages);
        await File.WriteAllTextAsync(Path.Combine(folder, "go.mod"), $"""
            module {module}
            go 1.19
            require github.com/golang-jwt/jwt/v4 v4.4.3
            replace github.com/golang-jwt/jwt/v4 => {GoJwt}

            """.Replace("\r", "", StringComparison.Ordinal));
    }
}
