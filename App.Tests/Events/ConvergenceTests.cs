using System.Collections;
using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using App.Events;
using App.Sessions;
using App.Tests.Push;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests.Events;

/// <summary>Who has applied a revocation: what services say, what is told of it, and that it is never more than they said.</summary>
public sealed class ConvergenceTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start(FeedServices.Settings);
    private TestUser _here = null!;
    private TestUser _gone = null!;

    public async Task InitializeAsync()
    {
        _gone = await _app.SignUpAsync();
        _here = await _app.SignInAsync(_gone);
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task An_ended_session_tells_which_services_are_behind_and_then_how_long_it_took_everywhere()
    {
        await AckAsync("billing", 0);
        await AckAsync("orders", 0, "a");
        await AckAsync("orders", 0, "b");
        await EndAsync();
        await AckAsync("orders", 1, "a");
        _app.Time.Advance(TimeSpan.FromSeconds(2));
        await AckAsync("orders", 1, "b");
        _app.Time.Advance(TimeSpan.FromSeconds(10));

        var waiting = (await ViewAsync()).GetProperty("convergence");
        Assert.Equal("""{"applied":1,"services":2,"behind":[{"service":"billing","seconds":12}]}""", waiting.GetRawText());

        await AckAsync("billing", 1);
        await EndMoreAsync(3);
        await AckAsync("billing", 4);
        _app.Time.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal("""{"applied":2,"services":2,"seconds":12,"behind":[]}""", (await ViewAsync()).GetProperty("convergence").GetRawText());
    }

    [Fact] // a deployment that goes on, or a name that comes back
    public async Task Who_begins_after_it_had_it_from_the_beginning_and_is_neither_waited_for_nor_timed()
    {
        await AckAsync("orders", 0, "a");
        await EndAsync();
        await AckAsync("orders", 1, "a");
        _app.Time.Advance(TimeSpan.FromSeconds(20));
        _app.Get<FeedContacts>().Began(new CallingService("billing", null), "late");
        await AckAsync("orders", 1, "b");
        await AckAsync("orders", 0, "c");
        Assert.Equal("""{"applied":1,"services":1,"seconds":0,"behind":[]}""", (await ViewAsync()).GetProperty("convergence").GetRawText());
    }

    [Fact]
    public void What_was_committed_before_it_began_is_no_delay()
    {
        var start = DateTimeOffset.UnixEpoch;
        LoggedEvent[] entries = [.. Enumerable.Range(1, 4).Reverse().Select(cursor => new LoggedEvent { Cursor = cursor, Type = "", Reason = "", OccurredAt = start.AddSeconds(cursor) })];
        Assert.Equal([0.5, 1.5], Convergence.SecondsOf([(0, start.AddSeconds(2.5)), (2, start.AddSeconds(2.6)), (4, start.AddSeconds(4.5))], entries).Order());
        Assert.Equal([0.5], Convergence.SecondsOf([(0, start.AddSeconds(3.5)), (4, start.AddSeconds(4.5))], entries)); // its first word is of something that came after it
    }

    [Fact]
    public async Task A_service_counts_while_a_token_may_be_good_that_it_could_take_and_only_if_it_is_concerned()
    {
        await AckAsync("billing", 0);
        await AckAsync("bound", 0);
        await EndAsync();
        Assert.Equal(1, (await ViewAsync()).GetProperty("convergence").GetProperty("services").GetInt32());
        _app.Time.Advance(TimeSpan.FromMinutes(6));
        _here = await _app.SignInAsync(_here);
        Assert.False((await ViewAsync()).TryGetProperty("convergence", out _));
    }

    [Fact] // its line may be cut, and it may go on taking what people bring
    public async Task A_session_isnt_over_everywhere_while_a_service_is_silent_that_may_take_its_tokens()
    {
        await AckAsync("billing", 0);
        await AckAsync("orders", 0);
        _app.Time.Advance(TimeSpan.FromHours(1));
        _here = await _app.SignInAsync(_here);
        await AckAsync("orders", 0);
        await EndAsync();
        await AckAsync("orders", 1);
        _app.Time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal("""{"applied":1,"services":2,"behind":[{"service":"billing","seconds":60}]}""", (await ViewAsync()).GetProperty("convergence").GetRawText());

        _app.Time.Advance(TimeSpan.FromMinutes(5));
        await AckAsync("orders", 1);
        _here = await _app.SignInAsync(_here);
        Assert.Equal("""{"applied":1,"services":1,"seconds":0,"behind":[]}""", (await ViewAsync()).GetProperty("convergence").GetRawText());
    }

    [Fact]
    public async Task A_living_session_and_one_without_services_say_nothing_of_it()
    {
        Assert.False((await ViewAsync()).TryGetProperty("convergence", out _));
        await EndAsync();
        Assert.False((await ViewAsync()).TryGetProperty("convergence", out _));
    }

    [Fact]
    public async Task Being_connected_is_being_in_contact_and_having_been_sent_is_not_having_applied()
    {
        await using var feed = await Feed.OpenAsync(_app, query: "?instance=one");
        Assert.Equal("snapshot", (await feed.NextAsync())!.Event);
        Assert.Equal("heartbeat", (await feed.NextAsync())!.Event);
        await EndAsync();
        Assert.Equal(1, (await feed.EventAsync()).Cursor);
        await _app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
        Assert.Equal(0, (await ViewAsync()).GetProperty("convergence").GetProperty("applied").GetInt32());
    }

    [Fact]
    public async Task A_poll_acknowledges_too()
    {
        await Feed.PollAsync(_app, new { returnImmediately = true });
        await EndAsync();
        var sets = await Feed.PollAsync(_app, new { });
        Assert.Equal(0, (await ViewAsync()).GetProperty("convergence").GetProperty("applied").GetInt32());
        await Feed.PollAsync(_app, new { maxEvents = 0, ack = sets.GetProperty("sets").EnumerateObject().Select(s => s.Name) });
        Assert.Equal(1, (await ViewAsync()).GetProperty("convergence").GetProperty("applied").GetInt32());
    }

    [Fact]
    public async Task An_acknowledgement_is_never_more_than_was_said_and_never_taken_back()
    {
        await EndAsync();
        await EndMoreAsync(2);
        await AckAsync("billing", 2);
        await AckAsync("billing", 1);
        Assert.Equal(2, await _app.DbAsync(db => db.FeedReaders.Select(r => r.Applied).SingleAsync()));
        foreach (var (json, status) in new (object, HttpStatusCode)[]
        {
            (new { cursor = 4 }, HttpStatusCode.BadRequest), // never given out
            (new { cursor = -1 }, HttpStatusCode.BadRequest),
            (new { cursor = "x" }, HttpStatusCode.BadRequest),
            (new { }, HttpStatusCode.BadRequest),
            (new { cursor = 1, instance = "(poll)" }, HttpStatusCode.BadRequest),
            (new { cursor = 3 }, HttpStatusCode.NoContent),
        }) Assert.Equal(status, (await Feed.PostAsync(_app, "/events/ack", json)).StatusCode);
    }

    [Fact]
    public async Task An_instance_is_shown_as_it_spells_itself_and_is_one_whatever_the_case()
    {
        await AckAsync("orders", 0, "Pod-a");
        await EndAsync();
        await using (var replica = _app.StartReplica(FeedServices.Settings)) await AckAsync("orders", 1, "pod-A", app: replica);
        Assert.Equal([("Pod-a", 1)], (await FeedAsync()).Instances.Select(i => (i.Instance, (int)i.Applied)));

        // Those of an older version stand there in capitals, for the day that they are remembered.
        await _app.DbAsync(db => db.Database.ExecuteSqlRawAsync("UPDATE FeedReaders SET Instance = upper(Instance)"));
        await EndMoreAsync(1);
        await AckAsync("orders", 2, "Pod-a");
        Assert.Equal([("POD-A", 2)], (await FeedAsync()).Instances.Select(i => (i.Instance, (int)i.Applied)));
    }

    [Fact]
    public async Task Nobody_waits_for_an_instance_that_has_said_goodbye()
    {
        await AckAsync("orders", 0, "old");
        await AckAsync("orders", 0, "new");
        await AckAsync("orders", 0, "old", leaving: true);
        await EndAsync();
        await AckAsync("orders", 1, "new");
        Assert.Equal("""{"applied":1,"services":1,"seconds":0,"behind":[]}""", (await ViewAsync()).GetProperty("convergence").GetRawText());
        Assert.Equal(["new"], (await FeedAsync()).Instances.Select(i => i.Instance));

        // The last one of a service: it holds no token that it could accept.
        await AckAsync("orders", 1, "new", leaving: true);
        Assert.False((await ViewAsync()).TryGetProperty("convergence", out _));
    }

    [Fact]
    public async Task What_is_heard_late_of_an_instance_that_has_left_is_an_echo_and_what_comes_later_is_its_return()
    {
        await AckAsync("orders", 0, "a");
        await EndAsync();
        await AckAsync("orders", 0, "a", leaving: true);
        _app.Time.Advance(TimeSpan.FromMilliseconds(500));
        await AckAsync("orders", 1, "a"); // said before, to another replica
        _app.Get<FeedContacts>().Seen(new CallingService("orders", null), "a"); // a stream that isn't closed yet
        await _app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
        Assert.Null(await FeedOrNoneAsync());

        _app.Time.Advance(TimeSpan.FromSeconds(7));
        await AckAsync("orders", 0, "a"); // says nothing new: still an echo
        Assert.Null(await FeedOrNoneAsync());
        await AckAsync("orders", 1, "a"); // another process under the old name, which reads by other means than the feed
        Assert.Equal(1, Assert.Single((await FeedAsync()).Instances).Applied);

        await AckAsync("orders", 1, "a", leaving: true);
        await using var feed = await Feed.OpenAsync(_app, "orders", "?instance=a"); // at once
        Assert.Equal("snapshot", (await feed.NextAsync())!.Event);
        await _app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
        await EndMoreAsync(1);
        Assert.Equal((0L, 2), Assert.Single((await FeedAsync()).Instances) is var one ? (one.Applied, one.Behind) : default);
    }

    [Fact]
    public async Task A_hundred_verifiers_are_written_down_together()
    {
        await EndAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => Feed.PostAsync(_app, "/events/ack", new { cursor = 1, instance = $"i{i}" }, $"s{i % 10}")));
        Assert.Equal([HttpStatusCode.NoContent], answers.Select(a => a.StatusCode).Distinct());
        await _app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
        Assert.Equal(100, await _app.DbAsync(db => db.FeedReaders.CountAsync(r => r.Applied == 1)));
        var convergence = (await ViewAsync()).GetProperty("convergence");
        Assert.Equal((10, 10), (convergence.GetProperty("applied").GetInt32(), convergence.GetProperty("services").GetInt32()));
    }

    [Fact]
    public async Task A_service_that_makes_up_names_fills_neither_memory_nor_table()
    {
        var (contacts, billing) = (_app.Get<FeedContacts>(), new CallingService("billing", null));
        await AckAsync("orders", 0, "kept");
        await Feed.PollAsync(_app, new { returnImmediately = true });
        for (var round = 0; round < 2; round++)
        {
            for (var i = 0; i < FeedContacts.MostNames + 200; i++)
            {
                contacts.Seen(billing, $"made-up-{round}-{i}");
                _app.Time.Advance(TimeSpan.FromMilliseconds(1));
            }

            await contacts.WriteAsync(CancellationToken.None);
        }

        var names = await _app.DbAsync(db => db.FeedReaders.Where(r => r.Service == "billing").Select(r => r.Instance).ToListAsync());
        Assert.Equal(FeedContacts.MostNames + 1, names.Count);
        Assert.Contains($"made-up-1-{FeedContacts.MostNames + 199}", names);
        Assert.Contains(FeedReader.Poll, names);
        Assert.DoesNotContain(names, n => n.StartsWith("made-up-0", StringComparison.Ordinal));
        Assert.Equal(1, await _app.DbAsync(db => db.FeedReaders.CountAsync(r => r.Service == "orders")));
    }

    [Fact]
    public async Task Propagation_is_a_figure_for_Prometheus_unless_that_is_switched_off()
    {
        await AckAsync("prometheus-test", 0);
        await EndAsync();
        await AckAsync("prometheus-test", 1);
        var text = await _app.Client.GetStringAsync("/metrics");
        Assert.Contains("service_name=\"gatehouse\"", text, StringComparison.Ordinal);
        Assert.Contains("gatehouse_revocation_propagation_seconds_bucket{", text, StringComparison.Ordinal);
        Assert.Contains("service=\"prometheus-test\"", text, StringComparison.Ordinal);

        await using var without = TestApp.Start(("Metrics:Enabled", "false"));
        Assert.Equal(HttpStatusCode.NotFound, (await without.Client.GetAsync("/metrics")).StatusCode);
    }

    [Fact]
    public async Task What_was_committed_before_a_reader_came_is_no_delay_of_its()
    {
        var counted = new ConcurrentQueue<string>();
        using var listener = Timed(counted, _app);

        await EndMoreAsync(2);
        _app.Time.Advance(TimeSpan.FromHours(1));
        await AckAsync("latecomer", 2);
        Assert.Empty(counted);
        await EndMoreAsync(1);
        await AckAsync("latecomer", 3);
        Assert.Equal(["latecomer"], counted);

        // Its line is cut, and when it is back it applies what it has missed.
        await EndMoreAsync(1);
        _app.Time.Advance(TimeSpan.FromMinutes(10));
        await using var feed = await Feed.OpenAsync(_app, "latecomer", lastEventId: "3");
        Assert.Equal(4, (await feed.NextAsync())!.Cursor);
        await AckAsync("latecomer", 4);
        Assert.Single(counted);
        await EndMoreAsync(1);
        await AckAsync("latecomer", 5);
        Assert.Equal(2, counted.Count);

        // The same by poll.
        _app.Time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(5, await PollAndAckAsync());
        Assert.Equal(2, counted.Count);
        await EndMoreAsync(1);
        Assert.Equal(1, await PollAndAckAsync());
        Assert.Equal(3, counted.Count);

        async Task<int> PollAndAckAsync()
        {
            var sets = (await Feed.PollAsync(_app, new { returnImmediately = true }, "latecomer")).GetProperty("sets").EnumerateObject().Select(s => s.Name).ToList();
            await Feed.PollAsync(_app, new { maxEvents = 0, ack = sets }, "latecomer");
            return sets.Count;
        }
    }

    [Fact]
    public async Task Only_what_concerns_a_reader_counts_and_once_whichever_replica_it_speaks_to()
    {
        await using var replica = _app.StartReplica(FeedServices.Settings);
        var counted = new ConcurrentQueue<string>();
        using var listener = Timed(counted, _app, replica);
        await EndMoreAsync(1);
        foreach (var app in new[] { _app, replica }) await SaysAsync(app, 1);
        counted.Clear();

        await EndMoreAsync(2);
        await SaysAsync(_app, 3);
        Assert.Equal(["reader", "reader"], counted);
        await EndMoreAsync(1);
        await SaysAsync(replica, 4);
        Assert.Equal(["reader", "reader", "reader"], counted);

        static async Task SaysAsync(TestApp app, long cursor)
        {
            await Wait.UntilAsync(() => app.Get<EventFeed>().Newest >= cursor);
            var contacts = app.Get<FeedContacts>();
            contacts.Applied(new CallingService("reader", null), "one", cursor);
            contacts.Applied(new CallingService("bound", "bound-api"), "one", cursor);
            await contacts.WriteAsync(CancellationToken.None);
        }
    }

    [Fact]
    public void The_times_of_a_reader_are_found_in_one_walk_along_its_acknowledgements_and_the_log()
    {
        var begun = DateTimeOffset.UnixEpoch;
        var random = new Random(7);
        var acks = new Counting<(long Cursor, DateTimeOffset At)>([.. Enumerable.Range(0, 64).Select(i => random.NextInt64(1, 1100)).Distinct().Order().Select(cursor => (cursor, begun.AddSeconds(2 * cursor)))]);
        var entries = new Counting<LoggedEvent>([.. Enumerable.Range(1, 1000).Reverse().Select(cursor => new LoggedEvent { Cursor = cursor, Type = "", Reason = "", OccurredAt = begun.AddSeconds(cursor) })]);

        var found = Convergence.SecondsOf(acks, entries).ToList();

        var reads = acks.Reads + entries.Reads;
        Assert.Equal(
            acks.Zip(acks.Skip(1)).SelectMany(pair => entries.Where(e => e.Cursor > pair.First.Cursor && e.Cursor <= pair.Second.Cursor).Select(e => (pair.Second.At - e.OccurredAt).TotalSeconds)).Order(),
            found.Order());
        Assert.NotEmpty(found);
        Assert.InRange(reads, 1000, 5 * 1064);
    }

    [Fact]
    public void A_row_says_it_in_words()
    {
        Assert.Equal("Signed out everywhere in 0.3 s", SessionWords.Everywhere(new(2, 2, 0.31, [])));
        Assert.Equal("Signed out everywhere in 0.1 s", SessionWords.Everywhere(new(2, 2, 0.004, [])));
        Assert.Equal("Signed out everywhere", SessionWords.Everywhere(new(2, 2, null, [])));
        Assert.Equal("Signed out here; waiting for billing (12 s behind)", SessionWords.Everywhere(new(1, 2, null, [new("billing", 12.2)])));
        Assert.Equal("Signed out here; waiting for billing and 2 more (12 s behind)", SessionWords.Everywhere(new(0, 3, null, [new("billing", 12), new("b", 12), new("c", 1)])));
    }

    private sealed class Counting<T>(T[] items) : IReadOnlyList<T>
    {
        public int Reads { get; private set; }
        public int Count => items.Length;

        public T this[int index]
        {
            get
            {
                Reads++;
                return items[index];
            }
        }

        public IEnumerator<T> GetEnumerator() => items.AsEnumerable().GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }

    private async Task AckAsync(string service, long cursor, string? instance = null, bool leaving = false, TestApp? app = null)
    {
        app ??= _app;
        Assert.Equal(HttpStatusCode.NoContent, (await Feed.PostAsync(app, "/events/ack", new { cursor, instance, leaving }, service)).StatusCode);
        await app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
    }

    /// <summary>Whose applying is timed, as these processes alone tell it: beside them, other tests have readers of the same names.</summary>
    private static MeterListener Timed(ConcurrentQueue<string> whose, params TestApp[] apps)
    {
        var factories = apps.Select(app => app.Get<IMeterFactory>()).ToList();
        var listener = new MeterListener
        {
            InstrumentPublished = (i, l) => { if (i.Name == "gatehouse_revocation_propagation_seconds" && factories.Contains(i.Meter.Scope)) l.EnableMeasurementEvents(i); },
        };
        listener.SetMeasurementEventCallback<double>((_, _, tags, _) =>
        {
            foreach (var tag in tags)
                if (tag is { Key: "service", Value: string service }) whose.Enqueue(service);
        });
        listener.Start();
        return listener;
    }

    private async Task<FeedView> FeedAsync() => (await FeedOrNoneAsync())!;

    private async Task<FeedView?> FeedOrNoneAsync()
    {
        await using var scope = _app.Services.CreateAsyncScope();
        return await scope.ServiceProvider.GetRequiredService<Convergence>().OfServiceAsync("orders", null, CancellationToken.None);
    }

    private Task<HttpResponseMessage> EndAsync() => _app.SendAsync(HttpMethod.Delete, $"/api/sessions/{_gone.SessionId}", bearer: _here.AccessToken);

    private async Task EndMoreAsync(int count)
    {
        for (var i = 0; i < count; i++) await _app.SendAsync(HttpMethod.Post, "/api/users/signout", cookies: (await _app.SignUpAsync()).Cookies);
    }

    private async Task<JsonElement> ViewAsync() =>
        await (await _app.SendAsync(HttpMethod.Get, $"/api/sessions/{_gone.SessionId}", bearer: _here.AccessToken)).Content.ReadFromJsonAsync<JsonElement>();
}
