using App.Lab;
using App.OAuth;
using App.Services;
using App.Strategies;
using App.Tests.Admin;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Lab;

/// <summary>The lab's services in the registry, of which processes on one database share one entry each.</summary>
public sealed class RegisterLabTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public void A_start_registers_nobody() => Assert.Empty(_app.Get<ServiceRegistry>().All);

    [Fact]
    public async Task Two_processes_at_once_know_the_same_services()
    {
        await using var other = _app.StartReplica();
        _ = other.Services;
        var both = await Task.WhenAll(RegisterAsync(_app), RegisterAsync(other));

        Assert.Equal(both[0], both[1]);
        foreach (var registry in new[] { _app.Get<ServiceRegistry>(), other.Get<ServiceRegistry>() })
        {
            await registry.LoadAsync();
            Assert.Equal(["lab-asks", "lab-checks"], registry.All.Select(s => s.Description.Id).Order());
            Assert.NotNull(registry.Authenticate(both[0].Asks.Id, both[0].Asks.Secret));
            Assert.NotNull(registry.Authenticate(both[0].Checks.Id, both[0].Checks.Secret));
        }
    }

    [Fact]
    public async Task Once_more_changes_nothing()
    {
        await RegisterAsync(_app);
        var version = await VersionAsync();
        await RegisterAsync(_app);
        Assert.Equal(version, await VersionAsync());
    }

    [Fact]
    public async Task What_an_admin_removed_or_changed_is_put_right_by_the_next_experiment()
    {
        var (first, admin) = (await RegisterAsync(_app), (await _app.NewAdminAsync()).AsCaller());
        await _app.ScopedAsync<ChangeService, ChangeService.Outcome>(service => service.RemoveAsync("lab-asks", admin, default));
        await _app.ScopedAsync<ChangeService, ChangeService.Outcome>(service => service.RotateAsync("lab-checks", admin, default));
        await _app.ScopedAsync<ChangeService, ChangeService.Outcome>(service => service.WithdrawAsync("lab-checks", admin, default));
        Assert.Null(_app.Get<ServiceRegistry>().Authenticate(first.Checks.Id, first.Checks.Secret));

        Assert.Equal(first, await RegisterAsync(_app));
        Assert.NotNull(_app.Get<ServiceRegistry>().Authenticate(first.Asks.Id, first.Asks.Secret));
        Assert.NotNull(_app.Get<ServiceRegistry>().Authenticate(first.Checks.Id, first.Checks.Secret));
    }

    [Fact]
    public async Task Their_secrets_are_each_its_own_and_print_nowhere()
    {
        var (asks, checks) = await RegisterAsync(_app);
        Assert.NotEqual(asks.Secret, checks.Secret);
        Assert.Equal("lab-asks", $"{asks}");
        Assert.DoesNotContain(_app.Log.Lines, line => line.Contains(asks.Secret, StringComparison.Ordinal) || line.Contains(checks.Secret, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_service_that_somebody_else_has_made_under_one_of_their_names_stays_as_it_is()
    {
        await using var taken = TestApp.Start(("Services:0:Id", "lab-checks"), ("Services:0:Secret", new string('s', 40)), ("Services:0:Audience", "https://shop.test"));
        var before = await Attacks.State.OfAsync(taken);
        Assert.Null(await taken.ScopedAsync<RegisterLab, (Credentials, Credentials)?>(register => register.RunAsync(default)));
        Assert.Equal(before, await Attacks.State.OfAsync(taken));
        Assert.NotNull(taken.Get<ServiceRegistry>().Authenticate("lab-checks", new string('s', 40)));
    }

    private static async Task<(Credentials Asks, Credentials Checks)> RegisterAsync(TestApp app) =>
        (await app.ScopedAsync<RegisterLab, (Credentials, Credentials)?>(register => register.RunAsync(default)))!.Value;

    private Task<long> VersionAsync() => _app.DbAsync(db => db.RegistryVersion.Select(v => v.Version).SingleAsync());
}
