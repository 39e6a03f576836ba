using System.Buffers.Text;
using System.Text.Json;
using App.Admin;
using App.Events;
using App.Tests.Events;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Admin;

/// <summary>OpenID CAEP 1.0 section 3.2: a Token Claims Change bears the claims with their new values.</summary>
public sealed class ChangedClaimsTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start(FeedServices.Settings);

    [Fact]
    public async Task Each_change_of_roles_tells_those_that_are_held_after_it()
    {
        var (user, other) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        await ChangeAsync(other, "admin", granted: true);
        await using var stream = await Feed.OpenAsync(_app, query: "?cursor=1");
        await ChangeAsync(user, "clerk", granted: true);
        await ChangeAsync(user, "bü\"ro", granted: true);
        await ChangeAsync(user, "clerk", granted: false);
        await ChangeAsync(user, "bü\"ro", granted: false);

        string[][] held = [["clerk"], ["bü\"ro", "clerk"], ["bü\"ro"], []];
        foreach (var roles in held) Assert.Equal(roles, Roles(Said((await stream.EventAsync()).Data.GetProperty("set"))));

        // By poll, here and at a replica that has them from the database.
        await using var replica = _app.StartReplica(FeedServices.Settings);
        foreach (var app in new[] { _app, replica })
        {
            var sets = (await Feed.PollAsync(app, new { })).GetProperty("sets").EnumerateObject().Select(set => Said(set.Value));
            Assert.Equal([["admin"], .. held], sets.Select(Roles));
        }

        // A service for which none of their tokens was meant hears nothing of their roles.
        Assert.Empty((await Feed.PollAsync(_app, new { returnImmediately = true }, "bound")).GetProperty("sets").EnumerateObject());
    }

    [Fact]
    public async Task An_entry_without_them_is_told_without_the_member()
    {
        var user = await _app.SignUpAsync();
        await ChangeAsync(user, "clerk", granted: true);
        await _app.DbAsync(db => db.SecurityEvents.ExecuteUpdateAsync(set => set.SetProperty(e => e.Claims, (string?)null))); // as an older version writes it
        await using var replica = _app.StartReplica(FeedServices.Settings);
        var said = Said(Assert.Single((await Feed.PollAsync(replica, new { })).GetProperty("sets").EnumerateObject()).Value);
        Assert.Equal(["event_timestamp", "reason", "not_before"], said.EnumerateObject().Select(p => p.Name));
    }

    [Fact] // RISC 1.0 section 2.3 has values of its own for "reason", and ours is none of them
    public async Task An_account_that_is_disabled_is_told_of_without_a_reason()
    {
        var user = await _app.SignUpAsync();
        await _app.ScopedAsync((LockAccount account) => account.RunAsync(user.Email, locked: true, CancellationToken.None));
        var told = (await Feed.PollAsync(_app, new { })).GetProperty("sets").EnumerateObject().Select(set => One(set.Value)).ToDictionary(e => e.Name.Split('/')[^1], e => e.Value.EnumerateObject().Select(p => p.Name));
        Assert.Equal(["account-disabled", "session-revoked"], told.Keys.Order());
        Assert.Equal(["event_timestamp", "not_before"], told["account-disabled"]);
        Assert.Contains("reason", told["session-revoked"]);
    }

    [Fact]
    public async Task More_roles_than_fit_are_left_away_rather_than_told_in_part()
    {
        var user = await _app.SignUpAsync();
        for (var i = 0; i < 4; i++) await ChangeAsync(user, $"{i}".PadRight(256, 'r'), granted: true);
        await ChangeAsync(user, "0".PadRight(256, 'r'), granted: false);
        var sets = (await Feed.PollAsync(_app, new { })).GetProperty("sets").EnumerateObject().Select(set => Said(set.Value)).ToList();
        Assert.Equal([true, true, true, false, true], sets.Select(said => said.TryGetProperty("claims", out _)));
        Assert.Equal(3, Roles(sets[4]).Count());
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    private async Task ChangeAsync(TestUser user, string role, bool granted) =>
        Assert.Equal(ChangeRole.Outcome.Changed, await _app.ScopedAsync((ChangeRole change) => change.RunAsync(user.Email, role, granted, CancellationToken.None)));

    private static JsonProperty One(JsonElement set) =>
        Assert.Single(JsonDocument.Parse(Base64Url.DecodeFromChars(set.GetString()!.Split('.')[1])).RootElement.GetProperty("events").EnumerateObject());

    private static JsonElement Said(JsonElement set)
    {
        var said = One(set);
        Assert.Equal("https://schemas.openid.net/secevent/caep/event-type/token-claims-change", said.Name);
        return said.Value;
    }

    private static IEnumerable<string> Roles(JsonElement said)
    {
        var claim = Assert.Single(said.GetProperty("claims").EnumerateObject());
        Assert.Equal("roles", claim.Name);
        return [.. claim.Value.EnumerateArray().Select(role => role.GetString()!)];
    }
}
