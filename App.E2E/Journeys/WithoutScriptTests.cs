using System.Net;
using App.E2E.Harness;
using static Microsoft.Playwright.Assertions;

namespace App.E2E.Journeys;

/// <summary>Everything that changes a credential works with JavaScript off.</summary>
[Collection(InBrowser.Name)]
public sealed class WithoutScriptTests(Browser browser)
{
    [Fact]
    public async Task Signing_up_out_and_in_works_with_JavaScript_off()
    {
        await using var profile = await browser.NewProfileAsync(script: false);
        var page = await profile.NewPageAsync();
        var ada = Person.New();

        await page.SignUpAsync(ada);
        await page.SignOutAsync();
        await page.SignInAsync(ada);
        await page.GotoAsync(Pages.Sessions);
        await Expect(page.Locator("main")).ToContainTextAsync("This device");
        await page.SignOutAsync();
    }

    [Fact]
    public async Task A_wrong_password_is_said_beside_its_field_and_the_address_is_kept()
    {
        await using var profile = await browser.NewProfileAsync(script: false);
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await browser.Service.Client.SignUpAsync(ada);

        await page.GotoAsync(Pages.SignIn);
        await page.FillCredentialsAsync(ada with { Password = "not the password at all" });

        await Expect(page.Locator("main input[type=password][aria-invalid=true]")).ToBeVisibleAsync();
        await Expect(page.Locator("main input[type=email]")).ToHaveValueAsync(ada.Email);
        await Expect(page.Locator("main input[type=password]")).ToHaveValueAsync("");
        Assert.Null(await profile.CookieAsync("session"));
    }

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

    private static async Task TabToAsync(Microsoft.Playwright.IPage page, string type)
    {
        for (var step = 0; step < 20; step++)
        {
            if (await page.EvaluateAsync<string?>("document.activeElement.getAttribute('type')") == type) return;
            await page.Keyboard.PressAsync("Tab");
        }
        Assert.Fail($"Twenty presses of Tab don't reach the {type} field.");
    }
}
