using System.Net;
using System.Net.Http.Json;
using System.Text.Json;

namespace App.Tests.OAuth;

/// <summary>A person's refresh token renewed by a service that holds it (RFC 6749 section 6; contract section 4): the renewal of every other door.</summary>
public sealed class RefreshGrantTests : IAsyncLifetime
{
    private static readonly (string, string?)[] Settings = [.. Callers.Settings, ("Services:0:Grants:0", "refresh_token")];
    private readonly TestApp _app = TestApp.Start(Settings);

    private TestUser _user = null!;

    public async Task InitializeAsync() => _user = await _app.SignUpAsync();

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task It_becomes_its_successor_and_a_new_access_token_of_the_same_session()
    {
        _app.Time.Advance(TimeSpan.FromMinutes(4));
        var answer = await RenewAsync(_user.RefreshToken);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.True(answer.Headers.CacheControl!.NoStore);
        var body = await Attacks.Answers.JsonAsync(answer);
        Assert.Equal(["access_token", "expires_in", "refresh_token", "session_id", "token_type"], body.EnumerateObject().Select(m => m.Name).Order());
        Assert.Equal(("Bearer", _user.SessionId), (body.GetProperty("token_type").GetString(), body.GetProperty("session_id").GetGuid()));
        Assert.Equal(300, body.GetProperty("expires_in").GetInt64());
        Assert.Equal(_user.Email, await _app.WhoAmIAsync(bearer: Text(body, "access_token")));

        // One chain: what this door gave, the other takes, and the other way round.
        var next = await _app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = Text(body, "refresh_token") });
        Assert.Equal(HttpStatusCode.OK, next.StatusCode);
        var after = Text(await next.Content.ReadFromJsonAsync<JsonElement>(), "refresh_token");
        Assert.Equal(HttpStatusCode.OK, (await RenewAsync(after)).StatusCode);
    }

    [Fact]
    public async Task Those_who_lose_a_race_get_the_same_successor_over_two_replicas_and_doors()
    {
        await using var replica = _app.StartReplica(Settings);
        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => (i % 3) switch
        {
            0 => RenewAsync(_user.RefreshToken),
            1 => RenewAsync(_user.RefreshToken, app: replica),
            _ => _app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = _user.RefreshToken }),
        }));

        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.StatusCode));
        var tokens = await Task.WhenAll(answers.Select(async a => Text(await Attacks.Answers.JsonAsync(a), "refresh_token")));
        Assert.Single(tokens.Distinct());
    }

    [Fact]
    public async Task Used_again_after_ten_seconds_it_ends_the_session()
    {
        var first = await Attacks.Answers.JsonAsync(await RenewAsync(_user.RefreshToken));
        _app.Time.Advance(TimeSpan.FromSeconds(11));

        Assert.Equal("invalid_grant", await ErrorAsync(await RenewAsync(_user.RefreshToken)));
        Assert.Null(await _app.WhoAmIAsync(bearer: Text(first, "access_token")));
        Assert.Equal("invalid_grant", await ErrorAsync(await RenewAsync(Text(first, "refresh_token"))));
    }

    [Fact]
    public async Task A_token_of_an_ended_session_and_whatever_is_none_of_ours_is_refused()
    {
        var other = await _app.SignUpAsync();
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: _user.Cookies);
        Assert.Equal("invalid_grant", await ErrorAsync(await RenewAsync(_user.RefreshToken)));
        Assert.Equal("invalid_grant", await ErrorAsync(await RenewAsync("nonsense")));
        Assert.Equal("invalid_grant", await ErrorAsync(await RenewAsync(new string('A', 2_000))));
        Assert.Equal("invalid_grant", await ErrorAsync(await RenewAsync(other.AccessToken)));
        Assert.Equal("invalid_grant", await ErrorAsync(await RenewAsync(other.RefreshToken[..^4] + "AAAA")));
        Assert.Equal("invalid_request", await ErrorAsync(await RenewAsync(null)));
        Assert.Equal(HttpStatusCode.OK, (await RenewAsync(other.RefreshToken)).StatusCode);
    }

    [Fact] // ATTACKS 144: what a token is bound to is its session, and who may renew it is granted
    public async Task A_refused_caller_spends_nothing()
    {
        // One that wasn't granted it, one that isn't who it says, nobody, and one that asks for a scope: no person's token has any.
        Assert.Equal("unauthorized_client", await ErrorAsync(await RenewAsync(_user.RefreshToken, Callers.Basic("billing", Callers.Other))));
        Assert.Equal("invalid_client", await ErrorAsync(await RenewAsync(_user.RefreshToken, Callers.Basic("orders", "wrong"))));
        Assert.Equal("invalid_client", await ErrorAsync(await RenewAsync(_user.RefreshToken, "")));
        Assert.Equal("invalid_scope", await ErrorAsync(await RenewAsync(_user.RefreshToken, scope: "stock.read")));
        // RFC 8707 section 2.2
        Assert.Equal("invalid_target", await ErrorAsync(await RenewAsync(_user.RefreshToken, resource: "https://nobody.test")));
        _app.Time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(HttpStatusCode.OK, (await RenewAsync(_user.RefreshToken)).StatusCode);
    }

    [Fact]
    public async Task It_is_advertised()
    {
        var document = await _app.Client.GetFromJsonAsync<JsonElement>("/.well-known/openid-configuration");
        Assert.Equal(
            ["client_credentials", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"],
            document.GetProperty("grant_types_supported").EnumerateArray().Select(g => g.GetString()));
    }

    private async Task<HttpResponseMessage> RenewAsync(string? token, string? authorization = null, string? scope = null, string? resource = null, TestApp? app = null)
    {
        List<(string, string)> form = [("grant_type", "refresh_token")];
        if (token is not null) form.Add(("refresh_token", token));
        if (scope is not null) form.Add(("scope", scope));
        if (resource is not null) form.Add(("resource", resource));
        return await (app ?? _app).PostAsync("/connect/token", authorization is "" ? null : authorization ?? Callers.Basic(), [.. form]);
    }

    private static async Task<string?> ErrorAsync(HttpResponseMessage answer)
    {
        var json = await Attacks.Answers.JsonAsync(answer);
        Assert.True(json.TryGetProperty("error", out var error), json.GetRawText());
        Assert.NotEmpty(json.GetProperty("errors").EnumerateArray());
        Assert.False(json.TryGetProperty("refresh_token", out _));
        return error.GetString();
    }

    private static string Text(JsonElement json, string name) => json.GetProperty(name).GetString()!;
}
