using System.Diagnostics;
using System.Globalization;

namespace App.E2E.Harness;

/// <summary>A small service in one of four languages (<c>Peers/orders.*</c>, for Python also <c>doors.py</c>) with the verifier of that language, in a process of its own.</summary>
internal sealed class Peer : IAsyncDisposable
{
    public const string ClientId = "orders", ClientSecret = "orders' own: a secret & more, 100 % long enough";

    private const string Project = """
        <Project Sdk="Microsoft.NET.Sdk.Web">
          <PropertyGroup><TargetFramework>net10.0</TargetFramework><ImplicitUsings>enable</ImplicitUsings><Nullable>enable</Nullable></PropertyGroup>
          <ItemGroup><PackageReference Include="Microsoft.AspNetCore.Authentication.JwtBearer" Version="10.0.14" /></ItemGroup>
        </Project>
        """;

    private static readonly string GoModule = """
        module orders
        go 1.19
        require github.com/golang-jwt/jwt/v4 v4.4.3
        replace github.com/golang-jwt/jwt/v4 => /usr/share/gocode/src/github.com/golang-jwt/jwt
        """.Replace("\r", "", StringComparison.Ordinal);

    private static readonly Dictionary<string, Lazy<Task<(string File, string[] Arguments, string Folder)>>> Commands = new()
    {
        ["node"] = new(NodeAsync),
        ["dotnet"] = new(DotnetAsync),
        ["python"] = new(() => PythonAsync("orders.py")),
        ["wsgi"] = new(() => PythonAsync("doors.py", "wsgi")),
        ["asgi"] = new(() => PythonAsync("doors.py", "asgi")),
        ["go"] = new(GoAsync),
    };

    private readonly Process _process;

    private Peer(Process process, int port)
    {
        _process = process;
        Client = new HttpClient(new SocketsHttpHandler { UseCookies = false }) { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
    }

    public HttpClient Client { get; }

    /// <param name="url">Where the verifier reaches Gatehouse.</param>
    public static async Task<Peer> StartAsync(string language, string url, string issuer, string audience, params (string Key, string Value)[] environment)
    {
        var (file, arguments, folder) = await Commands[language].Value;
        var start = new ProcessStartInfo(file, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true };
        (string, string)[] all = [("ISSUER", issuer), ("AUDIENCE", audience), ("URL", url), ("GATEHOUSE_CLIENT_ID", ClientId), ("GATEHOUSE_CLIENT_SECRET", ClientSecret), .. environment];
        foreach (var (key, value) in all) start.Environment[key] = value;
        var process = Process.Start(start) ?? throw new InvalidOperationException($"{file} doesn't start.");
        var line = await process.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromMinutes(1));
        if (line?.Split(' ') is not ["listening", var port]) throw new InvalidOperationException($"The {language} peer said \"{line}\" instead of its port.");
        return new Peer(process, int.Parse(port, CultureInfo.InvariantCulture));
    }

    /// <summary>Asks it to stop, as a deployment does, and waits until it has.</summary>
    public async Task StopAsync()
    {
        await Tool.RunAsync("kill", ["-TERM", $"{_process.Id}"], TestRun.Folder, TimeSpan.FromSeconds(30));
        await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(20));
    }

    /// <summary>As when it has lived for a while: what nothing but the runtime's own code holds is gone.</summary>
    public async Task CollectGarbageAsync()
    {
        for (var times = 0; times < 3; times++) (await Client.GetAsync("/gc")).EnsureSuccessStatusCode();
    }

    /// <summary>It stands still, its connections open, until it goes on.</summary>
    public Task PauseAsync() => Tool.RunAsync("kill", ["-STOP", $"{_process.Id}"], TestRun.Folder, TimeSpan.FromSeconds(30));

    public Task GoOnAsync() => Tool.RunAsync("kill", ["-CONT", $"{_process.Id}"], TestRun.Folder, TimeSpan.FromSeconds(30));

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private static string Verifier(string file) => Path.Combine(TestRun.Root, "App", "Services", "Verifiers", file);

    private static string NewFolder(string peer, string verifier, string into = "")
    {
        var folder = TestRun.NewFolder("orders");
        File.Copy(Path.Combine(TestRun.Root, "App.E2E", "Peers", peer), Path.Combine(folder, peer));
        File.Copy(Verifier(verifier), Path.Combine(Directory.CreateDirectory(Path.Combine(folder, into)).FullName, verifier));
        return folder;
    }

    private static async Task<(string, string[], string)> NodeAsync()
    {
        var node = await Tool.FindOrInstallAsync(["node"], ["nodejs", "npm"]);
        var folder = await NodePeer.FolderAsync();
        File.Copy(Verifier("gatehouse.mjs"), Path.Combine(folder, "gatehouse.mjs"), overwrite: true);
        return (node, ["--expose-gc", "orders.mjs"], folder);
    }

    private static async Task<(string, string[], string)> DotnetAsync()
    {
        var folder = NewFolder("Orders.cs", "Gatehouse.cs");
        await File.WriteAllTextAsync(Path.Combine(folder, "Orders.csproj"), Project);
        await Tool.RunAsync("dotnet", ["build", "-c", "Release", "-o", "out", "--nologo", "-v", "quiet", "-p:RunAnalyzers=false"], folder, TimeSpan.FromMinutes(10));
        return ("dotnet", [Path.Combine(folder, "out", "Orders.dll")], folder);
    }

    private static async Task<(string, string[], string)> PythonAsync(params string[] arguments)
    {
        const string Python = "/usr/bin/python3";
        const string Jwt = "/usr/lib/python3/dist-packages/jwt/__init__.py", Cryptography = "/usr/lib/python3/dist-packages/cryptography/__init__.py";
        foreach (var file in new[] { Python, Jwt, Cryptography }) await Tool.FindOrInstallAsync([file], ["python3-jwt", "python3-cryptography"]);
        return (Python, arguments, NewFolder(arguments[0], "gatehouse.py"));
    }

    private static async Task<(string, string[], string)> GoAsync()
    {
        string[] packages = ["golang-go", "golang-github-golang-jwt-jwt-dev"];
        var go = await Tool.FindOrInstallAsync(["go", "/usr/bin/go"], packages);
        await Tool.FindOrInstallAsync(["/usr/share/gocode/src/github.com/golang-jwt/jwt/token.go"], packages);
        var folder = NewFolder("orders.go", "gatehouse.go", "gatehouse");
        await File.WriteAllTextAsync(Path.Combine(folder, "go.mod"), GoModule + "\n");
        await Tool.RunAsync("env", ["GOFLAGS=-mod=mod", "GOPROXY=off", "GO111MODULE=on", go, "build", "-o", "orders", "."], folder, TimeSpan.FromMinutes(10));
        return (Path.Combine(folder, "orders"), [], folder);
    }
}
