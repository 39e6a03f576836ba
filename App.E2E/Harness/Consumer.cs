using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;

namespace App.E2E.Harness;

/// <summary>Follows the event feed in one of its ways, and loses its line or its memory at a test's word. Whatever it is told out of turn is noted.</summary>
/// <param name="replica">Where it connects the next time.</param>
internal abstract class Consumer(string name, Func<Service> replica) : IAsyncDisposable
{
    public const string ClientId = "reader", ClientSecret = "a secret of the reader of the stream, long enough";

    private readonly CancellationTokenSource _over = new();
    private CancellationTokenSource _line = new();
    private long _forgotten;
    private Task _running = Task.CompletedTask;

    /// <summary>Sessions by cursor, as they were told.</summary>
    public ConcurrentDictionary<long, string> Applied { get; } = new();

    public ConcurrentQueue<string> Wrong { get; } = new();

    /// <summary>Where it stands by its own memory.</summary>
    public long Position { get; private set; }

    protected static AuthenticationHeaderValue Authorization { get; } = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{ClientId}:{ClientSecret}")));

    protected string Name => name;

    /// <summary>What it must never forget, for it has said so.</summary>
    protected long Acknowledged { get; set; }

    public void Start() => _running = RunAsync();

    /// <summary>Its connection is gone; it knows where it stood.</summary>
    public void Cut() => Volatile.Read(ref _line).Cancel();

    /// <summary>kill -9 before it has written down the last of what it had applied: it starts from where it last wrote.</summary>
    public void Crash(int forgotten)
    {
        Interlocked.Exchange(ref _forgotten, forgotten);
        Cut();
    }

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        Cut();
        await _running;
    }

    /// <summary>One connection, until it breaks.</summary>
    protected abstract Task FollowAsync(Service at, CancellationToken ct);

    protected void Take(JsonNode entry, bool again = false) => Take(entry["cursor"]!.GetValue<long>(), entry["sid"]?.GetValue<string>() ?? "", again);

    /// <param name="again">It may be one that was told before.</param>
    protected void Take(long cursor, string session, bool again = false)
    {
        if (again ? cursor > Position + 1 : cursor != Position + 1) Wrong.Enqueue($"{name}: {cursor} after {Position}");
        if (Applied.GetOrAdd(cursor, session) != session) Wrong.Enqueue($"{name}: {cursor} is {session}, and was {Applied[cursor]}");
        Position = Math.Max(Position, cursor);
    }

    private async Task RunAsync()
    {
        while (!_over.IsCancellationRequested)
        {
            using var line = new CancellationTokenSource();
            Volatile.Write(ref _line, line);
            Position = Math.Max(Acknowledged, Position - Interlocked.Exchange(ref _forgotten, 0));
            try
            {
                await FollowAsync(replica(), line.Token);
            }
            catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException or InvalidOperationException or TimeoutException)
            {
                // The line, the replica or Redis is away; so it goes on elsewhere.
            }

            Volatile.Write(ref _line, new CancellationTokenSource());
            await Task.Delay(50);
        }
    }
}

internal sealed class StreamConsumer(string name, Func<Service> replica) : Consumer(name, replica)
{
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(7);

    protected override async Task FollowAsync(Service at, CancellationToken ct)
    {
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(ct);
        silence.CancelAfter(Silence);
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/events?instance={Name}") { Headers = { Authorization = Authorization } };
        request.Headers.Add("Last-Event-ID", Position.ToString(CultureInfo.InvariantCulture));
        using var answer = await at.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, silence.Token);
        using var lines = new StreamReader(await answer.EnsureSuccessStatusCode().Content.ReadAsStreamAsync(silence.Token));
        while (await lines.ReadLineAsync(silence.Token) is { } line)
        {
            silence.CancelAfter(Silence);
            if (!line.StartsWith("data: ", StringComparison.Ordinal)) continue;
            var data = JsonNode.Parse(line["data: ".Length..])!;
            if (data["type"] is not null) Take(data);
            else if (data["events"] is not null) Wrong.Enqueue($"{Name}: a snapshot, though the log reaches back to {Position}");
            else if (data["cursor"]!.GetValue<long>() is var beat && beat != Position) Wrong.Enqueue($"{Name}: a heartbeat at {beat}, and told as far as {Position}");
        }
    }
}

internal sealed class PollConsumer(string name, Func<Service> replica) : Consumer(name, replica)
{
    protected override async Task FollowAsync(Service at, CancellationToken ct)
    {
        List<string> applied = [];
        while (true)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
            limit.CancelAfter(TimeSpan.FromSeconds(7));
            if (applied.Count > 0) Acknowledged = Position;
            using var request = new HttpRequestMessage(HttpMethod.Post, "/events/poll") { Headers = { Authorization = Authorization }, Content = JsonContent.Create(new { maxEvents = 20, ack = applied }) };
            using var answer = await at.Client.SendAsync(request, limit.Token);
            var sets = (await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonNode>(limit.Token))!["sets"]!.AsObject();
            foreach (var (_, set) in sets)
            {
                var claims = Credentials.Claims(set!.GetValue<string>());
                var subject = claims["sub_id"]!;
                Take(long.Parse(claims["txn"]!.GetValue<string>(), CultureInfo.InvariantCulture), (subject["session"]?["id"] ?? subject["id"])?.GetValue<string>() ?? "", again: true);
            }

            applied = [.. sets.Select(set => set.Key)];
        }
    }
}

internal sealed class RedisConsumer(string name, Func<Service> replica, RedisServer redis) : Consumer(name, replica)
{
    protected override async Task FollowAsync(Service at, CancellationToken ct)
    {
        while (!ct.IsCancellationRequested)
        {
            foreach (var (_, fields) in await redis.ReadAsync(Position)) Take(JsonNode.Parse(fields["data"])!);
            await Task.Delay(100, ct);
        }
    }
}
