using App.Admin;
using App.Shared;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Admin;

/// <summary>ATTACKS 158, for the other way in which an admin goes: somebody must be left to look after the service.</summary>
public sealed class ChangeRoleTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    [Fact]
    public async Task The_only_admin_is_not_demoted_and_the_command_says_what_to_do()
    {
        var (ada, bob) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        await RunAsync(ada, granted: true);
        await using var output = new StringWriter();
        Assert.Equal(1, await UserCommands.RunAsync(_app.Services, ["revoke", ada.Email, Roles.Admin], output, CancellationToken.None));
        Assert.Contains("only admin", output.ToString(), StringComparison.Ordinal);
        Assert.Contains("users grant EMAIL admin", output.ToString(), StringComparison.Ordinal);
        Assert.Equal(1, await AdminsAsync());

        // Other roles, and those who aren't one, are no matter of it.
        Assert.Equal(ChangeRole.Outcome.AlreadySo, await RunAsync(bob, granted: false));
        await RunAsync(ada, granted: true, role: "clerk");
        Assert.Equal(ChangeRole.Outcome.Changed, await RunAsync(ada, granted: false, role: "clerk"));
        await RunAsync(bob, granted: true);
        Assert.Equal(ChangeRole.Outcome.Changed, await RunAsync(ada, granted: false));
    }

    [Fact]
    public async Task Of_two_admins_demoted_at_once_one_stays()
    {
        await using var replica = _app.StartReplica();
        var (ada, bob) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        foreach (var user in new[] { ada, bob }) await RunAsync(user, granted: true);
        var outcomes = await Task.WhenAll(Task.Run(() => RunAsync(ada, granted: false)), Task.Run(() => RunAsync(bob, granted: false, at: replica)));
        Assert.Equal([ChangeRole.Outcome.Changed, ChangeRole.Outcome.OnlyAdmin], outcomes.Order());
        Assert.Equal(1, await AdminsAsync());
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    private Task<ChangeRole.Outcome> RunAsync(TestUser user, bool granted, string role = Roles.Admin, TestApp? at = null) =>
        (at ?? _app).ScopedAsync((ChangeRole change) => change.RunAsync(user.Email, role, granted, CancellationToken.None));

    private Task<int> AdminsAsync() => _app.DbAsync(db => db.UserRoles.CountAsync());
}
