using System.Text.Json;
using App.Accounts;
using App.Audit;
using App.Data;
using App.Events;
using App.Sessions;
using App.Tokens;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Attacks;

/// <summary>No table and no memory grows without end, whoever knocks how often (ATTACKS 226).</summary>
public sealed class GrowthTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start(("Tokens:CacheSize", "1000"));

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task What_nobody_needs_any_more_is_swept_and_what_is_in_force_stays()
    {
        var (gone, stays) = (await _app.SignUpAsync(), await _app.SignUpAsync());
        await _app.PostTextAsync("/api/users/signin", JsonSerializer.Serialize(new { email = "nobody@example.test", password = "wrong for sure and long" }));
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: gone.Cookies);
        Assert.Equal((1, 2, 1), await CountAsync());

        // Three hours on, the event concerns no token any more; a week on, nobody looks back at the session; a fortnight on, nobody guesses.
        await SweepAsync(TimeSpan.FromMinutes(5));
        Assert.Equal((1, 2, 1), await CountAsync());
        await SweepAsync(TimeSpan.FromHours(3));
        Assert.Equal((1, 2, 0), await CountAsync());
        await SweepAsync(TimeSpan.FromDays(8));
        Assert.Equal((1, 1, 0), await CountAsync());
        await SweepAsync(TimeSpan.FromDays(15));
        Assert.Equal((0, 1, 0), await CountAsync());
        Assert.Equal(stays.Email, await _app.WhoAmIAsync(cookies: stays.Cookies));
        Assert.NotEqual(0, await _app.DbAsync(db => db.Set<AuditEntry>().CountAsync()));

        // Idle for two weeks and kept for one more; the record of what happened is kept for a year.
        await SweepAsync(TimeSpan.FromDays(22));
        Assert.Equal((0, 0, 0), await CountAsync());
        await SweepAsync(TimeSpan.FromDays(366));
        Assert.Equal(0, await _app.DbAsync(db => db.Set<AuditEntry>().CountAsync()));
        Assert.Equal(2, await _app.DbAsync(db => db.Users.CountAsync()));
    }

    [Fact]
    public async Task A_thousand_refusals_leave_no_row_behind()
    {
        var before = await State.OfAsync(_app);
        for (var i = 0; i < 250; i++)
        {
            await _app.PostTextAsync("/api/users/signup", JsonSerializer.Serialize(new { email = "nobody", password = "x" }));
            await _app.PostTextAsync("/api/users/signin", "{");
            await _app.PostTextAsync("/api/tokens/refresh", JsonSerializer.Serialize(new { refresh_token = $"made-up-{i}" }));
            await _app.SendAsync(HttpMethod.Get, "/api/sessions", bearer: $"x.y.{i}");
        }

        Assert.Equal(before, await State.OfAsync(_app));
        Assert.Equal(0, _app.Get<VerifiedTokens>().Count);
        Assert.Equal(0, _app.Get<RevocationIndex>().Count);
    }

    [Fact]
    public async Task The_memory_of_revocations_forgets_with_their_tokens()
    {
        var user = await _app.SignUpAsync();
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: user.Cookies);
        var index = _app.Get<RevocationIndex>();
        Assert.Equal(1, index.Count);
        _app.Time.Advance(_app.Get<TokenOptions>().AccessTokenLifetime + (2 * TokenOptions.ClockSkew) + RevocationIndex.Slack + TimeSpan.FromSeconds(1));
        index.ForgetExpired();
        Assert.Equal(0, index.Count);
        Assert.Null(await _app.WhoAmIAsync(cookies: user.Cookies));
    }

    private async Task SweepAsync(TimeSpan after)
    {
        var now = _app.Time.GetUtcNow() + after;
        foreach (var sweep in _app.Services.GetServices<Sweep>())
            await _app.DbAsync(async db => { await sweep.RunAsync(db, now, CancellationToken.None); return 0; });
    }

    private Task<(int Guesses, int Sessions, int Events)> CountAsync() =>
        _app.DbAsync(async db => (await db.Set<GuessLimit>().CountAsync(), await db.Sessions.CountAsync(), await db.SecurityEvents.CountAsync()));
}
