using System.Net;

namespace App.Tests.Accounts;

public sealed class SignUpPageTests
{
    [Fact]
    public async Task A_stranger_becomes_a_user_who_is_signed_in()
    {
        await using var app = TestApp.Start();
        var answer = await app.SignUpAsync("ada@example.test", TestApp.Password, "Ada", "?returnUrl=%2Faccount%2Fsessions");
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        Assert.Equal("/account/sessions", answer.Location());
        var (session, refresh) = TestUser.SetCookies(answer);
        var profile = await (await app.SendAsync(HttpMethod.Get, "/account", cookies: $"session={session}; session_refresh={refresh}")).PageAsync();
        Assert.Equal(["ada@example.test", "Ada"], profile.QuerySelectorAll("dd").Take(2).Select(e => e.TextContent));
    }

    [Fact]
    public async Task What_was_typed_is_kept_but_for_the_password()
    {
        await using var app = TestApp.Start();
        var answer = await app.SignUpAsync("ada", "abracadabra", "Ada");
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.False(answer.Headers.Contains("Set-Cookie"));
        var page = await answer.PageAsync();
        Assert.Equal(["That isn’t an e-mail address. One looks like ada@example.com.", "A password has 15 to 128 characters."], page.Faults());
        Assert.Equal(("ada", "Ada", null), (page.Value("email"), page.Value("name"), page.Value("password")));
        Assert.DoesNotContain("abracadabra", page.DocumentElement.OuterHtml, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_taken_e_mail_leads_to_sign_in()
    {
        await using var app = TestApp.Start();
        var user = await app.SignUpAsync();
        var answer = await app.SignUpAsync(user.Email, TestApp.Password, query: "?returnUrl=%2Faccount%2Fsessions");
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var page = await answer.PageAsync();
        Assert.Contains("already has an account", page.Faults().Single(), StringComparison.Ordinal);
        Assert.Equal("/account/sign-in?returnUrl=%2Faccount%2Fsessions", page.QuerySelector("main p a")!.GetAttribute("href"));
    }

    [Fact]
    public async Task The_bounds_in_force_are_told_before_and_read_out_with_the_field()
    {
        await using var app = TestApp.Start(("Passwords:MinLength", "4"), ("Passwords:MaxLength", "20"));
        var page = await (await app.Client.GetAsync("/account/sign-up")).PageAsync();
        var input = page.QuerySelector("input[name=password]")!;
        Assert.Equal("new-password", input.GetAttribute("autocomplete"));
        Assert.StartsWith("4 to 20 characters.", page.GetElementById(input.GetAttribute("aria-describedby")!)!.TextContent, StringComparison.Ordinal);
        Assert.False(page.QuerySelector("input[name=name]")!.HasAttribute("required"));
    }
}
