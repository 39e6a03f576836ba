using System.Text.RegularExpressions;
using App.E2E.Harness;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace App.E2E.Journeys;

/// <summary>From signing up to being signed out everywhere, in a real browser.</summary>
[Collection(InBrowser.Name)]
public sealed class SignedInTests(Browser browser)
{
    [Fact]
    public async Task Signing_up_signs_in_and_the_first_html_of_every_page_says_so()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await page.SignUpAsync(ada);

        foreach (var path in new[] { Pages.Home, Pages.Account, Pages.Sessions })
            Assert.Contains(ada.Email, await (await profile.APIRequest.GetAsync(path)).TextAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/account/sign-in")]
    [InlineData("/account/sign-up")]
    public async Task A_browser_that_refuses_cookies_is_told_before_it_tries(string path)
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        await page.GotoAsync(path);
        await Expect(page.Locator("[data-cookieless]")).ToBeHiddenAsync();
        await page.AddInitScriptAsync("Object.defineProperty(Navigator.prototype, 'cookieEnabled', { get: () => false });");
        await page.GotoAsync(path);
        await Expect(page.Locator("[data-cookieless]")).ToContainTextAsync("Your browser refuses cookies");
    }

    [Fact]
    public async Task A_second_tab_follows_the_first_in_and_out()
    {
        await using var profile = await browser.NewProfileAsync();
        var (first, second) = (await profile.NewPageAsync(), await profile.NewPageAsync());
        var ada = Person.New();
        await second.GotoAsync("/account/profile");
        await Expect(second).ToHaveURLAsync(new Regex("/account/sign-in"));
        await first.SignUpAsync(ada);
        await Expect(second).ToHaveURLAsync(new Regex("/account/profile$")); // where it wanted to go
        await second.WaitForLoadStateAsync(); // and its script listens
        await first.SignOutAsync();
        await Expect(second).ToHaveURLAsync(new Regex("/account/sign-in"));
    }

    [Fact] // on a slow line it takes a while until the page is live
    public async Task A_question_asked_before_the_page_is_live_stays_asked()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await page.SignUpAsync(ada);
        await browser.Service.Client.PostSignInAsync(ada);
        var (late, live) = (new TaskCompletionSource(), new TaskCompletionSource());
        await page.RouteAsync("**/_blazor/negotiate**", async route =>
        {
            await late.Task;
            await route.ContinueAsync();
        });
        page.WebSocket += (_, socket) => socket.FrameReceived += (_, _) => live.TrySetResult();
        await page.GotoAsync(Pages.Sessions);
        await page.GetByRole(AriaRole.Button, new() { Name = "End all other sessions" }).ClickAsync();
        await page.EvaluateAsync("() => { window.before = document.querySelector('main .list'); }");

        late.SetResult();
        await live.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await page.WaitForFunctionAsync("() => !window.before.isConnected");
        await Expect(page.Locator("dialog:modal")).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "End them" }).ClickAsync();
        await Expect(page.Locator(".gone .tag")).ToContainTextAsync("Signed out");
    }

    [Fact]
    public async Task The_keyboard_alone_ends_a_session()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await page.SignUpAsync(ada);
        var other = Credentials.From(await browser.Service.Client.PostSignInAsync(ada));
        await page.OpenLiveSessionsAsync();
        await page.TabToAsync("End session: ");
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Locator(".gone .tag")).ToContainTextAsync("Signed out");
        using var refused = new HttpRequestMessage(HttpMethod.Get, "/api/sessions");
        refused.Headers.Add("Cookie", other.CookieHeader);
        Assert.Equal(System.Net.HttpStatusCode.Unauthorized, (await browser.Service.Client.SendAsync(refused)).StatusCode);
    }

    [Fact]
    public async Task After_signing_out_the_back_button_shows_nothing_personal()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await page.SignUpAsync(ada);
        await page.GotoAsync(Pages.Account);
        await page.GotoAsync(Pages.Sessions);
        await page.SignOutAsync();
        Assert.Null(await profile.CookieAsync("session"));
        Assert.Null(await profile.CookieAsync("session_refresh"));

        for (var step = 0; step < 3; step++)
        {
            await page.GoBackAsync();
            await page.IsSignedOutAsync();
            Assert.DoesNotContain(ada.Email, await page.ContentAsync(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_session_ended_from_another_device_is_over_there_and_its_open_page_says_so()
    {
        await using var here = await browser.NewProfileAsync();
        await using var there = await browser.NewProfileAsync();
        var (mine, theirs) = (await here.NewPageAsync(), await there.NewPageAsync());
        var ada = Person.New();
        await mine.SignUpAsync(ada);
        await theirs.SignInAsync(ada, $"{Pages.SignIn}?returnUrl={Pages.Sessions}");
        await mine.OpenLiveSessionsAsync();

        await mine.GetByRole(AriaRole.Button, new() { Name = "End session" }).ClickAsync();
        await theirs.WaitForURLAsync("**/account/sign-in**");
        await Expect(theirs.Locator("main [role=status]")).ToContainTextAsync("Your session was ended");
        await theirs.IsSignedOutAsync();
        await theirs.GotoAsync(Pages.Account);
        await theirs.WaitForURLAsync("**/account/sign-in**");

        await mine.ReloadAsync();
        await mine.IsSignedInAsync(ada);
        await Expect(mine.GetByRole(AriaRole.Button, new() { Name = "End session" })).ToHaveCountAsync(0);
    }

    [Fact]
    public async Task The_sessions_page_shows_a_new_device_by_itself()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await page.SignUpAsync(ada);
        await page.OpenLiveSessionsAsync();

        await browser.Service.Client.GetTokensAsync(ada);
        await Expect(page.GetByRole(AriaRole.Button, new() { Name = "End session" })).ToHaveCountAsync(1);
    }
}
