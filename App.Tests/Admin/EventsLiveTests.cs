using System.Net;
using App.Admin;
using App.Events;
using App.Tests.Push;
using Bunit;
using Microsoft.AspNetCore.Components;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Admin;

/// <summary>The list of events as it goes on, in a circuit of the test's own over the real service.</summary>
public sealed class EventsLiveTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();
    private readonly BunitContext _page = new();
    private TestUser _admin = null!;

    public async Task InitializeAsync()
    {
        _admin = await _app.NewAdminAsync();
        _page.Services.AddSingleton(_app.Get<EventFeed>());
        await _page.ServeAsync<ListEvents>(_app, _admin);
    }

    public async Task DisposeAsync()
    {
        await _page.DisposeAsync();
        await _app.DisposeAsync();
    }

    [Fact]
    public async Task What_happens_elsewhere_appears_on_top_and_is_said_where_it_is_of_the_chosen_kind()
    {
        var user = await _app.SignUpAsync();
        var (all, locks) = (Open(), Open("account-disabled"));
        all.WaitForAssertion(() => Assert.Single(all.FindAll(".list > li"))); // the admin's own role
        Assert.Empty(locks.FindAll(".list > li"));
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies);
        Assert.Equal("session-revoked", (await _app.UntilAsync(() => Types(all), types => types.Count == 2))[0]);
        Assert.Equal("New events: 1", all.Find("p[role=status]").TextContent);
        Assert.Contains(user.Email, all.Find(".list > li:first-child").TextContent, StringComparison.Ordinal);

        await _app.LockAsync(_admin, user);
        Assert.Equal(["account-disabled"], await _app.UntilAsync(() => Types(locks), types => types.Count > 0));
        Assert.Equal(["account-disabled", "session-revoked"], (await _app.UntilAsync(() => Types(all), types => types.Count == 3))[..2]);
    }

    [Fact]
    public async Task An_older_page_stands_still()
    {
        var user = await _app.SignUpAsync();
        await _app.LockAsync(_admin, user);
        var newest = await _app.ScopedAsync((ListEvents list) => list.RecentAsync(null, null, null, Period.Always, 1, CancellationToken.None));
        var cut = Open(before: newest.Events[0].Cursor);
        cut.WaitForAssertion(() => Assert.DoesNotContain(newest.Events[0].Type, Types(cut)));
        var shown = cut.Markup;
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: (await _app.SignUpAsync()).Cookies);
        _app.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(shown, cut.Markup);
    }

    [Fact]
    public async Task A_list_that_ends_goes_on_until_then_and_says_that_it_is_over()
    {
        var (user, other) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        var cut = _page.Render<EventsLive>(island => island.Add(i => i.Language, "en").Add(i => i.User, user.Id).Add(i => i.Until, _app.Time.GetUtcNow().AddMinutes(5)));
        cut.WaitForAssertion(() => Assert.NotNull(cut.Find(".empty")));
        await _app.LockAsync(_admin, other);
        await _app.LockAsync(_admin, user);
        Assert.Equal(["account-disabled", "session-revoked"], (await _app.UntilAsync(() => Types(cut), types => types.Count == 2)).Order());
        Assert.Equal("Hold the list", cut.Find("button").TextContent);
        _app.Time.Advance(TimeSpan.FromMinutes(5));
        Assert.True(await _app.UntilAsync(() => cut.FindAll("button").Count == 0, over => over));
        Assert.Contains("This list ended", cut.Markup, StringComparison.Ordinal);
        Assert.Equal(2, Types(cut).Count);
    }

    [Theory] // ATTACKS: what an open page shows ends with the right to see it
    [InlineData(true)]
    [InlineData(false)]
    public async Task Whoever_is_signed_out_or_no_admin_any_more_sees_nothing_further(bool signedOut)
    {
        var other = await _app.NewAdminAsync();
        var cut = Open();
        cut.WaitForAssertion(() => Assert.NotEmpty(cut.FindAll(".list > li")));
        var answer = signedOut
            ? await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: _admin.Cookies)
            : await _app.SendAsync(HttpMethod.Delete, $"/api/admin/users/{_admin.Id}/roles/admin", other.AccessToken);
        Assert.True(answer.StatusCode is HttpStatusCode.OK or HttpStatusCode.NoContent, answer.StatusCode.ToString());
        // Not by bUnit, which looks when something is drawn: leaving is what comes after.
        await Wait.UntilAsync(() => _page.Services.GetRequiredService<NavigationManager>().Uri.EndsWith("/admin/events", StringComparison.Ordinal));
        Assert.Empty(cut.FindAll(".list > li"));
    }

    private static List<string> Types(IRenderedComponent<EventsLive> cut) => [.. cut.FindAll(".list .meta code:first-child").Select(c => c.TextContent)];

    private IRenderedComponent<EventsLive> Open(string? type = null, long? before = null)
    {
        return _page.Render<EventsLive>(island => island.Add(i => i.Language, "en").Add(i => i.Type, type).Add(i => i.Before, before));
    }
}
