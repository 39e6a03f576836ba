using System.Net;
using System.Net.Http.Json;
using AngleSharp.Dom;
using App.Sessions;
using App.Tests.Admin;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Accounts;

/// <summary>What whoever holds the cookies of an ended session reads on the page that they are led to: that it is over, and why (UX 9).</summary>
public sealed class EndedSessionTests : IAsyncLifetime
{
    private const string ByYou = "Your session was ended from your account, here or on another device.";
    private const string ByAdmin = "Your session was ended by an administrator.";
    private const string Password = "Your session was ended because a new password was set for your account.";
    private const string Old = "Your session was ended because it was too old, or not used for too long.";
    private const string Twice = "Your session was ended to be safe: what keeps this browser signed in was used twice, so somebody else may have a copy of it.";
    private const string Neutral = "Your session was ended: here, from another device, by a new password, or because it was too old.";

    private static readonly Dictionary<string, Func<Case, Task>> Ends = new()
    {
        ["signed out"] = async c => await c.App.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: c.User.Cookies),
        ["ended elsewhere"] = async c => await c.App.SendAsync(HttpMethod.Delete, $"/api/sessions/{c.User.SessionId}", c.Other.AccessToken),
        ["with all others"] = async c => await c.App.SendAsync(HttpMethod.Delete, "/api/sessions", c.Other.AccessToken),
        ["disowned"] = async c => await c.App.PostFormAsync("/account/activity/end", "", [new("id", c.User.SessionId.ToString())], c.Other.Cookies),
        ["by an admin"] = async c => await c.App.SendAsync(HttpMethod.Delete, $"/api/admin/sessions/{c.User.SessionId}", (await c.App.NewAdminAsync()).AccessToken),
        ["with all of theirs"] = async c => await c.App.SendAsync(HttpMethod.Delete, $"/api/admin/users/{c.User.Id}/sessions", (await c.App.NewAdminAsync()).AccessToken),
        ["with everybody's"] = async c => await RevokeSessions.EndAllAsync(c.App.Services, ["end-all"], TextWriter.Null, CancellationToken.None),
        ["password changed"] = async c => await c.App.SendAsync(HttpMethod.Post, "/api/account/password", cookies: c.Other.Cookies, json: new { currentPassword = c.User.Password, password = "seven quiet harbours dreaming" }),
        ["password reset"] = async c =>
        {
            await c.App.Client.PostAsJsonAsync("/api/users/forgot", new { email = c.User.Email });
            await c.App.Client.PostAsJsonAsync("/api/users/reset", new { token = TestMail.TokenIn(await c.App.Mail.LastToAsync(c.User.Email)), password = "seven quiet harbours dreaming" });
        },
        ["used twice"] = async c =>
        {
            await c.App.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = c.User.RefreshToken });
            c.App.Time.Advance(TimeSpan.FromMinutes(6)); // who comes second is the one who reads it
        },
        ["ran out"] = async c =>
        {
            // Puts its last use into the past instead of the clock into the future: every timer of the app would tick its way through the days.
            var then = c.App.Time.GetUtcNow().AddDays(-15);
            await c.App.DbAsync(db => db.Sessions.ExecuteUpdateAsync(set => set.SetProperty(s => s.LastSeenAt, then)));
            c.App.Time.Advance(TimeSpan.FromMinutes(6));
        },
        ["locked"] = async c => await c.App.LockAsync(await c.App.NewAdminAsync(), c.User),
        ["forgotten"] = async c =>
        {
            await c.App.DbAsync(db => db.Sessions.Where(s => s.Id == c.User.SessionId).ExecuteDeleteAsync());
            c.App.Time.Advance(TimeSpan.FromMinutes(6)); // a token that is known is good until its end
        },
    };

    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Theory]
    [InlineData("signed out", ByYou), InlineData("ended elsewhere", ByYou), InlineData("with all others", ByYou), InlineData("disowned", ByYou)]
    [InlineData("by an admin", ByAdmin), InlineData("with all of theirs", ByAdmin), InlineData("with everybody's", ByAdmin)]
    [InlineData("password changed", Password), InlineData("password reset", Password), InlineData("used twice", Twice), InlineData("ran out", Old)]
    [InlineData("locked", Neutral), InlineData("forgotten", Neutral)] // an admin's lock is told to nobody
    public async Task The_page_says_why(string how, string why)
    {
        var user = await _app.SignUpAsync();
        await Ends[how](new Case(_app, user, await _app.SignInAsync(user)));
        var page = await LedToAsync(user.Cookies);
        Assert.StartsWith(why, page.QuerySelector(".notice")!.TextContent, StringComparison.Ordinal);
        // Also when it is looked at once more, and in the other language.
        Assert.StartsWith(why, (await LedToAsync(user.Cookies)).QuerySelector(".notice")!.TextContent, StringComparison.Ordinal);
        Assert.StartsWith("Ihre Sitzung wurde ", (await LedToAsync(user.Cookies, "de")).QuerySelector(".notice")!.TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_may_have_been_robbed_is_warned_and_told_what_to_do()
    {
        var user = await _app.SignUpAsync();
        await Ends["used twice"](new Case(_app, user, user));
        var notice = (await LedToAsync(user.Cookies)).QuerySelector(".notice.bad")!;
        Assert.Equal(("alert", "/account/forgot"), (notice.GetAttribute("role"), notice.QuerySelector("a")!.GetAttribute("href")));
    }

    [Theory]
    [InlineData("signed out"), InlineData("by an admin"), InlineData("used twice"), InlineData("ran out")]
    public async Task Who_holds_no_cookie_of_it_is_told_nothing(string how)
    {
        var user = await _app.SignUpAsync();
        await Ends[how](new Case(_app, user, await _app.SignInAsync(user)));
        // Somebody who knows the session's id, and somebody who has seen its access token, which services do.
        var forged = user.RefreshToken[..^4] + (user.RefreshToken[^4] == 'A' ? "BBBB" : "AAAA");
        foreach (var cookies in new[] { null, "session_refresh=" + forged, $"session={user.SessionCookie}; session_refresh={forged}", "session=" + user.SessionCookie })
        {
            using var answer = await _app.SendAsync(HttpMethod.Get, "/account/sign-in", cookies: cookies);
            Assert.Null((await answer.PageAsync()).QuerySelector(".notice"));
        }
    }

    private async Task<IDocument> LedToAsync(string cookies, string language = "en")
    {
        using var led = await _app.SendAsync(HttpMethod.Get, "/account", cookies: cookies);
        Assert.Equal(HttpStatusCode.Redirect, led.StatusCode);
        using var answer = await _app.SendAsync(HttpMethod.Get, led.Location(), cookies: cookies, headers: ("Accept-Language", language));
        return await answer.PageAsync();
    }

    private sealed record Case(TestApp App, TestUser User, TestUser Other);
}
