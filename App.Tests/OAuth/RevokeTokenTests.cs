using System.Net;
using App.Events;
using App.Tests.Attacks;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.OAuth;

/// <summary>Who may take back what (RFC 7009): 200 says that the token is dead now, or was no good token of ours; what stays good is refused.</summary>
public sealed class RevokeTokenTests : IAsyncLifetime
{
    private const string Exchange = "urn:ietf:params:oauth:grant-type:token-exchange", AccessToken = "urn:ietf:params:oauth:token-type:access_token";
    private const string Stock = Callers.Secret + "3", Plain = Callers.Secret + "4";

    private readonly TestApp _app = TestApp.Start([
        .. Callers.Settings, ("Services:0:Grants:0", Exchange), ("Services:0:Grants:1", "client_credentials"), ("Services:1:Grants:0", Exchange),
        ("Services:2:Id", "stock"), ("Services:2:Secret", Stock), ("Services:2:Audience", "https://stock.test"),
        ("Services:3:Id", "plain"), ("Services:3:Secret", Plain)]);

    private TestUser _user = null!;

    public async Task InitializeAsync() => _user = await _app.SignUpAsync();

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Theory]
    // Everybody's token, and what it is renewed with: the holder's, and every service's that takes it.
    [InlineData("access", "anybody", true)]
    [InlineData("access", "holder", true)]
    [InlineData("access", "orders", true)]
    [InlineData("access", "plain", true)]
    [InlineData("access", "billing", false)]
    [InlineData("refresh", "anybody", true)]
    [InlineData("refresh", "holder", true)]
    [InlineData("refresh", "plain", true)]
    [InlineData("refresh", "billing", false)]
    // Bound by a gateway: the holder's and its service's.
    [InlineData("bound", "anybody", true)]
    [InlineData("bound", "holder", true)]
    [InlineData("bound", "billing", true)]
    [InlineData("bound", "orders", false)]
    [InlineData("bound", "stock", false)]
    [InlineData("bound", "plain", false)]
    // Exchanged: besides, that of the service which it was issued to.
    [InlineData("exchanged", "anybody", true)]
    [InlineData("exchanged", "holder", true)]
    [InlineData("exchanged", "billing", true)]
    [InlineData("exchanged", "orders", true)]
    [InlineData("exchanged", "stock", false)]
    [InlineData("exchanged", "plain", false)]
    // Exchanged twice: issued to the last, not to the one before.
    [InlineData("twice", "anybody", true)]
    [InlineData("twice", "stock", true)]
    [InlineData("twice", "billing", true)]
    [InlineData("twice", "orders", false)]
    [InlineData("twice", "plain", false)]
    // A service's own.
    [InlineData("own", "anybody", true)]
    [InlineData("own", "orders", true)]
    [InlineData("own", "billing", false)]
    [InlineData("own", "plain", false)]
    public async Task A_good_token_is_dead_after_200_and_good_after_a_refusal(string kind, string asker, bool may)
    {
        var (token, its) = await TokenAsync(kind);
        Assert.True(await _app.IsActiveAsync(token, CredentialsOf(its)));
        foreach (var time in new[] { 1, 2 })
        {
            // The token that the holder shows in the header may be dead from the first time on.
            if (time == 2 && asker == "holder") continue;
            var answer = await _app.PostAsync("/connect/revoke", CredentialsOf(asker), ("token", token));
            if (may)
            {
                Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            }
            else
            {
                var problem = await Answers.AssertProblemAsync(answer, 400, "The token was not issued to this service");
                Assert.Equal("unauthorized_client", problem.GetProperty("error").GetString());
                Assert.True(answer.Headers.CacheControl!.NoStore);
            }
        }

        var person = kind != "own";
        Assert.Equal(!may, await _app.IsActiveAsync(token, CredentialsOf(its)));
        Assert.Equal(may && person ? null : _user.Email, await _app.WhoAmIAsync(bearer: _user.AccessToken));
        Assert.Equal(may && person ? 1 : 0, await _app.DbAsync(db => db.SecurityEvents.CountAsync(e => e.Reason == Causes.TokenRevoked.Reason && e.SessionId == _user.SessionId)));
        Assert.Equal(may && person ? 1 : 0, await _app.DbAsync(db => db.SecurityEvents.CountAsync()));
    }

    [Theory] // RFC 7009 section 2.2: what isn't good is no error, whoever asks
    [InlineData("anybody"), InlineData("orders"), InlineData("billing"), InlineData("stock"), InlineData("plain")]
    public async Task What_is_dead_already_or_was_never_alive_is_no_error(string asker)
    {
        string[] kinds = ["access", "refresh", "bound", "exchanged", "own"];
        var dead = new List<string> { "nonsense", "a.b.c" };
        foreach (var kind in kinds) dead.Add((await TokenAsync(kind)).Token);
        dead.Add(dead[2][..^4] + "AAAA");
        // Renewed: after the grace the one before is good for nothing, and stays so.
        var renewed = await _app.SignUpAsync();
        await _app.SendAsync(HttpMethod.Post, "/api/tokens/refresh", json: new { refresh_token = renewed.RefreshToken });
        if (asker is "billing" or "stock")
        {
            Assert.Equal(HttpStatusCode.BadRequest, (await _app.PostAsync("/connect/revoke", CredentialsOf(asker), ("token", renewed.RefreshToken))).StatusCode);
            dead.Add(renewed.RefreshToken);
        }

        _app.Time.Advance(TimeSpan.FromSeconds(11));
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: _user.Cookies);
        await _app.PostAsync("/connect/revoke", Callers.Basic(), ("token", dead[6]));
        var before = await _app.DbAsync(db => db.SecurityEvents.CountAsync());
        foreach (var token in dead) Assert.Equal(HttpStatusCode.OK, (await _app.PostAsync("/connect/revoke", CredentialsOf(asker), ("token", token))).StatusCode);
        Assert.Equal(before, await _app.DbAsync(db => db.SecurityEvents.CountAsync()));
    }

    private string? CredentialsOf(string asker) => asker switch
    {
        "anybody" => null,
        "holder" => "Bearer " + _user.AccessToken,
        "billing" => Callers.Basic("billing", Callers.Other),
        "stock" => Callers.Basic("stock", Stock),
        "plain" => Callers.Basic("plain", Plain),
        _ => Callers.Basic(asker),
    };

    /// <returns>The token, and a service that it is good for.</returns>
    private async Task<(string Token, string Its)> TokenAsync(string kind) => kind switch
    {
        "access" => (_user.AccessToken, "orders"),
        "refresh" => (_user.RefreshToken, "orders"),
        "bound" => (await BoundAsync(), "billing"),
        "exchanged" => (await ExchangedAsync(_user.AccessToken, "orders", "billing"), "billing"),
        "twice" => (await ExchangedAsync(await ExchangedAsync(_user.AccessToken, "orders", "billing"), "billing", "stock"), "stock"),
        _ => (await _app.ServiceTokenAsync(), "orders"),
    };

    private async Task<string> BoundAsync()
    {
        var answer = await _app.SendAsync(HttpMethod.Get, "/auth/verify?audience=billing", _user.AccessToken);
        return answer.EnsureSuccessStatusCode().Headers.GetValues("Authorization").Single()["Bearer ".Length..];
    }

    private async Task<string> ExchangedAsync(string subject, string service, string audience)
    {
        var answer = await _app.PostAsync("/connect/token", CredentialsOf(service), ("grant_type", Exchange), ("subject_token", subject), ("subject_token_type", AccessToken), ("audience", audience));
        return (await Answers.JsonAsync(answer.EnsureSuccessStatusCode())).GetProperty("access_token").GetString()!;
    }
}
