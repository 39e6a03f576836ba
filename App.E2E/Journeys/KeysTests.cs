using App.E2E.Harness;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace App.E2E.Journeys;

/// <summary>An operator rotates and revokes signing keys.</summary>
[Collection(InBrowserToo.Name)]
public sealed class KeysTests(Browser browser)
{
    private const string Keys = "/admin/keys";

    [Fact]
    public async Task The_keyboard_alone_rotates_the_keys_and_revokes_one_and_the_operator_stays_signed_in()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        using var watch = new PageWatch(page);
        await watch.BeginAsync();
        var admin = await Admin.NewAsync(browser.Service);
        await page.SignInAsync(admin.Person);
        await page.GotoAsync(Keys);
        var (first, second) = (await IdAsync(page, "Current"), await IdAsync(page, "Next"));

        await page.TabToAsync("Rotate now");
        await page.Keyboard.PressAsync("Enter");
        await StatesTests.LookAsync(page, "dialog-rotate");
        await Expect(page.GetByRole(AriaRole.Button, new() { Name = "Cancel" })).ToBeFocusedAsync();
        await page.Keyboard.PressAsync("Escape");
        await Expect(page.GetByRole(AriaRole.Dialog)).ToHaveCountAsync(0);
        await page.Keyboard.PressAsync("Enter");
        await AnswerAsync(page);
        await Expect(page.Locator("main [role=status]")).ToContainTextAsync($"Key {second} signs from now on");
        Assert.Equal((second, first), (await IdAsync(page, "Current"), await IdAsync(page, "Retired")));
        await StatesTests.LookAsync(page, "keys-rotated");

        await page.TabToAsync("Revoke " + second);
        await page.Keyboard.PressAsync("Enter");
        await StatesTests.LookAsync(page, "dialog-revoke");
        await Expect(page.GetByRole(AriaRole.Dialog)).ToContainTextAsync(second);
        var third = await IdAsync(page, "Next");
        await AnswerAsync(page);
        await Expect(page.Locator("main [role=status]")).ToContainTextAsync($"Key {second} is revoked");
        await page.IsSignedInAsync(admin.Person);
        Assert.Equal((third, second), (await IdAsync(page, "Current"), await IdAsync(page, "Revoked")));
        await StatesTests.LookAsync(page, "keys-revoked");
        Assert.Empty(watch.Complaints);
        Assert.Empty(watch.Strangers);
    }

    [Fact]
    public async Task A_double_click_rotates_once_with_JavaScript_off_and_in_German()
    {
        await using var profile = await browser.NewProfileAsync(script: false, width: 360, locale: "de-DE");
        var page = await profile.NewPageAsync();
        var admin = await Admin.NewAsync(browser.Service);
        await page.SignInAsync(admin.Person);
        await page.GotoAsync(Keys);
        var (next, before) = (await IdAsync(page, "Nächster"), await page.Locator("main .list > li").CountAsync());
        await page.Locator("button[popovertarget=rotate]").First.ClickAsync();
        await page.PictureAsync("de-dialog-rotate-360", whole: false);
        await page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = "Jetzt wechseln" }).DblClickAsync();
        await Expect(page.Locator("main [role=status]")).ToContainTextAsync("igniert"); // as the first click or the second is answered
        // What doesn't wait sees nothing in a page that the other answer is just taking the place of.
        await Expect(page.Locator("main .list > li")).ToHaveCountAsync(before + 1);
        await Expect(KeyOf(page, "Aktuell")).ToHaveTextAsync(next);

        await page.GetByRole(AriaRole.Button, new() { Name = "Widerrufen: " + next }).ClickAsync();
        await page.PictureAsync("de-dialog-revoke-360", whole: false);
        await page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = "Endgültig widerrufen" }).ClickAsync();
        await Expect(page.Locator("main [role=status]")).ToContainTextAsync("ist widerrufen");
        await Expect(page.Locator("main .list > li")).ToHaveCountAsync(before + 2); // and none of a click whose answer came after that was looked at
        await page.PictureAsync("de-keys-360");
    }

    // The key that stands first among those of its state.
    private static ILocator KeyOf(IPage page, string state) =>
        page.Locator("main .list > li").Filter(new() { Has = page.Locator(".tag", new() { HasTextString = state }) }).First.Locator("b");

    private static async Task<string> IdAsync(IPage page, string state) => (await KeyOf(page, state).TextContentAsync())!;

    // What does it stands before what doesn't, which has the focus.
    private static async Task AnswerAsync(IPage page)
    {
        await page.Keyboard.PressAsync("Shift+Tab");
        await page.Keyboard.PressAsync("Enter");
    }
}
