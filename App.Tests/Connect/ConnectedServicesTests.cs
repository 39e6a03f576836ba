using App.Events;
using App.Tests.Accounts;
using App.Tests.Attacks;
using App.Tests.OAuth;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Connect;

/// <summary>A person sees which services hold tokens of their own in their name, and takes them back.</summary>
public sealed class ConnectedServicesTests : IAsyncLifetime
{
    private const string Page = "/account/services";

    private readonly TestApp _app = Callers.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task A_service_is_listed_once_it_was_given_a_token_and_to_its_person_alone()
    {
        var (ada, bob) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        Assert.NotNull((await ReadAsync(ada)).QuerySelector("main .empty"));

        await UseAsync(ada, "orders");
        await UseAsync(await _app.SignInAsync(ada), "orders");
        var row = Assert.Single((await ReadAsync(ada)).QuerySelectorAll("main .list > li"));
        Assert.Equal("Orders", row.QuerySelector("b")!.TextContent);
        Assert.Contains("from 2 sessions", row.TextContent, StringComparison.Ordinal);
        Assert.Contains("This device", row.TextContent, StringComparison.Ordinal);
        Assert.NotNull((await ReadAsync(bob)).QuerySelector("main .empty"));
    }

    [Fact]
    public async Task Withdrawing_ends_the_sessions_behind_it_with_one_event_each_and_no_other()
    {
        var ada = await _app.SignUpAsync();
        var elsewhere = await _app.SignInAsync(ada);
        var untouched = await _app.SignInAsync(ada);
        await UseAsync(elsewhere, "https://billing.test");
        var withdrawn = await WithdrawAsync(ada, "https://billing.test");
        Assert.Equal(Page, withdrawn.Location());

        Assert.Null(await _app.WhoAmIAsync(cookies: elsewhere.Cookies));
        foreach (var alive in new[] { ada, untouched }) Assert.Equal(ada.Email, await _app.WhoAmIAsync(cookies: alive.Cookies));
        Assert.Equal([elsewhere.SessionId], await _app.DbAsync(db => db.Set<LoggedEvent>().Where(e => e.Type == EventTypes.SessionRevoked).Select(e => e.SessionId).ToListAsync()));
        Assert.Contains("have ended", (await _app.FollowAsync(withdrawn, ada.Cookies)).QuerySelector(".notice")!.TextContent, StringComparison.Ordinal);
        Assert.NotNull((await ReadAsync(ada)).QuerySelector("main .empty"));
    }

    [Fact]
    public async Task Whose_own_session_is_behind_it_signs_in_again()
    {
        var ada = await _app.SignUpAsync();
        await UseAsync(ada, "orders");
        var answer = await WithdrawAsync(ada, "orders");
        Assert.StartsWith("/account/sign-in", answer.Location(), StringComparison.Ordinal);
        Assert.Contains(Answers.CookieLines(answer), line => line.StartsWith("session=;", StringComparison.Ordinal));
        Assert.Contains("session was ended", (await _app.FollowAsync(answer)).QuerySelector(".notice")!.TextContent, StringComparison.Ordinal);
        Assert.Null(await _app.WhoAmIAsync(cookies: ada.Cookies));
    }

    [Fact] // ATTACKS 255, for what others were given
    public async Task It_needs_a_recent_proof_and_a_service_that_holds_something()
    {
        var ada = await _app.SignUpAsync();
        await UseAsync(ada, "orders");
        Assert.Equal(Page, (await WithdrawAsync(ada, "https://billing.test")).Location());
        _app.Time.Advance(TimeSpan.FromMinutes(11));
        await _app.WhoAmIAsync(cookies: ada.Cookies);
        var before = await State.OfAsync(_app, "Sessions");
        Assert.StartsWith("/account/confirm", (await WithdrawAsync(ada, "orders")).Location(), StringComparison.Ordinal);
        Assert.Equal(before, await State.OfAsync(_app, "Sessions"));
    }

    [Fact] // it is kept for a week more
    public async Task A_session_that_ran_idle_holds_nothing_any_more()
    {
        var ada = await _app.SignUpAsync();
        var elsewhere = await _app.SignInAsync(ada);
        await UseAsync(elsewhere, "orders");
        await _app.DbAsync(db => db.Set<App.Sessions.Session>().Where(s => s.Id == elsewhere.SessionId).ExecuteUpdateAsync(set => set.SetProperty(s => s.LastSeenAt, _app.Time.GetUtcNow().AddDays(-15))));
        Assert.NotNull((await ReadAsync(ada)).QuerySelector("main .empty"));
    }

    [Theory]
    [InlineData("en", "Withdraw access: Orders")]
    [InlineData("de", "Zugriff entziehen: Orders")]
    public async Task Whoever_hears_the_list_knows_which_service_a_button_is_about(string language, string heard)
    {
        var ada = await _app.SignUpAsync();
        await UseAsync(ada, "orders");
        await UseAsync(await _app.SignInAsync(ada), "https://billing.test");
        var page = await (await _app.SendAsync(HttpMethod.Get, Page, cookies: $"{ada.Cookies}; language={language}")).PageAsync();
        var controls = page.QuerySelector("main .list")!.Controls();
        Assert.Equal(2, controls.Count);
        Assert.Contains(heard, controls);
    }

    // As a gateway asks, so that the service gets a token of its own.
    private async Task UseAsync(TestUser user, string audience)
    {
        var answer = await _app.SendAsync(HttpMethod.Get, "/auth/verify?audience=" + Uri.EscapeDataString(audience), cookies: user.Cookies);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    private Task<HttpResponseMessage> WithdrawAsync(TestUser user, string audience) => _app.PostFormAsync(Page, "withdraw-service", [new("audience", audience)], user.Cookies);

    private async Task<AngleSharp.Dom.IDocument> ReadAsync(TestUser user) => await (await _app.SendAsync(HttpMethod.Get, Page, cookies: user.Cookies)).PageAsync();
}
