using App.Events;
using App.Sessions;
using App.Shared;
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
            _verified.Add(Key($"t{i}"), Result($"t{i}"));
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
                _verified.Add(Key($"{worker}-{i}"), Result("x"));
                Assert.InRange(_verified.Count, 0, Size + 50);
            }
        })));
    }

    [Fact]
    public void An_entry_in_use_stays_and_an_unused_one_goes()
    {
        _verified.Add(Key("used"), Result("used"));
        _verified.Add(Key("unused"), Result("unused"));
        for (var i = 0; i < 10 * Size; i++)
        {
            _verified.Add(Key($"t{i}"), Result($"t{i}"));
            if (i % (Size / 4) == 0) Assert.NotNull(_verified.Find(Key("used")));
        }

        Assert.NotNull(_verified.Find(Key("used")));
        Assert.Null(_verified.Find(Key("unused")));
    }

    [Fact] // More of them in turn than half of what it holds: none of them may push another out.
    public void As_many_as_it_holds_may_be_asked_for_in_turn()
    {
        for (var i = 0; i < Size; i++) _verified.Add(Key($"t{i}"), Result("x"));
        for (var round = 0; round < 3; round++)
            for (var i = 0; i < Size; i++) Assert.NotNull(_verified.Find(Key($"t{i}")));
        Assert.Equal(Size, _verified.Count);
    }

    [Fact]
    public void There_is_room_for_a_new_one_when_all_are_in_use()
    {
        for (var i = 0; i < Size; i++) _verified.Add(Key($"t{i}"), Result("x"));
        for (var i = 0; i < Size; i++) _verified.Find(Key($"t{i}"));
        for (var i = 0; i < Size / 5; i++) _verified.Add(Key($"new{i}"), Result("x"));
        Assert.InRange(_verified.Count, Size / 2, Size);
    }

    [Fact]
    public void What_came_in_one_place_is_not_found_in_the_other()
    {
        _verified.Add(Key("t", Carrier.Bearer), Result("t"));
        Assert.NotNull(_verified.Find(Key("t", Carrier.Bearer)));
        Assert.Null(_verified.Find(Key("t", Carrier.Cookie)));
        Assert.Null(_verified.Find(Key("T", Carrier.Bearer)));
        Assert.Null(_verified.Find(Key("t ", Carrier.Bearer)));
    }

    [Fact]
    public void What_was_removed_is_gone_and_counts_no_more()
    {
        _verified.Add(Key("old"), Result("old"));
        for (var i = 0; i < Size / 2; i++) _verified.Add(Key($"t{i}"), Result("x"));
        _verified.Remove(Key("old"));
        Assert.Null(_verified.Find(Key("old")));
        _verified.Remove(Key("never there"));
        Assert.Equal(Size / 2, _verified.Count);
    }

    [Fact]
    public async Task A_token_seen_before_is_taken_from_it_and_an_expired_one_is_dropped()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        var key = Key(user.AccessToken);
        Assert.Null(app.Get<VerifiedTokens>().Find(key));
        await app.WhoAmIAsync(bearer: user.AccessToken);
        Assert.Equal(user.Id, CurrentUser.From(app.Get<VerifiedTokens>().Find(key)!.Principal)!.Id);

        app.Time.Advance(TimeSpan.FromSeconds(330));
        Assert.Null(await app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Null(app.Get<VerifiedTokens>().Find(key));
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
        foreach (var text in new[] { "x", user.AccessToken + "x", user.AccessToken[..^3] + "AAA", user.RefreshToken, new string('a', 100_000) })
        {
            await app.WhoAmIAsync(bearer: text);
            await app.WhoAmIAsync(cookies: "session=" + text);
        }

        Assert.Equal(0, app.Get<VerifiedTokens>().Count);
    }

    private static VerifiedTokens.Key Key(string text, Carrier carrier = Carrier.Bearer) => VerifiedTokens.Key.Of(text, carrier);

    private static AuthenticateResult Result(string why) => AuthenticateResult.Fail(why);
}
