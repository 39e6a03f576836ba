using System.Collections.Concurrent;
using System.Diagnostics;

namespace App.Strategies;

/// <summary>What of the way to us is cut.</summary>
internal enum Cut { Nothing, Feed, Everything }

/// <summary>
/// A service's way to us. What it asks of us is counted here, where it leaves; and here it can be cut, as if we were away.
/// The service knows of neither.
/// </summary>
internal sealed class Line : IDisposable
{
    private readonly ConcurrentDictionary<string, int> _requests = new(StringComparer.Ordinal);
    private CancellationTokenSource _torn = new();
    private volatile Cut _cut;

    /// <summary>How often each was asked so far, by method and path.</summary>
    public IReadOnlyDictionary<string, int> Requests => new SortedDictionary<string, int>(_requests, StringComparer.Ordinal);

    /// <summary>Ends when what is under way is torn off.</summary>
    public CancellationToken Torn => Volatile.Read(ref _torn).Token;

    /// <summary>What every request takes longer, as it would over a network.</summary>
    public TimeSpan Distance { get; set; }

    public void Set(Cut cut)
    {
        _cut = cut;
        if (cut == Cut.Nothing) return;
        // Not disposed of: somebody may be about to take its token.
        Interlocked.Exchange(ref _torn, new CancellationTokenSource()).Cancel();
    }

    /// <summary>An end of the line for a client of the service's own: straight to us, without proxies, cookies or redirects.</summary>
    public HttpMessageHandler NewEnd() => new End(this);

    public void Dispose() => _torn.Dispose();

    private sealed class End(Line line) : DelegatingHandler(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = false, ActivityHeadersPropagator = null })
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var path = request.RequestUri!.AbsolutePath;
            if (line._cut == Cut.Everything || (line._cut == Cut.Feed && path == "/events")) throw Away();
            line._requests.AddOrUpdate($"{request.Method} {path}", 1, (_, count) => count + 1);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, line.Torn);
            try
            {
                Travel(line.Distance);
                return await base.SendAsync(request, either.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw Away();
            }
        }

        // Turned away rather than slept: a timer may be four times as coarse as the way is long.
        private static void Travel(TimeSpan distance)
        {
            var begun = Stopwatch.GetTimestamp();
            for (var wait = new SpinWait(); distance > Stopwatch.GetElapsedTime(begun);) wait.SpinOnce(sleep1Threshold: -1);
        }

        private static HttpRequestException Away() => new(HttpRequestError.ConnectionError, "Connection refused.");
    }
}
