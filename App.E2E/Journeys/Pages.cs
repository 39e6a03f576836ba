using App.E2E.Harness;
using Microsoft.Playwright;

namespace App.E2E.Journeys;

/// <summary>What a person does on our pages, found the way a person finds it: by label and by role.</summary>
internal static class Pages
{
    public const string Home = "/";
    public const string SignIn = "/account/sign-in";
    public const string SignUp = "/account/sign-up";
    public const string SignOut = "/account/sign-out";
    public const string Account = "/account";
    public const string Sessions = "/account/sessions";

    public static async Task SignUpAsync(this IPage page, Person person)
    {
        await page.GotoAsync(SignUp);
        await page.FillCredentialsAsync(person);
        await page.IsSignedInAsync(person);
    }

    public static async Task SignInAsync(this IPage page, Person person, string path = SignIn)
    {
        await page.GotoAsync(path);
        await page.FillCredentialsAsync(person);
        await page.IsSignedInAsync(person);
    }

    /// <summary>Fills the form at hand, and sends it with Enter as most people do.</summary>
    public static async Task FillCredentialsAsync(this IPage page, Person person)
    {
        await page.Locator("main input[type=email]").FillAsync(person.Email);
        await page.Locator("main input[type=password]").FillAsync(person.Password);
        await page.Locator("main input[type=password]").PressAsync("Enter");
    }

    /// <summary>Opens the sessions page, and returns once its circuit has put its own list in the place of the first HTML's.</summary>
    public static async Task OpenLiveSessionsAsync(this IPage page)
    {
        await page.AddInitScriptAsync("addEventListener('DOMContentLoaded', () => { window.shownFirst = document.querySelector('main .list'); });");
        await page.GotoAsync(Sessions);
        await page.WaitForFunctionAsync("() => window.shownFirst?.isConnected === false");
    }

    /// <summary>Presses Tab until the focus is on what has this name, or begins with it.</summary>
    public static async Task TabToAsync(this IPage page, string what)
    {
        for (var step = 0; step < 40; step++)
        {
            if (await page.EvaluateAsync<bool>("what => [document.activeElement.ariaLabel, document.activeElement.innerText, document.activeElement.name].some(name => name?.trim().startsWith(what))", what)) return;
            await page.Keyboard.PressAsync("Tab");
        }

        throw new TimeoutException($"Forty presses of Tab don't reach {what}.");
    }

    public static async Task SignOutAsync(this IPage page)
    {
        await page.GotoAsync(SignOut);
        await page.Locator("main form button").ClickAsync();
        await page.IsSignedOutAsync();
    }

    public static Task IsSignedInAsync(this IPage page, Person person) =>
        Assertions.Expect(page.Locator("header")).ToContainTextAsync(person.Email);

    public static async Task IsSignedOutAsync(this IPage page)
    {
        await Assertions.Expect(page.Locator("header")).ToBeVisibleAsync();
        await Assertions.Expect(page.Locator("header")).Not.ToContainTextAsync("@");
    }

    /// <summary>For somebody to look at, where they asked for it (<see cref="TestRun.Pictures"/>).</summary>
    public static async Task PictureAsync(this IPage page, string name, bool whole = true)
    {
        if (TestRun.Pictures is { } folder) await page.ScreenshotAsync(new() { Path = Path.Combine(folder, name + ".png"), FullPage = whole });
    }

    public static async Task<string?> CookieAsync(this IBrowserContext profile, string name) =>
        (await profile.CookiesAsync()).FirstOrDefault(cookie => cookie.Name == name)?.Value;
}
