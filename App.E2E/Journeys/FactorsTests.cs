using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using App.E2E.Harness;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace App.E2E.Journeys;

/// <summary>Passkeys with Chromium's virtual authenticator, and two-step sign-in with codes that the test computes; on a phone in the dark.</summary>
[Collection(InBrowser.Name)]
public sealed class FactorsTests(Browser browser)
{
    private const string Passkeys = "/account/passkeys", TwoStep = "/account/two-step";

    [Fact]
    public async Task A_passkey_is_made_signs_in_from_the_field_gets_a_second_beside_it_and_goes()
    {
        await using var profile = await browser.NewProfileAsync(colours: ColorScheme.Dark, width: 360);
        var page = await profile.NewPageAsync();
        using var watch = new PageWatch(page);
        await watch.BeginAsync();
        var ada = Person.New();
        await page.SignUpAsync(ada);
        var devices = await profile.NewCDPSessionAsync(page);
        await devices.SendAsync("WebAuthn.enable");

        var phone = await AddDeviceAsync(devices);
        await AddPasskeyAsync(page, expected: 1);
        await LookAsync(page, "passkeys");

        await page.SignOutAsync();
        // Offered in the field, and taken by the simulated finger, which may be quicker than the rest of the page.
        await page.GotoAsync(Pages.SignIn + "?returnUrl=%2Faccount%2Fpasskeys", new() { WaitUntil = WaitUntilState.Commit });
        await page.WaitForURLAsync("**" + Passkeys);
        await page.IsSignedInAsync(ada);
        await Expect(page.Locator(".list")).ToContainTextAsync("Last used just now");

        await devices.SendAsync("WebAuthn.removeVirtualAuthenticator", new() { ["authenticatorId"] = phone });
        var computer = await AddDeviceAsync(devices);
        await AddPasskeyAsync(page, expected: 2);

        await page.Locator(".list summary").First.ClickAsync();
        await page.Locator(".list input[name=name]").First.FillAsync("");
        await page.Locator(".list input[name=name]").First.PressAsync("Enter");
        await Expect(page.Locator(".list .fault")).ToBeVisibleAsync();
        await StatesTests.LookAsync(page, "passkey-rename");
        await page.Locator(".list > li").First.GetByRole(AriaRole.Button, new() { Name = "Remove: " }).ClickAsync();
        await StatesTests.LookAsync(page, "dialog-passkey-removed");
        await page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = "Remove: " }).ClickAsync();
        await Expect(page.Locator(".list > li")).ToHaveCountAsync(1);

        // The one that is left, by the button: no offer is taken while nobody touches the device.
        await TouchAsync(devices, computer, false);
        await page.SignOutAsync();
        await page.GotoAsync(Pages.SignIn);
        await LookAsync(page, "sign-in-passkey");
        var button = page.GetByRole(AriaRole.Button, new() { Name = "Sign in with a passkey" });
        await TouchAsync(devices, computer, true);
        await button.ClickAsync();
        await page.IsSignedInAsync(ada);
        Assert.Contains("status of 400", Assert.Single(watch.Complaints), StringComparison.Ordinal); // the passkey without a name
        Assert.Empty(watch.Strangers);
    }

    [Fact] // Many a device goes on offering a passkey that was removed here.
    public async Task A_passkey_that_is_chosen_in_the_field_and_refused_says_so_and_is_offered_again()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        await page.SignUpAsync(Person.New());
        var devices = await profile.NewCDPSessionAsync(page);
        await devices.SendAsync("WebAuthn.enable");
        var phone = await AddDeviceAsync(devices);
        await AddPasskeyAsync(page, expected: 1);
        await page.Locator(".list > li").GetByRole(AriaRole.Button).First.ClickAsync();
        await page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = "Remove: " }).ClickAsync();
        await Expect(page.Locator(".list > li")).ToHaveCountAsync(0);
        await page.SignOutAsync();

        var (offers, again) = (0, new TaskCompletionSource());
        page.Request += (_, request) =>
        {
            if (request.Url.EndsWith("/api/passkeys/sign-in/begin", StringComparison.Ordinal) && Interlocked.Increment(ref offers) == 2) again.SetResult();
        };
        await page.GotoAsync(Pages.SignIn);
        await again.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await TouchAsync(devices, phone, false); // the simulated finger takes what is offered, again and again
        await Expect(page.Locator(".passkey .fault[role=alert]")).ToContainTextAsync("That passkey didn’t work");
        await Expect(page.Locator(".passkey .fault")).ToBeVisibleAsync();
        await page.IsSignedOutAsync();
    }

    [Fact]
    public async Task Whoever_must_prove_it_again_first_isn_t_told_that_adding_a_passkey_failed()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        await page.SignUpAsync(Person.New());
        // As the service says it when the last proof is ten minutes old.
        await page.RouteAsync("**/api/passkeys/add/begin", route => route.FulfillAsync(new() { Status = 403, ContentType = "application/problem+json", Body = """{"code":"proof_required","title":"Prove it again"}""" }));
        await page.AddInitScriptAsync("""
            addEventListener('DOMContentLoaded', () => new MutationObserver(() => {
              if (document.querySelector('.fault[role=alert]')) sessionStorage.said = 'yes';
            }).observe(document.body, { subtree: true, childList: true, attributes: true }));
            """);
        await page.GotoAsync(Passkeys);
        await page.GetByRole(AriaRole.Button, new() { Name = "Add a passkey" }).ClickAsync();
        await page.WaitForURLAsync("**/account/confirm?returnUrl=%2Faccount%2Fpasskeys");
        Assert.Null(await page.EvaluateAsync<string?>("sessionStorage.said ?? null"));
    }

    [Fact]
    public async Task Whose_session_has_ended_is_led_to_sign_in_and_isn_t_told_that_the_passkey_failed()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        await page.SignUpAsync(Person.New());
        await page.GotoAsync(Passkeys);
        await profile.ClearCookiesAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Add a passkey" }).ClickAsync();
        await page.WaitForURLAsync("**/account/sign-in?returnUrl=%2Faccount%2Fpasskeys");
    }

    [Fact]
    public async Task Two_step_sign_in_is_set_up_and_used_with_JavaScript_off_and_a_recovery_code_works_once()
    {
        await using var profile = await browser.NewProfileAsync(script: false, colours: ColorScheme.Dark, width: 360);
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await page.SignUpAsync(ada);

        await page.GotoAsync(TwoStep);
        await page.GetByRole(AriaRole.Button, new() { Name = "Set up" }).ClickAsync();
        var key = (await page.Locator(".key").TextContentAsync())!.Replace(" ", "", StringComparison.Ordinal);
        TestRun.Secrets[key] = "an authenticator's key";
        await SendCodeAsync(page, "000000");
        await Expect(page.Locator("main [role=alert]")).ToBeFocusedAsync();
        var step = Step();
        await SendCodeAsync(page, Code(key, step));
        await Expect(page.Locator(".codes code")).ToHaveCountAsync(10);
        var codes = await page.Locator(".codes code").AllTextContentsAsync();
        foreach (var code in codes) TestRun.Secrets[code] = "a recovery code";

        await SecondStepAsync(page, ada);
        await SendCodeAsync(page, Code(key, step + 1)); // the next one, which is good a little early
        await page.IsSignedInAsync(ada);

        await SecondStepAsync(page, ada);
        await SendCodeAsync(page, codes[0]);
        await page.IsSignedInAsync(ada);
        await SecondStepAsync(page, ada);
        await SendCodeAsync(page, codes[0]);
        await Expect(page.Locator("main [role=alert]")).ToBeFocusedAsync();
        await SendCodeAsync(page, codes[1]);
        await page.IsSignedInAsync(ada);

        await page.GotoAsync(TwoStep);
        await Expect(page.Locator("main")).ToContainTextAsync("8 of 10");
        await page.GetByRole(AriaRole.Button, new() { Name = "Turn off" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Turn it off" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Button, new() { Name = "Set up" })).ToBeVisibleAsync();
    }

    [Fact]
    public async Task The_keyboard_alone_turns_two_step_sign_in_on_and_a_reset_asks_for_its_code()
    {
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await page.SignUpAsync(ada);
        // A reset takes the factors of an address along that nobody has confirmed.
        await page.GotoAsync(await WayBackInTests.LinkAsync(browser, ada.Email, "/account/confirm-email"));
        await page.Locator("main form button").ClickAsync();
        await Expect(page.Locator("main form")).ToHaveCountAsync(0);
        await page.GotoAsync(TwoStep);
        await page.TabToAsync("Set up");
        await page.Keyboard.PressAsync("Enter");
        var key = (await page.Locator(".key").TextContentAsync())!.Replace(" ", "", StringComparison.Ordinal);
        TestRun.Secrets[key] = "an authenticator's key";
        await page.TabToAsync("code");
        var step = Step();
        await page.Keyboard.TypeAsync(Code(key, step));
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Locator(".codes code")).ToHaveCountAsync(10);
        foreach (var code in await page.Locator(".codes code").AllTextContentsAsync()) TestRun.Secrets[code] = "a recovery code";
        await page.TabToAsync("I’ve kept them");
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.Locator("main")).ToContainTextAsync("10 of 10");

        await page.SignOutAsync();
        await page.GotoAsync("/account/forgot");
        await page.Locator("main input[type=email]").FillAsync(ada.Email);
        await page.Locator("main input[type=email]").PressAsync("Enter");
        await Expect(page.Locator("h1")).ToHaveTextAsync("Check your e-mail");
        await page.GotoAsync(await WayBackInTests.LinkAsync(browser, ada.Email, "/account/reset"));
        const string fresh = "eight quiet harbours dreaming";
        TestRun.Secrets[fresh] = "a password";
        await page.Locator("main input[type=password]").FillAsync(fresh);
        await page.Locator("main input[type=password]").PressAsync("Enter");
        await Expect(page.Locator("main [role=status]")).ToContainTextAsync("has been changed");
        await page.FillCredentialsAsync(ada with { Password = fresh });
        await page.Locator("main input[name=code]").WaitForAsync();
        await page.IsSignedOutAsync();
        await SendCodeAsync(page, Code(key, step + 1));
        await page.IsSignedInAsync(ada);
    }

    [Fact]
    public async Task The_pages_are_accessible_in_the_dark_on_a_phone_and_those_of_two_steps_wide_in_the_light()
    {
        await using var profile = await browser.NewProfileAsync(colours: ColorScheme.Dark, width: 360);
        var page = await profile.NewPageAsync();
        var ada = Person.New();
        await page.SignUpAsync(ada);
        await page.GotoAsync(Passkeys);
        await LookAsync(page, "passkeys-none");
        await page.GotoAsync(TwoStep);
        await LookAsync(page, "two-step-off");
        await page.GetByRole(AriaRole.Button, new() { Name = "Set up" }).ClickAsync();
        await StatesTests.LookAsync(page, "two-step-set-up");
        var key = (await page.Locator(".key").TextContentAsync())!.Replace(" ", "", StringComparison.Ordinal);
        await SendCodeAsync(page, Code(key, Step()));
        await StatesTests.LookAsync(page, "two-step-codes");
        await page.GotoAsync(TwoStep);
        await StatesTests.LookAsync(page, "two-step-on");
        await page.GotoAsync("/account/confirm");
        await LookAsync(page, "confirm");
        await page.SignOutAsync();
        await page.GotoAsync(Pages.SignIn);
        await page.FillCredentialsAsync(ada);
        await page.Locator("main input[name=code]").WaitForAsync();
        await StatesTests.LookAsync(page, "second-step");
    }

    private static async Task<string> AddDeviceAsync(ICDPSession devices) =>
        (await devices.SendAsync("WebAuthn.addVirtualAuthenticator", new()
        {
            ["options"] = new { protocol = "ctap2", transport = "internal", hasResidentKey = true, hasUserVerification = true, isUserVerified = true, automaticPresenceSimulation = true },
        }))!.Value.GetProperty("authenticatorId").GetString()!;

    private static async Task TouchAsync(ICDPSession devices, string device, bool byItself) =>
        await devices.SendAsync("WebAuthn.setAutomaticPresenceSimulation", new() { ["authenticatorId"] = device, ["enabled"] = byItself });

    private static async Task AddPasskeyAsync(IPage page, int expected)
    {
        await page.GotoAsync(Passkeys);
        await page.GetByRole(AriaRole.Button, new() { Name = "Add a passkey" }).ClickAsync();
        await Expect(page.Locator(".list > li")).ToHaveCountAsync(expected);
        await Expect(page.Locator("main .notice")).ToContainTextAsync("is added");
    }

    private static async Task SecondStepAsync(IPage page, Person person)
    {
        await page.SignOutAsync();
        await page.GotoAsync(Pages.SignIn);
        await page.FillCredentialsAsync(person);
        await page.Locator("main input[name=code]").WaitForAsync();
    }

    private static async Task SendCodeAsync(IPage page, string code)
    {
        await page.Locator("main input[name=code]").FillAsync(code);
        await page.Locator("main input[name=code]").PressAsync("Enter");
    }

    private static async Task LookAsync(IPage page, string name)
    {
        // A press of a button only waits until the next page begins.
        await page.WaitForLoadStateAsync();
        await page.PictureAsync($"{name}-Dark-360");
        await LooksTests.AccessibleAsync(page, name);
        Assert.True(await page.EvaluateAsync<bool>("document.scrollingElement.scrollWidth <= innerWidth"), $"{name} scrolls sideways.");
    }

    internal static long Step() => TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() / 30;

    // RFC 6238, a second time and in other words, so that a fault of ours shows.
    internal static string Code(string key, long step)
    {
        var bits = string.Concat(key.Select(c => Convert.ToString("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".IndexOf(c, StringComparison.Ordinal), 2).PadLeft(5, '0')));
        var secret = Enumerable.Range(0, bits.Length / 8).Select(i => Convert.ToByte(bits.Substring(i * 8, 8), 2)).ToArray();
        var counter = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(counter, step);
#pragma warning disable CA5350 // what the standard says
        var mac = HMACSHA1.HashData(secret, counter);
#pragma warning restore CA5350
        var number = BinaryPrimitives.ReadInt32BigEndian(mac.AsSpan(mac[19] & 15)) & int.MaxValue;
        return (number % 1_000_000).ToString("000000", CultureInfo.InvariantCulture);
    }
}
