using App.Events;
using Microsoft.Extensions.Time.Testing;

namespace App.Tests.Events;

public sealed class RevocationIndexTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly RevocationIndex _index;

    public RevocationIndexTests() => _index = new RevocationIndex(_time);

    [Fact]
    public void It_knows_revoked_sessions_and_keys_and_nothing_else()
    {
        var session = Guid.NewGuid();
        _index.Apply(Ended(session));
        _index.Apply(KeyChanged("k1", "revoked"));
        _index.Apply(KeyChanged("k2", "rotated"));

        Assert.True(_index.IsRevoked(session));
        Assert.True(_index.IsRevoked(session, "k3"));
        Assert.True(_index.IsRevoked(Guid.NewGuid(), "k1"));
        Assert.False(_index.IsRevoked(Guid.NewGuid(), "k2"));
        Assert.False(_index.IsRevoked(Guid.NewGuid(), "K1"));
        Assert.Equal(2, _index.Count);
    }

    [Fact]
    public void A_hundred_thousand_in_force_take_less_than_thirty_megabytes_and_asking_takes_none()
    {
        var entries = Enumerable.Range(0, 100_000).Select(_ => Ended(Guid.NewGuid())).ToList();
        var before = GC.GetAllocatedBytesForCurrentThread();
        foreach (var entry in entries) _index.Apply(entry);
        // All that was allocated on the way, so more than what is kept.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 5_000_000, 30_000_000);

        before = GC.GetAllocatedBytesForCurrentThread();
        var revoked = 0;
        foreach (var entry in entries)
            if (_index.IsRevoked(entry.SessionId!.Value, "k1")) revoked++;
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(entries.Count, revoked);
    }

    [Fact]
    public void Everybody_is_told_once_and_after_it_answers_accordingly()
    {
        var told = new List<bool>();
        _index.Applied += entry => told.Add(_index.IsRevoked(entry.SessionId!.Value));
        var ended = Ended(Guid.NewGuid());
        for (var i = 0; i < 3; i++) _index.Apply(ended);
        Assert.Equal([true], told);
    }

    [Fact]
    public void What_no_token_can_outlive_is_forgotten()
    {
        for (var i = 0; i < 1000; i++) _index.Apply(Ended(Guid.NewGuid()));
        _index.Apply(KeyChanged("k1", "revoked"));

        _time.Advance(TimeSpan.FromMinutes(6 + 15));
        _index.ForgetExpired();
        Assert.Equal(1001, _index.Count);
        _time.Advance(TimeSpan.FromSeconds(1));
        _index.ForgetExpired();
        Assert.Equal(0, _index.Count);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(-10)]
    public void A_clock_that_jumps_and_comes_back_revives_nothing(int minutes)
    {
        var session = Guid.NewGuid();
        _index.Apply(Ended(session));
        var start = _time.GetUtcNow();
        // At every moment at which a token of the session could still be alive by the true clock.
        for (var second = 0; second <= 330; second += 30)
        {
            _time.AdjustTime(start.AddSeconds(second).AddMinutes(minutes));
            _index.ForgetExpired();
            _time.AdjustTime(start.AddSeconds(second));
            _index.ForgetExpired();
            Assert.True(_index.IsRevoked(session));
        }
    }

    // As RevokeSessions writes it: the life of a token and twice the skew.
    private LoggedEvent Ended(Guid session) => new()
    {
        Type = EventTypes.SessionRevoked,
        Reason = "sign-out",
        UserId = Guid.NewGuid(),
        SessionId = session,
        ExpiresAt = _time.GetUtcNow() + TimeSpan.FromMinutes(6),
    };

    private LoggedEvent KeyChanged(string key, string reason) => new()
    {
        Type = EventTypes.SigningKeyChanged,
        Reason = reason,
        KeyId = key,
        ExpiresAt = _time.GetUtcNow() + TimeSpan.FromMinutes(6),
    };
}
