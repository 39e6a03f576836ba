using System.Net;
using App.Ops;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace App.Tests.Ops;

public class HealthTests
{
    [Fact]
    public async Task A_process_that_runs_is_live()
    {
        await using var host = await OpsHost.StartAsync();

        Assert.Equal("""{"status":"live"}""", await host.Client.GetStringAsync("/health/live"));
        Assert.Equal(HttpStatusCode.OK, (await host.SendAsync(HttpMethod.Head, "/health/live")).StatusCode);
    }

    [Fact]
    public async Task It_is_ready_when_every_part_is_there()
    {
        var (time, there, asked) = (new FakeTimeProvider(), false, 0);
        await using var host = await OpsHost.StartAsync(add: services => services
            .AddSingleton<TimeProvider>(time)
            .AddReadiness("database", (_, _) =>
            {
                asked++;
                return Task.FromResult(there);
            })
            .AddReadiness("keys", (_, _) => there ? Task.FromResult(true) : throw new InvalidOperationException()));

        using var not = await host.SendAsync(HttpMethod.Get, "/health/ready");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, not.StatusCode);
        Assert.Equal(
            """{"status":"not ready","checks":{"database":"failing","keys":"failing"},"errors":[{"message":"database isn't ready"},{"message":"keys isn't ready"}]}""",
            await not.Content.ReadAsStringAsync());

        there = true;
        await host.SendAsync(HttpMethod.Get, "/health/ready");
        Assert.Equal(1, asked);

        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("""{"status":"ready","checks":{"database":"ok","keys":"ok"}}""", await host.Client.GetStringAsync("/health/ready"));
    }

    [Fact]
    public async Task A_part_that_never_answers_is_not_ready()
    {
        var time = new FakeTimeProvider();
        var asked = new TaskCompletionSource();
        await using var host = await OpsHost.StartAsync(add: services => services
            .AddSingleton<TimeProvider>(time)
            .AddReadiness("database", (_, _) =>
            {
                asked.SetResult();
                return new TaskCompletionSource<bool>().Task;
            }));

        var answer = host.SendAsync(HttpMethod.Get, "/health/ready");
        await asked.Task;
        time.Advance(TimeSpan.FromSeconds(3));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await answer).StatusCode);
    }
}
