using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using App.Drill;
using App.Events;
using App.Tests.OAuth;
using App.Tests.Push;
using App.Tokens;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Events;

/// <summary>Whoever reads the feed is let go within a second of the end of the credentials that let them in, at every replica.</summary>
[Collection(nameof(MeasuredAlone))]
public sealed class LiveServicesTests : IAsyncLifetime
{
    private const string Api = "/api/admin/services";
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private readonly TestApp _app = Callers.Start();
    private TestUser _admin = null!;
    private string _first = "";

    public async Task InitializeAsync()
    {
        _admin = await _app.AdminAsync();
        _first = await SecretOfAsync(Api, new { id = "stock" });
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Withdrawing_a_secret_ends_what_it_and_its_tokens_opened_and_nothing_else()
    {
        await using var replica = _app.StartReplica(Callers.Settings);
        var second = await SecretOfAsync(Api + "/stock/rotate", new { });
        await Wait.UntilAsync(async () => (await _app.IntrospectAsync("x", Callers.Basic("stock", second))).IsSuccessStatusCode);
        var token = await _app.ServiceTokenAsync(Callers.Basic("stock", _first));
        var ending = new[]
        {
            await OpenAsync(_app, Callers.Basic("stock", _first)), await OpenAsync(_app, "Bearer " + token), await OpenAsync(replica, Callers.Basic("stock", _first)),
        };
        var staying = new[] { await OpenAsync(_app, Callers.Basic("stock", second)), await OpenAsync(_app, Callers.Basic()) };
        var polling = await PollAsync(Callers.Basic("stock", _first));
        var waiting = await PollAsync(Callers.Basic("stock", second));

        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Post, Api + "/stock/withdraw", _admin.AccessToken)).StatusCode);
        await AreLetGoAsync(ending, polling);

        Assert.DoesNotContain(staying, s => s.IsCompleted);
        await _app.EndSessionAsync();
        Assert.Equal(HttpStatusCode.OK, (await waiting).StatusCode);
    }

    [Fact]
    public async Task Taking_a_token_back_ends_what_it_opened_and_nothing_else()
    {
        await using var replica = _app.StartReplica(Callers.Settings);
        var stock = Callers.Basic("stock", _first);
        var (gone, kept) = ("Bearer " + await _app.ServiceTokenAsync(stock), "Bearer " + await _app.ServiceTokenAsync(stock));
        var ending = new[] { await OpenAsync(_app, gone), await OpenAsync(replica, gone) };
        var staying = new[] { await OpenAsync(_app, kept), await OpenAsync(replica, kept), await OpenAsync(_app, stock) };
        var polling = await PollAsync(gone);
        var waiting = await PollAsync(kept);

        var answer = await _app.PostAsync("/connect/revoke", stock, ("token", gone["Bearer ".Length..]));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await AreLetGoAsync(ending, polling);

        Assert.DoesNotContain(staying, s => s.IsCompleted);
        await _app.EndSessionAsync();
        Assert.Equal(HttpStatusCode.OK, (await waiting).StatusCode);
    }

    [Fact]
    public async Task Revoking_a_key_ends_what_its_tokens_opened_and_nothing_else()
    {
        await using var replica = _app.StartReplica(Callers.Settings);
        var stock = Callers.Basic("stock", _first);
        var (ring, stolen) = (_app.Get<SigningKeyRing>(), _app.Get<SigningKeyRing>().Signing.Key.KeyId!);
        var gone = "Bearer " + await _app.ServiceTokenAsync(stock);
        Assert.IsType<SigningKeys.Outcome.Done>(await _app.ScopedAsync((SigningKeys keys) => keys.RotateAsync(CancellationToken.None)));
        await ring.LoadAsync();
        Assert.NotEqual(stolen, ring.Signing.Key.KeyId);
        var kept = "Bearer " + await _app.ServiceTokenAsync(stock);
        var ending = new[] { await OpenAsync(_app, gone), await OpenAsync(replica, gone) };
        var staying = new[] { await OpenAsync(_app, kept), await OpenAsync(_app, stock), await OpenAsync(replica, stock) };
        var polling = await PollAsync(gone);
        var waiting = await PollAsync(kept);

        await _app.ScopedAsync((SigningKeys keys) => keys.RevokeAsync(stolen, CancellationToken.None));
        await AreLetGoAsync(ending, polling);

        Assert.DoesNotContain(staying, s => s.IsCompleted);
        Assert.Equal(HttpStatusCode.OK, (await waiting).StatusCode); // with the very event
    }

    [Fact]
    public async Task A_stream_that_a_token_opened_ends_with_the_token()
    {
        var token = "Bearer " + await _app.ServiceTokenAsync(Callers.Basic("stock", _first));
        var lapsing = await OpenAsync(_app, token);
        var staying = await OpenAsync(_app, Callers.Basic("stock", _first));
        _app.Time.Advance(TimeSpan.FromMinutes(4));
        Assert.False(lapsing.IsCompleted);
        _app.Time.Advance(TimeSpan.FromMinutes(1));
        await lapsing.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.False(staying.IsCompleted);

        // Let in for half a minute more elsewhere: a stream that would be over at once is none.
        Assert.Equal(HttpStatusCode.Unauthorized, (await Feed.GetAsync(_app, "/events", token)).StatusCode);
    }

    [Fact]
    public async Task Removing_a_service_ends_all_that_it_reads()
    {
        await using var replica = _app.StartReplica(Callers.Settings);
        var streams = new[] { await OpenAsync(_app, Callers.Basic("stock", _first)), await OpenAsync(replica, Callers.Basic("stock", _first)) };
        var staying = await OpenAsync(_app, Callers.Basic());
        var polling = await PollAsync(Callers.Basic("stock", _first));
        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Delete, Api + "/stock", _admin.AccessToken)).StatusCode);
        await AreLetGoAsync(streams, polling);
        Assert.False(staying.IsCompleted);
        Assert.Equal(HttpStatusCode.Unauthorized, (await Feed.GetAsync(_app, "/events", Callers.Basic("stock", _first))).StatusCode);
    }

    [Fact] // It was heard of by a replica that didn't know yet.
    public async Task A_removed_service_is_waited_for_by_nobody()
    {
        var user = await _app.SignUpAsync();
        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Delete, Api + "/stock", _admin.AccessToken)).StatusCode);
        foreach (var service in new[] { "stock", "orders" }) _app.Get<FeedContacts>().Seen(new CallingService(service, null), "a");
        await _app.Get<FeedContacts>().WriteAsync(CancellationToken.None);

        Assert.Equal(["orders"], (await _app.ScopedAsync((ShowDrill drill) => drill.NextAsync(CancellationToken.None))).Services.Where(s => s.State != DrillState.Silent).Select(s => s.Service));
        await _app.SendAsync(HttpMethod.Post, "/api/users/signout", user.AccessToken);
        var convergence = await _app.ScopedAsync((Convergence c) => c.OfSessionAsync(user.SessionId, CancellationToken.None));
        Assert.Equal(["orders"], convergence!.Behind.Select(s => s.Service));
    }

    [Fact] // What it had said a moment before was still to be written.
    public async Task Nothing_of_a_removed_service_is_written_down_after_it()
    {
        await _app.EndSessionAsync();
        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Delete, Api + "/stock", _admin.AccessToken)).StatusCode);
        _app.Get<FeedContacts>().Applied(new CallingService("stock", null), FeedReader.Poll, 1);
        await _app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
        var poll = await _app.ScopedAsync((PollEvents polls) => PollEvents.HandleAsync(new PollRequest { ReturnImmediately = true }, new CallingService("stock", null), polls, new DefaultHttpContext(), CancellationToken.None));
        Assert.Equal(401, Assert.IsType<ProblemHttpResult>(poll.Result).StatusCode);
        Assert.Empty(await _app.DbAsync(db => db.FeedReaders.Where(r => r.Service == "stock").ToListAsync()));
    }

    [Fact]
    public async Task A_service_that_takes_the_place_of_a_removed_one_is_told_what_that_one_had_applied()
    {
        await _app.EndSessionAsync();
        await PollAsync(Callers.Basic("stock", _first)); // acknowledges all that there is
        Assert.Equal(HttpStatusCode.NoContent, (await AckAsync(_first)).StatusCode);
        var newest = await _app.DbAsync(db => db.EventCounter.Select(c => c.Value).SingleAsync());
        Assert.Equal(HttpStatusCode.NoContent, (await _app.SendAsync(HttpMethod.Delete, Api + "/stock", _admin.AccessToken)).StatusCode);
        Assert.Empty(await RowsAsync());

        var second = await SecretOfAsync(Api, new { id = "stock" });

        var there = await _app.SendAsync(HttpMethod.Post, "/events/poll", json: new { returnImmediately = true }, headers: ("Authorization", Callers.Basic("stock", second)));
        Assert.Equal(newest, (await there.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("sets").EnumerateObject().Count());
        Assert.Equal(HttpStatusCode.NoContent, (await AckAsync(second)).StatusCode);
        Assert.Equal([("", newest), (FeedReader.Poll, 0)], await RowsAsync());

        async Task<HttpResponseMessage> AckAsync(string secret)
        {
            var cursor = await _app.DbAsync(db => db.EventCounter.Select(c => c.Value).SingleAsync());
            var answer = await _app.SendAsync(HttpMethod.Post, "/events/ack", json: new { cursor }, headers: ("Authorization", Callers.Basic("stock", secret)));
            await _app.Get<FeedContacts>().WriteAsync(CancellationToken.None);
            return answer;
        }

        async Task<List<(string, long)>> RowsAsync() => [.. (await _app.DbAsync(db => db.FeedReaders.AsNoTracking().Where(r => r.Service == "stock").ToListAsync()))
            .Select(r => (r.Instance, r.Applied)).OrderBy(r => r.Instance, StringComparer.Ordinal)];
    }

    private static async Task AreLetGoAsync(Task[] streams, Task<HttpResponseMessage> polling)
    {
        var clock = Stopwatch.StartNew();
        await Task.WhenAll(streams).WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(HttpStatusCode.Unauthorized, (await polling).StatusCode);
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, Second);
    }

    /// <summary>Opens a stream and returns once its first bytes are there, with the task that ends with it.</summary>
    private static async Task<Task> OpenAsync(TestApp app, string authorization)
    {
        var answer = await Feed.GetAsync(app, "/events", authorization);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var body = await answer.Content.ReadAsStreamAsync();
        Assert.NotEqual(0, await body.ReadAsync(new byte[1]));
        return body.CopyToAsync(Stream.Null);
    }

    /// <summary>A poll that waits: what was there already is acknowledged first.</summary>
    private async Task<Task<HttpResponseMessage>> PollAsync(string authorization)
    {
        var there = await (await SendAsync(new { returnImmediately = true })).Content.ReadFromJsonAsync<JsonElement>();
        return SendAsync(new { ack = there.GetProperty("sets").EnumerateObject().Select(s => s.Name).ToArray() });

        Task<HttpResponseMessage> SendAsync(object json) => _app.SendAsync(HttpMethod.Post, "/events/poll", json: json, headers: ("Authorization", authorization));
    }

    private async Task<string> SecretOfAsync(string path, object json) =>
        (await (await _app.SendAsync(HttpMethod.Post, path, _admin.AccessToken, json: json)).Content.ReadFromJsonAsync<JsonElement>()).GetProperty("client_secret").GetString()!;
}
