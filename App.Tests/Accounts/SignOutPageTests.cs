using System.Net;

namespace App.Tests.Accounts;

public sealed class SignOutPageTests
{
    [Fact]
    public async Task Looking_at_the_page_signs_nobody_out()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        var page = await (await app.SendAsync(HttpMethod.Get, "/account/sign-out", cookies: user.Cookies)).PageAsync();
        Assert.Equal("Sign out?", page.QuerySelector("h1")!.TextContent);
        Assert.Equal(user.Email, await app.WhoAmIAsync(cookies: user.Cookies));
    }

    [Fact]
    public async Task Signing_out_ends_the_session_and_says_so()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        var answer = await app.PostFormAsync("/account/sign-out", "sign-out", [], user.Cookies);
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        Assert.Equal("/account/sign-out", answer.Location());
        Assert.StartsWith("session=; path=/; expires=Thu, 01 Jan 1970", answer.Headers.GetValues("Set-Cookie").First(), StringComparison.Ordinal);
        Assert.Null(await app.WhoAmIAsync(cookies: user.Cookies));
        Assert.Null(await app.WhoAmIAsync(bearer: user.AccessToken));
        var page = await (await app.Client.GetAsync(answer.Location())).PageAsync();
        Assert.Equal("You’re signed out", page.QuerySelector("h1")!.TextContent);
        Assert.NotNull(page.QuerySelector("main a[href='/account/sign-in']"));
    }

    [Fact]
    public async Task Signing_out_twice_is_no_error()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        await app.PostFormAsync("/account/sign-out", "sign-out", [], user.Cookies);
        Assert.Equal(HttpStatusCode.SeeOther, (await app.PostFormAsync("/account/sign-out", "sign-out", [], user.Cookies)).StatusCode);
        Assert.Equal(HttpStatusCode.SeeOther, (await app.PostFormAsync("/account/sign-out", "sign-out", [])).StatusCode);
    }

    [Fact]
    public async Task Another_site_signs_nobody_out()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        var request = new HttpRequestMessage(HttpMethod.Post, "/account/sign-out") { Content = new FormUrlEncodedContent([new("_handler", "sign-out")]) };
        request.Headers.Add("Cookie", user.Cookies);
        request.Headers.Add("Sec-Fetch-Site", "cross-site");
        Assert.Equal(HttpStatusCode.Forbidden, (await app.Client.SendAsync(request)).StatusCode);
        Assert.Equal(user.Email, await app.WhoAmIAsync(cookies: user.Cookies));
    }
}
