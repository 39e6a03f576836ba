using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using App.Sessions;
using App.Tests.Tokens;
using App.Tokens;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Sessions;

/// <summary>What becomes of a browser's sessions when it signs out, signs in again, or meets a route that is the same for everybody.</summary>
public sealed class HeldSessionsTests : IAsyncLifetime
{
    private static readonly (string, string) Basic = ("Authorization", "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes("staging:door")));
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task A_proxys_Basic_header_hides_nobody_and_signs_out_like_none()
    {
        var user = await _app.SignUpAsync();
        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Get, "/api/sessions", cookies: user.Cookies, headers: Basic)).StatusCode);
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies, headers: Basic);
        Assert.Null(await _app.WhoAmIAsync(cookies: user.Cookies));
    }

    [Fact]
    public async Task A_sign_out_by_bearer_ends_its_own_session_alone_and_takes_the_cookies_beside_it_away()
    {
        var (program, browser) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        var answer = await _app.SendAsync(HttpMethod.Post, "/api/users/signout", bearer: program.AccessToken, cookies: browser.Cookies);

        Assert.StartsWith("session=; path=/; expires=Thu, 01 Jan 1970", answer.Headers.GetValues("Set-Cookie").First(), StringComparison.Ordinal);
        Assert.Null(await _app.WhoAmIAsync(bearer: program.AccessToken));
        Assert.Equal(browser.Email, await _app.WhoAmIAsync(cookies: browser.Cookies));
    }

    [Fact]
    public async Task A_sign_out_ends_every_session_whose_refresh_token_is_shown()
    {
        var (ada, bob) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: $"{ada.Cookies}; {bob.Cookies}");
        Assert.Null(await _app.WhoAmIAsync(cookies: ada.Cookies));
        Assert.Null(await _app.WhoAmIAsync(cookies: bob.Cookies));
    }

    [Theory] // Clients that echo the first Set-Cookie line alone hold nothing else.
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_sign_out_by_a_session_cookie_whose_token_has_expired_ends_its_session(bool keyIsGone)
    {
        var user = await _app.SignUpAsync();
        _app.Time.Advance(TimeSpan.FromMinutes(6));
        if (keyIsGone) await RetireAsync(_app.Time.GetUtcNow() - TimeSpan.FromDays(20));
        var answer = await SignOutAsync(user.AccessToken);

        Assert.StartsWith("session=; path=/; expires=Thu, 01 Jan 1970", answer.Headers.GetValues("Set-Cookie").First(), StringComparison.Ordinal);
        Assert.Equal("sign-out", await EndOfAsync(user));
        Assert.Null(await _app.WhoAmIAsync(cookies: user.Cookies));
    }

    [Fact]
    public async Task A_token_that_was_never_good_ends_nothing()
    {
        var user = await _app.SignUpAsync();
        _app.Time.Advance(TimeSpan.FromMinutes(6));
        using var stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var kid = _app.Get<SigningKeyRing>().Signing.Key.KeyId;
        var claims = Past(_ => { }).ToJsonString();
        string[] bad =
        [
            Forge.Unsigned(Forge.Header(kid), claims), Forge.Sign(stranger, Forge.Header(kid), claims), Forge.Sign(stranger, Forge.Header("nobody"), claims),
            Forge.Sign(_app, Past(c => c["aud"] = new JsonArray("https://billing.test"))),
            Forge.Sign(_app, Past(c => c["iss"] = "https://other.test")),
            Forge.Sign(_app, Past(c => c["exp"] = (long)c["iat"]! + 86_400)), // in its time, and longer than any of ours
            Forge.Sign(_app, Past(c => c["iat"] = (long)c["exp"]! + 60)),
            user.AccessToken[..^8],
        ];
        foreach (var token in bad)
        {
            Assert.Equal(HttpStatusCode.OK, (await SignOutAsync(token)).StatusCode);
            Assert.Null(await EndOfAsync(user));
        }

        // Whoever stole a key could make any.
        await _app.ScopedAsync((SigningKeys keys) => keys.RevokeAsync(kid, CancellationToken.None));
        await SignOutAsync(user.AccessToken);
        Assert.Null(await EndOfAsync(user));
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: user.Cookies));

        JsonObject Past(Action<JsonObject> bend)
        {
            var past = Forge.Claims(_app.Time.GetUtcNow() - TimeSpan.FromMinutes(6));
            past["sid"] = user.SessionId.ToString();
            past["sub"] = user.Id.ToString();
            past["id"] = user.Id.ToString();
            bend(past);
            return past;
        }
    }

    [Fact] // The same that sign-out ends, the next sign-in replaces.
    public async Task A_new_sign_in_replaces_the_session_of_an_expired_cookie_alone()
    {
        var user = await _app.SignUpAsync();
        _app.Time.Advance(TimeSpan.FromMinutes(6));
        await _app.SendAsync(HttpMethod.Post, "/api/users/signin", cookies: "session=" + user.SessionCookie, json: new { email = user.Email, password = user.Password });
        Assert.Equal("replaced", await EndOfAsync(user));
    }

    [Fact] // ATTACKS 41
    public async Task A_new_sign_in_replaces_the_browsers_session_also_when_its_access_token_has_expired()
    {
        var user = await _app.SignUpAsync();
        _app.Time.Advance(TimeSpan.FromMinutes(6));
        var answer = await _app.SendAsync(HttpMethod.Post, "/api/users/signin", cookies: user.Cookies, json: new { email = user.Email, password = user.Password });

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("replaced", await _app.DbAsync(db => db.Sessions.Where(s => s.Id == user.SessionId).Select(s => s.RevokedBecause).SingleAsync()));
    }

    [Theory]
    [InlineData("session=x")]
    [InlineData(null)]
    public async Task A_failed_sign_in_sets_no_cookie_whatever_the_browser_held(string? cookies)
    {
        var user = await _app.SignUpAsync();
        _app.Time.Advance(TimeSpan.FromMinutes(6));
        var answer = await _app.SendAsync(HttpMethod.Post, "/api/users/signin", cookies: cookies ?? user.Cookies, json: new { email = user.Email, password = "not the password of anybody" });

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.False(answer.Headers.Contains("Set-Cookie"));
    }

    [Fact]
    public async Task A_token_is_renewed_as_soon_as_it_has_expired_though_it_would_still_be_accepted()
    {
        var user = await _app.SignUpAsync();
        _app.Time.Advance(TimeSpan.FromMinutes(5));
        var answer = await _app.SendAsync(HttpMethod.Get, "/api/users/currentuser", cookies: user.Cookies);
        var (session, _) = TestUser.SetCookies(answer);
        Assert.NotEqual(user.SessionCookie, session);
    }

    [Theory]
    [InlineData("/.well-known/jwks.json")]
    [InlineData("/.well-known/public-key.pem")]
    [InlineData("/.well-known/openid-configuration")]
    public async Task An_answer_that_shared_caches_may_keep_never_carries_a_cookie(string path)
    {
        var user = await _app.SignUpAsync();
        _app.Time.Advance(TimeSpan.FromMinutes(6));
        foreach (var cookies in new[] { user.Cookies, "session=x; session_refresh=y" })
        {
            var answer = await _app.SendAsync(HttpMethod.Get, path, cookies: cookies);
            Assert.True(answer.Headers.CacheControl!.Public);
            Assert.False(answer.Headers.Contains("Set-Cookie"));
        }
    }

    [Fact]
    public async Task A_late_answer_to_an_ended_session_clears_no_cookies()
    {
        var user = await _app.SignUpAsync();
        await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{user.SessionId}", bearer: user.AccessToken);
        var answer = await _app.SendAsync(HttpMethod.Get, "/api/sessions", cookies: user.Cookies);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.False(answer.Headers.Contains("Set-Cookie"));
    }

    private Task<HttpResponseMessage> SignOutAsync(string token) =>
        _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: "session=" + Convert.ToBase64String(Encoding.UTF8.GetBytes($$"""{"jwt":"{{token}}"}""")));

    private Task<string?> EndOfAsync(TestUser user) => _app.DbAsync(db => db.Sessions.Where(s => s.Id == user.SessionId).Select(s => s.RevokedBecause).SingleAsync());

    // As if the key that signs had been replaced that long ago.
    private async Task RetireAsync(DateTimeOffset at)
    {
        await _app.ScopedAsync((SigningKeys keys) => keys.RotateAsync(CancellationToken.None));
        await _app.DbAsync(db => db.SigningKeys.Where(k => k.State == SigningKeyState.Retired).ExecuteUpdateAsync(set => set.SetProperty(k => k.EndedAt, at)));
        await _app.Get<SigningKeyRing>().LoadAsync();
    }

    [Fact]
    public async Task Sixteen_right_passwords_at_once_are_sixteen_sign_ins()
    {
        var user = await _app.SignUpAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => _app.Client.PostAsJsonAsync("/api/tokens", new { email = user.Email, password = user.Password })));
        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.StatusCode));
    }
}
