using App.Events;
using App.Sessions;
using App.Tokens;

namespace App.Gateway;

/// <summary>
/// What is passed on may outlive the token that it was opened with. It is cut when its session ends or its user's tokens are refused; and a
/// websocket or an event stream also one token's life after its own token has expired: whoever is still signed in opens it again.
/// </summary>
internal sealed class OpenStreams(SessionWatch watch, RevocationIndex revocations, TokenOptions options, TimeProvider time)
{
    // A service may say only with its first event that its answer is a stream.
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(30);

    /// <returns>Dispose when the request is over; null for a stranger's.</returns>
    public IDisposable? Watch(HttpContext http, CurrentUser? user)
    {
        if (user is null) return null;
        var watched = new Watched(http);
        watched.Holds(watch.Subscribe(user.Id, _ => Look(), isQuick: true));
        Look(); // after subscribing: what came between is not missed
        var left = DateTimeOffset.FromUnixTimeSeconds(user.ExpiresAt) + options.AccessTokenLifetime + TokenOptions.ClockSkew - time.GetUtcNow();
        watched.Holds(time.CreateTimer(_ => watched.Cut(IsStream), null, left > TimeSpan.Zero ? left : TimeSpan.Zero, Again));
        return watched;

        void Look()
        {
            if (revocations.IsRevoked(user)) watched.Cut(_ => true);
        }
    }

    // By what the service answered, not by what the client said it wanted. A long download ends by itself.
    private static bool IsStream(HttpContext http) =>
        http.Response.StatusCode == StatusCodes.Status101SwitchingProtocols || HttpMethods.IsConnect(http.Request.Method)
        || (http.Response.ContentType is { } type && (type.StartsWith("text/event-stream", StringComparison.OrdinalIgnoreCase) || type.StartsWith("application/grpc", StringComparison.OrdinalIgnoreCase) || type.Contains("ndjson", StringComparison.OrdinalIgnoreCase)));

    // A context is used again for the next request as soon as this one is over, and a callback may be under way just then.
    private sealed class Watched(HttpContext http) : IDisposable
    {
        private readonly Lock _turn = new();
        private readonly List<IDisposable> _held = [];
        private bool _over;

        public void Holds(IDisposable held) => _held.Add(held);

        public void Cut(Func<HttpContext, bool> which)
        {
            lock (_turn)
            {
                if (_over || !which(http)) return;
                _over = true;
                http.Abort();
            }
        }

        public void Dispose()
        {
            lock (_turn) _over = true;
            foreach (var held in _held) held.Dispose();
        }
    }
}
