using System.Diagnostics;
using System.Net.Sockets;
using App.Tests.Attacks;
using Xunit.Abstractions;

namespace App.Tests.Events;

/// <summary>The feed over real sockets, with readers that don't read.</summary>
public sealed class FeedOverSocketsTests(ITestOutputHelper output) : IAsyncLifetime
{
    private readonly KestrelApp _app = KestrelApp.Start(FeedServices.Settings);

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task A_reader_that_does_not_read_is_dropped_and_costs_no_memory_and_nobody_else_waits_for_it()
    {
        using var slow = (await FeedSockets.OpenSlowAsync(_app, 1, "/events?cursor=0"))[0];
        const int count = 20_000;
        await FeedSockets.FillAsync(_app, count);

        var clock = Stopwatch.StartNew();
        using var client = new HttpClient { BaseAddress = _app.Address };
        using var answer = await FeedSockets.OpenAsync(client, "/events?cursor=" + (count - 50));
        using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync());
        for (var got = 0; got < 50;)
            if ((await lines.ReadLineAsync())!.StartsWith("event: session-revoked", StringComparison.Ordinal)) got++;
        // Whoever waited for the slow one would wait ten seconds.
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(9), $"{clock.Elapsed}");

        // It is cut off while it still doesn't read: what then can be read ends long before the log does.
        await Task.Delay(TimeSpan.FromSeconds(16));
        var bytes = await DrainAsync(slow);
        output.WriteLine($"dropped after {bytes / 1024} KB");
        Assert.True(bytes < count * 1000L, $"{bytes} bytes");
    }

    [Fact]
    public async Task Readers_that_do_not_read_their_snapshots_are_dropped_and_nobody_else_waits_for_them()
    {
        const int count = 60_000, readers = 20;
        await FeedSockets.FillAsync(_app, count);
        var slow = await FeedSockets.OpenSlowAsync(_app, readers);
        await FeedSockets.ReadSnapshotAsync(_app, count);

        await Task.Delay(TimeSpan.FromSeconds(16));
        foreach (var one in slow)
        {
            var bytes = await DrainAsync(one);
            Assert.True(bytes < count * 150L, $"{bytes} bytes");
            one.Dispose();
        }
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
