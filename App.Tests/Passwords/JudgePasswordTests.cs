using System.Net;
using System.Net.Http.Json;
using App.Passwords;

namespace App.Tests.Passwords;

/// <summary>What is said about a new password while it is typed.</summary>
public sealed class JudgePasswordTests : IAsyncLifetime
{
    private const string Path = "/ui/password-strength";
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Theory]
    [InlineData("short", 0)]
    [InlineData("password1234567", 0)]
    [InlineData("passwordpassword", 0)]
    [InlineData("ada.lovelace1815", 0)]
    [InlineData("dragon monkey sunshine", 1)]
    [InlineData("835019274650183", 1)]
    [InlineData("dragon monkey sunshine orange", 2)]
    [InlineData("hqzvtmwkxjrbplu", 3)]
    [InlineData("otter lantern gravel sonata", 3)]
    public async Task It_is_as_strong_as_the_policy_finds_it(string password, int level) => Assert.Equal(level, (await AskAsync(password)).Level);

    [Fact]
    public async Task What_would_be_refused_is_told_in_the_same_words_and_language()
    {
        Assert.Equal("A password has 15 to 128 characters.", (await AskAsync("short")).Words);
        Assert.StartsWith("Dieses Passwort gehört zu denen, die zuerst probiert werden.", (await AskAsync("passwordpassword", language: "de")).Words, StringComparison.Ordinal);
        Assert.Equal("Stark: Das errät so bald niemand.", (await AskAsync("otter lantern gravel sonata", language: "de")).Words);
    }

    [Fact]
    public async Task Whoever_is_signed_in_is_judged_with_their_own_name_and_address()
    {
        var user = await _app.SignUpAsync("leonora.carrington@example.test");
        Assert.Equal(0, (await AskAsync("leonora-carrington-17", email: null, cookies: user.Cookies)).Level);
        Assert.NotEqual(0, (await AskAsync("leonora-carrington-17", email: null)).Level);
    }

    [Fact]
    public async Task With_a_second_factor_a_shorter_one_is_judged_too()
    {
        Assert.Equal(0, (await AskAsync("vK4#rz!Lq8", min: 15)).Level);
        Assert.NotEqual(0, (await AskAsync("vK4#rz!Lq8", min: 8)).Level);
    }

    [Fact]
    public async Task Whoever_resets_is_judged_as_the_owner_of_the_link()
    {
        const string own = "leonora-carrington-17";
        var user = await _app.SignUpAsync("leonora.carrington@example.test");
        await _app.SendAsync(HttpMethod.Post, "/api/users/forgot", json: new { email = user.Email });
        var token = TestMail.TokenIn(await _app.Mail.LastToAsync(user.Email));
        Assert.Equal(0, (await AskAsync(own, email: null, token: token)).Level);
        Assert.Equal(await AskAsync(own, email: null), await AskAsync(own, email: null, token: token[..^1] + (token[^1] == 'A' ? 'E' : 'A'))); // which tells nothing
        Assert.Equal(await AskAsync(own, email: null), await AskAsync(own, email: null, token: "x"));
        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Post, "/api/users/reset", json: new { token, password = "seven quiet harbours dreaming" })).StatusCode); // asking used nothing up
    }

    [Fact]
    public async Task What_is_taken_though_quickly_guessed_is_not_called_refused()
    {
        await using var app = TestApp.Start(("Passwords:MinLengthWithSecondFactor", "4"));
        var answer = await (await PostAsync("k7#z", app, min: 4)).Content.ReadFromJsonAsync<JudgePassword.Verdict>();
        Assert.Equal("This will be accepted, though a guesser gets there quickly. More characters make it much harder.", answer!.Words);
        Assert.Equal(0, answer.Level);
    }

    [Fact]
    public async Task It_is_written_down_nowhere_and_the_answer_is_not_kept()
    {
        const string password = "zq-unheard-of-password-41";
        var answer = await PostAsync(password);
        Assert.True(answer.Headers.CacheControl!.NoStore);
        Assert.DoesNotContain(password, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.DoesNotContain(_app.Log.Lines, line => line.Contains(password, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Nobody_asks_without_end_and_asking_does_not_count_against_signing_in()
    {
        await using var app = TestApp.Start(("RateLimits:PerAddressPerMinute", "3"));
        for (var i = 0; i < 3; i++) Assert.Equal(HttpStatusCode.OK, (await PostAsync("otter lantern gravel sonata", app)).StatusCode);
        Assert.Equal(HttpStatusCode.TooManyRequests, (await PostAsync("otter lantern gravel sonata", app)).StatusCode);
        await app.SignUpAsync();
    }

    [Theory]
    [InlineData(null), InlineData("application/json")]
    public async Task Bad_input_is_no_error_of_ours(string? type)
    {
        var content = new ByteArrayContent([1, 2, 3]);
        if (type is not null) content.Headers.TryAddWithoutValidation("Content-Type", type);
        Assert.Equal(HttpStatusCode.OK, (await _app.Client.PostAsync(Path, content)).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await PostAsync(new string('x', 100_000))).StatusCode);
    }

    private async Task<JudgePassword.Verdict> AskAsync(string password, string? email = "ada.lovelace@example.test", int min = 15, string language = "en", string? cookies = null, string? token = null) =>
        (await (await PostAsync(password, null, email, min, language, cookies, token)).Content.ReadFromJsonAsync<JudgePassword.Verdict>())!;

    private async Task<HttpResponseMessage> PostAsync(string password, TestApp? app = null, string? email = "ada.lovelace@example.test", int min = 15, string language = "en", string? cookies = null, string? token = null)
    {
        var fields = new Dictionary<string, string> { ["password"] = password, ["min"] = $"{min}" };
        if (email is not null) fields["email"] = email;
        if (token is not null) fields["token"] = token;
        var request = new HttpRequestMessage(HttpMethod.Post, Path) { Content = new FormUrlEncodedContent(fields) };
        request.Headers.Add("Cookie", $"language={language}; {cookies}");
        return await (app ?? _app).Client.SendAsync(request);
    }
}
