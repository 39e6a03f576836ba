using System.Net;
using AngleSharp.Dom;
using App.Tests.Accounts;
using App.Tests.OAuth;
using App.Tests.Tokens;
using App.Tokens;

namespace App.Tests.Connect;

/// <summary>A pasted token, its verdict and the reason for it.</summary>
public sealed class TokenPageTests : IAsyncLifetime
{
    private const string Path = "/tools/token";
    private readonly TestApp _app = TestApp.Start([.. Callers.Settings, ("Sessions:AbsoluteLifetime", "365.00:00:00")]);

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task A_good_token_is_good_as_bearer_as_cookie_and_with_white_space_around_it()
    {
        var user = await _app.SignUpAsync();
        foreach (var pasted in new[] { user.AccessToken, $"  Bearer {user.AccessToken}\r\n", user.SessionCookie })
        {
            var page = await LookAsync(pasted);
            Assert.StartsWith("Good. It is one of ours", Verdict(page), StringComparison.Ordinal);
            Assert.Equal("ES256", Member(page, "alg").Value);
            Assert.Equal("Its key: the one that we sign with now", Member(page, "kid").Words);
            Assert.Equal(user.Email, Member(page, "email").Value);
            Assert.Equal("Expires: in 5 minutes", Member(page, "exp").Words);
        }
    }

    [Fact]
    public async Task It_is_never_in_an_address_never_kept_never_logged_and_never_shown_again()
    {
        var user = await _app.SignUpAsync();
        var answer = await _app.PostFormAsync(Path, "inspect", [new("token", user.AccessToken)]);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Contains("no-store", answer.Headers.CacheControl!.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(user.AccessToken.Split('.')[2], await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);

        var asked = await _app.Client.GetAsync($"{Path}?token={user.AccessToken}");
        Assert.Null((await asked.PageAsync()).QuerySelector(".claims"));
        var form = (await (await _app.Client.GetAsync(Path)).PageAsync()).QuerySelector("main form")!;
        Assert.Equal("post", form.GetAttribute("method"));

        var signature = (await _app.SignInAsync(user)).AccessToken;
        await LookAsync(signature);
        Assert.DoesNotContain(_app.Log.Lines, line => line.Contains(signature.Split('.')[2], StringComparison.Ordinal));
    }

    [Fact]
    public async Task Nothing_pasted_is_a_refusal_that_says_so()
    {
        var answer = await _app.PostFormAsync(Path, "inspect", [new("token", " \n")]);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var page = await answer.PageAsync();
        Assert.Equal(["Paste a token first."], page.Faults());
        var field = page.QuerySelector("textarea[aria-invalid=true]")!; // UX 2: beside its field too
        Assert.Contains(field.GetAttribute("aria-describedby")!.Split(' '), id => page.GetElementById(id)!.TextContent == "Paste a token first.");
    }

    [Fact]
    public async Task An_ended_session_an_expired_token_and_a_retired_or_revoked_key_are_told_with_their_time()
    {
        var user = await _app.SignUpAsync();
        var other = await _app.SignInAsync(user);
        await _app.SendAsync(HttpMethod.Delete, "/api/sessions", user.AccessToken);
        _app.Time.Advance(TimeSpan.FromMinutes(2));
        Assert.Equal("Refused. Its session was ended 2 minutes ago.", await SayAsync(other.AccessToken));

        await _app.ScopedAsync<SigningKeys, SigningKeys.Outcome>(keys => keys.RotateAsync(default));
        Assert.Equal("Its key: retired just now", Member(await LookAsync(user.AccessToken), "kid").Words);
        _app.Time.Advance(TimeSpan.FromHours(3));
        Assert.Equal("Refused. It expired 2 hours ago. Its signature wasn’t checked. It is signed by a key that was retired 3 hours ago.", await SayAsync(user.AccessToken));

        var late = await _app.SignInAsync(user);
        var current = _app.Get<SigningKeyRing>().Signing.Key.KeyId;
        await _app.ScopedAsync<SigningKeys, SigningKeys.Outcome>(keys => keys.RevokeAsync(current, default));
        _app.Time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal("Refused. It is signed by a key that was revoked 1 minute ago.", await SayAsync(late.AccessToken));
    }

    [Fact]
    public async Task A_retired_key_that_no_token_of_ours_can_still_need_is_named_as_the_reason()
    {
        var before = _app.Time.GetUtcNow();
        await _app.Client.GetAsync("/health/live");
        var old = (Microsoft.IdentityModel.Tokens.ECDsaSecurityKey)_app.Get<SigningKeyRing>().Signing.Key;
        await _app.ScopedAsync<SigningKeys, SigningKeys.Outcome>(keys => keys.RotateAsync(default));
        _app.Time.SetUtcNow(before.AddHours(3));
        await _app.Get<SigningKeyRing>().LoadAsync();

        // Whoever stole the key goes on signing with it.
        var forged = Forge.Sign(old.ECDsa, Forge.Header(old.KeyId), Forge.Claims(_app.Time.GetUtcNow()).ToJsonString());
        Assert.Equal("Refused. It is signed by a key that was retired 3 hours ago.", await SayAsync(forged));
    }

    [Theory]
    [InlineData("""{"alg":"none","typ":"at+jwt"}""", "It says alg none")]
    [InlineData("""{"alg":"NONE","typ":"JWT"}""", "It says alg none")]
    [InlineData("""{"alg":"HS256","typ":"at+jwt","kid":"k"}""", "It says alg HS256. Ours are signed with ES256")]
    [InlineData("""{"alg":"ES256","typ":"JWT","kid":"k"}""", "Its type is JWT.")]
    [InlineData("""{"alg":"ES256","typ":"secevent+jwt","kid":"k"}""", "It is a security event")]
    [InlineData("""{"alg":"ES256","typ":"at+jwt"}""", "It doesn’t name its key")]
    [InlineData("""{"alg":"ES256","typ":"at+jwt","kid":"k","crit":["b64"]}""", "Its header asks for an extension (crit)")]
    [InlineData("""{"alg":"ES256","alg":"none","typ":"at+jwt","kid":"k"}""", "“alg” stands in it twice.")]
    [InlineData("""{"typ":"at+jwt","kid":"k"}""", "It doesn’t say how it is signed")]
    [InlineData("[]", "Its header isn’t a JSON object.")]
    public async Task Another_header_is_named(string header, string why)
    {
        Assert.StartsWith("Refused. " + why, await SayAsync(Forge.Unsigned(header, Forge.Claims(_app.Time.GetUtcNow()).ToJsonString())), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_audience_issuer_signature_session_or_claim_is_named()
    {
        var now = _app.Time.GetUtcNow();
        await _app.Client.GetAsync("/health/live");
        await ExpectAsync("It is not for this audience: it is meant for [\"orders-of-others\"].", c => c["aud"] = new System.Text.Json.Nodes.JsonArray("orders-of-others"));
        await ExpectAsync("It was issued by https://evil.test, not by https://auth.test.", c => c["iss"] = "https://evil.test");
        await ExpectAsync("The claim “sid” is missing.", c => c.Remove("sid"));
        await ExpectAsync("It isn’t valid yet: it begins in 10 minutes.", c => (c["iat"], c["exp"]) = (now.ToUnixTimeSeconds() + 600, now.ToUnixTimeSeconds() + 900));
        await ExpectAsync("It lives longer than any token of ours", c => c["exp"] = now.ToUnixTimeSeconds() + 86400);
        await ExpectAsync("Its session isn’t known here", _ => { });
        var bent = Forge.Sign(_app, Forge.Claims(now));
        Assert.StartsWith("Refused. Its signature isn’t that of its key", await SayAsync(bent[..^6] + "AAAAAA"), StringComparison.Ordinal);

        async Task ExpectAsync(string why, Action<System.Text.Json.Nodes.JsonObject> bend)
        {
            var claims = Forge.Claims(now);
            bend(claims);
            Assert.StartsWith("Refused. " + why, await SayAsync(Forge.Sign(_app, claims)), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_token_for_one_service_and_a_services_own_are_told_apart()
    {
        var user = await _app.SignUpAsync();
        var verified = await _app.SendAsync(HttpMethod.Get, "/auth/verify?audience=billing", user.AccessToken);
        var bound = verified.Headers.GetValues("Authorization").Single();
        Assert.EndsWith("https://billing.test accepts it; everybody else refuses it.", await SayAsync(bound), StringComparison.Ordinal);
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", user.AccessToken);
        Assert.StartsWith("Refused. Its session was ended", await SayAsync(bound), StringComparison.Ordinal);

        var own = await _app.ServiceTokenAsync();
        Assert.Contains("own token of the service orders", await SayAsync(own), StringComparison.Ordinal);
        _app.Time.Advance(TimeSpan.FromHours(1));
        Assert.StartsWith("Refused. It is a service’s own token, and no longer good", await SayAsync(own), StringComparison.Ordinal);
    }

    [Fact] // ATTACKS 1-38: the verdict is the check's own, whatever is pasted.
    public async Task Every_vector_gets_the_verdict_of_the_check_and_a_reason()
    {
        await VectorKey.InstallAsync(_app);
        var wrong = new List<string>();
        var tokens = Vectors.Tokens().Select(v => (v.Id, v.Token, v.Expect));
        foreach (var (id, pasted, expect) in tokens.Concat(Vectors.Cookies().Select(v => (v.Id, v.Header[(v.Header.IndexOf('=', StringComparison.Ordinal) + 1)..].Split(';')[0], ""))))
        {
            using var answer = await _app.PostFormAsync(Path, "inspect", [new("token", pasted)]);
            var status = (int)answer.StatusCode;
            var verdict = status == 200 ? Verdict(await answer.PageAsync()) : "";
            var good = verdict.StartsWith("Good. ", StringComparison.Ordinal);
            var refused = status == 400 || verdict.Length > "Refused. ".Length;
            if (status >= 500 || !(good || refused) || (expect == "accept" && !good) || (good && !await IsGoodAsync(pasted))) wrong.Add($"{id}: {expect}, but {status} {verdict}");
        }

        Assert.Empty(wrong);
    }

    // As a header would show it: what comes along with a paste is taken off.
    private async Task<bool> IsGoodAsync(string pasted)
    {
        var bare = pasted.Trim();
        if (bare.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)) bare = bare[7..].Trim();
        return await _app.WhoAmIAsync(bearer: bare.Contains('.', StringComparison.Ordinal) ? bare : TestUser.Unwrap(bare)) is not null;
    }

    [Theory]
    [InlineData("a.b"), InlineData("...."), InlineData("\0.\0.\0"), InlineData("😀.😀.😀"), InlineData("eyJqd3QiOjF9"), InlineData("Bearer"), InlineData("bearer  ")]
    public async Task Nonsense_is_refused_with_a_reason(string pasted)
    {
        var answer = await _app.PostFormAsync(Path, "inspect", [new("token", pasted)]);
        Assert.True(answer.StatusCode is HttpStatusCode.OK or HttpStatusCode.BadRequest, $"{answer.StatusCode}");
        if (answer.StatusCode == HttpStatusCode.OK) Assert.StartsWith("Refused. It isn’t a signed token", Verdict(await answer.PageAsync()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_forger_writes_into_it_is_shown_as_text_that_can_neither_hide_nor_turn()
    {
        var claims = """{"<script>alert(1)</script>":"<img src=x onerror=alert(1)>","a\u202eb":"\u202e\u0000\ud800","deep":[[[[[1]]]]],"long":"LONG"}""".Replace("LONG", new string('x', 5000), StringComparison.Ordinal);
        var page = await LookAsync(Forge.Unsigned("""{"alg":"ES256"}""", claims));
        Assert.Empty(page.QuerySelectorAll(".claims script, .claims img"));
        Assert.Equal("<img src=x onerror=alert(1)>", Member(page, "<script>alert(1)</script>").Value);
        Assert.Equal("Not something that our tokens say", Member(page, "a\ufffdb").Words);
        Assert.InRange(Member(page, "long").Value.Length, 1, 301);
    }

    [Fact]
    public async Task In_migration_mode_a_token_of_the_shared_secret_is_good_and_one_of_a_key_is_not()
    {
        await using var app = TestApp.Start(("Tokens:SharedSecret", "a-secret-that-everybody-shares-32-characters"));
        var user = await app.SignUpAsync();
        using var answer = await app.PostFormAsync(Path, "inspect", [new("token", user.AccessToken)]);
        Assert.StartsWith("Good. ", Verdict(await answer.PageAsync()), StringComparison.Ordinal);
        using var other = await app.PostFormAsync(Path, "inspect", [new("token", Forge.Unsigned(Forge.Header("k"), "{}"))]);
        Assert.Equal("Refused. It says alg ES256. Ours are signed with HS256 and nothing else.", Verdict(await other.PageAsync()));
    }

    [Fact]
    public async Task It_counts_with_the_other_doors_for_credentials()
    {
        await using var app = TestApp.Start(("RateLimits:PerAddressPerMinute", "2"));
        for (var i = 0; i < 2; i++) Assert.Equal(HttpStatusCode.OK, (await app.PostFormAsync(Path, "inspect", [new("token", "x.y.z")])).StatusCode);
        Assert.Equal(HttpStatusCode.TooManyRequests, (await app.PostFormAsync(Path, "inspect", [new("token", "x.y.z")])).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await app.Client.GetAsync(Path)).StatusCode);
    }

    private async Task<string> SayAsync(string pasted) => Verdict(await LookAsync(pasted));

    private async Task<IDocument> LookAsync(string pasted)
    {
        using var answer = await _app.PostFormAsync(Path, "inspect", [new("token", pasted)]);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return await answer.PageAsync();
    }

    private static string Verdict(IDocument page) => page.QuerySelector("main .notice")!.TextContent;

    private static (string Value, string Words) Member(IDocument page, string name)
    {
        var shown = page.QuerySelectorAll(".claims dt").Single(dt => dt.TextContent == name).NextElementSibling!;
        return (shown.QuerySelector("code")!.TextContent, shown.QuerySelector("small")!.TextContent.Trim());
    }
}
