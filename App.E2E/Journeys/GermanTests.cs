using App.E2E.Harness;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace App.E2E.Journeys;

/// <summary>The other language, whose words are longer: every page on a phone, light and dark, and what scripts and circuits say.</summary>
[Collection(InBrowser.Name)]
public sealed class GermanTests(Browser browser)
{
    private static readonly string[] Open = [Pages.Home, Pages.SignIn, Pages.SignUp, "/account/forgot", "/account/reset", "/no/such/page", "/dev/ui"];

    private static readonly string[] Mine =
    [
        Pages.Home, Pages.Account, "/account/profile", "/account/security", "/account/two-step", "/account/passkeys", "/account/activity", "/account/services", "/account/delete", "/account/confirm", Pages.SignOut, Pages.Sessions,
    ];

    [Fact]
    public async Task Every_page_fits_a_phone_in_German_and_goes_on_in_it()
    {
        await using var profile = await browser.NewProfileAsync(width: 360, locale: "de-DE");
        var page = await profile.NewPageAsync();
        using var watch = new PageWatch(page);
        await watch.BeginAsync();
        foreach (var path in Open) await LookAsync(page, path, "open");

        var ada = Person.New();
        await page.GotoAsync(Pages.SignUp);
        await page.Locator("main input[type=password]").FillAsync(ada.Password);
        await Expect(page.Locator(".strength[data-level='3']")).ToContainTextAsync("Stark");
        await page.FillCredentialsAsync(ada);
        await page.IsSignedInAsync(ada);
        var elsewhere = await browser.Service.Client.GetTokensAsync(ada);
        foreach (var path in Mine) await LookAsync(page, path, "mine");

        await page.OpenLiveSessionsAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Alle anderen Sitzungen beenden" }).ClickAsync();
        await page.PictureAsync("de-dialog-360", whole: false);
        await page.GetByRole(AriaRole.Button, new() { Name = "Beenden", Exact = true }).ClickAsync();
        await Expect(page.Locator(".gone .tag")).ToContainTextAsync("bgemeldet");
        await page.PictureAsync("de-toast-360", whole: false);
        Assert.Null(await browser.Service.Client.WhoAmIAsync(bearer: elsewhere.AccessToken));

        await page.GetByRole(AriaRole.Button, new() { Name = "English" }).ClickAsync();
        await Expect(page.Locator("h1")).ToHaveTextAsync("Where you’re signed in");
        Assert.Empty(watch.Complaints);
        Assert.Empty(watch.Strangers);
    }

    private static async Task LookAsync(IPage page, string path, string kind)
    {
        await page.GotoAsync(path);
        await Expect(page.Locator("html")).ToHaveAttributeAsync("lang", "de");
        Assert.True(await page.EvaluateAsync<bool>("document.scrollingElement.scrollWidth <= innerWidth"), $"{path} scrolls sideways.");
        foreach (var colours in new[] { ColorScheme.Dark, ColorScheme.Light })
        {
            await page.EmulateMediaAsync(new() { ColorScheme = colours });
            await page.PictureAsync($"de-{kind}{path.Replace('/', '-')}-{colours}-360");
            // A page that LooksTests sees is as accessible in one language as in the other; one of one's own is seen in the dark in English.
            if (LooksTests.EveryPage().Any(row => row[1] as string == path) || (kind == "mine" && colours == ColorScheme.Dark)) continue;
            await LooksTests.AccessibleAsync(page, $"{path} {colours}");
        }
    }
}
