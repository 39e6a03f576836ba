using System.Net;

namespace App.Tests.Accounts;

public sealed class SignInPageTests
{
    [Fact]
    public async Task The_right_password_sets_both_cookies_and_leads_to_the_account()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        var answer = await app.SignInAsync(user.Email, user.Password);
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        Assert.Equal("/account", answer.Location());
        var (session, refresh) = TestUser.SetCookies(answer);
        Assert.Equal(user.Email, await app.WhoAmIAsync(cookies: $"session={session}; session_refresh={refresh}"));
    }

    [Theory]
    [InlineData("/account/sessions?x=1", "/account/sessions?x=1")]
    [InlineData("//evil.test", "/account")]
    [InlineData("/\\evil.test", "/account")]
    [InlineData("https://evil.test", "/account")]
    [InlineData("/%2f%2fevil.test", "/account")]
    public async Task Sign_in_leads_back_to_where_one_was_if_that_is_here(string returnUrl, string location)
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        var answer = await app.SignInAsync(user.Email, user.Password, "?returnUrl=" + Uri.EscapeDataString(returnUrl));
        Assert.Equal(location, answer.Location());
    }

    [Fact]
    public async Task A_forged_host_never_gets_into_the_way_back()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        var request = new HttpRequestMessage(HttpMethod.Post, "/account/sign-in")
        {
            Content = new FormUrlEncodedContent([new("_handler", "sign-in"), new("email", user.Email), new("password", user.Password)]),
            Headers = { Host = "evil.test" },
        };
        Assert.Equal("/account", (await app.Client.SendAsync(request)).Location());
    }

    [Theory]
    [InlineData("wrong password", true)]
    [InlineData("wrong password", false)]
    public async Task Wrong_is_one_sentence_whoever_it_was_and_the_e_mail_is_kept(string password, bool known)
    {
        await using var app = TestApp.Start();
        var email = known ? (await app.SignUpAsync()).Email : "nobody@example.test";
        var answer = await app.SignInAsync(email, password);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.False(answer.Headers.Contains("Set-Cookie"));
        var page = await answer.PageAsync();
        Assert.Equal(["That e-mail and password don’t match. Check both and try again."], page.Faults());
        Assert.True(page.QuerySelector("#errors")!.HasAttribute("autofocus"));
        Assert.Single(page.QuerySelectorAll("[autofocus]"));
        Assert.Equal(email, page.Value("email"));
        Assert.DoesNotContain(password, page.DocumentElement.OuterHtml.Replace("e-mail and password", "", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Faults_stand_beside_their_fields()
    {
        await using var app = TestApp.Start();
        var page = await (await app.SignInAsync("<b>nobody", "")).PageAsync();
        Assert.Equal(["That isn’t an e-mail address. One looks like ada@example.com.", "Enter your password."], page.Faults());
        foreach (var field in new[] { "email", "password" })
        {
            var input = page.QuerySelector($"input[name={field}]")!;
            Assert.Equal("true", input.GetAttribute("aria-invalid"));
            Assert.NotNull(page.GetElementById(input.GetAttribute("aria-describedby")!));
        }

        Assert.Equal("<b>nobody", page.Value("email"));
        Assert.Null(page.QuerySelector("form b"));
    }

    [Theory]
    [InlineData("/account/sign-in", "sign-in", "email"), InlineData("/account/sign-up", "sign-up", "email"), InlineData("/account/forgot", "forgot", "email")]
    public async Task An_empty_field_is_asked_to_be_filled_in(string path, string form, string field)
    {
        await using var app = TestApp.Start();
        var page = await (await app.PostFormAsync(path, form, [new(field, " ")])).PageAsync();
        Assert.Equal("Enter an e-mail address.", page.Faults().First());
    }

    [Fact]
    public async Task A_lock_says_how_long()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        HttpResponseMessage answer;
        var tries = 0;
        do answer = await app.SignInAsync(user.Email, "wrong password"); while (answer.StatusCode == HttpStatusCode.BadRequest && ++tries < 20);
        Assert.Equal(HttpStatusCode.TooManyRequests, answer.StatusCode);
        Assert.InRange(answer.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromHours(24));
        Assert.Matches("Too many wrong passwords.* try again in \\d+ (second|minute)s?\\.", (await answer.PageAsync()).Faults().Single());
    }

    [Fact]
    public async Task Whoever_is_signed_in_already_is_sent_on()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        var answer = await app.SendAsync(HttpMethod.Get, "/account/sign-in?returnUrl=%2Faccount%2Fsessions", cookies: user.Cookies);
        Assert.Equal(HttpStatusCode.Redirect, answer.StatusCode);
        Assert.Equal("/account/sessions", answer.Location());
    }

    [Fact]
    public async Task After_an_ended_session_the_page_says_why_and_keeps_the_way_back()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        await app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies);
        var page = await (await app.SendAsync(HttpMethod.Get, "/account/sign-in?returnUrl=%2Faccount%2Fsessions", cookies: user.Cookies)).PageAsync();
        Assert.Contains("session was ended", page.QuerySelector(".notice")!.TextContent, StringComparison.Ordinal);
        Assert.Equal("/account/sign-in?returnUrl=%2Faccount%2Fsessions", page.QuerySelector("main form")!.GetAttribute("action"));
        Assert.Equal(["/account/sign-up?returnUrl=%2Faccount%2Fsessions", "/account/forgot?returnUrl=%2Faccount%2Fsessions"], page.QuerySelectorAll("main p a").Select(a => a.GetAttribute("href")));
        var forgot = await (await app.Client.GetAsync("/account/forgot?returnUrl=%2Faccount%2Fsessions")).PageAsync();
        Assert.Equal("/account/sign-in?returnUrl=%2Faccount%2Fsessions", forgot.QuerySelector("main p.after a")!.GetAttribute("href"));
    }

    [Fact]
    public async Task Password_managers_find_what_they_know()
    {
        await using var app = TestApp.Start();
        var page = await (await app.Client.GetAsync("/account/sign-in")).PageAsync();
        Assert.Equal("username webauthn", page.QuerySelector("input[name=email]")!.GetAttribute("autocomplete"));
        Assert.Equal("current-password", page.QuerySelector("input[name=password]")!.GetAttribute("autocomplete"));
        Assert.All(page.QuerySelectorAll("main form input:not([type=hidden])"), input => Assert.NotNull(page.QuerySelector($"label[for={input.Id}]")));
    }

    [Fact]
    public async Task Pages_count_with_the_other_doors_against_the_rate_limit()
    {
        await using var app = TestApp.Start(("RateLimits:PerAddressPerMinute", "2"));
        await app.SignInAsync("nobody@example.test", "wrong password");
        await app.SendAsync(HttpMethod.Post, "/api/users/signin", json: new { email = "nobody@example.test", password = "wrong password" });
        var answer = await app.SignInAsync("nobody@example.test", "wrong password");
        Assert.Equal(HttpStatusCode.TooManyRequests, answer.StatusCode);
        Assert.Equal("Too many attempts", (await answer.PageAsync()).QuerySelector("h1")!.TextContent);
    }
}
