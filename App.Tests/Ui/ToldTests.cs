using App.Tests.Accounts;
using App.Tests.Attacks;

namespace App.Tests.Ui;

/// <summary>A page says what has happened, to whom it has happened, once.</summary>
public sealed class ToldTests : IAsyncLifetime
{
    private const string Sessions = "/account/sessions";
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact] // Anybody can make a link.
    public async Task An_address_says_nothing_that_has_not_happened()
    {
        foreach (var path in new[] { "/account/sign-in?ended=1", "/account/sign-in?changed=1" }) Assert.Null(await NoticeAsync(path, ""));
        var user = await _app.SignUpAsync();
        foreach (var path in new[] { "/account/security?notme=1", "/account/security?changed=1", "/account/profile?sent=1", "/account/profile?data=wrong", Sessions + "?ended=1", "/account/services?withdrawn=1" })
            Assert.Null(await NoticeAsync(path, user.Cookies));
    }

    [Fact]
    public async Task What_a_form_did_is_said_once_by_the_page_that_it_leads_to_within_a_minute()
    {
        var user = await _app.SignUpAsync();
        await _app.SignInAsync(user);
        var answer = await _app.PostFormAsync(Sessions + "/end-others", "", [], user.Cookies);
        var line = Assert.Single(Answers.CookieLines(answer));
        Assert.Matches("^told=[A-Za-z0-9_-]+; max-age=60; path=/; secure; samesite=lax; httponly$", line);
        var told = $"{user.Cookies}; {line.Split(';')[0]}";

        Assert.Null(await NoticeAsync("/account/profile", told));
        foreach (var other in new[] { user.Cookies, user.Cookies + "; told=ended 1", told[..^2] }) Assert.Null(await NoticeAsync(Sessions, other));
        var page = await _app.SendAsync(HttpMethod.Get, Sessions, cookies: told);
        Assert.Equal("One session was ended.", (await page.PageAsync()).QuerySelector(".notice")!.TextContent);
        Assert.StartsWith("told=; max-age=0; path=/;", Assert.Single(Answers.CookieLines(page)), StringComparison.Ordinal);

        _app.Time.Advance(TimeSpan.FromSeconds(61));
        Assert.Null(await NoticeAsync(Sessions, told));
    }

    private async Task<string?> NoticeAsync(string path, string cookies) =>
        (await (await _app.SendAsync(HttpMethod.Get, path, cookies: cookies)).PageAsync()).QuerySelector("main .notice")?.TextContent;
}
