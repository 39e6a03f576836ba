using App.Data;
using App.Tests.Attacks;
using App.Tests.Push;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace App.Tests.Data;

public sealed class WarmUpTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task It_signs_somebody_up_of_whom_nothing_is_left()
    {
        var before = await State.OfAsync(_app);
        var seen = 0;
        await With([.. _app.Services.GetServices<WarmUpStep>(), new WarmUpStep(async (sp, ct) => seen = await sp.GetRequiredService<AppDb>().Users.CountAsync(ct))]).RunAsync(default);

        Assert.Equal(1, seen);
        Assert.Equal(before, await State.OfAsync(_app));
        Assert.DoesNotContain(_app.Log.Lines, line => line.Contains("signed up", StringComparison.Ordinal));
    }

    [Fact]
    public async Task It_works_on_a_file_that_is_gone_afterwards_also_where_a_step_failed()
    {
        string? file = null;
        var failing = With(new WarmUpStep((sp, _) =>
        {
            file = sp.GetRequiredService<AppDb>().Database.GetDbConnection().DataSource;
            Assert.True(File.Exists(file));
            throw new InvalidOperationException();
        }));

        await Assert.ThrowsAsync<InvalidOperationException>(() => failing.RunAsync(default));
        Assert.False(Directory.Exists(Path.GetDirectoryName(file)));
    }

    [Fact]
    public async Task Until_it_is_over_the_process_is_not_ready()
    {
        Assert.False(await IsReadyAsync(With()));
        await Wait.UntilAsync(() => IsReadyAsync(_app.Get<WarmUp>())); // the first of the process has something to do

        async Task<bool> IsReadyAsync(WarmUp warmUp)
        {
            var check = _app.Services.GetServices<App.Ops.Readiness>().Single(each => each.Name == "database");
            return await check.Check(new Instead(_app.Services, warmUp), default);
        }
    }

    private WarmUp With(params WarmUpStep[] steps) => new(_app.Get<IServiceScopeFactory>(), _app.Services, steps, NullLogger<WarmUp>.Instance);

    private sealed class Instead(IServiceProvider services, WarmUp warmUp) : IServiceProvider
    {
        public object? GetService(Type serviceType) => serviceType == typeof(WarmUp) ? warmUp : services.GetService(serviceType);
    }
}
