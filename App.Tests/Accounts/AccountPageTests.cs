using System.Net;

namespace App.Tests.Accounts;

public sealed class AccountPageTests
{
    [Fact]
    public async Task The_first_html_shows_who_is_signed_in()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        foreach (var path in new[] { "/", "/account", "/account/sessions", "/account/sign-out", "/nowhere" })
        {
            var page = await (await app.SendAsync(HttpMethod.Get, path, cookies: user.Cookies)).PageAsync();
            Assert.EndsWith(user.Email, page.QuerySelector(".who")!.TextContent, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("/account", "%2Faccount")]
    [InlineData("/account/sessions?x=%2F", "%2Faccount%2Fsessions%3Fx%3D%252F")]
    public async Task A_stranger_is_led_to_sign_in_and_back(string path, string returnUrl)
    {
        await using var app = TestApp.Start();
        var answer = await app.Client.GetAsync(path);
        Assert.Equal(HttpStatusCode.Redirect, answer.StatusCode);
        Assert.Equal("/account/sign-in?returnUrl=" + returnUrl, answer.Location());
    }

    [Fact]
    public async Task The_profile_is_never_kept_by_a_cache()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        var answer = await app.SendAsync(HttpMethod.Get, "/account", cookies: user.Cookies);
        Assert.True(answer.Headers.CacheControl!.NoStore);
        var page = await answer.PageAsync();
        Assert.Contains(user.Id.ToString(), page.QuerySelector(".facts")!.TextContent, StringComparison.Ordinal);
        // The day in words would be ours, and the script's exact time on hover the reader's: near midnight two different ones.
        Assert.DoesNotContain("January", page.QuerySelector(".facts")!.TextContent, StringComparison.Ordinal);
        Assert.Contains("1 January 2026", page.QuerySelector(".facts time")!.GetAttribute("title")!, StringComparison.Ordinal);
        Assert.Equal("/account", page.QuerySelector(".side [aria-current]")!.GetAttribute("href"));
    }

    [Fact]
    public async Task A_fresh_start_says_what_this_is_and_what_to_do_next()
    {
        await using var app = TestApp.Start();
        var page = await (await app.Client.GetAsync("/")).PageAsync();
        Assert.Contains("development mode", page.QuerySelector(".notice")!.TextContent, StringComparison.Ordinal);
        Assert.Equal(3, page.QuerySelectorAll(".steps > li").Length);
        Assert.Contains(TestApp.Issuer + "/api/users/signup", page.QuerySelector("pre")!.TextContent, StringComparison.Ordinal);
    }
}
