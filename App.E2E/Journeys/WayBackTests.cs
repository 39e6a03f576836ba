using System.Net;
using App.E2E.Harness;
using Microsoft.Playwright;

namespace App.E2E.Journeys;

/// <summary>After signing in one is where one wanted to be, and never anywhere that is not ours.</summary>
[Collection(InBrowser.Name)]
public sealed class WayBackTests(Browser browser)
{
    [Fact]
    public async Task After_signing_in_one_is_on_the_page_one_asked_for()
    {
        await using var profile = await browser.NewProfileAsync(script: false);
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await browser.Service.Client.SignUpAsync(ada);

        await page.GotoAsync(Pages.Sessions);
        await page.WaitForURLAsync($"**{Pages.SignIn}?returnUrl=**");
        await page.FillCredentialsAsync(ada);
        await page.WaitForURLAsync($"{browser.Service.Address}{Pages.Sessions}");
        await page.IsSignedInAsync(ada);
    }

    [Theory]
    [InlineData("https://evil.example/")]
    [InlineData("//evil.example/")]
    [InlineData("/\\evil.example/")]
    [InlineData("/%09/evil.example/")]
    public async Task No_return_address_leads_away_from_us(string returnUrl)
    {
        await using var profile = await browser.NewProfileAsync(script: false);
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await browser.Service.Client.SignUpAsync(ada);

        await page.SignInAsync(ada, $"{Pages.SignIn}?returnUrl={WebUtility.UrlEncode(returnUrl)}");
        Assert.StartsWith(browser.Service.Address + "/", page.Url, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_keyboard_alone_gets_one_in()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await browser.Service.Client.SignUpAsync(ada);

        await page.GotoAsync(Pages.SignIn);
        await TabToAsync(page, "email");
        await page.Keyboard.TypeAsync(ada.Email);
        await TabToAsync(page, "password");
        await page.Keyboard.TypeAsync(ada.Password);
        await page.Keyboard.PressAsync("Enter");
        await page.IsSignedInAsync(ada);
    }

    private static async Task TabToAsync(IPage page, string type)
    {
        for (var step = 0; step < 20; step++)
        {
            if (await page.EvaluateAsync<string?>("document.activeElement.getAttribute('type')") == type) return;
            await page.Keyboard.PressAsync("Tab");
        }
        Assert.Fail($"Twenty presses of Tab don't reach the {type} field.");
    }
}
