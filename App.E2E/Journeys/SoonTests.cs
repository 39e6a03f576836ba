using System.Diagnostics;
using App.E2E.Harness;
using Microsoft.Playwright;

namespace App.E2E.Journeys;

/// <summary>How soon a page that stays open knows, while nothing else takes the browser's time.</summary>
[Collection(InBrowserByTheClock.Name)]
public sealed class SoonTests(Browser browser)
{
    [Fact]
    public async Task An_open_sessions_page_leads_to_sign_in_within_a_second_of_its_end()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await page.SignUpAsync(ada);
        await page.OpenLiveSessionsAsync();
        var elsewhere = await browser.Service.Client.GetTokensAsync(ada);

        var clock = Stopwatch.StartNew();
        using var ended = await browser.Service.Client.SendAsync(HttpMethod.Delete, "/api/sessions", bearer: elsewhere.AccessToken);
        Assert.True(ended.IsSuccessStatusCode, $"{ended.StatusCode}");
        await page.WaitForURLAsync("**/account/sign-in**", new() { WaitUntil = WaitUntilState.Commit });
        Assert.InRange(clock.ElapsedMilliseconds, 0, 1000);
    }
}
