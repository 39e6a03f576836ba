using App.E2E.Harness;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace App.E2E.Journeys;

/// <summary>The first ten minutes of a developer: from a fresh start to a service of their own that knows who is calling, and who no longer is.</summary>
[Collection(InBrowserToo.Name)]
public sealed class ConnectTests(Browser browser)
{
    [Fact]
    public async Task From_a_fresh_start_a_copied_service_is_seen_greets_and_refuses_once_the_session_has_ended()
    {
        await using var gatehouse = await Service.StartAsync();
        await using var here = await browser.NewProfileAsync(at: gatehouse);
        await here.GrantPermissionsAsync(["clipboard-read", "clipboard-write"], new() { Origin = gatehouse.Address });
        var page = await here.NewPageAsync();
        await page.GotoAsync(Pages.Home);
        await Expect(page.Locator("main")).ToContainTextAsync("development mode");

        var ada = Person.New();
        await page.SignUpAsync(ada);
        await Admin.GrantAsync(gatehouse, ada);
        // The command is another process: this one hears of the new role within a second.
        for (var look = 0; look < 100 && (await page.GotoAsync("/services"))?.Status != 200; look++) await Task.Delay(100);
        await page.GetByRole(AriaRole.Link, new() { Name = "Connect a service" }).ClickAsync();
        await page.GetByLabel("Id").FillAsync("orders");
        await page.GetByRole(AriaRole.Button, new() { Name = "Register the service" }).ClickAsync();
        var secret = await CopyAsync(page, "Copy the secret");
        TestRun.Secrets[secret] = "a service's secret";
        // Whoever reloads meets the service, where a new secret can be had, and no empty form.
        await page.ReloadAsync();
        await Expect(page).ToHaveURLAsync(new System.Text.RegularExpressions.Regex("/services/orders$"));
        await page.GotoAsync("/services/orders/connect");
        await Expect(page.GetByText("Waiting for the first call from orders")).ToBeVisibleAsync();

        var copied = await CopyAsync(page, "Copy server.mjs");
        var shown = await ShownCode.ReadAsync(gatehouse, string.Join("; ", (await here.CookiesAsync()).Select(c => $"{c.Name}={c.Value}")), "orders");
        Assert.Equal(shown.Files["server.mjs"], copied);
        await page.EvaluateAsync("() => { navigator.clipboard.writeText = () => Promise.reject(new DOMException('no', 'NotAllowedError')); }");
        await page.Locator("[data-copy=setup]").ClickAsync();
        await page.WaitForFunctionAsync("getSelection().toString().startsWith('npm install')");
        await using var orders = await CopiedService.StartAsync(shown, "express", "orders", secret, gatehouse);
        await Expect(page.GetByText("Seen. orders has called")).ToBeVisibleAsync();

        var service = await here.NewPageAsync();
        var greeting = await service.GotoAsync($"http://localhost:{orders.Port}/");
        Assert.Equal($$"""{"hello":"{{ada.Email}}"}""", await greeting!.TextAsync());

        await using var there = await browser.NewProfileAsync(at: gatehouse);
        var other = await there.NewPageAsync();
        await other.SignInAsync(ada);
        await other.OpenLiveSessionsAsync();
        await other.GetByRole(AriaRole.Button, new() { Name = "End session" }).ClickAsync();
        await Expect(other.Locator(".gone .tag")).ToHaveTextAsync(new System.Text.RegularExpressions.Regex(@"^Signed out everywhere in \d+\.\d s$"));
        Assert.Equal(401, (await service.ReloadAsync())!.Status);
    }

    private static async Task<string> CopyAsync(IPage page, string button)
    {
        // Said for two seconds: looked for from before the press, in each frame.
        var told = page.WaitForFunctionAsync("""
            () => document.querySelector('p.sr[role=status]')?.textContent === 'Copied'
              && [...document.querySelectorAll('button')].some(button => button.checkVisibility() && button.textContent === 'Copied' && button.ariaLabel === 'Copied')
            """);
        await page.GetByRole(AriaRole.Button, new() { Name = button }).ClickAsync();
        await told;
        return await page.EvaluateAsync<string>("navigator.clipboard.readText()");
    }
}
