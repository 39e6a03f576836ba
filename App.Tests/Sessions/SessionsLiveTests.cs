using System.Net;
using App.Events;
using App.Sessions;
using App.Shared;
using App.Tests.Events;
using App.Tests.Push;
using App.Tokens;
using Bunit;
using Bunit.TestDoubles;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.AspNetCore.Components.Server.Circuits;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Sessions;

/// <summary>The island of the sessions page, in a circuit of the test's own over the real service.</summary>
public sealed class SessionsLiveTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start([.. FeedServices.Settings, ("Sessions:IdleLifetime", "00:10:00")]);
    private readonly BunitContext _page = new();
    private TestUser _user = null!;
    private CurrentUser _me = null!;

    public async Task InitializeAsync()
    {
        _user = await _app.SignUpAsync();
        _me = Assert.IsType<TokenVerdict.Genuine>(await _app.Get<TokenVerifier>().VerifyAsync(_user.AccessToken)).User;
        _page.Services.AddSingleton<TimeProvider>(_app.Time);
        _page.Services.AddSingleton(_app.Get<SessionWatch>());
        _page.Services.AddScoped(_ => _app.Services.CreateScope());
        _page.Services.AddScoped(sp => sp.GetRequiredService<IServiceScope>().ServiceProvider.GetRequiredService<ListSessions>());
        _page.Services.AddScoped(sp => sp.GetRequiredService<IServiceScope>().ServiceProvider.GetRequiredService<EndSession>());
        _page.Services.AddCascadingValue(_ => Task.FromResult(new AuthenticationState(_me.ToPrincipal())));
    }

    public async Task DisposeAsync()
    {
        await _page.DisposeAsync();
        await _app.DisposeAsync();
    }

    [Fact]
    public async Task Ending_a_session_shows_in_its_row_how_long_it_took()
    {
        var other = await _app.SignInAsync(_user);
        var cut = Open();
        cut.Find(".list form").Submit();
        cut.WaitForAssertion(() => Assert.Matches(@"^Signed out in \d+\.\d\d s$", cut.Find(".gone .tag").TextContent));
        cut.WaitForAssertion(() => _page.JSInterop.VerifyFocusAsyncInvoke()); // the button that had the keyboard is gone
        Assert.Null(await _app.WhoAmIAsync(bearer: other.AccessToken));
        Assert.Contains("Signed out in", cut.Find("p[role=status]").TextContent, StringComparison.Ordinal);
        Assert.Empty(cut.FindAll("form"));
    }

    [Fact]
    public async Task With_services_the_row_says_live_who_is_behind_and_then_that_it_is_over_everywhere()
    {
        var billing = new CallingService("billing", null);
        _app.Get<FeedContacts>().Seen(billing, "");
        await _app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
        await _app.SignInAsync(_user);
        var cut = Open();
        cut.Find(".list form").Submit();
        cut.WaitForAssertion(() => Assert.Equal("Signed out here; waiting for billing (0 s behind)", cut.Find(".gone .tag").TextContent), TimeSpan.FromSeconds(10));
        _app.Get<FeedContacts>().Applied(billing, "", 1);
        cut.WaitForAssertion(() => Assert.Equal("Signed out everywhere in 0.1 s", cut.Find(".gone .tag").TextContent), TimeSpan.FromSeconds(10));
        Assert.Contains("Signed out everywhere", cut.Find("p[role=status]").TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_service_that_catches_up_when_nobody_waits_any_more_is_seen_to_have()
    {
        var billing = await WaitForBillingAsync();
        var cut = Open();
        cut.Find(".list form").Submit();
        cut.WaitForAssertion(() => Assert.Equal("Signed out here; waiting for billing (0 s behind)", cut.Find(".gone .tag").TextContent));
        _app.Time.Advance(TimeSpan.FromSeconds(330));
        cut.WaitForAssertion(() => Assert.Equal("Signed out here; waiting for billing (330 s behind)", cut.Find(".gone .tag").TextContent));
        _app.Get<FeedContacts>().Applied(billing, "", 1);
        await _app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
        _app.Time.Advance(TimeSpan.FromSeconds(5));
        cut.WaitForAssertion(() => Assert.StartsWith("Signed out everywhere in 33", cut.Find(".gone .tag").TextContent, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_service_that_never_comes_back_is_waited_for_as_long_as_it_could_take_a_token()
    {
        await WaitForBillingAsync();
        var cut = Open();
        cut.Find(".list form").Submit();
        cut.WaitForAssertion(() => Assert.Equal("Signed out here; waiting for billing (0 s behind)", cut.Find(".gone .tag").TextContent));
        _app.Time.Advance(TimeSpan.FromMinutes(7));
        cut.WaitForAssertion(() => Assert.Equal("Signed out everywhere", cut.Find(".gone .tag").TextContent));
    }

    [Fact] // ATTACKS 150
    public async Task What_newer_ones_push_off_the_page_lives_on_and_is_said_to_have_ended_once_it_has()
    {
        await AddAsync(199);
        var cut = Open();
        Assert.Equal(200, cut.FindAll(".list > li").Count);
        var last = cut.FindAll("input[name=id]")[^1].GetAttribute("value")!;
        _app.Time.Advance(TimeSpan.FromSeconds(1));
        await _app.SignInAsync(_user);
        _app.Time.Advance(TimeSpan.FromSeconds(5));
        cut.WaitForAssertion(() => Assert.Equal(201, cut.FindAll(".list > li").Count));
        Assert.Empty(cut.FindAll(".gone"));
        Assert.DoesNotContain("on this page", cut.Markup, StringComparison.Ordinal); // they all are

        await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{last}", bearer: _user.AccessToken);
        cut.WaitForAssertion(() => Assert.Equal("Signed out", Assert.Single(cut.FindAll(".gone .tag")).TextContent));
        Assert.Equal(201, cut.FindAll(".list > li").Count);
    }

    [Fact] // ATTACKS 150
    public async Task Those_that_are_not_on_the_page_are_counted_and_end_with_all_others()
    {
        await AddAsync(200);
        var cut = Open();
        Assert.Contains("One more session isn’t on this page.", cut.Markup, StringComparison.Ordinal);
        cut.Find("form[action$=end-others]").Submit();
        // Said by whoever ended them, who may come after the list has heard of it.
        cut.WaitForAssertion(() => Assert.StartsWith("200 sessions", cut.Find("p[role=status]").TextContent, StringComparison.Ordinal));
        cut.WaitForAssertion(() => Assert.Contains("Nowhere else", cut.Find(".empty").TextContent, StringComparison.Ordinal));
        Assert.Equal(199, cut.FindAll(".gone").Count);
        Assert.DoesNotContain("on this page", cut.Markup, StringComparison.Ordinal);
    }

    [Fact] // whoever presses a button before the page is live has sent the form
    public async Task What_a_form_has_just_ended_is_shown_until_it_is_over_everywhere_and_nobody_elses()
    {
        var billing = new CallingService("billing", null);
        _app.Get<FeedContacts>().Seen(billing, "");
        await _app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
        var (other, stranger) = (await _app.SignInAsync(_user), await _app.SignUpAsync());
        foreach (var (id, token) in new[] { (other.SessionId, other.AccessToken), (stranger.SessionId, stranger.AccessToken) })
            Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{id}", bearer: token)).StatusCode);

        var cut = Open(justEnded: [other.SessionId, stranger.SessionId, _user.SessionId]);
        Assert.Equal("Signed out here; waiting for billing (0 s behind)", Assert.Single(cut.FindAll(".gone .tag")).TextContent);
        _app.Get<FeedContacts>().Applied(billing, "", 2);
        cut.WaitForAssertion(() => Assert.Equal("Signed out everywhere in 0.1 s", cut.Find(".gone .tag").TextContent), TimeSpan.FromSeconds(10));
        Assert.Contains("Signed out everywhere", cut.Find("p[role=status]").TextContent, StringComparison.Ordinal);
    }

    [Fact] // UX 10: what was done, once, with its number
    public async Task Of_several_that_end_at_once_their_number_is_said_and_no_single_one()
    {
        var billing = await WaitForBillingAsync();
        await _app.SignInAsync(_user);
        await _app.SignInAsync(_user);
        var cut = Open();
        cut.Find("form[action$=end-others]").Submit();
        cut.WaitForAssertion(() => Assert.StartsWith("3 sessions: Signed out in", cut.Find("p[role=status]").TextContent, StringComparison.Ordinal), TimeSpan.FromSeconds(10));
        _app.Get<FeedContacts>().Applied(billing, "", 2);
        cut.WaitForAssertion(() => Assert.Equal(2, cut.FindAll(".gone .tag").Count(tag => tag.TextContent == "Signed out everywhere in 0.1 s")), TimeSpan.FromSeconds(10));
        Assert.StartsWith("3 sessions: Signed out in", cut.Find("p[role=status]").TextContent, StringComparison.Ordinal);
        _app.Get<FeedContacts>().Applied(billing, "", 3);
        cut.WaitForAssertion(() => Assert.Equal("3 sessions: Signed out everywhere in 0.1 s", cut.Find("p[role=status]").TextContent), TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Ending_all_others_leaves_this_device()
    {
        await _app.SignInAsync(_user);
        await _app.SignInAsync(_user);
        var cut = Open();
        cut.Find("form[action$=end-others]").Submit();
        cut.WaitForAssertion(() => Assert.Equal(2, cut.FindAll(".gone .tag").Count));
        Assert.Equal("This device", cut.Find("li:first-child .tag").TextContent);
        Assert.Equal(_user.Email, await _app.WhoAmIAsync(bearer: _user.AccessToken));
    }

    [Fact]
    public async Task A_new_session_appears_by_itself()
    {
        var cut = Open();
        Assert.Single(cut.FindAll(".list > li"));
        await _app.SignInAsync(_user);
        _app.Time.Advance(TimeSpan.FromSeconds(5));
        cut.WaitForAssertion(() => Assert.Equal(2, cut.FindAll(".list > li").Count));
        Assert.Equal("This device", cut.Find("li:first-child .tag").TextContent);
    }

    [Fact]
    public async Task A_session_that_ends_elsewhere_is_told_at_once_without_the_clock_moving()
    {
        var other = await _app.SignInAsync(_user);
        var cut = Open();
        await _app.PostFormAsync("/account/sign-out", "sign-out", [], other.Cookies);
        cut.WaitForAssertion(() => Assert.Equal("Signed out", cut.Find(".gone .tag").TextContent));
    }

    [Fact]
    public async Task It_goes_on_in_the_language_of_the_first_html_whoever_makes_it_change()
    {
        var other = await _app.SignInAsync(_user);
        await _app.SignInAsync(_user);
        var cut = Open("de");
        Assert.Equal("Dieses Gerät", cut.Find("li:first-child .tag").TextContent);
        // Told on the thread of that request, which is a program's.
        await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{other.SessionId}", bearer: other.AccessToken);
        cut.WaitForAssertion(() => Assert.Equal("Abgemeldet", cut.Find(".gone .tag").TextContent));
        Assert.Contains("Ab jetzt abgewiesen", cut.Find(".gone .meta").TextContent, StringComparison.Ordinal);
        cut.Find(".list form").Submit();
        cut.WaitForAssertion(() => Assert.Contains(cut.FindAll(".gone .tag"), tag => System.Text.RegularExpressions.Regex.IsMatch(tag.TextContent, @"^Abgemeldet in \d+,\d\d s$")));
        Assert.Equal("Sonst nirgends", cut.Find(".empty b").TextContent);
    }

    [Fact]
    public async Task When_its_own_session_ends_elsewhere_the_page_says_so_and_leaves()
    {
        var other = await _app.SignInAsync(_user);
        var cut = Open();
        await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{_user.SessionId}", bearer: other.AccessToken);
        cut.WaitForAssertion(() => Assert.Contains("This session was ended", cut.Find("[role=alert]").TextContent, StringComparison.Ordinal));
        Assert.Empty(cut.FindAll("form"));
        var all = _page.Services.GetRequiredService<BunitNavigationManager>().History;
        await Wait.UntilAsync(() => all.Count > 0); // leaving comes after what is drawn
        var left = all.Single();
        Assert.Equal("/account/sign-in?returnUrl=%2Faccount%2Fsessions", left.Uri);
        Assert.True(left.Options.ForceLoad);
    }

    [Fact] // ATTACKS 214
    public async Task A_page_whose_session_has_ended_does_nothing_more_in_its_name()
    {
        // The last click comes before the page has heard of the end: this one hears of nothing.
        var deaf = new SessionWatch(_app.Get<RevocationIndex>());
        deaf.Dispose();
        _page.Services.AddSingleton(deaf);
        var other = await _app.SignInAsync(_user);
        var cut = Open();
        await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{_user.SessionId}", bearer: other.AccessToken);
        cut.Find(".list form").Submit();
        cut.WaitForAssertion(() => Assert.Contains("This session was ended", cut.Find("[role=alert]").TextContent, StringComparison.Ordinal));
        Assert.Equal(_user.Email, await _app.WhoAmIAsync(bearer: other.AccessToken));
    }

    [Fact]
    public void A_session_that_runs_out_while_the_page_is_open_is_over_too()
    {
        var cut = Open();
        Assert.Single(cut.FindAll(".list > li"));
        _app.Time.Advance(TimeSpan.FromMinutes(11));
        cut.WaitForAssertion(() => Assert.Contains("This session was ended", cut.Find("[role=alert]").TextContent, StringComparison.Ordinal));
    }

    [Fact] // ATTACKS 214
    public async Task The_circuit_drops_what_comes_after_the_end()
    {
        var other = await _app.SignInAsync(_user);
        var passed = 0;
        using var circuit = new EndedCircuits(_app.Get<SessionWatch>(), new Who(_me));
        var guard = circuit.CreateInboundActivityHandler(_ => Task.FromResult(passed++));
        await guard(null!);
        Assert.Equal(1, passed);
        await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{_user.SessionId}", bearer: other.AccessToken);
        await guard(null!);
        Assert.Equal(1, passed);
        Assert.Contains(_app.Services.CreateScope().ServiceProvider.GetServices<CircuitHandler>(), h => h is EndedCircuits);
    }

    [Fact] // the index forgets when the last token has run out; a page that stays open doesn't run out
    public async Task The_circuit_goes_on_dropping_when_the_end_is_long_forgotten()
    {
        var other = await _app.SignInAsync(_user);
        var passed = 0;
        // One that asks nothing before the end, and one that does.
        using var silent = new EndedCircuits(_app.Get<SessionWatch>(), new Who(_me));
        await silent.OnCircuitOpenedAsync(null!, default);
        using var busy = new EndedCircuits(_app.Get<SessionWatch>(), new Who(_me));
        Func<CircuitInboundActivityContext, Task>[] guards = [.. new[] { silent, busy }.Select(circuit => circuit.CreateInboundActivityHandler(_ => Task.FromResult(passed++)))];
        await guards[1](null!);
        Assert.Equal(1, passed);

        await _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{_user.SessionId}", bearer: other.AccessToken);
        _app.Time.Advance(TimeSpan.FromHours(2));
        _app.Get<RevocationIndex>().ForgetExpired();
        Assert.False(_app.Get<SessionWatch>().IsEnded(_me));
        foreach (var guard in guards) await guard(null!);
        Assert.Equal(1, passed);
    }

    [Fact] // ATTACKS 213: a reconnection brings the identity of its own connection along
    public async Task The_circuit_is_its_first_sessions_alone()
    {
        var other = await _app.SignInAsync(_user);
        var stranger = await _app.SignUpAsync();
        var passed = 0;
        var who = new Who(_me);
        using var circuit = new EndedCircuits(_app.Get<SessionWatch>(), who);
        await circuit.OnCircuitOpenedAsync(null!, default);
        var guard = circuit.CreateInboundActivityHandler(_ => Task.FromResult(passed++));
        foreach (var user in new[] { other, stranger })
        {
            who.User = Assert.IsType<TokenVerdict.Genuine>(await _app.Get<TokenVerifier>().VerifyAsync(user.AccessToken)).User;
            await guard(null!);
        }

        who.User = null;
        await guard(null!);
        Assert.Equal(0, passed);
        who.User = _me with { TokenId = "the next one" };
        await guard(null!);
        Assert.Equal(1, passed);
    }

    /// <summary>A service that has applied nothing, and a session to be ended.</summary>
    private async Task<CallingService> WaitForBillingAsync()
    {
        var billing = new CallingService("billing", null);
        _app.Get<FeedContacts>().Seen(billing, "");
        await _app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
        await _app.SignInAsync(_user);
        return billing;
    }

    /// <summary>Further sessions, each seen a second before the other.</summary>
    private Task<int> AddAsync(int count) => _app.DbAsync(db =>
    {
        var now = _app.Time.GetUtcNow();
        db.AddRange(Enumerable.Range(1, count).Select(i => new Session { Id = Guid.NewGuid(), UserId = _user.Id, StartedAt = now, LastSeenAt = now.AddSeconds(-i), ExpiresAt = now.AddDays(1), AuthenticatedAt = now }));
        return db.SaveChangesAsync();
    });

    private IRenderedComponent<SessionsLive> Open(string language = "en", params Guid[] justEnded)
    {
        _page.Renderer.SetRendererInfo(new RendererInfo("Server", true));
        return _page.Render<SessionsLive>(island => island.Add(i => i.Language, language).Add(i => i.JustEnded, justEnded));
    }

    private sealed class Who(CurrentUser? user) : AuthenticationStateProvider
    {
        public CurrentUser? User { get; set; } = user;

        public override Task<AuthenticationState> GetAuthenticationStateAsync() =>
            Task.FromResult(new AuthenticationState(User?.ToPrincipal() ?? new System.Security.Claims.ClaimsPrincipal()));
    }
}
