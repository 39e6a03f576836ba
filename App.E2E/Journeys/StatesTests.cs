using App.E2E.Harness;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace App.E2E.Journeys;

/// <summary>What no address alone leads to: pages that a letter opens, that answer a form, that ask before something is lost. On a phone in the dark, and wide in the light.</summary>
[Collection(InBrowser.Name)]
public sealed class StatesTests(Browser browser)
{
    [Fact]
    public async Task Pages_of_letters_and_answers_to_forms_are_accessible_and_fit_their_screens()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        var (ada, other) = (Person.New(), Person.New("other"));
        await browser.Service.Client.SignUpAsync(ada);

        await page.SignInAsync(ada);
        await EndAsync(profile);
        await page.GotoAsync(Pages.Sessions);
        await Expect(page.Locator("main [role=status]")).ToContainTextAsync("Your session was ended");
        await LookAsync(page, "ended");
        await page.GotoAsync("/account/forgot");
        await page.Locator("main input[type=email]").FillAsync(ada.Email);
        await page.GetByRole(AriaRole.Button, new() { Name = "Send the link" }).ClickAsync();
        await Expect(page.Locator("h1")).ToHaveTextAsync("Check your e-mail");
        await LookAsync(page, "forgot-sent");

        var letter = await WayBackInTests.LinkAsync(browser, ada.Email, "/account/confirm-email");
        await page.GotoAsync(letter);
        await LookAsync(page, "confirm-email-sign-in");
        await page.Locator("main").GetByRole(AriaRole.Link, new() { Name = "Sign in" }).ClickAsync();
        await page.FillCredentialsAsync(ada);
        await page.IsSignedInAsync(ada);
        await LookAsync(page, "confirm-email");
        await page.Locator("main form button").ClickAsync();
        await Expect(page.Locator("h1")).ToHaveTextAsync("Your address is confirmed");
        await LookAsync(page, "confirm-email-done");
        await page.GotoAsync(letter);
        await LookAsync(page, "link-over");

        await page.GotoAsync(await WayBackInTests.LinkAsync(browser, ada.Email, "/account/not-me"));
        await LookAsync(page, "not-me");
        await page.GotoAsync("/account/profile");
        await page.GetByLabel("New e-mail").FillAsync(other.Email);
        await page.Locator("#field-emailPassword").FillAsync(ada.Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Change e-mail" }).ClickAsync();
        await Expect(page.Locator("main [role=status]")).ToContainTextAsync(other.Email);
        await LookAsync(page, "email-sent");
        await page.GotoAsync(await WayBackInTests.LinkAsync(browser, other.Email, "/account/confirm-new-email"));
        await LookAsync(page, "confirm-new-email");

        await page.GotoAsync("/account/delete");
        await page.Locator("main input[type=password]").FillAsync(ada.Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "for good" }).ClickAsync();
        await Expect(page.Locator("h1")).ToHaveTextAsync("Your account is deleted");
        await LookAsync(page, "deleted");
    }

    [Fact]
    public async Task An_account_that_begins_with_a_letter_is_finished_there()
    {
        await using var service = await Service.StartAsync(null, ("Accounts__SignUp", "ConfirmFirst"));
        await using var profile = await browser.NewProfileAsync(at: service);
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await page.GotoAsync(Pages.SignUp);
        await page.FillCredentialsAsync(ada);
        await Expect(page.Locator("h1").First).ToHaveTextAsync("Check your e-mail");
        await LookAsync(page, "sign-up-sent");
        await page.GotoAsync(await WayBackInTests.LinkAsync(service, ada.Email, "/account/finish-sign-up"));
        await LookAsync(page, "finish-sign-up");
        await page.Locator("main input[type=password]").FillAsync(ada.Password);
        await page.Locator("main input[type=password]").PressAsync("Enter");
        await page.IsSignedInAsync(ada);
    }

    [Fact]
    public async Task Pages_for_developers_and_of_failures_are_accessible_and_fit_their_screens()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await browser.Service.Client.SignUpAsync(ada);
        await WayBackInTests.LinkAsync(browser, ada.Email, "/account/confirm-email");
        foreach (var status in new[] { 403, 500, 503 })
        {
            await page.GotoAsync($"/error/{status}");
            await LookAsync(page, $"error-{status}");
        }

        await page.GotoAsync("/dev/mail");
        await LookAsync(page, "dev-mail", touch: false);
        await page.Locator("main .list a").First.ClickAsync();
        await LookAsync(page, "dev-letter", touch: false);
        await page.GotoAsync("/docs");
        await Expect(page.Locator("h1").First).ToBeVisibleAsync();
        await LookAsync(page, "docs", touch: false);
    }

    [Fact]
    public async Task The_exact_time_is_written_as_the_reader_s_own_English_has_it()
    {
        await using var profile = await browser.NewProfileAsync(locale: "en-GB");
        var page = await profile.NewPageAsync();
        await page.SignUpAsync(Person.New());
        await page.GotoAsync(Pages.Account);
        await Expect(page.Locator(".facts time")).ToHaveAttributeAsync("title", new System.Text.RegularExpressions.Regex(@"^\d+ [A-Z][a-z]+ \d{4} at \d\d:\d\d$"));
    }

    [Fact] // Chromium shows an error page of its own for "back" to an answer that was posted for.
    public async Task A_form_that_was_refused_is_a_page_to_come_back_to_and_its_fault_goes_as_it_is_mended()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await page.GotoAsync(Pages.SignUp);
        await page.FillCredentialsAsync(ada with { Password = "short" });
        var password = page.Locator("main input[type=password]");
        await Expect(page.Locator("#field-password-error")).ToBeVisibleAsync();
        await password.FillAsync(ada.Password);
        await Expect(page.Locator(".strength")).ToContainTextAsync("Strong");
        await Expect(page.Locator("#field-password-error")).ToHaveCountAsync(0);
        await Expect(password).Not.ToHaveAttributeAsync("aria-invalid", "true");
        await password.PressAsync("Enter");
        await page.IsSignedInAsync(ada);

        await page.GoBackAsync();
        await page.IsSignedInAsync(ada);
        await page.ReloadAsync();
        await page.IsSignedInAsync(ada);
    }

    [Fact]
    public async Task A_short_password_that_stands_alone_again_is_made_longer_on_the_way()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        var (ada, shorter, longer) = (Person.New(), "vq7#ktzw!m", "nine quiet harbours dreaming");
        (TestRun.Secrets[shorter], TestRun.Secrets[longer]) = ("a password", "a password");
        await page.SignUpAsync(ada);
        await page.GotoAsync("/account/two-step");
        await page.GetByRole(AriaRole.Button, new() { Name = "Set up" }).ClickAsync();
        var key = (await page.Locator(".key").TextContentAsync())!.Replace(" ", "", StringComparison.Ordinal);
        TestRun.Secrets[key] = "an authenticator's key";
        await page.Locator("main input[name=code]").FillAsync(FactorsTests.Code(key, FactorsTests.Step()));
        await page.Locator("main input[name=code]").PressAsync("Enter");
        await page.GetByRole(AriaRole.Link, new() { Name = "I’ve kept them" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Make new codes" }).ClickAsync();
        await LookAsync(page, "dialog-codes-voided");
        await ChangePasswordAsync(page, ada.Password, shorter);

        await page.SignOutAsync();
        await page.GotoAsync(Pages.SignIn);
        await page.FillCredentialsAsync(ada with { Password = shorter });
        await page.Locator("main input[name=challenge]").EvaluateAsync("input => { input.value = 'one that is over'; }");
        await page.Locator("main input[name=code]").FillAsync("123456");
        await page.Locator("main input[name=code]").PressAsync("Enter");
        await Expect(page.GetByRole(AriaRole.Link, new() { Name = "Start again" })).ToBeVisibleAsync();
        await LookAsync(page, "second-step-over");
        await page.GetByRole(AriaRole.Link, new() { Name = "Start again" }).ClickAsync();
        await page.FillCredentialsAsync(ada with { Password = shorter });
        await page.Locator("main input[name=code]").FillAsync(FactorsTests.Code(key, FactorsTests.Step() + 1));
        await page.Locator("main input[name=code]").PressAsync("Enter");
        await page.IsSignedInAsync(ada);
        await page.GotoAsync("/account/two-step");
        await page.GetByRole(AriaRole.Button, new() { Name = "Turn off" }).ClickAsync();
        await LookAsync(page, "dialog-turn-off");
        await page.GetByRole(AriaRole.Button, new() { Name = "Turn it off" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Button, new() { Name = "Set up" })).ToBeVisibleAsync();

        await page.SignOutAsync();
        await page.GotoAsync(Pages.SignIn + "?returnUrl=%2Faccount%2Factivity");
        await page.FillCredentialsAsync(ada with { Password = shorter });
        await Expect(page.Locator("main .notice.wait")).ToContainTextAsync("fewer than 15 characters");
        await LookAsync(page, "short-password");
        await ChangePasswordAsync(page, shorter, longer, open: false);
        await LookAsync(page, "short-password-changed");
        await page.GetByRole(AriaRole.Link, new() { Name = "Go on to where you wanted to go." }).ClickAsync();
        await Expect(page.Locator("h1")).ToHaveTextAsync("Activity");
        await LookAsync(page, "activity-long");
    }

    /// <summary>The page at hand as it stands, without fetching it again.</summary>
    /// <param name="touch">Whether it is for fingers: developers' pages aren't.</param>
    internal static async Task LookAsync(IPage page, string name, bool touch = true)
    {
        // A press of a button only waits until the next page begins.
        await page.WaitForLoadStateAsync();
        var was = page.ViewportSize;
        foreach (var (colours, width) in new[] { (ColorScheme.Dark, 360), (ColorScheme.Light, 1440) })
        {
            await page.EmulateMediaAsync(new() { ColorScheme = colours });
            await page.SetViewportSizeAsync(width, 900);
            Assert.True(await page.EvaluateAsync<bool>("document.scrollingElement.scrollWidth <= innerWidth"), $"{name} scrolls sideways at {width} px.");
            await page.PictureAsync($"{name}-{colours}-{width}", whole: !name.StartsWith("dialog", StringComparison.Ordinal));
            if (touch && width == 360) await LooksTests.BigEnoughToTouchAsync(page);
            await LooksTests.AccessibleAsync(page);
        }

        await page.SetViewportSizeAsync(was!.Width, was.Height);
    }

    // Elsewhere: the browser keeps its cookies.
    private async Task EndAsync(IBrowserContext profile)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/users/signout");
        request.Headers.Add("Cookie", string.Join("; ", (await profile.CookiesAsync()).Select(cookie => $"{cookie.Name}={cookie.Value}")));
        (await browser.Service.Client.SendAsync(request)).Dispose();
    }

    internal static async Task ChangePasswordAsync(IPage page, string from, string to, bool open = true)
    {
        if (open) await page.GotoAsync("/account/security");
        await page.Locator("#field-currentPassword").FillAsync(from);
        await page.Locator("#field-password").FillAsync(to);
        await page.GetByRole(AriaRole.Button, new() { Name = "Change password" }).ClickAsync();
        await Expect(page.Locator("#password .notice")).ToContainTextAsync("Your password is changed");
    }
}
