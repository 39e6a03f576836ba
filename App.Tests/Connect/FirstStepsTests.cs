using System.Net;
using App.Tests.Accounts;

namespace App.Tests.Connect;

/// <summary>What a fresh start says, and where its steps lead.</summary>
public sealed class FirstStepsTests
{
    [Fact]
    public async Task A_fresh_start_says_what_this_is_that_it_is_for_development_and_three_next_steps_that_lead_somewhere()
    {
        await using var app = TestApp.Start();
        var page = await (await app.Client.GetAsync("/")).PageAsync();
        Assert.Contains("signs people in once", page.QuerySelector(".lead")!.TextContent, StringComparison.Ordinal);
        Assert.Contains("development mode", page.QuerySelector(".notice")!.TextContent, StringComparison.Ordinal);
        Assert.Equal(3, page.QuerySelectorAll(".steps > li").Length);

        var links = page.QuerySelectorAll(".steps a").Select(a => a.GetAttribute("href")!).ToList();
        Assert.Superset(new HashSet<string> { "/account/sign-up", "/services", "/tools/token", "/lab" }, links.ToHashSet());
        foreach (var link in links) Assert.True((await app.Client.GetAsync(link)).StatusCode is HttpStatusCode.OK or HttpStatusCode.Found, link);
    }

    [Fact]
    public async Task Where_the_lab_is_switched_off_no_step_leads_there()
    {
        await using var app = TestApp.Start(("Lab:Enabled", "false"));
        var links = (await (await app.Client.GetAsync("/")).PageAsync()).QuerySelectorAll(".steps a").Select(a => a.GetAttribute("href")!).ToList();
        Assert.Superset(new HashSet<string> { "/account/sign-up", "/services", "/tools/token" }, links.ToHashSet());
        Assert.DoesNotContain("/lab", links);
    }
}
