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
        await Expect(page.Locator(".gone .tag")).ToContainTextAsync("Signed out");
        Assert.Null(await browser.Service.Client.WhoAmIAsync(bearer: elsewhere.AccessToken));
    }

    [Fact]
    public async Task Password_and_e_mail_are_changed_a_stranger_is_disowned_and_the_account_is_deleted_with_JavaScript_off()
    {
        await using var profile = await browser.NewProfileAsync(script: false);
        var page = await profile.NewPageAsync();
        var (ada, other) = (Person.New(), Person.New("other"));
        await page.SignUpAsync(ada);
        await StatesTests.ChangePasswordAsync(page, ada.Password, other.Password);

        await page.GotoAsync("/account/profile");
        await page.GetByLabel("New e-mail").FillAsync(other.Email);
        await page.Locator("#field-emailPassword").FillAsync(other.Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Change e-mail" }).ClickAsync();
        await Expect(page.Locator("main [role=status]")).ToContainTextAsync(other.Email);
        await page.GotoAsync(await WayBackInTests.LinkAsync(browser, other.Email, "/account/confirm-new-email"));
        await page.GetByRole(AriaRole.Button, new() { Name = "Use this address" }).ClickAsync();
        await Expect(page.Locator("main [role=status]")).ToContainTextAsync("Your e-mail is changed");
        await page.GotoAsync(Pages.Account);
        await page.IsSignedInAsync(other);

        var (bob, fresh) = (Person.New("bob"), Person.New().Password);
        await page.SignOutAsync();
        await page.SignUpAsync(bob);
        var stranger = await browser.Service.Client.GetTokensAsync(bob);
        await page.GotoAsync(await WayBackInTests.LinkAsync(browser, bob.Email, "/account/not-me"));
        await page.GetByRole(AriaRole.Button, new() { Name = "End all sessions and choose a new password" }).ClickAsync();
        await page.Locator("main input[type=password]").FillAsync(fresh);
        await page.GetByRole(AriaRole.Button, new() { Name = "Set the new password" }).ClickAsync();
        await page.FillCredentialsAsync(bob with { Password = fresh });
        await page.IsSignedInAsync(bob);
        Assert.Null(await browser.Service.Client.WhoAmIAsync(bearer: stranger.AccessToken));

        await page.GotoAsync("/account/delete");
        await page.Locator("main input[type=password]").FillAsync(fresh);
        await page.GetByRole(AriaRole.Button, new() { Name = "for good" }).ClickAsync();
        await Expect(page.Locator("h1")).ToHaveTextAsync("Your account is deleted");
        await page.IsSignedOutAsync();
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
