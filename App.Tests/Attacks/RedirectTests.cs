using System.Net;
using System.Text.RegularExpressions;

namespace App.Tests.Attacks;

/// <summary>
/// Where a person is sent after sign-in, sign-up and the theme switch: a path of ours, whatever the query said (ATTACKS 103-108).
/// The rule itself, spelling by spelling: ReturnUrlTests.
/// </summary>
public sealed partial class RedirectTests(OneApp fixture) : IClassFixture<OneApp>
{
    private readonly TestApp _app = fixture.App;

    // As they stand in the query, so that the server decodes them once.
    public static readonly string[] Hostile =
    [
        "//evil.test", "/%5Cevil.test", "%5C%5Cevil.test", "/%255cevil.test", "/%252f%252fevil.test", "///evil.test", "%2F%2Fevil.test", // 103
        "https:evil.test", "http:///evil.test", "https://auth.test@evil.test", "https://auth.test.evil.test", "https://auth.test/account", // 104
        "/%09/evil.test", "/%0d%0aLocation:%20https://evil.test", "/%250d%250aSet-Cookie:%20session=x", "/%00", "/%ef%bf%be", "/%25ef%25bf%25be", // 105
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:x", // 106
        "%20/account", "account", ".", "..//evil.test", "@evil.test", "/.//evil.test", "/a/..//evil.test", "/%EF%BC%8Fevil.test",
    ];

    [Fact]
    public async Task A_hostile_return_address_leads_to_the_default_page_after_sign_in()
    {
        var user = await _app.SignUpAsync();
        foreach (var hostile in Hostile)
        {
            var path = "/account/sign-in?returnUrl=" + hostile;
            await AssertNoWayOutAsync(await _app.Client.GetAsync(path));
            await AssertNoWayOutAsync(await _app.PostFormAsync(path, "sign-in", [new("email", user.Email), new("password", "")]));

            // Signed in already: GET leads on at once.
            using var known = await _app.SendAsync(HttpMethod.Get, path, cookies: user.Cookies);
            Assert.Equal((HttpStatusCode.Redirect, "/account"), (known.StatusCode, known.Headers.Location!.OriginalString));
        }

        foreach (var hostile in Hostile[..8])
        {
            using var answer = await _app.PostFormAsync("/account/sign-in?returnUrl=" + hostile, "sign-in", [new("email", user.Email), new("password", user.Password)]);
            Assert.Equal((HttpStatusCode.SeeOther, "/account"), (answer.StatusCode, answer.Headers.Location!.OriginalString));
        }
    }

    [Fact]
    public async Task A_hostile_return_address_leads_to_the_default_page_after_sign_up()
    {
        var user = await _app.SignUpAsync();
        foreach (var hostile in Hostile)
        {
            var path = "/account/sign-up?returnUrl=" + hostile;
            await AssertNoWayOutAsync(await _app.Client.GetAsync(path));
            using var known = await _app.SendAsync(HttpMethod.Get, path, cookies: user.Cookies);
            Assert.Equal("/account", known.Headers.Location!.OriginalString);
        }

        foreach (var hostile in Hostile[..4])
        {
            using var answer = await _app.PostFormAsync("/account/sign-up?returnUrl=" + hostile, "sign-up", [new("email", $"red-{Guid.NewGuid():N}@example.test"), new("password", TestApp.Password)]);
            Assert.Equal((HttpStatusCode.SeeOther, "/account"), (answer.StatusCode, answer.Headers.Location!.OriginalString));
        }
    }

    [Theory]
    [InlineData("/ui/theme", "theme=dark")]
    [InlineData("/ui/language", "language=de")]
    public async Task A_switch_in_the_footer_leads_back_and_never_away(string path, string choice)
    {
        foreach (var hostile in Hostile.Where(h => h != "/%00")) // which no form may hold: 400
        {
            using var answer = await _app.PostTextAsync(path, choice + "&returnUrl=" + hostile, "application/x-www-form-urlencoded");
            Assert.Equal((HttpStatusCode.SeeOther, "/"), (answer.StatusCode, answer.Headers.Location?.OriginalString ?? hostile));
        }
    }

    [Theory] // ATTACKS 110: there is no such door, and so nowhere to be led from it
    [InlineData("/connect/endsession")]
    [InlineData("/connect/logout")]
    [InlineData("/account/sign-out")]
    public async Task Nobody_is_led_anywhere_after_signing_out(string path)
    {
        var user = await _app.SignUpAsync();
        using var answer = await _app.SendAsync(HttpMethod.Get, path + "?client_id=orders&post_logout_redirect_uri=https%3A%2F%2Fevil.test", cookies: user.Cookies);
        Assert.Equal(path.StartsWith("/connect", StringComparison.Ordinal) ? HttpStatusCode.NotFound : HttpStatusCode.OK, answer.StatusCode);
        Assert.Null(answer.Headers.Location);
        // Forms of the page lead back to it with its own query.
        Assert.DoesNotMatch("(href|action)=\"(?!/[^/])[^\"]*evil", await answer.Content.ReadAsStringAsync());
        Assert.DoesNotContain("end_session", await _app.Client.GetStringAsync("/.well-known/openid-configuration"), StringComparison.Ordinal);
    }

    [Theory] // ATTACKS 108: the second hop is judged when it is taken
    [InlineData("/account/sign-in?returnUrl=%2F%2Fevil.test")]
    [InlineData("/account/sign-up?returnUrl=https%3A%2F%2Fevil.test")]
    public async Task A_return_address_that_leads_on_is_judged_at_each_hop(string first)
    {
        var user = await _app.SignUpAsync();
        var next = "/account/sign-in?returnUrl=" + Uri.EscapeDataString(first);
        for (var hop = 0; hop < 5; hop++)
        {
            using var answer = await _app.SendAsync(HttpMethod.Get, next, cookies: user.Cookies);
            if (answer.StatusCode != HttpStatusCode.Redirect) break;
            next = answer.Headers.Location!.OriginalString;
            Assert.Matches("^/[^/\\\\]", next);
        }

        Assert.Equal("/account", next);
    }

    [Fact]
    public async Task A_path_of_ours_is_honoured()
    {
        var user = await _app.SignUpAsync();
        using var answer = await _app.PostFormAsync("/account/sign-in?returnUrl=%2Faccount%2Fsessions%3Fa%3D1", "sign-in", [new("email", user.Email), new("password", user.Password)]);
        Assert.Equal("/account/sessions?a=1", answer.Headers.Location!.OriginalString);
    }

    private static async Task AssertNoWayOutAsync(HttpResponseMessage answer)
    {
        using (answer)
        {
            Assert.True(answer.StatusCode is HttpStatusCode.OK or HttpStatusCode.BadRequest, answer.StatusCode.ToString());
            Assert.Null(answer.Headers.Location);
            Assert.Single(answer.Headers.GetValues("Content-Security-Policy"));
            var html = await answer.Content.ReadAsStringAsync();
            foreach (Match link in Links().Matches(html))
            {
                // The page's own address may stand, escaped, in a query of ours; what a click leads to is a path of ours.
                Assert.Matches("^(/(?![/\\\\])|#)", WebUtility.HtmlDecode(link.Groups[1].Value));
            }

            Assert.DoesNotContain("<script>alert", html, StringComparison.OrdinalIgnoreCase);
        }
    }

    [GeneratedRegex("(?:href|src|action)=\"([^\"]*)\"")]
    private static partial Regex Links();
}
