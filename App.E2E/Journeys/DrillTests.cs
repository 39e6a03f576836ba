using System.Net;
using App.E2E.Harness;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace App.E2E.Journeys;

/// <summary>The fire drill, with real services: one that answers at once, one whose process stands still and goes on, one that nobody has heard of.</summary>
[Collection(InBrowserToo.Name)]
public sealed class DrillTests(Browser browser)
{
    [Fact]
    public async Task A_drill_shows_live_how_soon_each_service_refuses_and_names_the_one_that_doesnt()
    {
        TestRun.Secrets[Peer.ClientSecret] = "a service's secret";
        await using var gatehouse = await Service.StartAsync(null,
            ("Services__0__Id", Peer.ClientId), ("Services__0__Secret", Peer.ClientSecret), ("Services__1__Id", "billing"), ("Services__1__Secret", Peer.ClientSecret),
            ("Services__1__Audience", "https://billing.example"), ("Services__2__Id", "stock"), ("Services__2__Secret", Peer.ClientSecret));
        await using var profile = await browser.NewProfileAsync(at: gatehouse, width: 360);
        var page = await profile.NewPageAsync();
        using var watch = new PageWatch(page);
        await watch.BeginAsync();
        var admin = await Admin.NewAsync(gatehouse);
        await page.SignInAsync(admin.Person);
        await page.GotoAsync("/admin/drill");
        await Expect(page.Locator(".empty")).ToContainTextAsync("No service is in contact");
        await LookAsync(page, "drill-empty");

        await using var orders = await Peer.StartAsync("node", gatehouse.Address, gatehouse.Address, "gatehouse");
        await using var billing = await Peer.StartAsync("node", gatehouse.Address, gatehouse.Address, "https://billing.example", ("GATEHOUSE_CLIENT_ID", "billing"));
        // In contact once its first word is written down.
        for (var look = 0; look < 100 && await page.Locator(".told .lane b").CountAsync() < 2; look++)
        {
            await Task.Delay(100);
            await page.GotoAsync("/admin/drill");
        }

        await Expect(page.Locator(".told .lane b")).ToHaveTextAsync(["billing", "orders"]);
        await LookAsync(page, "drill-ready");
        await page.SetViewportSizeAsync(1440, 900);

        await StartAsync(page, "Start a fire drill");
        await Expect(page.Locator(".drill")).ToContainTextAsync("All 2 services refused it within");
        await StillAsync(watch);
        await Expect(page.Locator(".told .verdict")).ToHaveTextAsync([Refused(), Refused()]);
        await LookAsync(page, "drill");

        // They stand still, as processes do that swap or are being moved. On a phone, where there is the least room for what then comes.
        await page.SetViewportSizeAsync(360, 900);
        foreach (var peer in new[] { orders, billing }) await peer.PauseAsync();
        await NextAsync(page);
        await Expect(page.Locator(".drill.bad")).ToContainTextAsync("haven’t answered after 5 s");
        await Expect(page.Locator("p.sr[role=status]").First).ToContainTextAsync("haven’t answered");
        await page.EvaluateAsync("() => { window.here = true; }");
        await orders.GoOnAsync();
        await Expect(page.Locator(".told .lane", new() { HasText = "orders" }).Locator(".verdict")).ToHaveTextAsync(Refused());
        await Expect(page.Locator(".drill.bad")).ToContainTextAsync("billing hasn’t answered after 5 s");
        await StillAsync(watch);
        await LookAsync(page, "drill-late");
        await page.SetViewportSizeAsync(360, 900);
        var before = await SettledAsync(watch);
        await billing.GoOnAsync();
        await Expect(page.Locator(".drill")).ToContainTextAsync("All 2 services refused it within");
        Assert.True(await page.EvaluateAsync<bool>("() => window.here"), "The page was loaded again.");
        await StillAsync(watch, before);

        // Nobody was signed out by any of it.
        await page.GotoAsync(Pages.Sessions);
        await page.IsSignedInAsync(admin.Person);
        Assert.DoesNotContain("Fire", await page.Locator("main .list").InnerTextAsync(), StringComparison.Ordinal);
        Assert.Empty(watch.Complaints);
        Assert.Empty(watch.Strangers);
    }

    [Fact] // whose words are longer
    public async Task In_German_nothing_moves_on_a_phone_when_somebody_is_late_and_then_answers()
    {
        TestRun.Secrets[Peer.ClientSecret] = "a service's secret";
        await using var gatehouse = await Service.StartAsync(null, ("Services__0__Id", Peer.ClientId), ("Services__0__Secret", Peer.ClientSecret));
        await using var orders = await Peer.StartAsync("node", gatehouse.Address, gatehouse.Address, "gatehouse");
        await using var profile = await browser.NewProfileAsync(at: gatehouse, width: 360, locale: "de-DE");
        var page = await profile.NewPageAsync();
        using var watch = new PageWatch(page);
        await watch.BeginAsync();
        await page.SignInAsync((await Admin.NewAsync(gatehouse)).Person);
        await page.GotoAsync("/admin/drill");
        for (var look = 0; look < 100 && await page.Locator(".told .lane b").CountAsync() < 1; look++)
        {
            await Task.Delay(100);
            await page.GotoAsync("/admin/drill");
        }

        await orders.PauseAsync();
        await StartAsync(page, "Probealarm auslösen");
        await Expect(page.Locator(".drill.bad")).ToContainTextAsync("hat nach 5 s nicht geantwortet");
        await StillAsync(watch);
        await orders.GoOnAsync();
        await Expect(page.Locator(".drill.wait b")).ToContainTextAsync("später als das Ziel von 1 s.");
        await StillAsync(watch);
        await LookAsync(page, "de-drill-later");
        Assert.Empty(watch.Complaints);
    }

    [Fact]
    public async Task An_admin_whose_role_ends_sees_no_more_of_it()
    {
        TestRun.Secrets[Peer.ClientSecret] = "a service's secret";
        await using var gatehouse = await Service.StartAsync(null, ("Services__0__Id", Peer.ClientId), ("Services__0__Secret", Peer.ClientSecret));
        await using var orders = await Peer.StartAsync("node", gatehouse.Address, gatehouse.Address, "gatehouse");
        await using var profile = await browser.NewProfileAsync(at: gatehouse);
        var page = await profile.NewPageAsync();
        var (admin, other) = (await Admin.NewAsync(gatehouse), await Admin.NewAsync(gatehouse));
        await page.SignInAsync(admin.Person);
        await page.GotoAsync("/admin/drill", new() { WaitUntil = WaitUntilState.NetworkIdle });
        using var request = new HttpRequestMessage(HttpMethod.Delete, $"/api/admin/users/{Credentials.Claims(admin.Credentials.AccessToken)["sub"]}/roles/admin") { Headers = { Authorization = new("Bearer", other.Credentials.AccessToken) } };
        using var answer = await gatehouse.Client.SendAsync(request);
        Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        await Expect(page.Locator(".told")).ToHaveCountAsync(0);
        await Expect(page.Locator("header")).ToContainTextAsync(admin.Person.Email);
    }

    private static System.Text.RegularExpressions.Regex Refused() => new(@"^after [\d.]+\sm?s$");

    // Words that take the place of others count a little; what pushed the rest down would count much more.
    private static async Task StillAsync(PageWatch watch, double since = 0) =>
        Assert.True(await watch.LayoutShiftAsync() - since < 0.005, $"{await watch.LayoutShiftAsync() - since}: {string.Join(", ", await watch.MovedAsync())}");

    // Another width moves all there is, a few frames later.
    private static async Task<double> SettledAsync(PageWatch watch)
    {
        while (true)
        {
            var seen = await watch.LayoutShiftAsync();
            await Task.Delay(300);
            if (await watch.LayoutShiftAsync() <= seen) return seen;
        }
    }

    private static Task StartAsync(IPage page, string button) => page.GetByRole(AriaRole.Button, new() { Name = button }).ClickAsync();

    // Ten seconds after the one before; until then the button leads back to that.
    private static async Task NextAsync(IPage page)
    {
        var here = page.Url;
        for (var tries = 0; tries < 60 && page.Url == here; tries++)
        {
            await Task.Delay(500);
            await StartAsync(page, "Start another");
            await page.WaitForLoadStateAsync();
        }

        Assert.NotEqual(here, page.Url);
    }

    private static async Task LookAsync(IPage page, string name)
    {
        foreach (var colours in new[] { ColorScheme.Light, ColorScheme.Dark })
        {
            await page.EmulateMediaAsync(new() { ColorScheme = colours });
            foreach (var width in new[] { 360, 768, 1440 })
            {
                await page.SetViewportSizeAsync(width, 900);
                Assert.True(await page.EvaluateAsync<bool>("document.scrollingElement.scrollWidth <= innerWidth"), $"{name} scrolls sideways at {width} px.");
                await page.PictureAsync($"{name}-{colours}-{width}");
                if (width == 360) await LooksTests.BigEnoughToTouchAsync(page);
                if (width == (colours == ColorScheme.Light ? 360 : 1440)) await LooksTests.AccessibleAsync(page);
            }
        }
    }
}
