using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using App.E2E.Harness;
using App.Tests.Sessions;

namespace App.E2E.Peers;

/// <summary>What a verifier does while the line to Gatehouse is broken, late or not there yet, and what it does with each kind of event.</summary>
[Collection("Verifiers")]
public sealed class VerifierFaultTests : IAsyncLifetime
{
    private readonly StandIn _gatehouse = new(("first", ECDsa.Create(ECCurve.NamedCurves.nistP256)));
    private readonly string _user = Guid.NewGuid().ToString(), _session = Guid.NewGuid().ToString();

    public static TheoryData<string> Languages { get; } = ["node", "dotnet", "python", "go"];

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _gatehouse.DisposeAsync();

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task A_session_that_ends_is_refused_by_bearer_and_by_cookie_once_the_event_is_acknowledged(string language)
    {
        await using var peer = await StartAsync(language);
        var token = _gatehouse.Mint(_user, _session);
        var other = _gatehouse.Mint(_user, Guid.NewGuid().ToString());
        Assert.Equal(HttpStatusCode.OK, await CallAsync(peer, token));
        Assert.Equal(HttpStatusCode.OK, await CallAsync(peer, cookie: token));

        await AppliedAsync(await _gatehouse.WriteAsync("session-revoked", ("sub", _user), ("sid", _session), ("reason", "sign-out")));

        Assert.Equal(HttpStatusCode.Unauthorized, await CallAsync(peer, token));
        Assert.Equal(HttpStatusCode.Unauthorized, await CallAsync(peer, cookie: token));
        Assert.Equal(HttpStatusCode.OK, await CallAsync(peer, other));
        // A bad bearer token never falls back to the cookie.
        Assert.Equal(HttpStatusCode.Unauthorized, await CallAsync(peer, token, other));
        Assert.Equal(3, (await StatsAsync(peer))["refusals"]!["session_revoked"]!.GetValue<int>());
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task What_a_user_was_given_up_to_the_event_is_refused_and_what_comes_a_second_later_lives(string language)
    {
        await using var peer = await StartAsync(language);
        var second = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

        await AppliedAsync(await _gatehouse.WriteAsync("credential-change", ("sub", _user), ("notBefore", second)));
        // An event may name the user and no time; it forgives nothing.
        await AppliedAsync(await _gatehouse.WriteAsync("account-changed", ("sub", _user)));

        Assert.Equal(HttpStatusCode.Unauthorized, await CallAsync(peer, _gatehouse.Mint(_user, _session, second)));
        Assert.Equal(HttpStatusCode.OK, await CallAsync(peer, _gatehouse.Mint(_user, _session, second + 1)));
        Assert.Equal(HttpStatusCode.OK, await CallAsync(peer, _gatehouse.Mint(Guid.NewGuid().ToString(), _session, second)));
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task A_new_key_is_fetched_at_the_hint_and_the_tokens_of_a_revoked_one_are_refused(string language)
    {
        await using var peer = await StartAsync(language);
        Assert.Equal(HttpStatusCode.OK, await CallAsync(peer, _gatehouse.Mint(_user, _session)));
        _gatehouse.Publish("second", ECDsa.Create(ECCurve.NamedCurves.nistP256));
        var fetches = _gatehouse.KeyFetches;
        await AppliedAsync(await _gatehouse.WriteAsync("signing-key-changed", ("kid", "second"), ("reason", "rotated")));
        await UntilAsync(() => Task.FromResult(_gatehouse.KeyFetches > fetches));

        await AppliedAsync(await _gatehouse.WriteAsync("signing-key-changed", ("kid", "first"), ("reason", "revoked")));

        Assert.Equal(HttpStatusCode.Unauthorized, await CallAsync(peer, _gatehouse.Mint(_user, _session)));
        Assert.Equal(HttpStatusCode.OK, await CallAsync(peer, _gatehouse.Mint(_user, _session, key: 1)));
        // Gatehouse's answer may be kept by caches for minutes; who was told of a new key wants what is there now.
        Assert.All(_gatehouse.KeyCaching, told => Assert.Equal("no-cache", told));
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task What_happened_while_the_line_was_cut_is_applied_on_resuming(string language)
    {
        await using var peer = await StartAsync(language);
        var token = _gatehouse.Mint(_user, _session);
        Assert.Equal(HttpStatusCode.OK, await CallAsync(peer, token));
        var before = await _gatehouse.WriteAsync("session-revoked", ("sid", Guid.NewGuid().ToString()));
        await AppliedAsync(before);

        _gatehouse.Cut();
        var during = await _gatehouse.WriteAsync("session-revoked", ("sid", _session));
        _gatehouse.Mend();
        await AppliedAsync(during);

        Assert.Equal(HttpStatusCode.Unauthorized, await CallAsync(peer, token));
        Assert.Equal($"{before}", _gatehouse.Resumed.Last());
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task A_process_that_is_told_to_stop_says_goodbye_under_the_name_that_it_has_read_by(string language)
    {
        await using var peer = await StartAsync(language);
        await AppliedAsync(await _gatehouse.WriteAsync("session-revoked", ("sub", _user), ("sid", _session)));
        // Node's fetch forgets then what is to end it: the feed stayed open, and the process with it.
        if (language == "node") await peer.CollectGarbageAsync();

        await peer.StopAsync();

        Assert.Equal(_gatehouse.Instances.Distinct(), _gatehouse.Left);
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task What_is_over_is_held_until_no_clock_can_be_behind_it_and_then_forgotten(string language)
    {
        await using var peer = await StartAsync(language);
        var token = _gatehouse.Mint(_user, _session);

        // Expired, but by less than a clock may jump: heartbeats later it is still held.
        await AppliedAsync(await _gatehouse.WriteAsync(TimeSpan.FromMinutes(-14), "session-revoked", ("sid", _session)));
        await BeatsAsync(2);
        await AppliedAsync(await _gatehouse.WriteAsync("session-revoked", ("sid", Guid.NewGuid().ToString())));
        Assert.Equal((2, 2), await HeldAsync(peer));
        Assert.Equal(HttpStatusCode.Unauthorized, await CallAsync(peer, token));

        await AppliedAsync(await _gatehouse.WriteAsync(TimeSpan.FromMinutes(-16), "session-revoked", ("sid", _session)));
        await UntilAsync(async () => await HeldAsync(peer) == (3, 1));
        Assert.Equal(HttpStatusCode.OK, await CallAsync(peer, token)); // the stand-in's word, not Gatehouse's: such a token has expired
    }

    // Longer than its tokens could live, as the verifier may still have the key: here it is even still published.
    [Theory]
    [MemberData(nameof(Languages))]
    public async Task The_revocation_of_a_key_is_never_forgotten(string language)
    {
        await using var peer = await StartAsync(language);

        await AppliedAsync(await _gatehouse.WriteAsync(TimeSpan.FromMinutes(-16), "signing-key-changed", ("kid", "first"), ("reason", "revoked")));
        await BeatsAsync(2);

        Assert.Equal((1, 1), await HeldAsync(peer));
        Assert.Equal(HttpStatusCode.Unauthorized, await CallAsync(peer, _gatehouse.Mint(_user, _session)));
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task It_follows_no_redirect_with_its_credentials(string language)
    {
        await using var peer = await StartAsync(language, ("STALE_AFTER", "1"));
        await using var other = new StandIn();
        _gatehouse.Elsewhere = other.Url;
        _gatehouse.CutFeed();
        _gatehouse.Mend();

        // The feed, introspection, and keys: each is asked for, and answered with 302.
        await UntilAsync(async () => (await StatsAsync(peer))["feedAgeSeconds"]!.GetValue<double>() > 1.2);
        using var stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await using var unknown = new StandIn(("unknown", stranger));
        var hits = _gatehouse.Hits;
        Assert.Equal(HttpStatusCode.Unauthorized, await CallAsync(peer, _gatehouse.Mint(_user, _session)));
        Assert.Equal(HttpStatusCode.Unauthorized, await CallAsync(peer, unknown.Mint(_user, _session)));
        await UntilAsync(() => Task.FromResult(_gatehouse.Hits >= hits + 4));
        Assert.Equal(0, other.Hits);
        Assert.Equal(1, (await StatsAsync(peer))["refusals"]!["introspection_failed"]!.GetValue<int>());
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task A_service_that_starts_after_the_revocation_refuses_the_first_token_it_sees(string language)
    {
        var token = _gatehouse.Mint(_user, _session);
        await _gatehouse.WriteAsync("session-revoked", ("sid", _session));

        await using var peer = await Peer.StartAsync(language, _gatehouse.Url, StandIn.Issuer, StandIn.Audience);

        Assert.Equal(HttpStatusCode.Unauthorized, await CallAsync(peer, token));
        Assert.Equal(HttpStatusCode.OK, await CallAsync(peer, _gatehouse.Mint(_user, Guid.NewGuid().ToString())));
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task What_is_revoked_while_a_snapshot_is_on_its_way_is_refused_too(string language)
    {
        _gatehouse.HoldsHeartbeats = true;
        await using var peer = await Peer.StartAsync(language, _gatehouse.Url, StandIn.Issuer, StandIn.Audience, ("WHEN_STALE", "refuse"));
        await UntilAsync(async () => (await StatsAsync(peer))["connected"]!.GetValue<bool>()); // the snapshot is there

        var call = CallAsync(peer, _gatehouse.Mint(_user, _session));
        await Task.WhenAny(call, Task.Delay(300)); // long enough for whoever doesn't wait
        await _gatehouse.WriteAsync("session-revoked", ("sid", _session));
        _gatehouse.HoldsHeartbeats = false;

        Assert.Equal(HttpStatusCode.Unauthorized, await call);
        await UntilAsync(async () => await CallAsync(peer, _gatehouse.Mint(_user, Guid.NewGuid().ToString())) == HttpStatusCode.OK);
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task Past_the_limit_it_refuses_when_told_to_and_accepts_again_when_the_feed_is_back(string language)
    {
        await using var peer = await StartAsync(language, ("WHEN_STALE", "refuse"), ("STALE_AFTER", "1"));
        var token = _gatehouse.Mint(_user, _session);
        // A heartbeat that is late on a busy machine is past the limit, too.
        await UntilAsync(async () => await CallAsync(peer, token) == HttpStatusCode.OK);

        _gatehouse.Cut();
        await UntilAsync(async () => await CallAsync(peer, token) == HttpStatusCode.Unauthorized);
        Assert.True((await StatsAsync(peer))["refusals"]!["stale"]!.GetValue<int>() > 0);

        _gatehouse.Mend();
        await UntilAsync(async () => await CallAsync(peer, token) == HttpStatusCode.OK);
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task Past_the_limit_it_accepts_when_told_to_and_says_how_old_its_knowledge_is(string language)
    {
        await using var peer = await StartAsync(language, ("WHEN_STALE", "accept"), ("STALE_AFTER", "1"));
        _gatehouse.Cut();

        await UntilAsync(async () => (await StatsAsync(peer))["feedAgeSeconds"]!.GetValue<double>() > 1.2);

        Assert.Equal(HttpStatusCode.OK, await CallAsync(peer, _gatehouse.Mint(_user, _session)));
        Assert.False((await StatsAsync(peer))["connected"]!.GetValue<bool>());
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task Past_the_limit_it_asks_about_each_token_unless_told_otherwise_and_refuses_without_an_answer(string language)
    {
        await using var peer = await StartAsync(language, ("STALE_AFTER", "1"));
        var token = _gatehouse.Mint(_user, _session);

        _gatehouse.CutFeed();
        await UntilAsync(async () => (await StatsAsync(peer))["feedAgeSeconds"]!.GetValue<double>() > 1.2);
        // Not 0 where a heartbeat was late on a busy machine.
        var before = (await StatsAsync(peer))["introspections"]!.GetValue<int>();
        Assert.Equal(HttpStatusCode.OK, await CallAsync(peer, token));
        _gatehouse.Active = false;
        Assert.Equal(HttpStatusCode.Unauthorized, await CallAsync(peer, token));
        Assert.Equal(before + 2, (await StatsAsync(peer))["introspections"]!.GetValue<int>());

        _gatehouse.Active = true;
        _gatehouse.Cut();
        Assert.Equal(HttpStatusCode.Unauthorized, await CallAsync(peer, token));
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task Fifty_callers_with_unknown_keys_cause_one_fetch(string language)
    {
        await using var peer = await StartAsync(language);
        using var stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await using var other = new StandIn(("unknown", stranger));
        // By then the keys were fetched for the snapshot and for the heartbeat behind it.
        await BeatsAsync(2);
        var fetches = _gatehouse.KeyFetches;

        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => CallAsync(peer, other.Mint(_user, _session))));

        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.Unauthorized, answer));
        Assert.Equal(fetches + 1, _gatehouse.KeyFetches);
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task What_only_resembles_a_good_token_is_refused(string language)
    {
        await using var peer = await StartAsync(language);
        Dictionary<string, Func<string, string>> bent = new()
        {
            ["an audience with a slash at its end"] = json => json.Replace($"\"{StandIn.Audience}\"", $"\"{StandIn.Audience}/\"", StringComparison.Ordinal),
            ["a claim in capitals"] = json => json.Replace("\"exp\"", "\"EXP\"", StringComparison.Ordinal),
            ["no time where one may be"] = json => json.Replace("\"iat\"", "\"nbf\":null,\"iat\"", StringComparison.Ordinal),
            ["a session without a name"] = json => json.Replace($"\"{_session}\"", "\"\"", StringComparison.Ordinal),
            ["a number that is none"] = json => json.Replace("\"iat\"", "\"other\":NaN,\"iat\"", StringComparison.Ordinal),
        };
        foreach (var (what, bend) in bent)
            Assert.True(await CallAsync(peer, _gatehouse.Mint(_user, _session, bend: bend)) == HttpStatusCode.Unauthorized, what);

        var token = _gatehouse.Mint(_user, _session);
        var cookie = "session=" + Convert.ToBase64String(Encoding.UTF8.GetBytes($$"""{"jwt":"{{token}}"}"""));
        (string What, string? Bearer, string? Cookie)[] sent = [("a tab before the token", "\t" + token, null), ("a cookie with words behind it", null, cookie + " junk")];
        foreach (var (what, bearer, junk) in sent)
        {
            using var answer = await peer.Client.SendAsync(HttpMethod.Get, "/", bearer, junk);
            Assert.True(answer.StatusCode == HttpStatusCode.Unauthorized, what);
        }

        Assert.Equal(HttpStatusCode.OK, await CallAsync(peer, token));
        Assert.Equal(HttpStatusCode.OK, await CallAsync(peer, "  " + token)); // RFC 6750 section 2.1: one space or several
    }

    [Theory] // RFC 6750 section 2.1; ATTACKS 45
    [MemberData(nameof(Languages))]
    public async Task A_second_line_of_credentials_is_seen_as_the_first(string language)
    {
        await using var peer = await StartAsync(language);
        var ended = Guid.NewGuid().ToString();
        await AppliedAsync(await _gatehouse.WriteAsync("session-revoked", ("sid", ended)));
        var (good, bad) = ("Bearer " + _gatehouse.Mint(_user, _session), "Bearer " + _gatehouse.Mint(_user, ended));
        var cookie = "session=" + Encoded(_gatehouse.Mint(_user, _session));

        Assert.Equal(200, await SendAsync(peer, ("Authorization", "Basic eDp5"), ("Cookie", cookie)));
        Assert.Equal(401, await SendAsync(peer, ("Authorization", "Basic eDp5"), ("Authorization", bad), ("Cookie", cookie)));
        Assert.Equal(401, await SendAsync(peer, ("Authorization", good), ("Authorization", bad)));
        Assert.Equal(401, await SendAsync(peer, ("Authorization", good), ("Authorization", "Basic eDp5")));
        Assert.Equal(401, await SendAsync(peer, ("Authorization", ""), ("Authorization", good)));
    }

    [Theory] // as Gatehouse itself reads it
    [MemberData(nameof(Languages))]
    public async Task The_cookie_is_found_wherever_it_stands_and_has_one_spelling(string language)
    {
        await using var peer = await StartAsync(language);
        var value = Encoded(_gatehouse.Mint(_user, _session));
        List<string> misread = [];
        foreach (var (header, counts) in CookieHeaders.Of(value))
        {
            var status = await SendAsync(peer, [.. header.Split('\n').Select(line => ("Cookie", line))]);
            if (status != (counts ? 200 : 401)) misread.Add($"{status}: {header.Replace(value, "V", StringComparison.Ordinal)}");
        }

        Assert.Equal([], misread);
    }

    [Theory] // RFC 7515 section 4.1.11, RFC 7516 section 4.1.3, RFC 7797; what Gatehouse's own check doesn't take either
    [MemberData(nameof(Languages))]
    public async Task Seconds_that_are_spelled_otherwise_and_a_header_that_asks_for_processing_are_refused(string language)
    {
        await using var peer = await StartAsync(language);
        foreach (var spelled in new[] { "$1.0", "$1e0", "0.$1E10", "-$1" })
            Assert.True(await CallAsync(peer, _gatehouse.Mint(_user, _session, bend: json => Regex.Replace(json, """(?<="(?:exp|iat)":)(\d+)""", spelled))) == HttpStatusCode.Unauthorized, spelled);
        foreach (var member in new[] { "\"zip\":\"DEF\"", "\"zip\":null", "\"b64\":false", "\"b64\":true", "\"crit\":null" })
            Assert.True(await CallAsync(peer, _gatehouse.Mint(_user, _session, bend: json => json.Replace("\"typ\"", member + ",\"typ\"", StringComparison.Ordinal))) == HttpStatusCode.Unauthorized, member);

        Assert.Equal(HttpStatusCode.OK, await CallAsync(peer, _gatehouse.Mint(_user, _session, bend: json => json.Replace("\"typ\"", "\"note\":[1,-2.5],\"typ\"", StringComparison.Ordinal))));
    }

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task Acknowledgements_that_hang_hold_up_no_key_and_keys_that_break_off_hold_up_no_acknowledgement(string language)
    {
        await using var peer = await StartAsync(language);
        _gatehouse.HangsAcks = true;
        await AppliedAsync(await _gatehouse.WriteAsync("session-revoked", ("sid", Guid.NewGuid().ToString())));
        _gatehouse.Publish("second", ECDsa.Create(ECCurve.NamedCurves.nistP256));
        Assert.Equal(HttpStatusCode.OK, await CallAsync(peer, _gatehouse.Mint(_user, _session, key: 1)).WaitAsync(TimeSpan.FromSeconds(3)));

        await using var cut = new StandIn(("first", ECDsa.Create(ECCurve.NamedCurves.nistP256))) { Below = "/below" };
        await using var other = await Peer.StartAsync(language, cut.Url, StandIn.Issuer, StandIn.Audience);
        await UntilAsync(async () => await CallAsync(other, cut.Mint(_user, _session)) == HttpStatusCode.OK);
        cut.Publish("second", ECDsa.Create(ECCurve.NamedCurves.nistP256));
        cut.CutsKeys = true;
        Assert.Equal(HttpStatusCode.Unauthorized, await CallAsync(other, cut.Mint(_user, _session, key: 1)));
        var hint = await cut.WriteAsync("signing-key-changed", ("kid", "second"), ("reason", "rotated"));
        await UntilAsync(() => Task.FromResult(cut.Acknowledged.Contains(hint)));
        cut.CutsKeys = false;
        await UntilAsync(async () => await CallAsync(other, cut.Mint(_user, _session, key: 1)) == HttpStatusCode.OK);
    }

    // All at once: whoever gave each piece five seconds would wait for half a minute.
    [Fact]
    public async Task An_answer_that_drips_is_given_up()
    {
        var peers = await Task.WhenAll(new[] { "node", "dotnet", "python", "go" }.Select(language => StartAsync(language, ("STALE_AFTER", "1"))));
        _gatehouse.CutFeed();
        _gatehouse.Drips = true;
        await Task.WhenAll(peers.Select(async peer =>
        {
            await using var over = peer;
            await UntilAsync(async () => (await StatsAsync(peer))["feedAgeSeconds"]!.GetValue<double>() > 1.2);
            var clock = Stopwatch.StartNew();
            Assert.Equal(HttpStatusCode.Unauthorized, await CallAsync(peer, _gatehouse.Mint(_user, _session)));
            Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(15));
        }));
    }

    [Theory] // Gatehouse writes whole seconds, always.
    [MemberData(nameof(Languages))]
    public async Task An_end_that_is_no_number_ends_nothing_and_holds_up_nothing(string language)
    {
        await using var peer = await StartAsync(language);
        // .NET gives up a feed that writes text there, as it does one that is no JSON, and asks instead.
        JsonNode?[] odd = language == "dotnet" ? [1.5 + DateTimeOffset.UtcNow.ToUnixTimeSeconds()] : [1.5 + DateTimeOffset.UtcNow.ToUnixTimeSeconds(), null, "soon", "1"];
        foreach (var expires in odd)
        {
            var session = Guid.NewGuid().ToString();
            await AppliedAsync(await _gatehouse.WriteAsync("session-revoked", ("sid", session), ("expires", expires)));
            await BeatsAsync(2);
            await AppliedAsync(await _gatehouse.WriteAsync("session-revoked", ("sid", Guid.NewGuid().ToString())));
            Assert.Equal(HttpStatusCode.Unauthorized, await CallAsync(peer, _gatehouse.Mint(_user, session)));
        }

        Assert.Equal(HttpStatusCode.OK, await CallAsync(peer, _gatehouse.Mint(_user, _session)));
        Assert.Single(_gatehouse.Instances); // one connection, from the first to the last
    }

    [Fact]
    public async Task Acknowledgements_that_hang_pile_up_nothing_in_Go()
    {
        await using var peer = await StartAsync("go");
        _gatehouse.HangsAcks = true;
        for (var events = 0; events < 200; events++) await _gatehouse.WriteAsync("session-revoked", ("sid", Guid.NewGuid().ToString()));
        await UntilAsync(async () => (await HeldAsync(peer)).Held == 200);

        Assert.InRange(int.Parse(await peer.Client.GetStringAsync("/goroutines"), CultureInfo.InvariantCulture), 1, 50);

        // The one that waits has the newest to tell.
        _gatehouse.HangsAcks = false;
        await AppliedAsync(200);
    }

    // At once, as each of them is long by design.
    [Fact]
    public Task Acknowledgements_that_hang_hold_up_no_exit_and_a_long_snapshot_is_waited_for_also_by_a_host_that_is_slow_to_start() =>
        Task.WhenAll(EndsAsync(), WaitsAsync(), StartsLateAsync());

    // One acknowledgement and the goodbye may take five seconds each, whatever has come meanwhile.
    private async Task EndsAsync()
    {
        _gatehouse.HangsAcks = true;
        await Task.WhenAll(new[] { "node", "dotnet", "python", "go" }.Select(async language =>
        {
            await using var peer = await StartAsync(language);
            await BeatsAsync(10);
            await peer.StopAsync().WaitAsync(TimeSpan.FromSeconds(15));
        }));
        Assert.Equal(_gatehouse.Instances.Distinct().Order(), _gatehouse.Left.Order());
    }

    private async Task StartsLateAsync()
    {
        await using var slow = new StandIn(("first", ECDsa.Create(ECCurve.NamedCurves.nistP256))) { SnapshotTakes = TimeSpan.FromSeconds(1) };
        await slow.WriteAsync("session-revoked", ("sid", _session));

        await using var peer = await Peer.StartAsync("dotnet", slow.Url, StandIn.Issuer, StandIn.Audience, ("WHEN_STALE", "accept"), ("STARTS_AFTER", "6"));

        Assert.Equal(HttpStatusCode.Unauthorized, await CallAsync(peer, slow.Mint(_user, _session)));
    }

    // It takes longer than any of them lets the feed be silent.
    private async Task WaitsAsync()
    {
        await using var slow = new StandIn(("first", ECDsa.Create(ECCurve.NamedCurves.nistP256))) { SnapshotTakes = TimeSpan.FromSeconds(13) };
        await slow.WriteAsync("session-revoked", ("sid", _session));
        await Task.WhenAll(new[] { "node", "dotnet", "python", "go" }.Select(async language =>
        {
            await using var peer = await Peer.StartAsync(language, slow.Url, StandIn.Issuer, StandIn.Audience);
            using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
            while ((await StatsAsync(peer))["revocationsHeld"]!.GetValue<int>() == 0) await Task.Delay(100, limit.Token);
            Assert.Equal(HttpStatusCode.Unauthorized, await CallAsync(peer, slow.Mint(_user, _session)));
        }));
        Assert.Equal(4, slow.Resumed.Count);
    }

    // A peer that has its keys and its snapshot.
    private async Task<Peer> StartAsync(string language, params (string Key, string Value)[] environment)
    {
        var peer = await Peer.StartAsync(language, _gatehouse.Url, StandIn.Issuer, StandIn.Audience, environment);
        await UntilAsync(async () => _gatehouse.KeyFetches > 0 && (await StatsAsync(peer))["connected"]!.GetValue<bool>());
        await UntilAsync(async () => await CallAsync(peer, _gatehouse.Mint(_user, Guid.NewGuid().ToString())) == HttpStatusCode.OK);
        return peer;
    }

    private Task AppliedAsync(long cursor) => UntilAsync(() => Task.FromResult(_gatehouse.Acknowledged.Contains(cursor)));

    private async Task BeatsAsync(int count)
    {
        var beats = _gatehouse.Beats;
        await UntilAsync(() => Task.FromResult(_gatehouse.Beats >= beats + count));
    }

    private static async Task<(long Cursor, int Held)> HeldAsync(Peer peer)
    {
        var stats = await StatsAsync(peer);
        return (stats["cursor"]!.GetValue<long>(), stats["revocationsHeld"]!.GetValue<int>());
    }

    private static async Task UntilAsync(Func<Task<bool>> holds)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!await holds()) await Task.Delay(10, limit.Token);
    }

    private static async Task<JsonNode> StatsAsync(Peer peer) => (await peer.Client.GetFromJsonAsync<JsonNode>("/stats"))!;

    // As cookie-session writes it, and with white space behind it, so that its base64 ends with an equals sign.
    private static string Encoded(string token) =>
        Convert.ToBase64String(Encoding.UTF8.GetBytes($$"""{"jwt":"{{token}}"}""".PadRight(((token.Length + 12) / 3 * 3) + 2)));

    // By hand, for a client library makes one line of several.
    private static async Task<int> SendAsync(Peer peer, params (string Name, string Value)[] headers)
    {
        using TcpClient client = new();
        await client.ConnectAsync(IPAddress.Loopback, peer.Client.BaseAddress!.Port);
        var lines = string.Concat(headers.Select(header => $"{header.Name}: {header.Value}\r\n"));
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n"));
        using StreamReader answer = new(client.GetStream());
        return int.Parse((await answer.ReadLineAsync())!.Split(' ')[1], CultureInfo.InvariantCulture);
    }

    private static async Task<HttpStatusCode> CallAsync(Peer peer, string? bearer = null, string? cookie = null)
    {
        var value = cookie is null ? null : "session=" + Convert.ToBase64String(Encoding.UTF8.GetBytes($$"""{"jwt":"{{cookie}}"}"""));
        using var answer = await peer.Client.SendAsync(HttpMethod.Get, "/", bearer, value);
        return answer.StatusCode;
    }
}
