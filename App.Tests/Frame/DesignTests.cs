using System.Net;
using App.Tests.Accounts;

namespace App.Tests.Frame;

/// <summary>The design system: small, and printed once for those who build pages.</summary>
public sealed class DesignTests
{
    [Fact]
    public void The_style_sheet_of_every_page_has_at_most_15_KB_and_that_of_the_developers_and_operators_pages_half_of_it()
    {
        var sheets = Directory.GetFiles(Repository.PathOf("App", "wwwroot"), "*.css", SearchOption.AllDirectories).ToDictionary(f => Path.GetFileName(f), f => new FileInfo(f).Length);
        Assert.Equal(["developer.css", "gatehouse.css"], sheets.Keys.Order());
        Assert.InRange(sheets["gatehouse.css"], 1, 15 * 1024);
        Assert.InRange(sheets["developer.css"], 1, 15 * 1024 / 2);
    }

    [Fact] // The widths where the layout changes go by the reader's own size, so the text must too.
    public void Text_is_as_large_as_the_reader_has_set_their_browser() =>
        Assert.Matches(@"\nhtml \{[^}]* font: 100%/", File.ReadAllText(Repository.PathOf("App", "wwwroot", "gatehouse.css")));

    [Fact]
    public async Task It_is_printed_in_development()
    {
        await using var app = TestApp.Start();
        var page = await (await app.SendAsync(HttpMethod.Get, "/dev/ui")).PageAsync();
        Assert.All(
            new[] { ".card", ".field input[aria-invalid=true]", ".notice.wait", ".notice.bad", "table", "dialog[popover] h2", ".empty", ".toast", ".tag.bad", ".list > li", ".facts", ".btn.risk" },
            part => Assert.NotNull(page.QuerySelector("main " + part)));
    }

    [Fact]
    public async Task Elsewhere_its_address_is_as_unknown_as_any_other()
    {
        await using var host = await FrameHost.StartAsync();
        var answer = await host.Browser().GetAsync("/dev/ui");
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        Assert.Contains("There is no page here", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_question_names_its_answer_and_needs_no_script()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        await app.SendAsync(HttpMethod.Post, "/api/users/signin", json: new { email = user.Email, password = user.Password }, headers: ("User-Agent", "backup/2"));
        var page = await (await app.SendAsync(HttpMethod.Get, "/account/sessions", cookies: user.Cookies)).PageAsync();
        var dialog = page.QuerySelector("dialog[popover]")!;
        Assert.Equal(dialog.Id, page.QuerySelector("button[popovertarget]:not(dialog *)")!.GetAttribute("popovertarget"));
        Assert.Contains("backup (program) must sign in again", dialog.TextContent, StringComparison.Ordinal);
        Assert.NotNull(dialog.QuerySelector("form[action='/account/sessions/end-others'] button"));
    }
}
