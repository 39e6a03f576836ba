using App.E2E.Harness;
using Microsoft.Playwright;

namespace App.E2E.Journeys;

/// <summary>The page that a person sees first is small, complete, and nobody else's business.</summary>
[Collection(InBrowser.Name)]
public sealed class FirstPageTests(Browser browser)
{
    [Theory]
    [InlineData(Pages.Home)]
    [InlineData(Pages.SignIn)]
    [InlineData(Pages.SignUp)]
    public async Task A_first_page_takes_at_most_100_KB_in_all_and_loads_no_runtime(string path)
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        using var watch = new PageWatch(page);
        await watch.BeginAsync();
        await page.GotoAsync(path, new() { WaitUntil = WaitUntilState.NetworkIdle });

        Assert.InRange(await watch.BytesAsync(), 1, 100 * 1024);
        Assert.DoesNotContain(watch.Urls, url => url.Contains("/_framework/", StringComparison.Ordinal) || url.Contains("/_blazor", StringComparison.Ordinal));
        Assert.Empty(watch.Strangers);
        Assert.Empty(watch.Complaints);
    }
}
