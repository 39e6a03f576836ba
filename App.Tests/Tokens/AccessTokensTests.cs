using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using App.Shared;
using App.Tests.Data;
using App.Tokens;
using Microsoft.AspNetCore.Identity;

namespace App.Tests.Tokens;

/// <summary>What is minted is exactly section 2 of the contract.</summary>
public sealed class AccessTokensTests(SharedApp shared) : IClassFixture<SharedApp>
{
    private readonly TestApp _app = shared.App;

    [Fact]
    public async Task A_token_has_the_claims_of_the_contract_and_nothing_else()
    {
        var user = await _app.SignUpAsync();
        var now = _app.Time.GetUtcNow().ToUnixTimeSeconds();
        var claims = user.Claims;

        Assert.Equal(
            ["amr", "aud", "auth_time", "email", "email_verified", "exp", "iat", "id", "iss", "jti", "sid", "sub"],
            claims.EnumerateObject().Select(c => c.Name).Order(StringComparer.Ordinal));
        Assert.Equal(TestApp.Issuer, claims.GetProperty("iss").GetString());
        Assert.Equal([TestApp.Audience], Texts(claims, "aud"));
        Assert.Equal(user.Id.ToString(), claims.GetProperty("sub").GetString());
        Assert.Equal(user.Id.ToString(), claims.GetProperty("id").GetString());
        Assert.Equal(now, claims.GetProperty("iat").GetInt64());
        Assert.Equal(now + 300, claims.GetProperty("exp").GetInt64());
        Assert.Equal(now, claims.GetProperty("auth_time").GetInt64());
        Assert.Equal(user.Email, claims.GetProperty("email").GetString());
        Assert.False(claims.GetProperty("email_verified").GetBoolean());
        Assert.Equal(["pwd"], Texts(claims, "amr"));
        Assert.NotEmpty(claims.GetProperty("jti").GetString()!);
    }

    [Fact]
    public async Task Its_header_says_what_it_is_and_who_signed_it()
    {
        var header = Part((await _app.SignUpAsync()).AccessToken, 0);
        Assert.Equal(["alg", "kid", "typ"], header.EnumerateObject().Select(m => m.Name).Order(StringComparer.Ordinal));
        Assert.Equal("ES256", header.GetProperty("alg").GetString());
        Assert.Equal("at+jwt", header.GetProperty("typ").GetString());
        Assert.Equal(_app.Get<SigningKeyRing>().Signing.Key.KeyId, header.GetProperty("kid").GetString());
    }

    [Fact]
    public async Task With_five_roles_it_stays_under_a_kilobyte()
    {
        var user = await _app.SignUpAsync("somebody.with.a.long.name@department.example.test");
        string[] roles = ["admin", "billing-manager", "support-agent", "auditor", "release-manager"];
        await _app.DbAsync(db =>
        {
            foreach (var name in roles)
            {
                var role = new IdentityRole<Guid>(name) { Id = Guid.NewGuid(), NormalizedName = name.ToUpperInvariant() };
                db.Roles.Add(role);
                db.UserRoles.Add(new IdentityUserRole<Guid> { UserId = user.Id, RoleId = role.Id });
            }

            db.Users.Single(u => u.Id == user.Id).Name = "Somebody With A Long Name";
            return db.SaveChangesAsync();
        });

        foreach (var token in new[] { (await _app.SignInAsync(user)).AccessToken, await RefreshAsync(user) })
        {
            Assert.Equal(roles.Order(StringComparer.Ordinal), Texts(Part(token, 1), "roles").Order(StringComparer.Ordinal));
            Assert.InRange(token.Length, 1, 1023);
        }
    }

    [Theory]
    [InlineData("Ada")]
    [InlineData("Adélaïde Ōtomo 🚪")]
    [InlineData("王小明")]
    [InlineData("\"quoted\\\" <b>&amp;</b>")]
    public async Task A_name_is_there_once_it_is_known_and_comes_back_as_given(string name)
    {
        var email = $"{Guid.NewGuid():N}@example.test";
        var answer = await _app.Client.PostAsJsonAsync("/api/users/signup", new { email, password = TestApp.Password, name });
        var user = await TestUser.ReadAsync(_app, answer, email, TestApp.Password);

        Assert.Equal(name, user.Claims.GetProperty("name").GetString());
        Assert.Equal(email, await _app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Equal(email, await _app.WhoAmIAsync(cookies: "session=" + user.SessionCookie));
    }

    [Fact]
    public void The_longest_name_and_address_still_fit_in_a_cookie()
    {
        var tokens = _app.Get<AccessTokens>();
        var user = new CurrentUser
        {
            Id = Guid.NewGuid(),
            SessionId = Guid.NewGuid(),
            TokenId = "",
            Email = new string('a', 242) + "@example.org",
            Name = new string('\u738b', 200),
            Roles = ["admin", "auditor"],
            Amr = ["pwd", "otp", "mfa"],
            IssuedAt = 0,
            ExpiresAt = 0,
            AuthTime = _app.Time.GetUtcNow().ToUnixTimeSeconds(),
            KeyId = "",
        };
        var token = tokens.Mint(tokens.Begin(user, _app.Time.GetUtcNow()));
        // What browsers keep: 4096 bytes with name and attributes.
        Assert.InRange(Convert.ToBase64String(Encoding.UTF8.GetBytes($$"""{"jwt":"{{token}}"}""")).Length, 1, 4000);
    }

    [Fact]
    public async Task Two_tokens_of_one_second_differ()
    {
        var user = await _app.SignUpAsync();
        var other = await _app.SignInAsync(user);
        Assert.NotEqual(user.Claims.GetProperty("jti").GetString(), other.Claims.GetProperty("jti").GetString());
        Assert.NotEqual(user.Claims.GetProperty("sid").GetString(), other.Claims.GetProperty("sid").GetString());
    }

    [Fact]
    public async Task A_renewed_token_keeps_the_session_and_the_time_of_the_sign_in()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        var signedIn = app.Time.GetUtcNow().ToUnixTimeSeconds();
        app.Time.Advance(TimeSpan.FromMinutes(7));

        var answer = await app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = user.RefreshToken });
        var claims = Part((await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("access_token").GetString()!, 1);

        Assert.Equal(user.SessionId.ToString(), claims.GetProperty("sid").GetString());
        Assert.Equal(signedIn, claims.GetProperty("auth_time").GetInt64());
        Assert.Equal(signedIn + 420, claims.GetProperty("iat").GetInt64());
        Assert.Equal(signedIn + 720, claims.GetProperty("exp").GetInt64());
    }

    [Fact]
    public async Task Its_life_is_a_setting()
    {
        await using var app = TestApp.Start(("Tokens:AccessTokenLifetime", "00:00:20"));
        var claims = (await app.SignUpAsync()).Claims;
        Assert.Equal(20, claims.GetProperty("exp").GetInt64() - claims.GetProperty("iat").GetInt64());
    }

    private async Task<string> RefreshAsync(TestUser user)
    {
        var answer = await _app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = user.RefreshToken });
        return (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("access_token").GetString()!;
    }

    private static JsonElement Part(string token, int index) => JsonDocument.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(token.Split('.')[index])).RootElement;

    private static IEnumerable<string> Texts(JsonElement claims, string name) => claims.GetProperty(name).EnumerateArray().Select(v => v.GetString()!);
}
