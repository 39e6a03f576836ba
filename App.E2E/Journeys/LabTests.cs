using System.Globalization;
using App.E2E.Harness;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace App.E2E.Journeys;

/// <summary>The lab, as somebody sees it who has two minutes to learn what the field's trade-off is.</summary>
[Collection(InBrowserToo.Name)]
public sealed class LabTests(Browser browser)
{
    /// <summary>Milliseconds. Whoever only asks once its knowledge is too old takes three seconds and more; how soon it is in a quiet browser, others measure.</summary>
    private const int AtOnce = 2_500;

    [Fact]
    public async Task The_lab_shows_what_a_call_costs_and_how_soon_each_service_notices_an_end()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        using var watch = new PageWatch(page);
        await watch.BeginAsync();
        var ada = Person.New();
        await page.SignUpAsync(ada);
        await page.GotoAsync("/lab", new() { WaitUntil = WaitUntilState.NetworkIdle });
        Assert.Equal(0, await watch.LayoutShiftAsync());

        await ClickAsync(page, "Call each 100 times", "Each service was called a hundred times.");
        await Expect(page.Locator("tbody tr td:last-child")).ToHaveTextAsync(["1", "1", "0"]);

        await ClickAsync(page, "End the session", "Asks us: refused after");
        var verdicts = await page.Locator(".verdict").AllInnerTextsAsync();
        foreach (var verdict in verdicts.Take(3)) Assert.InRange(Milliseconds(verdict), 1, AtOnce);
        Assert.StartsWith("let in for up to ", verdicts[3], StringComparison.Ordinal);

        // Told in the same words as before, so that the change is waited for as well.
        await ClickAsync(page, "Cut the feed, then end it", "Running", TimeSpan.FromSeconds(30));
        await Expect(page.Locator("p[role=status]")).ToContainTextAsync("Checks itself: refused after", new() { Timeout = 60_000 });
        verdicts = await page.Locator(".verdict").AllInnerTextsAsync();
        foreach (var verdict in verdicts.Take(2)) Assert.InRange(Milliseconds(verdict), 1, AtOnce);
        // It knows how old its knowledge is: not before that is too old does it ask, and then at once.
        Assert.InRange(Milliseconds(verdicts[2]), 1_500, 20_000); // a heartbeat may be five seconds old when the feed is cut
        Assert.StartsWith("let in for up to ", verdicts[3], StringComparison.Ordinal);

        await ClickAsync(page, "Stop us for five seconds", "calls failed", TimeSpan.FromSeconds(60));
        verdicts = await page.Locator(".verdict").AllInnerTextsAsync();
        foreach (var verdict in verdicts.Skip(4).Take(2)) Assert.Matches(@"[1-9]\d* of \d+ calls failed", verdict);
        foreach (var verdict in verdicts.Skip(6)) Assert.Matches(@"none of [1-9]\d* calls failed", verdict);

        await page.Locator("#carriage").SelectOptionAsync("Cookie");
        await ClickAsync(page, "Send the request", "Done.");
        Assert.StartsWith("HTTP/1.1 200 OK", await page.Locator(".wire pre").Nth(1).InnerTextAsync(), StringComparison.Ordinal);

        // A number that takes the place of a dash counts a little; a chart that pushed others down would count much more.
        Assert.InRange(await watch.LayoutShiftAsync(), 0, 0.005);
        await LookAsync(page);
        Assert.Empty(watch.Complaints);
        Assert.Empty(watch.Strangers);

        // It was a session of the lab's own that ended.
        await page.ReloadAsync();
        await page.IsSignedInAsync(ada);
    }

    private static async Task ClickAsync(IPage page, string button, string told, TimeSpan? limit = null)
    {
        await page.GetByRole(AriaRole.Button, new() { Name = button, Exact = true }).ClickAsync();
        await Expect(page.Locator("p[role=status]")).ToContainTextAsync(told, new() { Timeout = (float)(limit ?? TimeSpan.FromSeconds(60)).TotalMilliseconds });
    }

    private static double Milliseconds(string verdict)
    {
        var words = verdict.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries); // refused after 12 ms, or 1.2 s, with a space that doesn't break
        return double.Parse(words[2], CultureInfo.InvariantCulture) * (words[3] == "s" ? 1000 : 1);
    }

    private static async Task LookAsync(IPage page)
    {
        foreach (var colours in new[] { ColorScheme.Light, ColorScheme.Dark })
        {
            await page.EmulateMediaAsync(new() { ColorScheme = colours });
            foreach (var width in new[] { 360, 768, 1440 })
            {
                await page.SetViewportSizeAsync(width, 900);
                Assert.True(await page.EvaluateAsync<bool>("document.scrollingElement.scrollWidth <= innerWidth"), $"The lab scrolls sideways at {width} px.");
                await page.PictureAsync($"lab-{colours}-{width}");
                if (width == 360) await LooksTests.BigEnoughToTouchAsync(page);
                if (width == (colours == ColorScheme.Light ? 360 : 1440)) await LooksTests.AccessibleAsync(page);
            }
        }
    }
}
