using App.E2E.Harness;
using static Microsoft.Playwright.Assertions;

namespace App.E2E.Journeys;

/// <summary>Who presses twice, because the line is slow: it is done once, and what it came to is shown.</summary>
[Collection(InBrowser.Name)]
public sealed class ImpatientTests(Browser browser)
{
    [Fact]
    public async Task What_leaves_the_page_where_it_is_can_be_pressed_again()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await page.Clock.InstallAsync();
        await page.SignUpAsync(ada);
        await page.GotoAsync("/account/profile");
        foreach (var colours in new[] { "dark", "light", "dark" })
        {
            await page.Locator($"footer button[value={colours}]").ClickAsync();
            await Expect(page.Locator($"html[data-theme={colours}]")).ToHaveCountAsync(1);
        }

        var form = page.Locator("form[action='/account/data']");
        var button = form.Locator("button:not([type=button])");
        await form.Locator("input[type=password]").FillAsync("not the password at all");
        await button.ClickAsync();
        await Expect(page.Locator("#errors")).ToBeVisibleAsync();
        // From here on it goes by our word alone: an answer may take longer than the button stays marked.
        await page.Clock.PauseAtAsync(TimeProvider.System.GetUtcNow().UtcDateTime.AddMinutes(1));
        for (var times = 0; times < 2; times++)
        {
            await form.Locator("input[type=password]").FillAsync(ada.Password);
            var file = await page.RunAndWaitForDownloadAsync(() => button.ClickAsync());
            Assert.Equal("my-data.json", file.SuggestedFilename);
            await Expect(button).ToHaveAttributeAsync("aria-busy", "true");
            await Expect(page.Locator("#errors, .fault, [aria-invalid=true]")).ToHaveCountAsync(0);
            await page.Clock.FastForwardAsync("00:10");
            await Expect(form.Locator("input[type=password]")).ToHaveValueAsync("");
            await Expect(button).Not.ToHaveAttributeAsync("aria-busy", "true");
        }
    }

    [Fact] // A browser that goes back to a page as it was left shows it with the form still marked.
    public async Task A_form_that_is_pressed_twice_is_sent_once_until_its_page_is_seen_again()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        await page.GotoAsync(Pages.SignIn);
        // At one go: while a page is on its way, the browser answers nobody.
        var seen = await page.EvaluateAsync<string[]>("""
            () => {
              const [button, seen] = [document.forms[0].querySelector('button:not([type])'), []];
              addEventListener('submit', event => seen.push(`${event.defaultPrevented} ${button.ariaBusy}`));
              button.click();
              button.click();
              dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
              button.click();
              return seen;
            }
            """);
        Assert.Equal(["false true", "true true", "false true"], seen);
    }
}
