using System.Net;
using System.Text.RegularExpressions;
using App.E2E.Harness;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace App.E2E.Journeys;

/// <summary>Back in by mail, and back to an address that somebody changed: with JavaScript off, on a phone, in the dark.</summary>
[Collection(InBrowser.Name)]
public sealed partial class WayBackInTests(Browser browser)
{
    private const string NewPassword = "seven quiet harbours dreaming";

    [Fact]
    public async Task A_forgotten_password_is_replaced_by_mail()
    {
        await using var profile = await browser.NewProfileAsync(script: false, colours: ColorScheme.Dark, width: 360);
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await browser.Service.Client.SignUpAsync(ada);
        TestRun.Secrets[NewPassword] = "a password";

        await page.GotoAsync("/account/activity");
        await page.GetByRole(AriaRole.Link, new() { Name = "Forgotten your password?" }).ClickAsync();
        await page.Locator("main input[type=email]").FillAsync(ada.Email);
        await page.GetByRole(AriaRole.Button, new() { Name = "Send the link" }).ClickAsync();
        await Expect(page.Locator("h1")).ToHaveTextAsync("Check your e-mail");

        var link = await LinkAsync(browser, ada.Email, "/account/reset");
        // The check for accessibility is a script, so it looks from another browser: a look doesn't use the link up.
        await using (var other = await browser.NewProfileAsync(colours: ColorScheme.Dark, width: 360))
        {
            var look = await other.NewPageAsync();
            await look.GotoAsync(link);
            await StatesTests.LookAsync(look, "reset");
        }

        await page.GotoAsync(link);
        await page.Locator("main input[type=password]").FillAsync(NewPassword);
        await page.GetByRole(AriaRole.Button, new() { Name = "Set the new password" }).ClickAsync();
        await Expect(page.Locator("main [role=status]")).ToContainTextAsync("has been changed");
        await page.FillCredentialsAsync(ada with { Password = NewPassword });
        await page.IsSignedInAsync(ada);
        await Expect(page.Locator("h1")).ToHaveTextAsync("Activity"); // where they wanted to go
    }

    [Fact]
    public async Task A_changed_e_mail_is_undone_from_the_old_address()
    {
        await using var profile = await browser.NewProfileAsync(colours: ColorScheme.Dark, width: 360);
        var page = await profile.NewPageAsync();
        var (ada, other) = (Person.New(), Person.New("other"));
        await page.SignUpAsync(ada);
        foreach (var (path, name) in new[] { ("/account/profile", "profile"), ("/account/security", "security"), ("/account/activity", "activity"), ("/account/services", "connected-services"), ("/account/delete", "delete") })
        {
            await page.GotoAsync(path);
            await LookAsync(page, name);
        }

        await page.GotoAsync("/account/profile");
        await page.GetByLabel("New e-mail").FillAsync(other.Email);
        await page.Locator("#field-emailPassword").FillAsync(ada.Password);
        await page.GetByRole(AriaRole.Button, new() { Name = "Change e-mail" }).ClickAsync();
        await Expect(page.Locator("main [role=status]")).ToContainTextAsync(other.Email);
        await page.GotoAsync(await LinkAsync(browser, other.Email, "/account/confirm-new-email"));
        await page.GetByRole(AriaRole.Button, new() { Name = "Use this address" }).ClickAsync();
        await Expect(page.Locator("main [role=status]")).ToContainTextAsync("Your e-mail is changed");
        await page.GotoAsync("/account");
        await page.IsSignedInAsync(other);

        await page.GotoAsync(await LinkAsync(browser, ada.Email, "/account/undo-email"));
        await StatesTests.LookAsync(page, "undo-email");
        await page.GetByRole(AriaRole.Button, new() { Name = "Undo the change" }).ClickAsync();
        await page.Locator("main input[type=password]").FillAsync(NewPassword);
        await page.GetByRole(AriaRole.Button, new() { Name = "Set the new password" }).ClickAsync();
        await page.FillCredentialsAsync(ada with { Password = NewPassword });
        await page.IsSignedInAsync(ada);
    }

    [Fact]
    public async Task This_was_not_me_ends_the_stranger_s_session_whose_page_says_so_when_it_is_looked_at_again()
    {
        await using var stranger = await browser.NewProfileAsync();
        await using var profile = await browser.NewProfileAsync(colours: ColorScheme.Dark, width: 360);
        var (theirs, page) = (await stranger.NewPageAsync(), await profile.NewPageAsync());
        var ada = Person.New();
        await browser.Service.Client.SignUpAsync(ada);
        TestRun.Secrets[NewPassword] = "a password";
        await theirs.SignInAsync(ada);
        await theirs.GotoAsync("/account/profile");

        await page.GotoAsync(await LinkAsync(browser, ada.Email, "/account/not-me"));
        await LookAsync(page, "not-me");
        await page.GetByRole(AriaRole.Button, new() { Name = "End all sessions and choose a new password" }).ClickAsync();
        await page.Locator("main input[type=password]").FillAsync(NewPassword);
        await page.GetByRole(AriaRole.Button, new() { Name = "Set the new password" }).ClickAsync();
        await page.FillCredentialsAsync(ada with { Password = NewPassword });
        await page.IsSignedInAsync(ada);

        await theirs.EvaluateAsync("document.dispatchEvent(new Event('visibilitychange'))"); // the tab comes to the front
        await theirs.WaitForURLAsync($"**{Pages.SignIn}?returnUrl=%2Faccount%2Fprofile");
        await Expect(theirs.Locator("main [role=status]")).ToContainTextAsync("Your session was ended");
    }

    [Fact]
    public async Task A_page_that_stays_in_sight_says_within_a_minute_that_its_session_has_ended_and_asks_no_more()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        await page.Clock.InstallAsync();
        var ada = Person.New();
        await page.SignUpAsync(ada);
        var asked = 0;
        page.Request += (_, request) =>
        {
            if (IsAsked(request)) Interlocked.Increment(ref asked);
        };
        await page.GotoAsync("/account/profile");
        await page.RunAndWaitForResponseAsync(() => page.Clock.FastForwardAsync("01:01"), answer => IsAsked(answer.Request));
        await page.IsSignedInAsync(ada);
        Assert.EndsWith("/account/profile", page.Url, StringComparison.Ordinal);

        var elsewhere = await browser.Service.Client.GetTokensAsync(ada);
        using var ended = await browser.Service.Client.SendAsync(HttpMethod.Delete, "/api/sessions", bearer: elsewhere.AccessToken);
        await page.Clock.FastForwardAsync("01:01");
        await page.WaitForURLAsync($"**{Pages.SignIn}?returnUrl=%2Faccount%2Fprofile");
        await Expect(page.Locator("main [role=status]")).ToContainTextAsync("Your session was ended");
        var told = asked;
        await page.Clock.FastForwardAsync("10:00");
        await page.EvaluateAsync("() => fetch('/ui/who').then(answer => answer.text())"); // before which its own question would have been noted
        Assert.Equal(told + 1, asked);

        static bool IsAsked(IRequest request) => request.Url.EndsWith("/ui/who", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("new Event('focus')")]
    [InlineData("new PageTransitionEvent('pageshow', { persisted: true })")]
    public async Task A_window_that_is_looked_at_again_says_so_at_once(string seen)
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await page.SignUpAsync(ada);
        await page.GotoAsync("/account/profile");
        var elsewhere = await browser.Service.Client.GetTokensAsync(ada);
        using var ended = await browser.Service.Client.SendAsync(HttpMethod.Delete, "/api/sessions", bearer: elsewhere.AccessToken);
        await page.EvaluateAsync($"dispatchEvent({seen})");
        await page.WaitForURLAsync($"**{Pages.SignIn}?returnUrl=%2Faccount%2Fprofile");
    }

    /// <summary>The newest link of this kind that was written to an address, from the letters that Development shows.</summary>
    internal static Task<string> LinkAsync(Browser browser, string address, string path) => LinkAsync(browser.Service, address, path);

    internal static async Task<string> LinkAsync(Service service, string address, string path)
    {
        var client = service.Client;
        for (var look = 0; look < 600; look++)
        {
            var list = await client.GetStringAsync("/dev/mail");
            foreach (var id in Letters().Matches(list).Where(m => m.Groups["to"].Value == address).Select(m => m.Groups["id"].Value))
            {
                var text = WebUtility.HtmlDecode(await client.GetStringAsync($"/dev/mail/{id}"));
                if (Regex.Match(text, Regex.Escape(path) + @"\?token=(?<token>[\w-]+)(&returnUrl=[\w%]+)?") is { Success: true } link)
                {
                    TestRun.Secrets[link.Groups["token"].Value] = "the secret of a link";
                    return link.Value;
                }
            }

            await Task.Delay(50);
        }

        throw new TimeoutException($"No letter to the address leads to {path}.");
    }

    private static async Task LookAsync(IPage page, string name)
    {
        Assert.True(await page.EvaluateAsync<bool>("document.scrollingElement.scrollWidth <= innerWidth"), $"{name} scrolls sideways.");
        await page.PictureAsync($"{name}-Dark-360");
        await LooksTests.AccessibleAsync(page, name);
    }

    [GeneratedRegex("""href="/dev/mail/(?<id>[0-9a-f-]+)".*?<span>(?<to>[^<]+)</span>""")]
    private static partial Regex Letters();
}
