using System.Diagnostics;
using App.E2E.Harness;

namespace App.E2E.Journeys;

/// <summary>What a browser does once its token is over: beside others, for most of it is waiting.</summary>
[Collection(InBrowserToo.Name)]
public sealed class ExpiryTests(Browser browser)
{
    [Fact]
    public async Task After_its_token_expires_a_reload_and_two_tabs_at_once_stay_signed_in()
    {
        await using var one = await browser.NewProfileAsync();
        await using var two = await browser.NewProfileAsync();
        var (ada, bob) = (Person.New(), Person.New("bob"));
        var (page, tab) = (await one.NewPageAsync(), await two.NewPageAsync());
        await page.SignUpAsync(ada);
        await tab.SignUpAsync(bob);
        var other = await two.NewPageAsync();
        await other.GotoAsync(Pages.Account);
        var (adas, bobs) = (await one.CookieAsync("session"), await two.CookieAsync("session"));

        await ExpiredAsync(adas!);
        await ExpiredAsync(bobs!);

        await page.ReloadAsync();
        await page.IsSignedInAsync(ada);
        Assert.NotEqual(adas, await one.CookieAsync("session"));

        await Task.WhenAll(tab.ReloadAsync(), other.ReloadAsync());
        await tab.IsSignedInAsync(bob);
        await other.IsSignedInAsync(bob);
        Assert.NotEqual(bobs, await two.CookieAsync("session"));
        await Task.WhenAll(tab.ReloadAsync(), other.ReloadAsync());
        await tab.IsSignedInAsync(bob);
        await other.IsSignedInAsync(bob);
    }

    /// <summary>Waits until the service itself refuses the token: the lifetime of five seconds, and the skew of thirty.</summary>
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
