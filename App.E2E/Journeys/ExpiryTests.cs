using System.Diagnostics;
using App.E2E.Harness;
using Microsoft.Playwright;

namespace App.E2E.Journeys;

/// <summary>What a browser does once its token is over.</summary>
[Collection(InBrowserToo.Name)]
public sealed class ExpiryTests(Browser browser)
{
    [Fact]
    public async Task After_its_token_expires_a_page_and_two_tabs_at_once_stay_signed_in()
    {
        var ((ada, adas), (bob, bobs)) = (browser.Early[0], browser.Early[1]);
        await using var one = await ComeBackAsync(adas);
        await using var two = await ComeBackAsync(bobs);
        var (page, tab, other) = (await one.NewPageAsync(), await two.NewPageAsync(), await two.NewPageAsync());

        await page.GotoAsync(Pages.Account);
        await page.IsSignedInAsync(ada);
        Assert.NotEqual(adas.Session, await one.CookieAsync("session"));

        await Task.WhenAll(tab.GotoAsync(Pages.Home), other.GotoAsync(Pages.Account));
        await tab.IsSignedInAsync(bob);
        await other.IsSignedInAsync(bob);
        Assert.NotEqual(bobs.Session, await two.CookieAsync("session"));
        await Task.WhenAll(tab.ReloadAsync(), other.ReloadAsync());
        await tab.IsSignedInAsync(bob);
        await other.IsSignedInAsync(bob);
    }

    // With both cookies as they were given, once the token in the first is over.
    private async Task<IBrowserContext> ComeBackAsync(Credentials credentials)
    {
        await ExpiredAsync(credentials.Session);
        var profile = await browser.NewProfileAsync();
        await profile.AddCookiesAsync(new[] { ("session", credentials.Session), ("session_refresh", credentials.Refresh) }.Select(cookie =>
            new Cookie { Name = cookie.Item1, Value = cookie.Item2, Url = browser.Service.Address, HttpOnly = true, SameSite = SameSiteAttribute.Lax }));
        return profile;
    }

    /// <summary>Waits until the service itself refuses the token: the lifetime of five seconds, and the skew of thirty. Most of that has passed with other tests.</summary>
    private async Task ExpiredAsync(string session)
    {
        var clock = Stopwatch.StartNew();
        while (await browser.Service.Client.WhoAmIAsync(cookie: $"session={session}") is not null)
        {
            Assert.True(clock.Elapsed < TimeSpan.FromMinutes(1), "The token is still accepted after a minute.");
            await Task.Delay(250);
        }
    }
}
