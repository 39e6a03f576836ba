using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using App.Lab;
using App.Sessions;
using App.Strategies;
using App.Tests.Events;

namespace App.Tests.Lab;

/// <summary>What the experiments find, over real sockets and at the wall's own time.</summary>
public sealed partial class ExperimentTests : IAsyncLifetime
{
    private LabFixture _lab = null!;

    public async Task InitializeAsync() => _lab = await LabFixture.StartAsync();

    public async Task DisposeAsync() => await _lab.DisposeAsync();

    [Fact]
    public async Task A_hundred_calls_cost_us_a_hundred_requests_or_none()
    {
        List<Latency> found = [];
        Assert.IsType<LabOutcome.Done>(await _lab.Get<CallEach>().TryAsync(_lab.Me, networked: false, found.Add, default));

        Assert.Equal([Strategy.Asks, Strategy.Gateway, Strategy.Checks], found.Select(l => l.Strategy));
        Assert.All(found, latency =>
        {
            Assert.Equal(100, latency.Milliseconds.Count);
            Assert.InRange(latency.Median, latency.Milliseconds.Min(), latency.P99);
            Assert.InRange(latency.P99, latency.Median, latency.Milliseconds.Max());
        });
        Assert.Equal(new Dictionary<string, int> { ["POST /connect/introspect"] = 100 }, found[0].Asked);
        Assert.Equal(new Dictionary<string, int> { ["GET /auth/verify"] = 100 }, found[1].Asked);
        Assert.Empty(found[2].Asked);
        await _lab.LeftNothingAsync();
    }

    [Fact]
    public async Task A_network_is_felt_by_those_who_ask()
    {
        List<Latency> found = [];
        Assert.IsType<LabOutcome.Done>(await _lab.Get<CallEach>().TryAsync(_lab.Me, networked: true, found.Add, default));
        Assert.All(found.Where(l => l.Requests > 0), latency => Assert.True(latency.Milliseconds.Min() >= 1, $"{latency.Strategy}: {latency.Milliseconds.Min()}"));
        Assert.All(_lab.Get<LabBench>().Stands, stand => Assert.Equal(TimeSpan.Zero, stand.Line.Distance));
    }

    [Fact]
    public async Task A_token_is_taken_where_it_can_be_seen_and_shown_to_nobody()
    {
        foreach (var strategy in CallEach.Compared)
        {
            foreach (var carriage in Enum.GetValues<Carriage>())
            {
                Exchange? seen = null;
                Assert.IsType<LabOutcome.Done>(await _lab.Get<TryToken>().TryAsync(_lab.Me, strategy, carriage, exchange => seen = exchange, default));
                var expected = carriage == Carriage.Form && strategy != Strategy.Asks ? 401 : 200;
                Assert.True(expected == seen!.Status, $"{strategy}, {carriage}: {seen.Answer}");
                if (expected == 200) Assert.Contains(_lab.Me.Email, seen.Answer, StringComparison.Ordinal);
                else Assert.Contains("WWW-Authenticate: Bearer", seen.Answer, StringComparison.Ordinal);
                Assert.DoesNotMatch(Token(), seen.Request + seen.Answer);
                Assert.Contains(carriage switch { Carriage.Header => "Authorization: Bearer eyJ", Carriage.Cookie => "Cookie: session=eyJ", _ => "\r\n\r\naccess_token=eyJ" }, seen.Request, StringComparison.Ordinal);
            }
        }

        await _lab.LeftNothingAsync();
    }

    [Fact] // a page outlives its session, and the index of revocations forgets
    public async Task Nothing_is_begun_in_the_name_of_a_session_that_is_over()
    {
        await _lab.ScopedAsync<EndSession, EndSession.Outcome>(end => end.TryAsync(_lab.Me, _lab.Me.SessionId, default));
        Assert.IsType<LabOutcome.Unavailable>(await _lab.Get<CallEach>().TryAsync(_lab.Me, networked: false, _ => { }, default));
        Assert.Empty(await _lab.ScopedAsync<ListSessions, IReadOnlyList<SessionView>>(list => list.OfAsync(_lab.Me, default)));
    }

    [Fact]
    public async Task Two_at_once_are_one_too_many()
    {
        using var leave = new CancellationTokenSource();
        var first = new Ending();
        var running = _lab.Get<WatchEnd>().TryAsync(_lab.Me, first, feedCut: true, leave.Token);
        Assert.IsType<LabOutcome.Busy>(await _lab.Get<CallEach>().TryAsync(_lab.Me, networked: false, _ => { }, default));

        // Whoever leaves makes room, and what they had begun is undone.
        await leave.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        await _lab.LeftNothingAsync();
        List<Latency> found = [];
        Assert.IsType<LabOutcome.Done>(await _lab.Get<CallEach>().TryAsync(_lab.Me, networked: false, found.Add, default));
        Assert.Equal(3, found.Count);
    }

    [Fact]
    public async Task The_services_are_for_this_machine_alone_and_believe_nobody_but_us()
    {
        Assert.IsType<LabOutcome.Done>(await _lab.Get<CallEach>().TryAsync(_lab.Me, networked: false, _ => { }, default));
        using var client = new HttpClient();
        foreach (var stand in _lab.Get<LabBench>().Stands)
        {
            Assert.Equal(IPAddress.Loopback, IPAddress.Parse(stand.Address.Host));
            foreach (var (name, value) in new[] { ("X-Auth-Email", "root@example.test"), ("X_Auth_Email", "root@example.test"), ("Authorization", "Bearer nonsense"), ("Authorization", "Basic eDp5"), ("Cookie", "session=e30=") })
                Assert.Equal(HttpStatusCode.Unauthorized, (await SendAsync(stand.Address, (name, value))).Status);
        }

        // A good token and a forged name beside it: the name comes from us.
        var (status, text) = await SendAsync(_lab.AddressOf(Strategy.Gateway), ("Authorization", "Bearer " + _lab.User.AccessToken), ("X-Auth-Email", "root@example.test"), ("x-auth_email", "root@example.test"));
        Assert.Equal((HttpStatusCode.OK, $$"""{"hello":"{{_lab.Me.Email}}"}"""), (status, text));

        // RFC 6750 section 2: a token in two places is a mistake of the caller's.
        using var twice = new HttpRequestMessage(HttpMethod.Post, _lab.AddressOf(Strategy.Asks)) { Content = new FormUrlEncodedContent([new("access_token", _lab.User.AccessToken)]) };
        twice.Headers.Authorization = new("Bearer", _lab.User.AccessToken);
        Assert.Equal(HttpStatusCode.BadRequest, (await client.SendAsync(twice)).StatusCode);

        async Task<(HttpStatusCode Status, string Text)> SendAsync(Uri to, params (string Name, string Value)[] headers)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, to);
            foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
            using var answer = await client.SendAsync(request);
            return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
        }
    }

    [GeneratedRegex(@"eyJ[\w-]{20,}")]
    private static partial Regex Token();
}

/// <summary>An end is noticed within a second, where nothing else keeps the callers from calling.</summary>
[Collection(nameof(MeasuredAlone))]
public sealed class EndingTests : IAsyncLifetime
{
    private LabFixture _lab = null!;

    public async Task InitializeAsync() => _lab = await LabFixture.StartAsync(("Lab:StaleAfter", "00:00:07"));

    public async Task DisposeAsync() => await _lab.DisposeAsync();

    [Fact]
    public async Task An_end_is_noticed_at_once_but_for_the_one_that_knows_the_key_alone()
    {
        var ending = new Ending();
        Assert.IsType<LabOutcome.Done>(await _lab.Get<WatchEnd>().TryAsync(_lab.Me, ending, feedCut: false, default));

        Assert.True(ending is { Over: true, Noticed: true, Took: not null });
        Assert.All(ending.Lanes.Where(l => l.Strategy != Strategy.KeyAlone), lane => Assert.InRange(lane.RefusedAfter!.Value, TimeSpan.Zero, TimeSpan.FromSeconds(1)));
        var blind = ending.Lanes.Single(l => l.Strategy == Strategy.KeyAlone);
        Assert.Null(blind.RefusedAfter);
        Assert.InRange(blind.Calls, 10, int.MaxValue);
        Assert.InRange(ending.Believed, TimeSpan.FromMinutes(5), TimeSpan.FromSeconds(330));
        await _lab.LeftNothingAsync();
    }

    [Fact]
    public async Task Without_its_feed_the_third_service_asks_once_its_knowledge_is_too_old()
    {
        var ending = new Ending();
        Assert.IsType<LabOutcome.Done>(await _lab.Get<WatchEnd>().TryAsync(_lab.Me, ending, feedCut: true, default));

        // The last heartbeat is up to five seconds old when the feed is cut, or a little more.
        Assert.InRange(RefusedAfter(Strategy.Checks), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(9));
        Assert.InRange(RefusedAfter(Strategy.Asks), TimeSpan.Zero, TimeSpan.FromSeconds(1));
        Assert.InRange(RefusedAfter(Strategy.Gateway), TimeSpan.Zero, TimeSpan.FromSeconds(1));

        // The line is whole again for whoever comes next.
        var next = new Ending();
        Assert.IsType<LabOutcome.Done>(await _lab.Get<WatchEnd>().TryAsync(_lab.Me, next, feedCut: false, default));
        Assert.True(next.Noticed);

        TimeSpan RefusedAfter(Strategy strategy) => ending.Lanes.Single(l => l.Strategy == strategy).RefusedAfter!.Value;
    }
}

/// <summary>Five seconds without us take five seconds, where nothing else keeps the callers from calling.</summary>
[Collection(nameof(MeasuredAlone))]
public sealed class OutageTests
{
    [Fact]
    public async Task While_we_are_away_those_who_ask_fail_closed_and_those_who_check_go_on_and_with_the_process_all_are_gone()
    {
        Uri[] addresses;
        await using (var lab = await LabFixture.StartAsync())
        {
            var outage = new Outage();
            Assert.IsType<LabOutcome.Done>(await lab.Get<StopUs>().TryAsync(lab.Me, outage, default));

            foreach (var lane in outage.Lanes)
            {
                Assert.Equal(Reply.Accepted, lane.Stretches[0].Reply);
                Assert.Equal(Reply.Accepted, lane.Stretches[^1].Reply);
                Assert.DoesNotContain(lane.Stretches, s => s.Reply == Reply.Refused);
                if (lane.Strategy is Strategy.Asks or Strategy.Gateway) Assert.InRange(lane.Down, TimeSpan.FromSeconds(4.5), TimeSpan.FromSeconds(6));
                else Assert.Equal(0, lane.Failed);
            }

            await lab.LeftNothingAsync();
            addresses = [.. lab.Get<LabBench>().Stands.Select(s => s.Address)];
        }

        foreach (var address in addresses)
        {
            using var socket = new TcpClient();
            await Assert.ThrowsAsync<SocketException>(() => socket.ConnectAsync(address.Host, address.Port));
        }
    }
}
