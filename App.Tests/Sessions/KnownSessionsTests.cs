using App.Events;
using App.Sessions;
using Microsoft.Extensions.Time.Testing;

namespace App.Tests.Sessions;

/// <summary>What a process believes of a session without looking: for minutes, and never past its end.</summary>
public sealed class KnownSessionsTests
{
    private readonly FakeTimeProvider _time = new(DateTimeOffset.Parse("2026-11-25T12:00:00Z", System.Globalization.CultureInfo.InvariantCulture));

    [Fact]
    public void It_is_known_for_six_minutes_and_to_its_own_user_alone()
    {
        using var known = new KnownSessions(_time);
        var (session, user) = (Guid.NewGuid(), Guid.NewGuid());
        Assert.Null(known.EndOf(session, user));
        known.Add(session, user, _time.GetUtcNow().AddDays(1));
        Assert.NotNull(known.EndOf(session, user));
        Assert.Null(known.EndOf(session, Guid.NewGuid()));
        _time.Advance(TimeSpan.FromMinutes(6) - TimeSpan.FromTicks(1));
        Assert.NotNull(known.EndOf(session, user));
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.Null(known.EndOf(session, user));
    }

    [Fact]
    public void It_is_not_known_past_its_end()
    {
        using var known = new KnownSessions(_time);
        var (session, user) = (Guid.NewGuid(), Guid.NewGuid());
        known.Add(session, user, _time.GetUtcNow().AddMinutes(2));
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.Null(known.EndOf(session, user));
    }

    [Fact]
    public async Task A_token_never_shown_before_is_refused_once_its_session_has_ended_wherever_that_was()
    {
        await using var app = TestApp.Start();
        await using var replica = app.StartReplica();
        var user = await app.SignUpAsync();
        var other = await app.SignInAsync(user);
        Assert.True((await replica.SendAsync(HttpMethod.Delete, $"/api/sessions/{other.SessionId}", user.AccessToken)).IsSuccessStatusCode);
        await app.Get<FollowLog>().CatchUpAsync(CancellationToken.None);
        Assert.Null(await app.WhoAmIAsync(bearer: other.AccessToken));
    }
}
