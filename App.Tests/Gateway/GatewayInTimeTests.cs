using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using App.Tests.Attacks;
using App.Tests.OAuth;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Microsoft.IdentityModel.JsonWebTokens;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Model;

namespace App.Tests.Gateway;

/// <summary>The built-in gateway while time passes, with the clock in the test's hand: tokens expire, streams stay open, services fall ill.</summary>
public sealed class GatewayInTimeTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly ConcurrentDictionary<string, SemaphoreSlim> _next = new();
    private EchoService _echo = null!, _talking = null!, _ill = null!;
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private KestrelApp _app = null!;
    private volatile bool _isIll;
    private int _atTheIll;

    public async Task InitializeAsync()
    {
        _echo = await EchoService.StartAsync();
        _talking = await EchoService.StartAsync(TalkAsync);
        _ill = await EchoService.StartAsync(http =>
        {
            if (http.Request.Path != "/health") Interlocked.Increment(ref _atTheIll);
            else if (_isIll) http.Response.StatusCode = 500;
            return Task.CompletedTask;
        });
        _app = KestrelApp.Start(_time, [.. Callers.Settings,
            ("Gateway:Routes:0:Path", "/bought"), ("Gateway:Routes:0:Destinations:0", _echo.Address), ("Gateway:Routes:0:Audience", "billing"),
            ("Gateway:Routes:1:Path", "/nobody"), ("Gateway:Routes:1:Destinations:0", "http://127.0.0.1:1"),
            ("Gateway:Routes:2:Path", "/talking"), ("Gateway:Routes:2:Destinations:0", _talking.Address),
            ("Gateway:Routes:3:Path", "/slow"), ("Gateway:Routes:3:Destinations:0", _talking.Address), ("Gateway:Routes:3:Timeout", "00:00:01"), ("Gateway:Routes:3:Public", "true"),
            ("Gateway:Routes:4:Path", "/many"), ("Gateway:Routes:4:Destinations:0", _echo.Address), ("Gateway:Routes:4:Destinations:1", _ill.Address), ("Gateway:Routes:4:HealthPath", "/health"), ("Gateway:Routes:4:Public", "true"),
            ("Gateway:Routes:5:Path", "/alone"), ("Gateway:Routes:5:Destinations:0", _ill.Address), ("Gateway:Routes:5:HealthPath", "/health"), ("Gateway:Routes:5:Public", "true")]);
    }

    public async Task DisposeAsync()
    {
        await _app.DisposeAsync();
        await _echo.DisposeAsync();
        await _talking.DisposeAsync();
        await _ill.DisposeAsync();
    }

    [Fact]
    public async Task An_expired_cookie_is_renewed_in_the_same_request()
    {
        var user = await SignUpAsync();
        _time.Advance(TimeSpan.FromSeconds(400));
        using var answer = await SendAsync("/bought/7", user.Cookies);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("no-store", answer.Headers.CacheControl!.ToString());
        var cookies = answer.Headers.GetValues("Set-Cookie").ToList();
        Assert.Equal(["session", "session_refresh", "theme"], cookies.Select(line => line.Split('=')[0]));
        Assert.DoesNotContain(answer.Headers, h => h.Key.StartsWith("X-Renewed", StringComparison.OrdinalIgnoreCase));

        var echo = await EchoService.ReadAsync(answer);
        var token = new JsonWebToken(echo.Headers["Authorization"]["Bearer ".Length..]);
        Assert.Equal((user.Email, "https://billing.test"), (token.GetClaim("email").Value, token.Audiences.Single()));
        Assert.True(token.ValidTo > _time.GetUtcNow().UtcDateTime);
        Assert.DoesNotContain("Cookie", echo.Headers.Keys);

        var renewed = string.Join("; ", cookies.Take(2).Select(line => line.Split(';')[0]));
        Assert.Equal(user.Email, await WhoAmIAsync(renewed));
        using var next = await SendAsync("/bought/7", renewed);
        Assert.Equal(["theme"], next.Headers.GetValues("Set-Cookie").Select(line => line.Split('=')[0]));
    }

    [Fact] // A renewed cookie that got lost on the way would be taken for a stolen one the next time.
    public async Task Renewed_cookies_reach_the_client_although_the_service_is_away()
    {
        var user = await SignUpAsync();
        _time.Advance(TimeSpan.FromSeconds(400));
        using var answer = await SendAsync("/nobody", user.Cookies);
        await Answers.AssertProblemAsync(answer, 502);
        var (session, refresh) = TestUser.SetCookies(answer);
        Assert.Equal(user.Email, await WhoAmIAsync($"session={session}; session_refresh={refresh}"));
    }

    [Theory] // 173
    [InlineData("text/event-stream; charset=utf-8")]
    [InlineData("application/x-ndjson")]
    [InlineData("application/octet-stream")]
    public async Task What_streams_passes_piece_by_piece_and_ends_with_the_session(string type)
    {
        var user = await SignUpAsync();
        await using var stream = await ListenAsync(user, type);
        Assert.Equal("1\n", await HearAsync(stream));
        // The service isn't done: what it has said so far has passed all the same.
        _next[type].Release();
        Assert.Equal("2\n", await HearAsync(stream));

        using var signedOut = await SendAsync("/api/users/signout", user.Cookies, HttpMethod.Post);
        Assert.Equal(HttpStatusCode.OK, signedOut.StatusCode);
        await AssertCutAsync(stream);
    }

    [Fact] // 173
    public async Task A_stream_ends_one_tokens_life_after_its_token_and_a_download_goes_on()
    {
        string[] streams = ["text/event-stream", "application/x-ndjson", "application/grpc+proto"];
        const string Download = "application/octet-stream";
        var user = await SignUpAsync();
        var open = new Dictionary<string, Stream>();
        foreach (var type in streams.Append(Download))
        {
            open[type] = await ListenAsync(user, type);
            Assert.Equal("1\n", await HearAsync(open[type]));
        }

        // Five minutes of the token's own, five more, and the half minute that clocks may differ by.
        _time.Advance(TimeSpan.FromMinutes(10) + TimeSpan.FromSeconds(29));
        foreach (var type in streams.Append(Download))
        {
            _next[type].Release();
            Assert.Equal("2\n", await HearAsync(open[type]));
        }

        _time.Advance(TimeSpan.FromSeconds(2));
        foreach (var type in streams) await AssertCutAsync(open[type]);
        _next[Download].Release();
        Assert.Equal("3\n", await HearAsync(open[Download]));
        foreach (var stream in open.Values) await stream.DisposeAsync();
    }

    [Fact]
    public async Task A_service_that_keeps_silent_for_longer_than_its_timeout_is_given_up()
    {
        using var answer = await SendAsync("/slow?as=silence");
        await Answers.AssertProblemAsync(answer, 504);
    }

    [Fact]
    public async Task A_destination_that_falls_ill_gets_no_requests_until_it_is_well_again()
    {
        _isIll = true;
        await UntilAsync("/many/", DestinationHealth.Unhealthy);
        for (var i = 0; i < 20; i++) Assert.Equal(HttpStatusCode.OK, (await SendAsync("/many")).StatusCode);
        Assert.Equal(0, _atTheIll);

        // With nobody else left, trying is better than refusing.
        await UntilAsync("/alone/", DestinationHealth.Unhealthy);
        Assert.Equal(HttpStatusCode.OK, (await SendAsync("/alone")).StatusCode);
        Assert.Equal(1, _atTheIll);

        _isIll = false;
        await UntilAsync("/many/", DestinationHealth.Healthy);
        for (var i = 0; i < 60; i++) Assert.Equal(HttpStatusCode.OK, (await SendAsync("/many")).StatusCode);
        Assert.InRange(_atTheIll, 2, 60);
    }

    private async Task<Somebody> SignUpAsync()
    {
        var email = $"{Guid.NewGuid():N}@example.test";
        using var answer = await _app.Client.PostAsJsonAsync("/api/users/signup", new { email, password = TestApp.Password });
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        var (session, refresh) = TestUser.SetCookies(answer);
        return new(email, $"session={session}; session_refresh={refresh}");
    }

    private async Task<HttpResponseMessage> SendAsync(string path, string? cookies = null, HttpMethod? method = null)
    {
        using var request = new HttpRequestMessage(method ?? HttpMethod.Get, path);
        if (cookies is not null) request.Headers.Add("Cookie", cookies);
        return await _app.Client.SendAsync(request);
    }

    private async Task<string?> WhoAmIAsync(string cookies)
    {
        using var answer = await SendAsync("/api/users/currentuser", cookies);
        return (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("currentUser") is { ValueKind: JsonValueKind.Object } user ? user.GetProperty("email").GetString() : null;
    }

    // Looked at every ten seconds of the test's own time; a look itself takes as long as it takes.
    private async Task UntilAsync(string route, DestinationHealth health)
    {
        Assert.True(_app.Services.GetRequiredService<IProxyStateLookup>().TryGetCluster(route, out var cluster));
        using var limit = new CancellationTokenSource(Patience);
        while (cluster.Destinations[_ill.Address].Health.Active != health)
        {
            _time.Advance(TimeSpan.FromSeconds(10));
            await Task.Delay(50, limit.Token);
        }
    }

    // Numbers, one whenever the test says so.
    private async Task TalkAsync(HttpContext http)
    {
        var type = http.Request.Query["as"].ToString();
        if (type == "silence") await Task.Delay(Timeout.Infinite, http.RequestAborted);
        http.Response.ContentType = type;
        for (var n = 1; ; n++)
        {
            await http.Response.WriteAsync($"{n}\n", http.RequestAborted);
            await http.Response.Body.FlushAsync(http.RequestAborted);
            await _next.GetOrAdd(type, _ => new SemaphoreSlim(0)).WaitAsync(http.RequestAborted);
        }
    }

    private async Task<Stream> ListenAsync(Somebody user, string type)
    {
        _next.GetOrAdd(type, _ => new SemaphoreSlim(0));
        using var request = new HttpRequestMessage(HttpMethod.Get, "/talking?as=" + Uri.EscapeDataString(type)) { Headers = { { "Cookie", user.Cookies } } };
        var answer = await _app.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal((HttpStatusCode.OK, type), (answer.StatusCode, answer.Content.Headers.ContentType!.ToString()));
        return await answer.Content.ReadAsStreamAsync();
    }

    private static async Task<string> HearAsync(Stream stream)
    {
        var buffer = new byte[64];
        return Encoding.UTF8.GetString(buffer, 0, await stream.ReadAsync(buffer).AsTask().WaitAsync(Patience));
    }

    private static async Task AssertCutAsync(Stream stream)
    {
        var fault = await Record.ExceptionAsync(() => HearAsync(stream));
        Assert.True(fault is IOException or OperationCanceledException, $"{fault}");
    }

    private sealed record Somebody(string Email, string Cookies);
}
