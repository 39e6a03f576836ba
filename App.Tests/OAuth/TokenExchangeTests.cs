using System.Net;
using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;

namespace App.Tests.OAuth;

/// <summary>A person's token handed from service to service (RFC 8693; contract section 4).</summary>
public sealed class TokenExchangeTests : IAsyncLifetime
{
    private const string Grant = "urn:ietf:params:oauth:grant-type:token-exchange", AccessToken = "urn:ietf:params:oauth:token-type:access_token";
    private readonly TestApp _app = TestApp.Start([
        .. Callers.Settings, ("Services:0:Grants:0", Grant), ("Services:0:Grants:1", "client_credentials"), ("Services:1:Grants:0", Grant),
        ("Services:2:Id", "stock"), ("Services:2:Secret", Callers.Secret + "3"), ("Services:2:Audience", "https://stock.test"),
        ("Services:3:Id", "plain"), ("Services:3:Secret", Callers.Secret + "4"),
        ("Services:4:Id", "apart"), ("Services:4:Secret", Callers.Secret + "5"), ("Services:4:Audience", "https://apart.test"),
        ("Services:5:Id", "said"), ("Services:5:Secret", Callers.Secret + "6"), ("Services:5:Audience", TestApp.Audience),
        ("Services:5:Grants:0", "client_credentials"), ("Services:5:Grants:1", Grant)]);

    private TestUser _user = null!;

    public async Task InitializeAsync() => _user = await _app.SignUpAsync();

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task A_service_gets_the_persons_token_for_the_next_one_and_is_named_in_it()
    {
        var answer = await ExchangeAsync(_user.AccessToken, "https://billing.test");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var json = await Attacks.Answers.JsonAsync(answer);
        Assert.Equal((AccessToken, "Bearer"), (json.GetProperty("issued_token_type").GetString(), json.GetProperty("token_type").GetString()));
        Assert.InRange(json.GetProperty("expires_in").GetInt64(), 290, 300);
        var (token, own) = (new JsonWebToken(Token(json)), new JsonWebToken(_user.AccessToken));
        Assert.Equal(["https://billing.test"], token.Audiences);
        Assert.Equal((own.Subject, own.ValidTo, own.GetClaim("sid").Value), (token.Subject, token.ValidTo, token.GetClaim("sid").Value));
        Assert.NotEqual(own.Id, token.Id);
        Assert.Equal("""{"sub":"orders"}""", token.GetPayloadValue<JsonElement>("act").GetRawText());
        var advertised = JsonDocument.Parse(await _app.Client.GetStringAsync("/.well-known/openid-configuration")).RootElement.GetProperty("claims_supported");
        Assert.Empty(token.Claims.Select(c => c.Type).Except(advertised.EnumerateArray().Select(c => c.GetString())));

        Assert.True(await _app.IsActiveAsync(Token(json), Callers.Basic("billing", Callers.Other)));
        Assert.False(await _app.IsActiveAsync(Token(json)));
        Assert.Null(await _app.WhoAmIAsync(bearer: Token(json)));
    }

    [Fact]
    public async Task The_next_service_hands_it_on_and_the_chain_is_told()
    {
        var first = Token(await Attacks.Answers.JsonAsync(await ExchangeAsync(_user.AccessToken, "billing")));
        var answer = await ExchangeAsync(first, "stock", Callers.Basic("billing", Callers.Other));
        var second = Token(await Attacks.Answers.JsonAsync(answer));
        Assert.Equal("""{"sub":"billing","act":{"sub":"orders"}}""", new JsonWebToken(second).GetPayloadValue<JsonElement>("act").GetRawText());
        var told = await Attacks.Answers.JsonAsync(await _app.IntrospectAsync(second, Callers.Basic("stock", Callers.Secret + "3")));
        Assert.Equal("""{"sub":"billing","act":{"sub":"orders"}}""", told.GetProperty("act").GetRawText());

    }

    [Fact] // RFC 6749 section 5.1: what is over has no seconds left
    public async Task Within_the_skew_nobody_gets_a_token_that_is_over()
    {
        _app.Time.Advance(TimeSpan.FromSeconds(299));
        Assert.Equal(1, (await Attacks.Answers.JsonAsync(await ExchangeAsync(_user.AccessToken, "billing"))).GetProperty("expires_in").GetInt64());
        _app.Time.Advance(TimeSpan.FromSeconds(6));
        Assert.NotNull(await _app.WhoAmIAsync(bearer: _user.AccessToken));
        Assert.Equal("invalid_grant", await ErrorAsync(await ExchangeAsync(_user.AccessToken, "billing")));
    }

    [Fact]
    public async Task It_dies_with_the_session()
    {
        var token = Token(await Attacks.Answers.JsonAsync(await ExchangeAsync(_user.AccessToken, "billing")));
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: _user.Cookies);
        Assert.False(await _app.IsActiveAsync(token, Callers.Basic("billing", Callers.Other)));
        Assert.Equal("invalid_grant", await ErrorAsync(await ExchangeAsync(_user.AccessToken, "billing")));
    }

    [Fact]
    public async Task Nobody_gets_a_token_that_they_may_not_have()
    {
        Assert.Equal("invalid_target", await ErrorAsync(await ExchangeAsync(_user.AccessToken, "https://nobody.test")));
        Assert.Equal("invalid_target", await ErrorAsync(await ExchangeAsync(_user.AccessToken, TestApp.Audience)));
        Assert.Equal("invalid_target", await ErrorAsync(await ExchangeAsync(_user.AccessToken, null)));
        foreach (var resource in new[] { "https://billing.test", "billing", "nonsense#part" })
        {
            Assert.Equal("invalid_target", await ErrorAsync(await _app.PostAsync("/connect/token", Callers.Basic(),
                ("grant_type", Grant), ("subject_token", _user.AccessToken), ("subject_token_type", AccessToken), ("audience", "billing"), ("resource", resource))));
        }

        Assert.Equal("invalid_grant", await ErrorAsync(await ExchangeAsync("nonsense", "billing")));
        Assert.Equal("invalid_grant", await ErrorAsync(await ExchangeAsync(_user.RefreshToken, "billing")));
        Assert.Equal("invalid_grant", await ErrorAsync(await ExchangeAsync(_user.AccessToken[..^4] + "AAAA", "billing")));
        Assert.Equal("invalid_grant", await ErrorAsync(await ExchangeAsync(await _app.ServiceTokenAsync(), "billing")));
        // One with an audience of its own takes no token that is meant for everybody.
        Assert.Equal("invalid_grant", await ErrorAsync(await ExchangeAsync(_user.AccessToken, "stock", Callers.Basic("billing", Callers.Other))));
    }

    [Fact] // everybody's audience, whether it is left out or written down
    public async Task A_service_whose_audience_is_everybodys_exchanges_what_everybody_takes() =>
        Assert.Equal(HttpStatusCode.OK, (await ExchangeAsync(_user.AccessToken, "billing", Callers.Basic("said", Callers.Secret + "6"))).StatusCode);

    [Fact] // RFC 6749 section 5.2
    public async Task A_service_that_was_not_granted_it_is_told_so_whatever_it_shows()
    {
        foreach (var token in new[] { _user.AccessToken, "nonsense", _user.RefreshToken, await _app.ServiceTokenAsync() })
        {
            foreach (var (id, secret) in new[] { ("plain", Callers.Secret + "4"), ("apart", Callers.Secret + "5") })
            {
                Assert.Equal("unauthorized_client", await ErrorAsync(await ExchangeAsync(token, "billing", Callers.Basic(id, secret))));
                Assert.Equal("invalid_client", await ErrorAsync(await ExchangeAsync(token, "billing", Callers.Basic(id, "wrong"))));
            }

            Assert.Equal("invalid_client", await ErrorAsync(await ExchangeAsync(token, "billing", Callers.Basic("orders", "wrong"))));
        }
    }

    [Fact] // RFC 8693 section 2.2.2
    public async Task A_type_that_is_neither_taken_nor_given_is_an_invalid_request()
    {
        const string types = "urn:ietf:params:oauth:token-type:";
        foreach (var type in new[] { types + "id_token", types + "refresh_token", types + "jwt", types + "saml2", types + "saml1", AccessToken.ToUpperInvariant(), AccessToken + " ", "access_token", "nonsense", "urn:openiddict:params:oauth:token-type:state_token" })
        {
            await AssertInvalidAsync([("subject_token_type", type)]);
            await AssertInvalidAsync([("subject_token_type", AccessToken), ("requested_token_type", type)]);
        }

        foreach (var type in new[] { AccessToken, types + "id_token", types + "jwt", "nonsense", "" })
        {
            foreach (var token in new[] { _user.AccessToken, _user.RefreshToken, "nonsense" })
                await AssertInvalidAsync([("subject_token_type", AccessToken), ("actor_token", token), ("actor_token_type", type)]);
        }

        await AssertInvalidAsync([]);
        await AssertInvalidAsync([("subject_token_type", "")]);
        await AssertInvalidAsync([("subject_token_type", AccessToken), ("actor_token_type", AccessToken)]);
        foreach (var repeated in new[] { "subject_token_type", "requested_token_type", "actor_token_type" })
            await AssertInvalidAsync([("subject_token_type", AccessToken), (repeated, AccessToken), (repeated, types + "id_token")]);
        await AssertInvalidAsync([("subject_token_type", AccessToken), ("subject_token", _user.AccessToken)]); // for the second time
        Assert.Null(await ErrorOfAsync([("subject_token_type", AccessToken), ("requested_token_type", ""), ("actor_token", ""), ("actor_token_type", "")]));

        async Task AssertInvalidAsync((string, string)[] more) => Assert.Equal(("invalid_request", string.Join('&', more)), (await ErrorOfAsync(more), string.Join('&', more)));

        async Task<string?> ErrorOfAsync((string, string)[] more)
        {
            var answer = await _app.PostAsync("/connect/token", Callers.Basic(), [("grant_type", Grant), ("subject_token", _user.AccessToken), ("audience", "billing"), .. more]);
            if (answer.IsSuccessStatusCode) return null;
            Assert.True(answer.StatusCode == HttpStatusCode.BadRequest, $"{string.Join('&', more)}: {(int)answer.StatusCode}");
            return await ErrorAsync(answer);
        }
    }

    private async Task<HttpResponseMessage> ExchangeAsync(string token, string? audience, string? authorization = null)
    {
        List<(string, string)> form = [("grant_type", Grant), ("subject_token", token), ("subject_token_type", AccessToken)];
        if (audience is not null) form.Add(("audience", audience));
        return await _app.PostAsync("/connect/token", authorization ?? Callers.Basic(), [.. form]);
    }

    private static async Task<string?> ErrorAsync(HttpResponseMessage answer)
    {
        var json = await Attacks.Answers.JsonAsync(answer);
        Assert.True(json.TryGetProperty("error", out var error), json.GetRawText());
        Assert.Equal("application/json", answer.Content.Headers.ContentType?.MediaType);
        Assert.NotEmpty(json.GetProperty("errors").EnumerateArray());
        return error.GetString();
    }

    private static string Token(JsonElement json) => json.GetProperty("access_token").GetString()!;
}
