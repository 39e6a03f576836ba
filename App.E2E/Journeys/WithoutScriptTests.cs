using App.E2E.Harness;
using Microsoft.Playwright;
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
        await page.SignOutAsync();
    }

    [Fact]
    public async Task Another_session_is_ended_with_JavaScript_off()
    {
        await using var profile = await browser.NewProfileAsync(script: false);
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await page.SignUpAsync(ada);
        var elsewhere = await browser.Service.Client.GetTokensAsync(ada);

        await page.GotoAsync(Pages.Sessions);
        await page.GetByRole(AriaRole.Button, new() { Name = "End session" }).ClickAsync();

        await Expect(page.GetByRole(AriaRole.Button, new() { Name = "End session" })).ToHaveCountAsync(0);
        await Expect(page.Locator("main")).ToContainTextAsync("This device");
        Assert.Null(await browser.Service.Client.WhoAmIAsync(bearer: elsewhere.AccessToken));
    }

    [Fact]
    public async Task A_wrong_password_is_said_first_and_the_address_is_kept()
    {
        await using var profile = await browser.NewProfileAsync(script: false);
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await browser.Service.Client.SignUpAsync(ada);

        await page.GotoAsync(Pages.SignIn);
        await page.FillCredentialsAsync(ada with { Password = "not the password at all" });

        await Expect(page.Locator("main [role=alert]")).ToBeFocusedAsync();
        await Expect(page.Locator("main input[type=email]")).ToHaveValueAsync(ada.Email);
        await Expect(page.Locator("main input[type=password]")).ToHaveValueAsync("");
        Assert.Null(await profile.CookieAsync("session"));
    }

    [Fact]
    public async Task What_is_wrong_with_a_form_is_said_beside_each_field()
    {
        await using var profile = await browser.NewProfileAsync(script: false);
        var page = await profile.NewPageAsync();

        await page.GotoAsync(Pages.SignUp);
        await page.FillCredentialsAsync(new Person("ada at example", "short"));

        await Expect(page.Locator("main [role=alert]")).ToBeFocusedAsync();
        foreach (var type in new[] { "email", "password" })
        {
            var field = page.Locator($"main input[type={type}][aria-invalid=true]");
            var said = (await field.GetAttributeAsync("aria-describedby"))!.Split(' ')[0];
            await Expect(page.Locator($"#{said}")).ToBeVisibleAsync();
        }
        await Expect(page.Locator("main input[type=email]")).ToHaveValueAsync("ada at example");
    }
}
