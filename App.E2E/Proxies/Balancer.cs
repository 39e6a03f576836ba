using System.Diagnostics;
using System.Net;
using App.E2E.Harness;

namespace App.E2E.Proxies;

/// <summary>A proxy in front of two replicas, as its handbook says: HAProxy asks each for its health, nginx learns from what fails.</summary>
internal sealed class Balancer : IAsyncDisposable
{
    private readonly Process _process;
    private readonly int _port;

    private Balancer(Process process, int port) => (_process, _port) = (process, port);

    public static async Task<Balancer> StartAsync(string id, int a, int b)
    {
        var (port, folder) = (TestRun.FreePort(), TestRun.NewFolder(id));
        await File.WriteAllTextAsync(Path.Combine(folder, "conf"), id == "nginx" ? Nginx(folder, port, a, b) : Haproxy(port, a, b));
        ProcessStartInfo start = id == "nginx"
            ? new(await Tool.FindOrInstallAsync(["/usr/sbin/nginx"], ["nginx-light"]), ["-p", folder, "-e", "err.log", "-c", Path.Combine(folder, "conf")])
            : new(await Tool.FindOrInstallAsync(["/usr/sbin/haproxy"], ["haproxy"]), ["-db", "-f", Path.Combine(folder, "conf")]);
        (start.WorkingDirectory, start.RedirectStandardOutput, start.RedirectStandardError) = (folder, true, true);
        var log = new ProcessLog(Path.Combine(TestRun.Logs, $"{id}-{port}.log"));
        var balancer = new Balancer(Process.Start(start) ?? throw new InvalidOperationException($"{id} doesn't start."), port);
        log.Follow(balancer._process);
        using var client = balancer.NewClient();
        for (var clock = Stopwatch.StartNew(); !await IsUpAsync(client); await Task.Delay(50))
        {
            if (balancer._process.HasExited || clock.Elapsed > TimeSpan.FromMinutes(1)) throw new InvalidOperationException($"{id} doesn't serve:\n{log.Text}");
        }

        return balancer;
    }

    public HttpClient NewClient() => new(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false }) { BaseAddress = new Uri($"http://127.0.0.1:{_port}"), Timeout = TimeSpan.FromSeconds(30) };

    public async ValueTask DisposeAsync()
    {
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private static async Task<bool> IsUpAsync(HttpClient client)
    {
        try
        {
            using var answer = await client.GetAsync("/health/live");
            return answer.StatusCode == HttpStatusCode.OK;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static string Nginx(string folder, int port, int a, int b) => $$"""
        daemon off; master_process off; pid {{folder}}/pid; error_log stderr;
        events {}
        http {
            access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
            upstream gatehouse { server 127.0.0.1:{{a}} max_fails=1 fail_timeout=1s; server 127.0.0.1:{{b}} max_fails=1 fail_timeout=1s; keepalive 16; }
            server {
                listen 127.0.0.1:{{port}};
                location / { proxy_pass http://gatehouse; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_connect_timeout 2s; }
            }
        }
        """;

    private static string Haproxy(int port, int a, int b) => $"""
        defaults
            mode http
            timeout connect 2s
            timeout client 30s
            timeout server 30s
            timeout check 5s
            option redispatch
        frontend public
            bind 127.0.0.1:{port}
            default_backend gatehouse
        backend gatehouse
            balance roundrobin
            option httpchk GET /health/ready
            default-server check inter 200ms fall 2 rise 1
            server a 127.0.0.1:{a}
            server b 127.0.0.1:{b}

        """;
}
