using System.Net;

namespace App.Tests.Frame;

public sealed class ThemeTests
{
    [Theory]
    [InlineData("dark", "/account?x=1", "/account?x=1")]
    [InlineData("light", "//evil.test", "/")]
    public async Task A_choice_is_remembered_and_leads_back(string theme, string returnUrl, string location)
    {
        await using var host = await FrameHost.StartAsync();
        var answer = await host.Browser().PostAsync("/ui/theme", Form(theme, returnUrl));
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        Assert.Equal(location, answer.Headers.Location!.OriginalString);
        Assert.StartsWith($"theme={theme}; max-age=34560000; path=/", answer.Headers.GetValues("Set-Cookie").Single(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("system"), InlineData("\r\nx: y"), InlineData("<b>"), InlineData("")]
    public async Task Anything_else_leaves_it_to_the_device(string theme)
    {
        await using var host = await FrameHost.StartAsync();
        var answer = await host.Browser().PostAsync("/ui/theme", Form(theme, "/"));
        Assert.StartsWith("theme=; max-age=0; path=/", answer.Headers.GetValues("Set-Cookie").Single(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("dark", "<html lang=\"en\" data-theme=\"dark\">")]
    [InlineData("light", "<html lang=\"en\" data-theme=\"light\">")]
    [InlineData("x\"><script>", "<html lang=\"en\">")]
    public async Task The_first_html_has_the_colours(string cookie, string root)
    {
        await using var host = await FrameHost.StartAsync();
        var browser = host.Browser();
        browser.DefaultRequestHeaders.Add("Cookie", "theme=" + cookie);
        Assert.Contains(root, await (await browser.GetAsync("/nowhere")).Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    private static FormUrlEncodedContent Form(string theme, string returnUrl) =>
        new(new Dictionary<string, string> { ["theme"] = theme, ["returnUrl"] = returnUrl });
}
