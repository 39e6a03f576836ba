using App.E2E.Harness;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace App.E2E.Journeys;

/// <summary>Each page, light and dark, from a phone to a wide screen: accessible, still, of one origin, and pictured for somebody to look at.</summary>
[Collection(InBrowserToo.Name)]
public sealed class LooksTests(Browser browser)
{
    private static readonly int[] Widths = [360, 768, 1440];

    public static TheoryData<string, string, bool> EveryPage() => new()
    {
        { "home", Pages.Home, false },
        { "home-signed-in", Pages.Home, true },
        { "sign-in", Pages.SignIn, false },
        { "sign-up", Pages.SignUp, false },
        { "sign-out", Pages.SignOut, true },
        { "account", Pages.Account, true },
        { "sessions", Pages.Sessions, true },
        { "not-found", "/no/such/page", false },
    };

    [Theory]
    [MemberData(nameof(EveryPage))]
    public async Task A_page_is_accessible_still_and_fits_its_screen(string name, string path, bool signedIn)
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        if (signedIn)
        {
            var ada = Person.New();
            await page.SignUpAsync(ada);
            await browser.Service.Client.GetTokensAsync(ada);
        }
        foreach (var width in Widths)
        {
            await page.SetViewportSizeAsync(width, 900);
            await LookAsync(page, name, path, ColorScheme.Light, width);
        }

        await PictureAsync(page, name, ColorScheme.Dark, Widths[0], Widths[^1]);
        await AccessibleAsync(page);
    }

    [Fact]
    public async Task The_pages_of_somebody_with_a_service_are_accessible_still_and_fit_their_screens()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        var admin = await Admin.NewAsync(browser.Service);
        await admin.AddServiceAsync("orders", "ChecksItself");
        await page.SignInAsync(admin.Person);
        foreach (var (name, path) in new[]
        {
            ("services", "/services"), ("service-new", "/services/new"), ("service", "/services/orders"), ("connect", "/services/orders/connect"), ("connect-gateway", "/services/orders/connect?trust=Gateway"),
            ("dashboard", "/admin"), ("admin-users", "/admin/users"), ("admin-user", $"/admin/users/{Credentials.Claims(admin.Credentials.AccessToken)["sub"]}"), ("admin-audit", "/admin/audit"), ("admin-events", "/admin/events"), ("admin-keys", "/admin/keys"), ("admin-drill", "/admin/drill"),
            ("token", "/tools/token"),
        })
        {
            await page.SetViewportSizeAsync(Widths[0], 900);
            await page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Light });
            await LookAsync(page, name, path, ColorScheme.Light, Widths[0]);
            await EverywhereAsync(page, name);
        }

        await page.Locator("textarea").FillAsync(admin.Credentials.AccessToken);
        await page.Locator("main button.main").ClickAsync();
        await page.Locator(".claims").First.WaitForAsync();
        await AccessibleAsync(page);
        await EverywhereAsync(page, "token-good");
    }

    [Theory]
    [InlineData(Pages.SignIn)]
    [InlineData(Pages.SignUp)]
    public async Task A_form_that_was_refused_is_accessible_too(string path)
    {
        foreach (var colours in new[] { ColorScheme.Light, ColorScheme.Dark })
        {
            await using var profile = await browser.NewProfileAsync(colours: colours, width: 360);
            var page = await profile.NewPageAsync();
            await page.GotoAsync(path);
            await page.FillCredentialsAsync(new Person("nobody@example.test", "short"));
            await page.Locator("main [role=alert]").WaitForAsync();
            await page.PictureAsync($"{path.Split('/')[^1]}-refused-{colours}-360");
            await AccessibleAsync(page);
        }
    }

    private static async Task LookAsync(IPage page, string name, string path, ColorScheme colours, int width)
    {
        using var watch = new PageWatch(page);
        await watch.BeginAsync();
        await page.GotoAsync(path, new() { WaitUntil = WaitUntilState.NetworkIdle });

        Assert.True(await page.EvaluateAsync<bool>("document.scrollingElement.scrollWidth <= innerWidth"), $"{path} scrolls sideways at {width} px.");
        // Before the picture: to take all of a page, the browser stretches its window.
        Assert.True(await watch.LayoutShiftAsync() == 0, $"{path} at {width} px: {string.Join(", ", await watch.MovedAsync())}");
        await page.PictureAsync($"{name}-{colours}-{width}");
        Assert.Empty(watch.Complaints);
        Assert.Empty(watch.Strangers);
        if (width == Widths[0]) await BigEnoughToTouchAsync(page);
        if (width == Widths[0]) await AccessibleAsync(page);
    }

    /// <summary>The page at hand on a phone in light colours is looked at already; here the rest, without fetching it again.</summary>
    private static async Task EverywhereAsync(IPage page, string name)
    {
        await PictureAsync(page, name, ColorScheme.Light, Widths[1..]);
        await PictureAsync(page, name, ColorScheme.Dark, Widths[0], Widths[^1]);
        await AccessibleAsync(page);
    }

    private static async Task PictureAsync(IPage page, string name, ColorScheme colours, params int[] widths)
    {
        await page.EmulateMediaAsync(new() { ColorScheme = colours });
        foreach (var width in widths)
        {
            await page.SetViewportSizeAsync(width, 900);
            Assert.True(await page.EvaluateAsync<bool>("document.scrollingElement.scrollWidth <= innerWidth"), $"{name} scrolls sideways at {width} px.");
            await page.PictureAsync($"{name}-{colours}-{width}");
        }
    }

    internal static async Task AccessibleAsync(IPage page, string name = "")
    {
        var result = await page.RunAxe();
        if (result.Violations.Length > 0 && result.Violations.All(violation => violation.Id == "color-contrast"))
        {
            // What is on its way in or out, as a message that fades, has hardly any contrast. A fault stays.
            await Task.Delay(1000);
            result = await page.RunAxe();
        }

        Assert.True(result.Violations.Length == 0, name + '\n' + string.Join('\n', result.Violations.Select(violation =>
            $"{violation.Id}: {violation.Help}: {string.Join(" | ", violation.Nodes.Select(node => node.Html))}")));
    }

    /// <summary>Controls are at least 44 px high on a phone, and so are links but for those in a sentence (UX; WCAG 2.2, 2.5.5).</summary>
    internal static async Task BigEnoughToTouchAsync(IPage page)
    {
        var small = await page.EvaluateAsync<string[]>("""
            [...document.querySelectorAll('button, summary, main a, .foot a, a.btn, input:not([type=hidden]):not([type=checkbox]):not([type=radio])')]
              .filter(e => !(e.matches('a:not(.btn)') && [...e.parentNode.childNodes].some(beside => beside.nodeType === Node.TEXT_NODE && beside.data.trim())))
              .filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 44).map(e => `${e.outerHTML.slice(0, 120)} ${e.getBoundingClientRect().height}`)
            """);
        Assert.Empty(small);
    }
}
