using App.Audit;
using App.Events;
using App.Tokens;
using Microsoft.EntityFrameworkCore;
using static App.Tests.Tokens.SigningKeysTests;

namespace App.Tests.Tokens;

public sealed class KeyCommandsTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task List_shows_each_key_with_its_state_and_no_secret()
    {
        await RunAsync("rotate");
        var (code, text) = await RunAsync("list");

        Assert.Equal(0, code);
        var keys = await KeysAsync(_app);
        Assert.Equal(3, text.Trim().Split('\n').Length);
        Assert.All(keys, k => Assert.Contains($"{k.Id}  {k.State}", text, StringComparison.Ordinal));
        Assert.All(keys.Where(k => k.PrivateKey is not null), k => Assert.DoesNotContain(Convert.ToBase64String(k.PrivateKey!)[..20], text, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Rotate_names_the_new_current_key()
    {
        var next = Of(await KeysAsync(_app), SigningKeyState.Next).Id;
        Assert.Equal((0, $"Done. {next} is the current key.{Environment.NewLine}"), await RunAsync("rotate"));
        Assert.Equal(next, Of(await KeysAsync(_app), SigningKeyState.Current).Id);
    }

    [Theory]
    [InlineData("Current")]
    [InlineData("Next")]
    [InlineData("Retired")]
    public async Task Revoke_takes_a_key_in_any_state_but_revoked(string state)
    {
        await RunAsync("rotate");
        var key = Of(await KeysAsync(_app), Enum.Parse<SigningKeyState>(state)).Id;

        Assert.Equal(0, (await RunAsync("revoke", key)).Code);
        var keys = await KeysAsync(_app);
        Assert.Equal(SigningKeyState.Revoked, keys.Single(k => k.Id == key).State);
        Assert.Single(keys, k => k.State == SigningKeyState.Current);
        Assert.Single(keys, k => k.State == SigningKeyState.Next);
        Assert.Equal((1, 1), await _app.DbAsync(async db => (
            await db.SecurityEvents.CountAsync(e => e.KeyId == key && e.Reason == "revoked"),
            await db.Audit.CountAsync(a => a.Action == "signing-key-revoked" && a.Detail == key))));

        Assert.Equal((1, "No such key, or it is revoked already; see `keys list`." + Environment.NewLine), await RunAsync("revoke", key));
    }

    [Theory]
    [InlineData]
    [InlineData("frobnicate")]
    [InlineData("revoke")]
    [InlineData("rotate", "now")]
    [InlineData("revoke", "a", "b")]
    public async Task Anything_else_shows_how_it_is_used(params string[] args) =>
        Assert.Equal((2, "Usage: App keys list | rotate | revoke KID" + Environment.NewLine), await RunAsync(args));

    [Fact]
    public async Task An_unknown_key_changes_nothing()
    {
        var before = await KeysAsync(_app);
        Assert.Equal(1, (await RunAsync("revoke", "unknown")).Code);
        Assert.Equal(before.Select(k => (k.Id, k.State)), (await KeysAsync(_app)).Select(k => (k.Id, k.State)));
        Assert.Equal(0, await _app.DbAsync(db => db.SecurityEvents.CountAsync()));
    }

    [Fact]
    public async Task A_running_process_notices_at_its_next_look_at_the_log()
    {
        await using var running = _app.StartReplica();
        _ = running.Services;
        await RunAsync("rotate");
        var current = Of(await KeysAsync(_app), SigningKeyState.Current).Id;

        await running.Get<FollowLog>().CatchUpAsync(CancellationToken.None);
        await Eventually(() => running.Get<SigningKeyRing>().Signing.Key.KeyId == current);
    }

    private async Task<(int Code, string Text)> RunAsync(params string[] args)
    {
        await using var output = new StringWriter();
        return (await KeyCommands.RunAsync(_app.Services, args, output, CancellationToken.None), output.ToString());
    }
}
