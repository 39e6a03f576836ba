using System.Diagnostics;
using System.Net.Sockets;
using App.Events;
using App.Tests.Attacks;
using App.Tests.Push;
using Microsoft.Extensions.DependencyInjection;
using Xunit.Abstractions;

namespace App.Tests.Events;

/// <summary>The feed over real sockets, with readers that don't read, and each second counts.</summary>
[Collection(nameof(MeasuredAlone))]
public sealed class FeedOverSocketsTests(ITestOutputHelper output) : IAsyncLifetime
{
    private readonly KestrelApp _app = KestrelApp.Start(FeedServices.Settings);

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact] // and whoever does read hears a heartbeat every five seconds meanwhile
    public async Task Readers_that_do_not_read_are_dropped_and_cost_no_memory_and_nobody_else_waits_for_them()
    {
        // So many that neither the log nor a snapshot fits into what lies between two sockets.
        const int count = 60_000, readers = 20;
        var slow = await FeedSockets.OpenSlowAsync(_app, 1, "/events?cursor=0");
        await FeedSockets.FillAsync(_app, count);
        slow.AddRange(await FeedSockets.OpenSlowAsync(_app, readers));
        await Wait.UntilAsync(() => _app.Services.GetRequiredService<EventFeed>().Newest >= count);

        var clock = Stopwatch.StartNew();
        using var client = new HttpClient { BaseAddress = _app.Address };
        using var answer = await FeedSockets.OpenAsync(client, "/events?cursor=" + (count - 50));
        using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync());
        for (var got = 0; got < 50;)
            if ((await lines.ReadLineAsync())!.StartsWith("event: session-revoked", StringComparison.Ordinal)) got++;
        // Whoever waited for the slow ones would wait ten seconds.
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(9), $"{clock.Elapsed}");
        var beats = BeatsAsync(lines);
        await FeedSockets.ReadSnapshotAsync(_app, count);

        // They are cut off while they still don't read: what then can be read ends long before the log, or the snapshot, does.
        await Wait.UntilAsync(() => _app.Log.Lines.Count(line => line.Contains("The feed of slow was dropped", StringComparison.Ordinal)) == slow.Count);
        foreach (var (one, most) in slow.Select((one, i) => (one, count * (i == 0 ? 1000L : 150L))))
        {
            var bytes = await DrainAsync(one);
            output.WriteLine($"dropped after {bytes / 1024} KB");
            Assert.True(bytes < most, $"{bytes} bytes");
            one.Dispose();
        }

        // One that is read late, on a busy machine, makes one gap longer and the other shorter.
        var gaps = await beats;
        output.WriteLine($"beats after {string.Join(" and ", gaps)} s");
        Assert.True(gaps.Max() >= 4.9 && gaps.Min() <= 5.9, string.Join(", ", gaps));
    }

    // The first says how far the feed is, whenever it is opened; the second is the running beat, at some point of its five seconds.
    private static async Task<List<double>> BeatsAsync(StreamReader lines)
    {
        var heard = new List<long>();
        while (heard.Count < 4 && await lines.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30)) is { } line)
            if (line == "event: heartbeat") heard.Add(Stopwatch.GetTimestamp());
        Assert.Equal(4, heard.Count);
        return [.. heard.Skip(1).Zip(heard.Skip(2), (one, next) => Stopwatch.GetElapsedTime(one, next).TotalSeconds)];
    }

    private static async Task<long> DrainAsync(TcpClient reader)
    {
        var (buffer, bytes) = (new byte[64 * 1024], 0L);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        try
        {
            while (await reader.GetStream().ReadAsync(buffer, patience.Token) is > 0 and var read) bytes += read;
        }
        catch (IOException)
        {
            // Reset, which is dropped too.
        }

        return bytes;
    }
}
