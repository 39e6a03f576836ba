using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using App.E2E.Harness;

namespace App.E2E.Proxies;

/// <summary>What a reader fills in where the page can't know it, and what the test itself needs around a proxy.</summary>
/// <param name="Gatehouse">Where the proxy asks: host and port.</param>
/// <param name="Upstream">Where the service is: host and port.</param>
/// <param name="Tls">Where nginx ends TLS in front of Gatehouse; null for one that doesn't.</param>
/// <param name="Pem">Our public key.</param>
internal sealed record Surroundings(string Gatehouse, string Upstream, string Certificate, string? Tls, string Pem, string Secret);

/// <summary>A proxy of this machine in front of the echo, started with the very files that a service's page shows.</summary>
internal sealed class Front : IAsyncDisposable
{
    private const string Modules = "/usr/lib/apache2/modules";
    private IReadOnlyDictionary<string, string>? _files;
    private Surroundings? _around;
    private Process? _process;

    private Front(string id, int port)
    {
        (Id, Port, Folder) = (id, port, TestRun.NewFolder(id));
        Client = new HttpClient(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false }) { BaseAddress = new Uri(Origin), Timeout = TimeSpan.FromSeconds(30) };
    }

    public string Id { get; }
    public int Port { get; }
    public string Folder { get; }
    public string Origin => $"http://127.0.0.1:{Port}";
    public HttpClient Client { get; }

    public static Front Plan(string id) => new(id, TestRun.FreePort());

    /// <summary>Debian's packages, where they are missing.</summary>
    public static async Task InstallAsync()
    {
        string[] packages = ["nginx-light", "caddy", "haproxy", "apache2", "libapache2-mod-auth-openidc"];
        foreach (var file in new[] { "/usr/sbin/nginx", "/usr/bin/caddy", "/usr/sbin/haproxy", "/usr/sbin/apache2", $"{Modules}/mod_auth_openidc.so" })
            await Tool.FindOrInstallAsync([file], packages);
    }

    /// <summary>Returns when it listens.</summary>
    /// <param name="files">Text by name.</param>
    public async Task StartAsync(IReadOnlyDictionary<string, string> files, Surroundings around)
    {
        (_files, _around) = (files, around);
        var start = Command(around);
        start.WorkingDirectory = Folder;
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        (start.Environment["HOME"], start.Environment["XDG_DATA_HOME"], start.Environment["XDG_CONFIG_HOME"]) = (Folder, Folder, Folder);
        start.Environment["GATEHOUSE_CLIENT_SECRET"] = around.Secret;
        var log = new ProcessLog(Path.Combine(TestRun.Logs, $"{Id}-{Port}.log"));
        _process = Process.Start(start) ?? throw new InvalidOperationException($"{Id} doesn't start.");
        log.Follow(_process);
        for (var clock = Stopwatch.StartNew(); !await ListensAsync(); await Task.Delay(50))
        {
            if (_process.HasExited || clock.Elapsed > TimeSpan.FromMinutes(1)) throw new InvalidOperationException($"{Id} doesn't listen:\n{log.Text}");
        }
    }

    /// <summary>One more of the same, which knows nothing yet.</summary>
    public async Task<Front> StartAnotherAsync()
    {
        var another = Plan(Id);
        await another.StartAsync(_files!, _around!);
        return another;
    }

    public async Task<HttpResponseMessage> SendAsync(string method, string path = "/orders?x=1", string? body = null, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        foreach (var (name, value) in headers) Assert.True(request.Headers.TryAddWithoutValidation(name, value), name);
        if (body is not null) request.Content = new StringContent(body);
        return await Client.SendAsync(request);
    }

    /// <summary>Lines as they are, for what no client library sends. Returns all that came back until the proxy hung up.</summary>
    public Task<string> SendRawAsync(params string[] lines) => SendRawUntilAsync(null, lines);

    /// <summary>The same, but only until <paramref name="until"/> has been said.</summary>
    public async Task<string> SendRawUntilAsync(string? until, params string[] lines)
    {
        using var client = new TcpClient();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await client.ConnectAsync(IPAddress.Loopback, Port, patience.Token);
        var (stream, buffer, answer) = (client.GetStream(), new byte[4096], "");
        await stream.WriteAsync(Encoding.Latin1.GetBytes(string.Join("\r\n", lines) + "\r\n\r\n"), patience.Token);
        try
        {
            while ((until is null || !answer.Contains(until, StringComparison.Ordinal)) && await stream.ReadAsync(buffer, patience.Token) is > 0 and var read) answer += Encoding.Latin1.GetString(buffer, 0, read);
        }
        catch (IOException)
        {
            // It has hung up with something of ours unread, which comes as a reset.
        }

        return answer;
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        if (_process is null) return;
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private ProcessStartInfo Command(Surroundings around) => Id switch
    {
        "nginx" => new("/usr/sbin/nginx", ["-p", Folder, "-e", "err.log", "-c", Write("main.conf", $$"""
            daemon off; master_process off; pid {{Folder}}/pid; error_log stderr;
            events {}
            http {
                access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
                include {{Shown("nginx.conf", around)}};
                {{(around.Tls is null ? "" : EndTls(around))}}
            }
            """)]),
        "caddy" => new("/usr/bin/caddy", ["run", "--adapter", "caddyfile", "--config", Write("main", "{\n\tadmin off\n}\nimport " + Shown("Caddyfile", around) + "\n")]),
        "haproxy" => new("/usr/sbin/haproxy", ["-db", "-f", Shown("haproxy.cfg", around), .. Beside(Shown("gatehouse.lua", around))]),
        "haproxy-jwt" => new("/usr/sbin/haproxy", ["-db", "-f", Shown("haproxy-jwt.cfg", around), .. Beside(Write("gatehouse.pem", around.Pem))]),
        _ => new("/usr/sbin/apache2", ["-DFOREGROUND", "-f", Write("main.conf", $"""
            ServerRoot {Folder}
            ServerName localhost
            PidFile {Folder}/pid
            ErrorLog {Folder}/err.log
            {string.Join('\n', new[] { "mpm_event", "authn_core", "authz_core", "auth_openidc", "headers", "proxy", "proxy_http", "rewrite", "setenvif" }.Select(m => $"LoadModule {m}_module {Modules}/mod_{m}.so"))}
            OIDCCABundlePath {around.Certificate}
            Include {Shown(Id + ".conf", around)}
            """)]),
    };

    // Apache asks by https alone, so the same program ends TLS in front of Gatehouse.
    private static string EndTls(Surroundings around) => $$"""
        server {
            listen {{around.Tls}} ssl; ssl_certificate {{around.Certificate}}; ssl_certificate_key {{Path.Combine(Path.GetDirectoryName(around.Certificate)!, "key.pem")}};
            location / { proxy_pass http://{{around.Gatehouse}}; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_connect_timeout 2s; proxy_read_timeout 5s; }
        }
        """;

    // What a reader changes: where everything is.
    private string Shown(string file, Surroundings around) => Write(file, _files![file]
        .Replace("<host and port of Gatehouse>", around.Gatehouse, StringComparison.Ordinal).Replace("127.0.0.1:3000", around.Upstream, StringComparison.Ordinal)
        .Replace("localhost:8080", $"127.0.0.1:{Port}", StringComparison.Ordinal).Replace("/etc/gatehouse", Folder, StringComparison.Ordinal));

    private string Write(string file, string text)
    {
        var path = Path.Combine(Folder, file);
        File.WriteAllText(path, text);
        return path;
    }

    // A file that the configuration names by itself.
    private static string[] Beside(string file) => File.Exists(file) ? [] : throw new FileNotFoundException(file);

    private async Task<bool> ListensAsync()
    {
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(IPAddress.Loopback, Port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
