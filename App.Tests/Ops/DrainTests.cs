using System.Net;
using App.Events;
using App.Ops;
using App.Tests.Events;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace App.Tests.Ops;

public class DrainTests
{
    [Fact]
    public async Task Told_to_stop_it_is_not_ready_yet_serves_each_connection_once_more()
    {
        await using var host = await OpsHost.StartAsync();
        using (var before = await host.SendAsync(HttpMethod.Get, "/health/ready"))
            Assert.Equal((HttpStatusCode.OK, false), (before.StatusCode, before.Headers.ConnectionClose ?? false));

        host.App.Lifetime.StopApplication();

        using var ready = await host.SendAsync(HttpMethod.Get, "/health/ready");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        Assert.Equal("""{"status":"stopping","errors":[{"message":"The process is stopping"}]}""", await ready.Content.ReadAsStringAsync());
        foreach (var path in new[] { "/health/live", "/nowhere", "/api/nowhere" })
        {
            using var answer = await host.SendAsync(HttpMethod.Get, path);
            Assert.True(answer.Headers.ConnectionClose);
            Assert.Equal(path == "/health/live" ? HttpStatusCode.OK : HttpStatusCode.NotFound, answer.StatusCode);
        }
    }

    [Fact]
    public async Task It_listens_until_the_time_is_up()
    {
        await using var host = await OpsHost.StartAsync(settings: "Shutdown:Drain=00:00:50");
        using var enough = new CancellationTokenSource();
        var stopping = host.App.StopAsync(enough.Token);
        Assert.Equal("""{"status":"live"}""", await host.Client.GetStringAsync("/health/live"));
        Assert.False(stopping.IsCompleted);

        await enough.CancelAsync();
        await stopping.WaitAsync(TimeSpan.FromSeconds(20));
        await Assert.ThrowsAsync<HttpRequestException>(() => host.Client.GetStringAsync("/health/live"));
    }

    [Fact]
    public async Task What_never_served_ends_at_once()
    {
        var builder = Hosting.CreateBuilder(["--urls=http://127.0.0.1:0", "--Shutdown:Drain=00:00:50", "--environment=Development"]);
        builder.AddOps();
        builder.Services.AddHostedService<Broken>();
        await using var app = builder.Build();
        app.UseOps();
        await Assert.ThrowsAsync<NotSupportedException>(() => app.StartAsync());
        await app.StopAsync().WaitAsync(TimeSpan.FromSeconds(20));
    }

    private sealed class Broken : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => throw new NotSupportedException();
        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    [Theory] // open requests have their half minute after it
    [InlineData("Development", null, 30)]
    [InlineData("Development", "00:00:07", 37)]
    [InlineData("Production", null, 35)]
    [InlineData("Production", "00:00:00", 30)]
    public async Task Only_Development_ends_at_once_by_itself(string environment, string? drain, int seconds)
    {
        string[] settings = ["Issuer=https://id.example.test", "Proxy:TerminatesTls=true", .. drain is null ? (string[])[] : ["Shutdown:Drain=" + drain]];
        await using var host = await OpsHost.StartAsync(environment: environment, settings: settings);
        Assert.Equal(TimeSpan.FromSeconds(seconds), host.App.Services.GetRequiredService<IOptions<HostOptions>>().Value.ShutdownTimeout);
        using var atOnce = new CancellationTokenSource();
        await atOnce.CancelAsync();
        await host.App.StopAsync(atOnce.Token);
    }

    [Fact] // An empty answer would be taken for the end of all events, or for none, and asked for again at once.
    public async Task A_reader_of_the_feed_that_comes_now_is_sent_elsewhere()
    {
        await using var app = TestApp.Start(FeedServices.Settings);
        await using var scope = app.Services.CreateAsyncScope();
        var service = new CallingService("billing", null);
        var http = new DefaultHttpContext { RequestServices = scope.ServiceProvider };
        using var stream = ActivatorUtilities.CreateInstance<StreamEvents>(scope.ServiceProvider, new Stopping());
        await StreamEvents.HandleAsync(http, service, stream, null, null);
        Assert.Equal((503, "1", "application/problem+json"), (http.Response.StatusCode, http.Response.Headers.RetryAfter.ToString(), http.Response.ContentType));

        var poll = ActivatorUtilities.CreateInstance<PollEvents>(scope.ServiceProvider, new Stopping());
        var answer = await PollEvents.HandleAsync(new PollRequest(), service, poll, http, CancellationToken.None);
        Assert.Equal(503, Assert.IsType<ProblemHttpResult>(answer.Result).StatusCode);
        answer = await PollEvents.HandleAsync(new PollRequest { ReturnImmediately = true }, service, poll, http, CancellationToken.None);
        Assert.IsType<Ok<PollAnswer>>(answer.Result);
    }

    private sealed class Stopping : IHostApplicationLifetime
    {
        public CancellationToken ApplicationStarted => new(true);
        public CancellationToken ApplicationStopping => new(true);
        public CancellationToken ApplicationStopped => default;

        public void StopApplication()
        {
        }
    }
}
