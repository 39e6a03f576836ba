using System.Net;
using System.Text.RegularExpressions;
using App.Tests.Accounts;
using App.Tests.Admin;
using App.Tests.Factors;

namespace App.Tests.Frame;

public sealed class ShellTests
{
    [Fact]
    public async Task The_first_html_shows_the_signed_in_user_and_a_way_out()
    {
        await using var host = await FrameHost.StartAsync(FrameHost.Ada);
        var html = await (await host.Browser().GetAsync("/nowhere")).Content.ReadAsStringAsync();
        Assert.Contains("ada@example.test", html, StringComparison.Ordinal);
        Assert.Contains("action=\"/account/sign-out\"", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stranger_is_offered_both_ways_in()
    {
        await using var host = await FrameHost.StartAsync();
        var html = await (await host.Browser().GetAsync("/nowhere")).Content.ReadAsStringAsync();
        Assert.Contains("href=\"/account/sign-in\"", html, StringComparison.Ordinal);
        Assert.Contains("href=\"/account/sign-up\"", html, StringComparison.Ordinal);
        Assert.DoesNotContain("Sign out", html, StringComparison.Ordinal);
    }

    [Theory] // WCAG 2.4.1
    [InlineData("/account/profile")]
    [InlineData("/services")]
    public async Task The_link_that_skips_leads_past_the_places_one_can_go_to(string path)
    {
        await using var host = TestApp.Start();
        var admin = await host.NewAdminAsync();
        var page = await (await host.SendAsync(HttpMethod.Get, path, cookies: admin.Cookies)).PageAsync();
        var target = page.QuerySelector(page.QuerySelector("a.skip")!.GetAttribute("href")!)!;
        Assert.Null(target.QuerySelector("nav"));
        Assert.NotNull(target.QuerySelector("h1"));
    }

    [Fact]
    public async Task The_first_steps_ask_nobody_to_do_what_they_have_done()
    {
        await using var app = TestApp.Start();
        var (admin, user) = (await app.NewAdminAsync(), await app.SignUpAsync("o'brien@example.test"));
        Assert.Equal(["Command that signs up", "Command that makes an admin"], await CommandsAsync(null));
        Assert.Equal(["Command that makes an admin"], await CommandsAsync(user.Cookies));
        Assert.Equal([], await CommandsAsync(admin.Cookies));
        Assert.DoesNotContain("o'brien", System.Net.WebUtility.HtmlDecode((await HomeAsync(user.Cookies)).QuerySelector("main pre")!.TextContent), StringComparison.Ordinal); // no word of a shell's

        async Task<IEnumerable<string?>> CommandsAsync(string? cookies) => (await HomeAsync(cookies)).QuerySelectorAll("main pre").Select(p => p.GetAttribute("aria-label"));
        async Task<AngleSharp.Dom.IDocument> HomeAsync(string? cookies) => await (await app.SendAsync(HttpMethod.Get, "/", cookies: cookies)).PageAsync();
    }

    [Fact] // ATTACKS 217, for a component's state
    public async Task A_page_is_clean_of_what_the_content_security_policy_forbids()
    {
        await using var host = await FrameHost.StartAsync();
        var answer = await host.Browser().GetAsync("/nowhere");
        var html = await answer.Content.ReadAsStringAsync();
        Assert.DoesNotMatch(" style=|<style|<base|onclick=|<script>", html);
        Assert.DoesNotContain("blazor.web", html, StringComparison.Ordinal);
        Assert.InRange(Regex.Match(html, "<!--.*-->").Length, 0, 300); // no state worth the name
        Assert.False(answer.Headers.Contains("Content-Security-Policy")); // one owner, and it isn't the pages
        Assert.False(answer.Headers.Contains("Set-Cookie"));
    }

    [Fact]
    public async Task Everything_that_a_page_loads_is_ours_small_and_cached_for_good()
    {
        await using var host = await FrameHost.StartAsync();
        var browser = host.Browser();
        var html = await browser.GetAsync("/error/404");
        var page = await html.Content.ReadAsStringAsync();
        var total = page.Length;
        var assets = Regex.Matches(page, "<(?:script|link)[^>]+(?:src|href)=\"([^\"]+)\"").Select(m => m.Groups[1].Value).ToList();
        Assert.Equal(3, assets.Count);
        foreach (var asset in assets)
        {
            Assert.StartsWith("/", asset, StringComparison.Ordinal);
            var answer = await browser.GetAsync(asset);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.True(answer.Headers.CacheControl is not null, asset + "\n" + answer);
            Assert.Contains("immutable", answer.Headers.CacheControl!.ToString(), StringComparison.Ordinal);
            total += (await answer.Content.ReadAsByteArrayAsync()).Length;
        }
        Assert.InRange(total, 1, 30_000);
    }

    [Fact]
    public async Task What_answers_a_form_and_is_shown_once_has_no_switch_that_leads_away_from_it()
    {
        await using var app = TestApp.Start();
        var ada = await app.TurnOnTwoStepAsync(await app.SignUpAsync());
        var codes = await (await ada.ActAsync("codes")).PageAsync();
        Assert.Equal(10, codes.QuerySelectorAll(".codes code").Length);
        Assert.Empty(codes.QuerySelectorAll(".foot form"));
        // Nor has half a sign-in, with a wrong code or none yet, nor the secret of an app.
        var half = await (await app.SignInAsync(ada.User.Email, ada.User.Password)).PageAsync();
        var wrong = await (await app.PostFormAsync("/account/sign-in", "second-step", [new("challenge", half.Value("challenge")!), new("code", "1")])).PageAsync();
        var setUp = await (await ada.ActAsync("begin", (await app.SignUpAsync()).Cookies)).PageAsync();
        foreach (var page in new[] { half, wrong, setUp })
        {
            Assert.NotNull(page.QuerySelector("input[name=code]"));
            Assert.Empty(page.QuerySelectorAll(".foot form"));
        }

        Assert.Equal(2, (await (await app.SendAsync(HttpMethod.Get, "/account/two-step", cookies: ada.User.Cookies)).PageAsync()).QuerySelectorAll(".foot form").Length);
    }

    [Fact]
    public async Task What_answers_a_form_has_the_switches_and_they_lead_to_a_page()
    {
        await using var app = TestApp.Start();
        var ada = await app.SignUpAsync();
        var letter = TestMail.LinkIn(await app.Mail.LastToAsync(ada.Email));
        foreach (var (path, form, fields, user, way) in new (string, string, (string, string)[], TestUser?, string?)[]
        {
            ("/account/sign-in?returnUrl=%2Faccount%2Fsessions", "sign-in", [("email", ada.Email), ("password", "wrong")], null, null),
            ("/account/sign-in", "second-step", [("challenge", "over"), ("code", "1")], null, null),
            ("/account/sign-up", "sign-up", [("email", "x"), ("password", "x")], null, null),
            ("/account/forgot", "forgot", [("email", ada.Email)], null, null),
            ("/account/reset?token=x", "reset", [("password", "x")], null, null),
            ("/account/profile", "name", [("name", "Ada")], ada, null),
            ("/account/security", "password", [("password", "x")], ada, null),
            ("/account/confirm?returnUrl=%2Faccount", "confirm", [("password", "x")], ada, null),
            ("/account/delete", "delete", [("password", "x")], ada, null),
            (letter, "confirm-email", [], ada, "/account"), // used up by now
            ("/account/activity/end", "", [("id", "x")], ada, "/"), // takes forms alone
        })
        {
            var answer = await app.PostFormAsync(path, form, fields.Select(f => KeyValuePair.Create(f.Item1, f.Item2)), user?.Cookies);
            Assert.Null(answer.Headers.Location);
            var ways = (await answer.PageAsync()).QuerySelectorAll(".foot form input[name=returnUrl]").Select(i => i.GetAttribute("value")!).ToList();
            Assert.Equal([way ?? path, way ?? path], ways);
            Assert.InRange((int)(await app.SendAsync(HttpMethod.Get, ways[0], cookies: user?.Cookies)).StatusCode, 200, 302);
        }
    }

    [Theory] // Whoever takes half an hour over a new password reads why it wasn't taken, and what to do.
    [InlineData("reset", "reset"), InlineData("confirm-email", "confirm-email"), InlineData("finish-sign-up", "finish"), InlineData("not-me", "not-me"), InlineData("confirm-new-email", "new-email"), InlineData("undo-email", "undo-email")]
    public async Task A_form_whose_link_ran_out_while_it_was_open_says_so(string path, string form)
    {
        await using var app = TestApp.Start();
        var answer = await app.PostFormAsync($"/account/{path}?token=x", form, [new("password", "seven quiet harbours dreaming")]);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var page = await answer.PageAsync();
        Assert.Equal("This link is no longer good", page.QuerySelector("h1")!.TextContent);
        Assert.NotNull(page.QuerySelector("main a.btn"));
    }

    [Fact]
    public async Task Colours_and_logo_of_the_brand_are_two_files_of_ours_that_run_nothing()
    {
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, """<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>""");
        await using var app = TestApp.Start(("Brand:Accent", "#5b2a86"), ("Brand:AccentDark", "#c9a6ec"), ("Brand:Logo", file));
        File.Delete(file); // read at start
        var answer = await app.Client.GetAsync("/account/sign-in");
        Assert.Contains("style-src 'self';", answer.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        var page = await answer.PageAsync();
        Assert.Equal("/brand-logo", page.QuerySelector(".brand img[alt='']")!.GetAttribute("src"));
        Assert.Equal("/brand.css", page.QuerySelectorAll("link[rel=stylesheet]")[1].GetAttribute("href"));

        var sheet = await app.SendAsync(HttpMethod.Get, "/brand.css", cookies: "session=x");
        Assert.Contains("--accent: light-dark(#5b2a86, #c9a6ec)", await sheet.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(("text/css", true, false), (sheet.Content.Headers.ContentType!.MediaType, sheet.Headers.CacheControl!.Public, sheet.Headers.Contains("Set-Cookie")));
        Assert.Equal(HttpStatusCode.NotModified, (await app.SendAsync(HttpMethod.Get, "/brand.css", headers: ("If-None-Match", sheet.Headers.ETag!.Tag))).StatusCode);

        var logo = await app.Client.GetAsync("/brand-logo");
        Assert.Equal("image/svg+xml", logo.Content.Headers.ContentType!.MediaType);
        Assert.Equal("default-src 'none'; style-src 'unsafe-inline'; sandbox", logo.Headers.GetValues("Content-Security-Policy").Single());
        Assert.Equal("nosniff", logo.Headers.GetValues("X-Content-Type-Options").Single());

        var user = await app.SignUpAsync();
        Assert.Contains("background:#5b2a86", (await app.Mail.LastToAsync(user.Email)).Html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Help_and_privacy_stand_at_the_foot_where_the_settings_say_where_they_are()
    {
        await using (var plain = TestApp.Start()) Assert.Empty(await LinksAsync(plain));
        await using var app = TestApp.Start(("Brand:HelpUrl", "https://help.example/id"), ("Brand:PrivacyUrl", "https://www.example/privacy"));
        Assert.Equal([("Help", "https://help.example/id"), ("Privacy", "https://www.example/privacy")], await LinksAsync(app));

        static async Task<IReadOnlyList<(string, string?)>> LinksAsync(TestApp app) =>
            [.. (await (await app.Client.GetAsync("/account/sign-in")).PageAsync()).QuerySelectorAll(".foot a").Select(a => (a.TextContent, a.GetAttribute("href")))];
    }

    [Theory] // look/sign-in.html: who is led on to another origin reads to which
    [InlineData("https://shop.example/cart?x=1", "to continue to shop.example")]
    [InlineData("/account/sessions", "Then you’ll be back at the page you asked for.")]
    [InlineData("https://evil.test/cart", null)]
    public async Task Sign_in_says_where_it_leads(string returnUrl, string? said)
    {
        await using var app = TestApp.Start(("Gateway:AllowedOrigins:0", "https://shop.example"));
        var page = await (await app.Client.GetAsync("/account/sign-in?returnUrl=" + Uri.EscapeDataString(returnUrl))).PageAsync();
        Assert.Equal(said, page.QuerySelector("h1 ~ p.soft")?.TextContent);
    }

    [Fact]
    public async Task Without_a_reader_of_the_routes_the_home_page_leads_to_none()
    {
        await using (var app = TestApp.Start()) Assert.NotNull((await (await app.Client.GetAsync("/")).PageAsync()).QuerySelector("main a[href='/docs']"));
        await using var closed = TestApp.Start(("Docs:Enabled", "false"));
        Assert.Null((await (await closed.Client.GetAsync("/")).PageAsync()).QuerySelector("main a[href='/docs']"));
    }

    [Fact]
    public async Task Without_colours_and_logo_nothing_more_is_loaded()
    {
        await using var app = TestApp.Start();
        var page = await (await app.Client.GetAsync("/account/sign-in")).PageAsync();
        Assert.Single(page.QuerySelectorAll("link[rel=stylesheet]"));
        Assert.NotNull(page.QuerySelector(".brand svg"));
        foreach (var path in new[] { "/brand.css", "/brand-logo" }) Assert.Equal(HttpStatusCode.NotFound, (await app.Client.GetAsync(path)).StatusCode);
    }

    [Theory]
    [InlineData(400), InlineData(403), InlineData(404), InlineData(429), InlineData(500), InlineData(503)]
    public async Task An_error_page_carries_its_status(int status)
    {
        await using var host = await FrameHost.StartAsync();
        var answer = await host.Browser().GetAsync($"/error/{status}");
        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Contains("<h1>", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/error/999"), InlineData("/nowhere"), InlineData("/account/nothing/here")]
    public async Task An_unknown_page_is_a_page_with_404(string path)
    {
        await using var host = await FrameHost.StartAsync();
        var answer = await host.Browser().GetAsync(path);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Contains("There is no page here", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_address_is_never_written_into_the_page_as_markup()
    {
        await using var host = await FrameHost.StartAsync();
        var html = await (await host.Browser().GetAsync("/%3Cscript%3Ealert(1)%3C/script%3E?x=%22%3E%3Cimg%3E")).Content.ReadAsStringAsync();
        Assert.DoesNotContain("<script>alert", html, StringComparison.Ordinal);
        Assert.DoesNotContain("\"><img>", html, StringComparison.Ordinal);
    }
}
