using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace App.Tests.Attacks;

/// <summary>
/// Whoever takes their time over a request, on real sockets and in real time (ATTACKS 78, 218, 219). The pace is the attack; what is asserted is when the server has had enough.
/// </summary>
public sealed class SlowClientTests(SlowClientTests.Slow slow) : IClassFixture<SlowClientTests.Slow>
{
    private const string Post = "POST /api/users/signin HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";

    // Ours is 15 s, the server's own limit 30, and it looks once a second: in between is room for a machine that is busy.
    private static readonly TimeSpan LongestHeaders = TimeSpan.FromSeconds(25);
    private static readonly TimeSpan LongestBody = TimeSpan.FromSeconds(15);

    [Fact] // ATTACKS 218: and others are served meanwhile
    public async Task Headers_that_drip_are_cut_off()
    {
        Assert.All(await slow.Others, status => Assert.Equal(HttpStatusCode.OK, status));
        foreach (var (answer, took) in await slow.Headers)
        {
            Assert.DoesNotContain("HTTP/1.1 200", answer, StringComparison.Ordinal);
            Assert.InRange(took, TimeSpan.Zero, LongestHeaders);
        }
    }

    [Fact] // ATTACKS 219
    public async Task A_body_that_drips_is_408()
    {
        foreach (var (answer, took) in await slow.Bodies)
        {
            Assert.StartsWith("HTTP/1.1 408", answer, StringComparison.Ordinal);
            Assert.InRange(took, TimeSpan.Zero, LongestBody);
        }
    }

    [Theory] // ATTACKS 78: a length that promises more than comes; what came would have been enough
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_body_shorter_than_its_length_does_nothing_and_the_connection_is_closed(bool says)
    {
        var (answer, took) = await (says ? slow.Ended : slow.Silent);
        Assert.Matches(says ? "^$|^HTTP/1.1 400" : "^HTTP/1.1 408", answer);
        Assert.InRange(took, TimeSpan.Zero, LongestBody);
        using var whole = new StringContent(Credentials(says), Encoding.UTF8, "application/json");
        Assert.Equal(HttpStatusCode.BadRequest, (await slow.App.Client.PostAsync("/api/users/signin", whole)).StatusCode);
    }

    private static string Credentials(bool says) => JsonSerializer.Serialize(new { email = $"short-{says}@example.test", password = TestApp.Password });

    /// <summary>All of them at once, as they would come: whoever waits for all of them waits for the slowest.</summary>
    public sealed class Slow : IAsyncLifetime
    {
        public KestrelApp App { get; } = KestrelApp.Start();

        public Task<(string Answer, TimeSpan Took)[]> Headers { get; private set; } = null!;

        public Task<(string Answer, TimeSpan Took)[]> Bodies { get; private set; } = null!;

        /// <summary>Says that nothing more comes.</summary>
        public Task<(string Answer, TimeSpan Took)> Ended { get; private set; } = null!;

        /// <summary>Leaves the server waiting.</summary>
        public Task<(string Answer, TimeSpan Took)> Silent { get; private set; } = null!;

        /// <summary>Of who asks for no more than an answer meanwhile.</summary>
        public Task<List<HttpStatusCode>> Others { get; private set; } = null!;

        public Task InitializeAsync()
        {
            Headers = Task.WhenAll(Enumerable.Range(0, 100).Select(_ => DripAsync("GET /health/live HTTP/1.1\r\nHost: x\r\nX-Slow: ", TimeSpan.FromSeconds(2))));
            Bodies = Task.WhenAll(Enumerable.Range(0, 100).Select(_ => DripAsync(Post + "Content-Length: 1000\r\n\r\n", TimeSpan.FromSeconds(1))));
            (Ended, Silent, Others) = (CutShortAsync(true), CutShortAsync(false), AskAsync());
            return Task.CompletedTask;
        }

        public async Task DisposeAsync()
        {
            await Task.WhenAll(Headers, Bodies, Ended, Silent, Others);
            await App.DisposeAsync();
        }

        private async Task<List<HttpStatusCode>> AskAsync()
        {
            var statuses = new List<HttpStatusCode>();
            while (statuses.Count < 20) statuses.Add((await App.Client.GetAsync("/health/live")).StatusCode);
            Assert.False(Headers.IsCompleted);
            return statuses;
        }

        private async Task<(string Answer, TimeSpan Took)> CutShortAsync(bool says)
        {
            using var socket = new TcpClient();
            await socket.ConnectAsync(App.Address.Host, App.Address.Port);
            await using var stream = socket.GetStream();
            var began = Stopwatch.GetTimestamp();
            await stream.WriteAsync(Encoding.ASCII.GetBytes(Post.Replace("signin", "signup", StringComparison.Ordinal) + $"Content-Length: 200\r\n\r\n{Credentials(says)}"));
            // It either ends there, and then nobody may be left to read an answer, or nothing more is heard of it.
            if (says) socket.Client.Shutdown(SocketShutdown.Send);
            return (await ReadAsync(stream), Stopwatch.GetElapsedTime(began));
        }

        /// <summary>Sends the beginning at once, and then a byte at a time until the server has had enough.</summary>
        private async Task<(string Answer, TimeSpan Took)> DripAsync(string beginning, TimeSpan pace)
        {
            using var socket = new TcpClient();
            await socket.ConnectAsync(App.Address.Host, App.Address.Port);
            await using var stream = socket.GetStream();
            var began = Stopwatch.GetTimestamp();
            await stream.WriteAsync(Encoding.ASCII.GetBytes(beginning));
            using var over = new CancellationTokenSource();
            var dripping = Task.Run(async () =>
            {
                try
                {
                    while (true)
                    {
                        await Task.Delay(pace, over.Token);
                        await stream.WriteAsync("x"u8.ToArray(), over.Token);
                    }
                }
                catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
                {
                    // The server has closed, or said what it had to.
                }
            });
            var answer = await ReadAsync(stream);
            var took = Stopwatch.GetElapsedTime(began);
            await over.CancelAsync();
            await dripping;
            return (answer, took);
        }

        private static async Task<string> ReadAsync(NetworkStream stream)
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
            var answer = new MemoryStream();
            try
            {
                await stream.CopyToAsync(answer, patience.Token);
            }
            catch (IOException)
            {
                // Reset: closed all the same.
            }

            return Encoding.Latin1.GetString(answer.ToArray());
        }
    }
}
