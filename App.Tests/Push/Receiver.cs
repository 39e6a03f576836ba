using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using App.Admin;
using App.Data;
using App.Events;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.JsonWebTokens;

namespace App.Tests.Push;

/// <summary>One SET as it arrived.</summary>
internal sealed record Pushed(JsonWebToken Set, string? ContentType, string? Authorization, string Connection)
{
    public long Cursor => long.Parse(Set.GetClaim("txn").Value, CultureInfo.InvariantCulture);
}

/// <summary>A service's receiver behind a real socket, which answers as the test says.</summary>
internal sealed class Receiver : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<Pushed> _got = new();
    private int _hits;

    private Receiver(WebApplication app) => _app = app;

    /// <summary>What it answers to each; 202 unless a test says otherwise. What isn't answered with 200 or 202 doesn't count as got.</summary>
    public Func<HttpContext, Pushed, Task> Answer { get; set; } = (http, _) => Status(http, 202);

    /// <summary>What it took, in the order of arrival.</summary>
    public IReadOnlyList<Pushed> Got => [.. _got];

    public IEnumerable<long> Cursors => _got.Select(p => p.Cursor);

    /// <summary>Requests of any kind, to any path.</summary>
    public int Hits => Volatile.Read(ref _hits);

    public int Port { get; private set; }

    public string Url => $"http://127.0.0.1:{Port}/events";

    public static async Task<Receiver> StartAsync(int port = 0)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrel(k => k.Listen(IPAddress.Loopback, port));
        var receiver = new Receiver(builder.Build());
        receiver._app.Run(receiver.TakeAsync);
        await receiver._app.StartAsync();
        receiver.Port = new Uri(receiver._app.Urls.Single()).Port;
        return receiver;
    }

    public static async Task<int> FreePortAsync()
    {
        await using var receiver = await StartAsync();
        return receiver.Port;
    }

    public static async Task Status(HttpContext http, int status, string? json = null)
    {
        http.Response.StatusCode = status;
        if (json is null) return;
        http.Response.ContentType = "application/json";
        await http.Response.WriteAsync(json);
    }

    public async Task UntilAsync(params long[] cursors)
    {
        await Wait.UntilAsync(() => _got.Count >= cursors.Length);
        Assert.Equal(cursors, Cursors);
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private async Task TakeAsync(HttpContext http)
    {
        Interlocked.Increment(ref _hits);
        using var body = new StreamReader(http.Request.Body);
        var text = await body.ReadToEndAsync();
        if (text.Length == 0) return;
        var pushed = new Pushed(new JsonWebToken(text), http.Request.ContentType, http.Request.Headers.Authorization, http.Connection.Id);
        await Answer(http, pushed);
        if (http.Response.StatusCode is 200 or 202) _got.Enqueue(pushed);
    }
}

internal static class Wait
{
    public static Task UntilAsync(Func<bool> so) => UntilAsync(() => Task.FromResult(so()));

    public static async Task UntilAsync(Func<Task<bool>> so)
    {
        var patience = TimeSpan.FromSeconds(30);
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (!await so())
        {
            Assert.True(clock.Elapsed < patience, "It didn't happen in time.");
            await Task.Delay(20);
        }
    }
}

/// <summary>What tests of pushing do to an app.</summary>
internal static class PushApp
{
    public const string Secret = "receiver-secret-0123456789";

    public static (string, string?)[] Settings(params (string Id, string? Audience, string Url)[] services) =>
    [
        ("Events:Push:AllowPrivateNetworks", "true"),
        .. services.SelectMany((s, i) => new (string, string?)[]
        {
            ($"Services:{i}:Id", s.Id), ($"Services:{i}:Secret", new string('s', 40)), ($"Services:{i}:Audience", s.Audience),
            ($"Services:{i}:PushUrl", s.Url), ($"Services:{i}:PushSecret", Secret),
        }),
    ];

    /// <summary>Somebody's session begins and ends: one event.</summary>
    public static async Task EndSessionAsync(this TestApp app)
    {
        var user = await app.SignUpAsync();
        Assert.Equal(HttpStatusCode.OK, (await app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies)).StatusCode);
    }

    public static async Task<TestUser> AdminAsync(this TestApp app)
    {
        var user = await app.SignUpAsync();
        await using var output = new StringWriter();
        Assert.Equal(0, await UserCommands.RunAsync(app.Services, ["grant", user.Email, "admin"], output, CancellationToken.None));
        return await app.SignInAsync(user);
    }

    public static Task<PushPosition?> PlaceAsync(this TestApp app, string service = "orders") =>
        app.DbAsync(db => db.PushPositions.AsNoTracking().SingleOrDefaultAsync(p => p.Service == service));

    /// <summary>Waits until the sender has failed that often, moving the time on from pause to pause.</summary>
    public static Task FailsAsync(this TestApp app, int times = 1, string service = "orders") => Wait.UntilAsync(async () =>
    {
        if ((await app.PlaceAsync(service))?.Attempts >= times) return true;
        app.Time.Advance(TimeSpan.FromSeconds(times == 1 ? 0 : 1));
        return false;
    });

    public static async Task<JsonElement> PushViewAsync(this TestApp app, TestUser admin, string service = "orders")
    {
        var answer = await app.SendAsync(HttpMethod.Get, "/api/admin/services/" + service, admin.AccessToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("push");
    }
}
