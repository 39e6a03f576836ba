using System.Net;
using System.Net.Http.Json;
using App.Dashboard;
using App.Tests.Admin;
using App.Tests.Push;
using Bunit;
using Microsoft.AspNetCore.Components;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Dashboard;

/// <summary>The island of the overview, in a circuit of the test's own over the real service.</summary>
public sealed class DashboardLiveTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();
    private readonly BunitContext _page = new();
    private TestUser _admin = null!;

    public async Task InitializeAsync()
    {
        await _app.UntilReadyAsync(); // until then its database counts as away, and nobody loses what they see by that
        _admin = await _app.NewAdminAsync();
        await _page.ServeAsync<ShowOverview>(_app, _admin);
    }

    public async Task DisposeAsync()
    {
        await _page.DisposeAsync();
        await _app.DisposeAsync();
    }

    [Fact]
    public async Task Figures_rise_by_themselves()
    {
        var cut = Open();
        cut.WaitForAssertion(() => Assert.Equal("1", SignIns(cut)));
        await _app.SignInAsync(_admin);
        Assert.Equal("2", await _app.UntilAsync(() => SignIns(cut), count => count == "2"));
        Assert.NotEqual("", cut.FindAll(".spark path")[2].GetAttribute("d"));
        Assert.Equal("All is well", cut.Find("h1").TextContent);
    }

    [Fact]
    public async Task What_the_first_html_has_shown_is_drawn_at_once_so_that_nothing_jumps()
    {
        await _app.SendAsync(HttpMethod.Get, "/admin", cookies: _admin.Cookies);
        var empty = 0;
        var cut = _page.Render<DashboardLive>(island => island.Add(i => i.Language, "en"));
        if (cut.FindAll(".tile").Count == 0) empty++;
        Assert.Equal((0, 1), (empty, cut.RenderCount));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Whoever_signs_out_or_is_no_admin_any_more_stops_seeing_it_at_once(bool signsOut)
    {
        var cut = Open();
        cut.WaitForElement(".tile");
        await _app.GrantAsync(await _app.SignUpAsync()); // somebody has to be one
        if (signsOut) await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: _admin.Cookies);
        else await _app.GrantAsync(_admin, granted: false);
        // The clock stands still. Not by bUnit, which looks when something is drawn: leaving is what comes after.
        await Wait.UntilAsync(() => _page.Services.GetRequiredService<NavigationManager>().Uri == "http://localhost/admin");
        Assert.Empty(cut.FindAll(".tile"));
        Assert.Equal(HttpStatusCode.Found, (await _app.SendAsync(HttpMethod.Get, "/admin", cookies: signsOut ? _admin.Cookies : null)).StatusCode);
    }

    [Fact]
    public async Task A_session_that_has_run_out_ends_with_the_next_look()
    {
        var cut = Open();
        cut.WaitForElement(".tile");
        _app.Time.Advance(TimeSpan.FromDays(15)); // of idleness
        Assert.Equal(0, await _app.UntilAsync(() => cut.FindAll(".tile").Count, tiles => tiles == 0));
    }

    [Fact]
    public async Task What_goes_wrong_is_read_out_once_and_it_speaks_german()
    {
        var cut = Open("de");
        cut.WaitForAssertion(() => Assert.Equal("Alles in Ordnung", cut.Find("h1").TextContent));
        Assert.Contains("Letzte Stunde", cut.Markup, StringComparison.Ordinal);
        Assert.Equal("", cut.Find("p[role=status]").TextContent);
        var file = Path.Combine(_app.Folder, "gatehouse.db");
        File.Move(file, file + ".away");
        await _app.Client.PostAsJsonAsync("/api/users/signup", new { email = "late@example.test", password = TestApp.Password });
        File.Move(file + ".away", file);
        Assert.Equal("Ein Punkt ist zu prüfen", await _app.UntilAsync(() => cut.Find("p[role=status]").TextContent, said => said.Length > 0));
        Assert.Contains("mit 503 beantwortet", cut.Find(".notice").TextContent, StringComparison.Ordinal);
    }

    private static string SignIns(IRenderedComponent<DashboardLive> cut) => cut.FindAll(".tile strong")[2].TextContent;

    private IRenderedComponent<DashboardLive> Open(string language = "en")
    {
        return _page.Render<DashboardLive>(island => island.Add(i => i.Language, language));
    }
}
