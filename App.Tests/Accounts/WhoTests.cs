using System.Net;
using App.Sessions;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Accounts;

/// <summary>What a page that stays in sight asks by itself, each minute: whose the browser's session is.</summary>
public sealed class WhoTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task A_session_is_its_persons_until_it_is_ended()
    {
        var ada = await _app.SignUpAsync();
        Assert.Equal($"{ada.Id}", await WhoAsync(ada.Cookies));
        _app.Time.Advance(TimeSpan.FromHours(1)); // its token is long over
        Assert.Equal($"{ada.Id}", await WhoAsync(ada.Cookies));
        var elsewhere = await _app.SignInAsync(ada);
        await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{ada.SessionId}", cookies: elsewhere.Cookies);
        Assert.Equal("", await WhoAsync(ada.Cookies));
        Assert.Equal($"{ada.Id}", await WhoAsync(elsewhere.Cookies));
    }

    [Fact] // Else a page that is only left open would keep it alive for as long as a session may live.
    public async Task To_ask_is_no_use_of_a_session_which_ends_when_nobody_uses_it()
    {
        var ada = await _app.SignUpAsync();
        _app.Time.Advance(TimeSpan.FromMinutes(6)); // past the token's end, the session's row is asked
        var seen = await NotUsedForAsync(TimeSpan.FromDays(13));
        Assert.Equal($"{ada.Id}", await WhoAsync(ada.Cookies));
        Assert.Equal(seen, await SeenAsync(ada));
        await NotUsedForAsync(TimeSpan.FromDays(14));
        Assert.Equal("", await WhoAsync(ada.Cookies));

        async Task<DateTimeOffset> NotUsedForAsync(TimeSpan time)
        {
            var then = _app.Time.GetUtcNow() - time;
            await _app.DbAsync(db => db.Sessions.ExecuteUpdateAsync(set => set.SetProperty(s => s.LastSeenAt, then)));
            return then;
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData("session=x; session_refresh=y")]
    public async Task A_stranger_is_nobody(string? cookies)
    {
        await _app.SignUpAsync();
        Assert.Equal("", await WhoAsync(cookies));
    }

    private Task<DateTimeOffset> SeenAsync(TestUser user) => _app.DbAsync(db => db.Sessions.Where(s => s.Id == user.SessionId).Select(s => s.LastSeenAt).SingleAsync());

    private async Task<string> WhoAsync(string? cookies)
    {
        var answer = await _app.SendAsync(HttpMethod.Get, "/ui/who", cookies: cookies);
        Assert.Equal((HttpStatusCode.OK, false, true), (answer.StatusCode, answer.Headers.Contains("Set-Cookie"), answer.Headers.CacheControl!.NoStore));
        return await answer.Content.ReadAsStringAsync();
    }
}
