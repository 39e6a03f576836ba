using App.Events;
using App.OAuth;
using App.Sessions;
using App.Shared;
using App.Tests.OAuth;
using App.Tokens;
using Microsoft.AspNetCore.Authentication;

namespace App.Tests.Sessions;

public sealed class VerifiedTokensTests
{
    private const int Size = 1000;
    private readonly VerifiedTokens _verified = new(new TokenOptions { CacheSize = Size });

    [Fact]
    public void It_never_holds_many_more_than_its_size()
    {
        for (var i = 0; i < 20 * Size; i++)
        {
            _verified.Add(Key($"t{i}"), Result($"t{i}"), long.MaxValue, long.MaxValue);
            Assert.InRange(_verified.Count, 1, Size + 2);
        }
    }

    [Fact]
    public async Task Nor_when_many_add_at_once()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(() =>
        {
            for (var i = 0; i < 5 * Size; i++)
            {
                _verified.Add(Key($"{worker}-{i}"), Result("x"), long.MaxValue, long.MaxValue);
                Assert.InRange(_verified.Count, 0, Size + 50);
            }
        })));
    }

    [Fact]
    public void An_entry_in_use_stays_and_an_unused_one_goes()
    {
        _verified.Add(Key("used"), Result("used"), long.MaxValue, long.MaxValue);
        _verified.Add(Key("unused"), Result("unused"), long.MaxValue, long.MaxValue);
        for (var i = 0; i < 10 * Size; i++)
        {
            _verified.Add(Key($"t{i}"), Result($"t{i}"), long.MaxValue, long.MaxValue);
            if (i % (Size / 4) == 0) Assert.NotNull(_verified.Find(Key("used")));
        }

        Assert.NotNull(_verified.Find(Key("used")));
        Assert.Null(_verified.Find(Key("unused")));
    }

    [Fact] // More of them in turn than half of what it holds: none of them may push another out.
    public void As_many_as_it_holds_may_be_asked_for_in_turn()
    {
        for (var i = 0; i < Size; i++) _verified.Add(Key($"t{i}"), Result("x"), long.MaxValue, long.MaxValue);
        for (var round = 0; round < 3; round++)
            for (var i = 0; i < Size; i++) Assert.NotNull(_verified.Find(Key($"t{i}")));
        Assert.Equal(Size, _verified.Count);
    }

    [Fact]
    public void There_is_room_for_a_new_one_when_all_are_in_use()
    {
        for (var i = 0; i < Size; i++) _verified.Add(Key($"t{i}"), Result("x"), long.MaxValue, long.MaxValue);
        for (var i = 0; i < Size; i++) _verified.Find(Key($"t{i}"));
        for (var i = 0; i < Size / 5; i++) _verified.Add(Key($"new{i}"), Result("x"), long.MaxValue, long.MaxValue);
        Assert.InRange(_verified.Count, Size / 2, Size);
    }

    [Fact]
    public void What_came_in_one_place_is_not_found_in_the_other()
    {
        _verified.Add(Key("t", Carrier.Bearer), Result("t"), long.MaxValue, long.MaxValue);
        Assert.NotNull(_verified.Find(Key("t", Carrier.Bearer)));
        Assert.Null(_verified.Find(Key("t", Carrier.Cookie)));
        Assert.Null(_verified.Find(Key("T", Carrier.Bearer)));
        Assert.Null(_verified.Find(Key("t ", Carrier.Bearer)));
    }

    [Fact]
    public void What_was_removed_is_gone_and_counts_no_more()
    {
        _verified.Add(Key("old"), Result("old"), long.MaxValue, long.MaxValue);
        for (var i = 0; i < Size / 2; i++) _verified.Add(Key($"t{i}"), Result("x"), long.MaxValue, long.MaxValue);
        _verified.Remove(Key("old"));
        Assert.Null(_verified.Find(Key("old")));
        _verified.Remove(Key("never there"));
        Assert.Equal(Size / 2, _verified.Count);
    }

    [Fact]
    public async Task A_token_seen_before_is_taken_from_it_and_an_expired_one_is_refused()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        var key = Key(user.AccessToken);
        Assert.Null(app.Get<VerifiedTokens>().Find(key));
        await app.WhoAmIAsync(bearer: user.AccessToken);
        Assert.Equal(user.Id, CurrentUser.From(app.Get<VerifiedTokens>().Find(key)!.Result.Principal)!.Id);

        app.Time.Advance(TimeSpan.FromSeconds(330));
        Assert.Null(await app.WhoAmIAsync(bearer: user.AccessToken));
    }

    [Theory] // TARGETS: clock jumps of ten minutes either way
    [InlineData(331, -10)]
    [InlineData(600, -10)]
    [InlineData(900, -10)]
    public async Task What_has_expired_stays_so_when_the_clock_is_set_back(int seconds, int minutes)
    {
        await using var app = TestApp.Start(Callers.Settings);
        var user = await app.SignUpAsync();
        var service = await app.ServiceTokenAsync();
        Assert.NotNull(await app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.NotNull(await app.Get<ServiceTokens>().CheckAsync(service));
        app.Time.Advance(TimeSpan.FromSeconds(seconds));
        app.Time.SetWall(TimeSpan.FromMinutes(minutes));
        for (var i = 0; i < 2; i++) Assert.Null(await app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Null(await app.Get<ServiceTokens>().CheckAsync(service));

        // Whoever comes now isn't held up by it.
        Assert.NotNull(await app.WhoAmIAsync(bearer: (await app.SignInAsync(user)).AccessToken));
    }

    [Fact]
    public async Task What_has_not_expired_outlasts_a_clock_that_was_ahead_for_a_moment()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        Assert.NotNull(await app.WhoAmIAsync(bearer: user.AccessToken));
        app.Time.SetWall(TimeSpan.FromMinutes(10));
        Assert.Null(await app.WhoAmIAsync(bearer: user.AccessToken));
        app.Time.SetWall(TimeSpan.FromMinutes(-10));
        Assert.NotNull(await app.WhoAmIAsync(bearer: user.AccessToken));
    }

    [Fact]
    public async Task A_revoked_one_is_not_served_and_dropped()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        Assert.NotNull(await app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.NotNull(await app.WhoAmIAsync(cookies: "session=" + user.SessionCookie));
        Assert.Equal(2, app.Get<VerifiedTokens>().Count);

        // The index alone knows, as when another replica has just written it.
        app.Get<RevocationIndex>().Apply(new LoggedEvent
        {
            Type = EventTypes.SessionRevoked,
            Reason = "sign-out",
            UserId = user.Id,
            SessionId = user.SessionId,
            ExpiresAt = app.Time.GetUtcNow().AddMinutes(6),
        });
        Assert.Null(await app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Null(await app.WhoAmIAsync(cookies: "session=" + user.SessionCookie));
        Assert.Equal(0, app.Get<VerifiedTokens>().Count);
    }

    [Fact]
    public async Task Only_what_is_genuine_takes_up_room()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        var forged = user.AccessToken[..^10] + (user.AccessToken[^10] == 'A' ? 'B' : 'A') + user.AccessToken[^9..];
        foreach (var text in new[] { "x", user.AccessToken + "x", forged, user.RefreshToken, new string('a', 100_000) })
        {
            await app.WhoAmIAsync(bearer: text);
            await app.WhoAmIAsync(cookies: "session=" + text);
        }

        Assert.Equal(0, app.Get<VerifiedTokens>().Count);
    }

    private static VerifiedTokens.Key Key(string text, Carrier carrier = Carrier.Bearer) => VerifiedTokens.Key.Of(text, carrier);

    private static AuthenticateResult Result(string why) => AuthenticateResult.Fail(why);
}
