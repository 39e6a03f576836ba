using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using App.E2E.Harness;
using Microsoft.Playwright;
using static Microsoft.Playwright.Assertions;

namespace App.E2E.Journeys;

/// <summary>The operator's overview, left open on a screen while others sign in and out.</summary>
[Collection(InBrowserToo.Name)]
public sealed class DashboardTests(Browser browser)
{
    [Fact]
    public async Task The_overview_follows_what_goes_on_and_says_who_is_behind_until_the_reader_is_signed_out()
    {
        var client = browser.Service.Client;
        var admin = await Admin.NewAsync(browser.Service);
        var billing = Convert.ToBase64String(Encoding.UTF8.GetBytes("billing:" + await admin.AddServiceAsync("billing", "ChecksItself")));
        await using var profile = await browser.NewProfileAsync();
        var page = await profile.NewPageAsync();
        using var watch = new PageWatch(page);
        await watch.BeginAsync();
        await page.SignInAsync(admin.Person);
        await page.GotoAsync("/admin", new() { WaitUntil = WaitUntilState.NetworkIdle });
        Assert.Equal(0, await watch.LayoutShiftAsync());
        await Expect(page.Locator("h1")).ToHaveTextAsync("All is well");

        var signIns = page.Locator(".tile strong").Nth(2);
        var before = Number(await signIns.InnerTextAsync());
        var ada = Person.New();
        await client.SignUpAsync(ada);
        var session = await client.GetTokensAsync(ada);
        await Expect(signIns).ToHaveTextAsync((before + 1).ToString(CultureInfo.InvariantCulture));

        await AckAsync(await NewestAsync());
        using (await client.SendAsync(HttpMethod.Post, "/api/users/signout", bearer: session.AccessToken))
        {
            await Expect(page.Locator(".notice")).ToContainTextAsync("billing is");
        }

        await Expect(page.Locator("p[role=status]")).ToHaveTextAsync("One thing needs a look");
        await Expect(page.Locator(".list li:has([href='/services/billing']) .tag")).ToContainTextAsync("behind");
        await page.SetViewportSizeAsync(360, 900);
        await LooksTests.AccessibleAsync(page);
        await page.PictureAsync("dashboard-behind-Light-360");
        await page.SetViewportSizeAsync(1440, 900);
        await page.PictureAsync("dashboard-behind-Light-1440");

        await AckAsync(await NewestAsync());
        await Expect(page.Locator("h1")).ToHaveTextAsync("All is well");
        await Expect(page.Locator("h1 + p")).ToContainTextAsync("heard the last sign-out within");

        using (await client.SendAsync(HttpMethod.Delete, "/api/sessions", bearer: await TokenAsync()))
        {
            await page.WaitForURLAsync("**/account/sign-in?returnUrl=%2Fadmin");
        }

        Assert.Empty(watch.Complaints);
        Assert.Empty(watch.Strangers);

        async Task<string> TokenAsync() => (await client.GetTokensAsync(admin.Person)).AccessToken;

        async Task<long> NewestAsync()
        {
            using var log = await client.SendAsync(HttpMethod.Get, "/api/admin/events", bearer: await TokenAsync());
            return (await log.Content.ReadFromJsonAsync<JsonNode>())!["after"]!.GetValue<long>();
        }

        async Task AckAsync(long cursor)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/events/ack")
            {
                Content = JsonContent.Create(new { cursor }),
                Headers = { Authorization = new AuthenticationHeaderValue("Basic", billing) },
            };
            using var answer = await client.SendAsync(request);
            Assert.Equal(HttpStatusCode.NoContent, answer.StatusCode);
        }
    }

    private static int Number(string text) => int.Parse(text, NumberStyles.AllowThousands, CultureInfo.InvariantCulture);
}
