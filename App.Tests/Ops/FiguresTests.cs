using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Http.Json;
using App.Ops;
using App.Tests.Factors;
using App.Tests.OAuth;

namespace App.Tests.Ops;

/// <summary>What an operator has alerts for. Heard where this app alone counts: <c>/metrics</c> tells of every app in the process, and a test has several.</summary>
public sealed class FiguresTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start(Callers.Settings);
    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<string, long> _counted = new();

    public Task InitializeAsync()
    {
        var factory = _app.Get<IMeterFactory>();
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter is { Name: OpsModule.OwnMeter, Scope: var scope } && scope == factory) listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
            _counted.AddOrUpdate($"{instrument.Name}{(tags.Length > 0 ? $" {tags[0].Value}" : "")}", value, (_, before) => before + value));
        _listener.Start();
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        _listener.Dispose();
        await _app.DisposeAsync();
    }

    [Fact]
    public async Task Sign_ins_are_counted_at_every_door_by_how_they_end()
    {
        var user = await _app.SignUpAsync();
        var twice = await _app.TurnOnTwoStepAsync(await _app.SignUpAsync());
        var (right, wrong) = (new { email = user.Email, password = user.Password }, new { email = user.Email, password = "wrong for sure and long" });
        _counted.Clear();

        await _app.Client.PostAsJsonAsync("/api/users/signin", right);
        await _app.Client.PostAsJsonAsync("/api/tokens", right);
        await _app.PostFormAsync("/account/sign-in", "sign-in", [new("email", user.Email), new("password", user.Password)]);
        await twice.AnswerAsync(await twice.ChallengeAsync(), twice.NextCode());
        await twice.AnswerAsync(await twice.ChallengeAsync(), "000000");
        await _app.Client.PostAsJsonAsync("/api/tokens", new { email = twice.User.Email, password = twice.User.Password, code = twice.NextCode() });
        Assert.Equal(["gatehouse_sign_ins ok 5", "gatehouse_sign_ins second_step 2", "gatehouse_sign_ins wrong 1"], Counted());

        await _app.Client.PostAsJsonAsync("/api/passkeys/sign-in/finish", new { handle = "x", credential = new { } });
        await _app.Client.PostAsJsonAsync("/api/users/signin", new { email = "", password = "" }); // nothing was tried
        await _app.Client.PostAsJsonAsync("/api/users/signin", new { email = "nobody@example.test", wrong.password });
        for (var i = 0; i < 12; i++) await _app.Client.PostAsJsonAsync("/api/users/signin", wrong);
        Assert.Equal(["gatehouse_sign_ins limited 2", "gatehouse_sign_ins ok 5", "gatehouse_sign_ins second_step 2", "gatehouse_sign_ins wrong 13"], Counted());
        Assert.Contains("gatehouse_sign_ins_total{", await _app.Client.GetStringAsync("/metrics"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Renewals_are_counted_by_how_they_end()
    {
        var user = await _app.SignUpAsync();
        _counted.Clear();
        await RefreshAsync(user.RefreshToken);
        await RefreshAsync(user.RefreshToken);
        await RefreshAsync("nonsense");
        _app.Time.Advance(TimeSpan.FromMinutes(6));
        await _app.SendAsync(HttpMethod.Get, "/api/sessions", cookies: user.Cookies); // a browser's, and the grace is over
        await RefreshAsync(user.RefreshToken);
        Assert.Equal(["gatehouse_renewals refused 2", "gatehouse_renewals renewed 1", "gatehouse_renewals replayed 1", "gatehouse_renewals reused 1", "gatehouse_tokens_refused expired 1"], Counted());
        Assert.Contains("gatehouse_renewals_total{", await _app.Client.GetStringAsync("/metrics"), StringComparison.Ordinal);

        Task<HttpResponseMessage> RefreshAsync(string token) => _app.Client.PostAsJsonAsync("/api/tokens/refresh", new { refresh_token = token });
    }

    [Fact]
    public async Task Refused_tokens_are_counted_by_reason_and_renewed_ones_are_not()
    {
        var (user, other) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        await _app.WhoAmIAsync(bearer: user.AccessToken);
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies);
        _counted.Clear();

        await _app.WhoAmIAsync(bearer: user.AccessToken); // known before
        await _app.WhoAmIAsync(cookies: "session=" + user.SessionCookie); // not in this form
        await _app.SendAsync(HttpMethod.Get, "/auth/verify", "x");
        await _app.SendAsync(HttpMethod.Get, "/auth/verify", other.AccessToken[..^8] + "AAAAAAAA");
        await _app.SendAsync(HttpMethod.Get, "/api/sessions", new string('x', 20_000));
        _app.Time.Advance(TimeSpan.FromMinutes(6));
        await _app.WhoAmIAsync(bearer: other.AccessToken);
        Assert.Equal(other.Email, await _app.WhoAmIAsync(cookies: other.Cookies)); // renewed
        await _app.WhoAmIAsync(); // nobody
        Assert.Equal(
            ["gatehouse_renewals renewed 1", "gatehouse_tokens_refused expired 1", "gatehouse_tokens_refused form 2", "gatehouse_tokens_refused revoked 2", "gatehouse_tokens_refused signature 1"],
            Counted());
        Assert.Contains("gatehouse_tokens_refused_total{", await _app.Client.GetStringAsync("/metrics"), StringComparison.Ordinal);
    }

    [Fact] // a healthy service, which asks all day long
    public async Task A_services_own_token_is_no_refused_one_where_services_ask_and_no_check_of_a_persons()
    {
        var (user, token) = (await _app.SignUpAsync(), await _app.ServiceTokenAsync());
        var checks = _app.Get<Figures>().Traffic.Sum(Traffic.TokenChecks);
        _counted.Clear();

        Assert.Equal(HttpStatusCode.OK, (await _app.SendAsync(HttpMethod.Post, "/events/poll", token, json: new { returnImmediately = true })).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Post, "/events/ack", token, json: new { cursor = 0 })).StatusCode);
        using (var feed = new HttpRequestMessage(HttpMethod.Get, "/events"))
        {
            feed.Headers.Add("Authorization", "Bearer " + token);
            using var stream = await _app.Client.SendAsync(feed, HttpCompletionOption.ResponseHeadersRead);
            Assert.Equal(HttpStatusCode.OK, stream.StatusCode);
        }

        Assert.Equal(checks, _app.Get<Figures>().Traffic.Sum(Traffic.TokenChecks));
        Assert.True(await _app.IsActiveAsync(user.AccessToken, "Bearer " + token));
        Assert.Equal(checks + 1, _app.Get<Figures>().Traffic.Sum(Traffic.TokenChecks)); // the one that it asked about
        Assert.Equal(HttpStatusCode.OK, (await _app.PostAsync("/connect/revoke", "Bearer " + await _app.ServiceTokenAsync(), ("token", "nonsense"))).StatusCode);
        Assert.Empty(Counted());
        Assert.DoesNotContain(_app.Log.Lines, line => line.Contains("Refused at connect/revoke", StringComparison.Ordinal));

        // Where people are asked for, it is no good one.
        Assert.Equal(HttpStatusCode.Unauthorized, (await _app.SendAsync(HttpMethod.Get, "/api/sessions", token)).StatusCode);
        Assert.Equal(["gatehouse_tokens_refused claims 1"], Counted());
    }

    [Fact]
    public async Task Answers_of_503_are_counted_and_those_to_who_asks_for_health_are_not()
    {
        var file = Path.Combine(_app.Folder, "gatehouse.db");
        await _app.SignUpAsync();
        File.Move(file, file + ".away");
        using var signUp = await _app.Client.PostAsJsonAsync("/api/users/signup", new { email = "late@example.test", password = TestApp.Password });
        using var page = await _app.PostFormAsync("/account/sign-up", "sign-up", [new("email", "late-page@example.test"), new("password", TestApp.Password)]);
        using var ready = await _app.Client.GetAsync("/health/ready");
        File.Move(file + ".away", file);
        Assert.All([signUp, page, ready], answer => Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode));
        Assert.Equal(["gatehouse_requests_unavailable 2"], Counted());
        Assert.Contains("gatehouse_requests_unavailable_total{", await _app.Client.GetStringAsync("/metrics"), StringComparison.Ordinal);
    }

    private IEnumerable<string> Counted() => _counted.Select(c => $"{c.Key} {c.Value}").Order(StringComparer.Ordinal);
}
