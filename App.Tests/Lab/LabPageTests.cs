using System.Globalization;
using System.Net;
using App.Lab;
using App.Ops;
using App.Sessions;
using App.Tests.Push;
using Bunit;
using Bunit.TestDoubles;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Lab;

/// <summary>The page: who gets to see it, what its first HTML says, and its island in a circuit of the test's own.</summary>
public sealed class LabPageTests
{
    [Theory]
    [InlineData("Development", null, true)]
    [InlineData("Development", "false", false)]
    [InlineData("Staging", null, false)]
    [InlineData("Staging", "true", true)]
    public async Task It_is_there_in_Development_and_where_it_is_switched_on(string environment, string? enabled, bool there)
    {
        await using var app = TestApp.Start(("environment", environment), ("Lab:Enabled", enabled));
        var user = await app.SignUpAsync();

        Assert.Equal(there ? HttpStatusCode.Redirect : HttpStatusCode.NotFound, (await app.SendAsync(HttpMethod.Get, "/lab")).StatusCode);
        foreach (var path in new[] { "/lab", "/LAB/" })
            Assert.Equal(there ? HttpStatusCode.OK : HttpStatusCode.NotFound, (await app.SendAsync(HttpMethod.Get, path, cookies: user.Cookies)).StatusCode);
    }

    [Theory]
    [InlineData("--lab")]
    [InlineData("--lab", "--Issuer", "https://id.example.test")]
    public void The_command_line_switches_it_on(params string[] args) => Assert.Equal("true", Hosting.CreateBuilder(args).Configuration["Lab:Enabled"]);

    [Fact]
    public async Task A_stranger_is_led_to_sign_in_and_back()
    {
        await using var app = TestApp.Start();
        var answer = await app.SendAsync(HttpMethod.Get, "/lab");
        Assert.Equal("/account/sign-in?returnUrl=%2Flab", answer.Headers.Location!.ToString());
    }

    [Fact]
    public async Task The_first_html_is_complete_without_script_or_inline_style()
    {
        await using var app = TestApp.Start(("Lab:StaleAfter", "00:00:20"), ("Tokens:AccessTokenLifetime", "00:10:00"));
        var user = await app.SignUpAsync();
        var html = await (await app.SendAsync(HttpMethod.Get, "/lab", cookies: user.Cookies)).Content.ReadAsStringAsync();

        foreach (var part in new[] { user.Email, "Asks us", "Behind a gateway", "Checks itself", "Knows the key alone", "silent for 20\u00a0s", "here 10\u00a0min", "Call each 100 times", "<noscript>" })
            Assert.Contains(part, WebUtility.HtmlDecode(html), StringComparison.Ordinal);
        Assert.DoesNotContain(" style=", html, StringComparison.Ordinal);
        Assert.Contains("<script src=\"/_framework/blazor.web", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_island_calls_each_and_tells_it_in_the_readers_language()
    {
        await using var lab = await LabFixture.StartAsync();
        await using var page = Open(lab, out var before);
        Assert.All(before.FindAll("td.n"), cell => Assert.Equal("–", cell.TextContent));

        await before.InvokeAsync(() => Button(before, "Call each 100 times").Click());
        before.WaitForAssertion(() => Assert.Equal("Each service was called a hundred times.", before.Find("p[role=status]").TextContent), TimeSpan.FromSeconds(30));
        before.WaitForAssertion(() => Assert.Equal(["1", "1", "0"], before.FindAll("tbody tr td:last-child").Select(cell => cell.TextContent)));
        Assert.All(before.FindAll("tbody tr td:nth-child(2)"), cell => Assert.Matches(@"^\d+\.\d+$", cell.TextContent));
        Assert.Equal(3 * 100, before.FindAll(".strip line:not(.mid)").Count);

        var culture = CultureInfo.CurrentUICulture;
        try
        {
            CultureInfo.CurrentUICulture = CultureInfo.GetCultureInfo("de");
            var german = page.Render<LabLive>();
            Assert.Contains("Was ein Aufruf kostet", german.Markup, StringComparison.Ordinal);
            Assert.DoesNotContain("What a call costs", german.Markup, StringComparison.Ordinal);
        }
        finally
        {
            CultureInfo.CurrentUICulture = culture;
        }
    }

    [Fact]
    public async Task The_island_says_who_has_noticed_an_end_and_sends_one_request_to_look_at()
    {
        await using var lab = await LabFixture.StartAsync();
        await using var page = Open(lab, out var cut);

        await cut.InvokeAsync(() => Button(cut, "End the session").Click());
        Assert.Equal("true", Button(cut, "Call each 100 times").GetAttribute("aria-disabled"));
        cut.WaitForAssertion(() => Assert.StartsWith("Asks us: refused after ", cut.Find("p[role=status]").TextContent, StringComparison.Ordinal), TimeSpan.FromSeconds(30));
        var verdicts = cut.FindAll(".verdict").Select(v => v.TextContent).Take(4).ToList();
        Assert.All(verdicts[..3], verdict => Assert.Matches(@"^refused after [\d.]+\sm?s$", verdict));
        Assert.Matches(@"^let in for up to 5\smin\s\d+\ss$", verdicts[3]);
        Assert.Single(cut.FindAll("rect.ahead"));

        await cut.InvokeAsync(() => cut.Find("#carriage").Change("Form"));
        await cut.InvokeAsync(() => cut.Find("#service").Change("Gateway"));
        await cut.InvokeAsync(() => Button(cut, "Send the request").Click());
        cut.WaitForAssertion(() => Assert.StartsWith("HTTP/1.1 401", cut.Find(".wire pre[aria-label=Answer]").TextContent, StringComparison.Ordinal), TimeSpan.FromSeconds(30));
        Assert.Contains("A gateway asks about headers.", cut.Markup, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_the_lab_is_taken_or_out_of_reach_the_island_says_so()
    {
        await using var lab = await LabFixture.StartAsync();
        await using var page = Open(lab, out var cut);
        using var leave = new CancellationTokenSource();
        var theirs = lab.Get<WatchEnd>().TryAsync(lab.Me, new Ending(), feedCut: true, leave.Token);
        await cut.InvokeAsync(() => Button(cut, "Call each 100 times").Click());
        cut.WaitForAssertion(() => Assert.Contains("Somebody else’s experiment", cut.Find(".notice.wait").TextContent, StringComparison.Ordinal));
        await leave.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => theirs);

        // The in-memory server listens nowhere, so nobody reaches us there.
        await using var nowhere = TestApp.Start();
        var user = await nowhere.SignUpAsync();
        var me = lab.Me with { Id = user.Id, SessionId = user.SessionId };
        Assert.IsType<LabOutcome.Unavailable>(await nowhere.Get<CallEach>().TryAsync(me, networked: false, _ => { }, default));
    }

    [Fact]
    public async Task When_the_persons_own_session_ends_the_island_leaves()
    {
        await using var lab = await LabFixture.StartAsync();
        await using var page = Open(lab, out _);
        await lab.ScopedAsync<EndSession, EndSession.Outcome>(end => end.TryAsync(lab.Me, lab.Me.SessionId, default));
        var left = page.Services.GetRequiredService<BunitNavigationManager>().History;
        await Wait.UntilAsync(() => left.Count > 0);
        Assert.Equal("/account/sign-in?returnUrl=%2Flab", Assert.Single(left).Uri);
    }

    private static BunitContext Open(LabFixture lab, out IRenderedComponent<LabLive> cut)
    {
        BunitContext.DefaultWaitTimeout = TimeSpan.FromSeconds(30); // a loaded machine is no fault
        var page = new BunitContext();
        page.Services.AddSingleton(lab.Get<CallEach>()).AddSingleton(lab.Get<WatchEnd>()).AddSingleton(lab.Get<StopUs>()).AddSingleton(lab.Get<TryToken>())
            .AddSingleton(lab.Get<SessionWatch>()).AddSingleton(lab.Get<LabOptions>())
            .AddCascadingValue(_ => Task.FromResult(new AuthenticationState(lab.Me.ToPrincipal())));
        page.Renderer.SetRendererInfo(new RendererInfo("Server", true));
        cut = page.Render<LabLive>();
        return page;
    }

    private static AngleSharp.Dom.IElement Button(IRenderedComponent<LabLive> cut, string label) => cut.FindAll("button").Single(b => b.TextContent == label);
}
