using System.Net;
using System.Net.Http.Json;
using App.Events;
using App.Profile;
using App.Sessions;
using App.Tests.Gateway;
using App.Tests.OAuth;
using App.Tokens;

namespace App.Tests.Sessions;

/// <summary>No token outlives its session, whichever of its two ends comes first, at no door, and however often it was seen before.</summary>
public sealed class SessionEndTests
{
    private const string Exchange = "urn:ietf:params:oauth:grant-type:token-exchange", AccessToken = "urn:ietf:params:oauth:token-type:access_token";

    private static readonly (string, string?)[] Services = [.. Callers.Settings, ("Services:0:Grants:0", Exchange)];

    [Theory]
    [InlineData("00:02:00", "00:02:00")]
    [InlineData("30.00:00:00", "00:02:00")]
    public async Task A_token_that_was_seen_before_is_refused_from_the_end_of_its_session_on(string absolute, string idle)
    {
        await using var app = Start(absolute, idle);
        await using var replica = app.StartReplica([.. Services, .. Lives(absolute, idle)]);
        var user = await app.SignUpAsync();
        var bound = (await app.VerifyAsync("?audience=billing", bearer: user.AccessToken)).Header("Authorization")!["Bearer ".Length..];
        foreach (var at in new[] { app, replica }) Assert.Equal("bearer cookie cookies verify bound introspection its exchange", await DoorsAsync(at, user, bound));

        foreach (var at in new[] { app, replica }) at.Time.Advance(TimeSpan.FromSeconds(120) - TimeSpan.FromMilliseconds(1));
        foreach (var at in new[] { app, replica }) Assert.Equal("bearer cookie cookies verify bound introspection its exchange", await DoorsAsync(at, user, bound));

        foreach (var at in new[] { app, replica }) at.Time.Advance(TimeSpan.FromMilliseconds(1));
        await using var restarted = app.StartReplica([.. Services, .. Lives(absolute, idle)]);
        foreach (var at in new[] { app, replica, restarted, app }) Assert.Equal("", await DoorsAsync(at, user, bound));
        var refused = await app.SendAsync(HttpMethod.Get, "/api/sessions", cookies: user.Cookies);
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        Assert.False(refused.Headers.Contains("Set-Cookie"));
        Assert.Equal(new TokenVerdict.Refused(TokenFault.SessionExpired), await app.ScopedAsync<IServiceProvider, TokenVerdict>(async services =>
            await app.Get<CheckToken>().ExplainAsync(user.AccessToken, null, new Microsoft.AspNetCore.Http.DefaultHttpContext { RequestServices = services })));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_renewal_puts_off_the_end_by_idleness_for_the_tokens_before_it_wherever_it_was(bool elsewhere)
    {
        await using var app = Start("30.00:00:00", "00:02:00");
        await using var replica = app.StartReplica(Lives("30.00:00:00", "00:02:00"));
        var user = await app.SignUpAsync();
        Assert.NotNull(await app.WhoAmIAsync(bearer: user.AccessToken));
        foreach (var at in new[] { app, replica }) at.Time.Advance(TimeSpan.FromSeconds(90));
        Assert.Equal(HttpStatusCode.OK, (await (elsewhere ? replica : app).Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = user.RefreshToken })).StatusCode);

        app.Time.Advance(TimeSpan.FromSeconds(119));
        Assert.NotNull(await app.WhoAmIAsync(bearer: user.AccessToken));
        app.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(await app.WhoAmIAsync(bearer: user.AccessToken));
    }

    [Fact]
    public async Task Of_sessions_that_ran_out_long_ago_nobody_is_told_when_all_others_are_ended()
    {
        await using var app = TestApp.Start(("Sessions:IdleLifetime", "04:00:00"));
        var gone = await app.SignUpAsync();
        app.Time.Advance(TimeSpan.FromHours(7));
        var there = await app.SignInAsync(gone);
        var here = await app.SignInAsync(gone);
        var cursor = app.Get<EventFeed>().Newest;
        Assert.Equal([false, true, true], (await ActivityAsync()).Where(a => a.Action == "signed-in").Select(a => a.Alive).Reverse());

        var answer = await (await app.SendAsync(HttpMethod.Delete, "/api/sessions", bearer: here.AccessToken)).Content.ReadFromJsonAsync<EndedSessions>();
        Assert.Equal(1, answer!.Ended);
        Assert.Equal(cursor + 1, app.Get<EventFeed>().Newest);
        Assert.Equal([there.SessionId], (await ActivityAsync()).Where(a => a.Action == "session-ended").Select(a => a.SessionId!.Value));

        // No clock that is set back brings it to life.
        app.Time.AdjustTime(app.Time.GetUtcNow() - TimeSpan.FromHours(7));
        Assert.Equal(HttpStatusCode.Unauthorized, (await app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = gone.RefreshToken })).StatusCode);

        async Task<IReadOnlyList<ActivityView>> ActivityAsync() =>
            (await (await app.SendAsync(HttpMethod.Get, "/api/account/activity", bearer: here.AccessToken)).Content.ReadFromJsonAsync<ActivityList>())!.Entries;
    }

    private static TestApp Start(string absolute, string idle) => TestApp.Start([.. Services, .. Lives(absolute, idle)]);

    private static (string, string?)[] Lives(string absolute, string idle) => [("Sessions:AbsoluteLifetime", absolute), ("Sessions:IdleLifetime", idle)];

    /// <summary>Those that the person's token opens.</summary>
    private static async Task<string> DoorsAsync(TestApp app, TestUser user, string bound)
    {
        var open = new List<string>();
        if (await app.WhoAmIAsync(bearer: user.AccessToken) is not null) open.Add("bearer");
        if (await app.WhoAmIAsync(cookies: "session=" + user.SessionCookie) is not null) open.Add("cookie");
        if (await app.WhoAmIAsync(cookies: user.Cookies) is not null) open.Add("cookies");
        if ((await app.VerifyAsync(cookies: user.Cookies)).StatusCode == HttpStatusCode.OK) open.Add("verify");
        if ((await app.VerifyAsync("?audience=billing", bearer: user.AccessToken)).StatusCode == HttpStatusCode.OK) open.Add("bound");
        if (await app.IsActiveAsync(user.AccessToken)) open.Add("introspection");
        if (await app.IsActiveAsync(bound, Callers.Basic("billing", Callers.Other))) open.Add("its");
        var exchange = await app.PostAsync("/connect/token", Callers.Basic(),
            ("grant_type", Exchange), ("subject_token", user.AccessToken), ("subject_token_type", AccessToken), ("audience", "billing"));
        if (exchange.StatusCode == HttpStatusCode.OK) open.Add("exchange");
        return string.Join(' ', open);
    }
}
