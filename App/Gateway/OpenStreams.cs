using App.Sessions;
using App.Tokens;
using Microsoft.AspNetCore.Http.Features;

namespace App.Gateway;

/// <summary>
/// A websocket or an event stream may outlive the token that it was opened with. It is cut when its session ends, and one token's life
/// after its own token has expired: whoever is still signed in opens it again.
/// </summary>
internal sealed class OpenStreams(SessionWatch watch, TokenOptions options, TimeProvider time)
{
    /// <returns>Dispose when the request is over; null for a request that is over soon by itself.</returns>
    public IDisposable? Watch(HttpContext http, CurrentUser? user)
    {
        if (user is null || !IsStream(http)) return null;
        var subscription = watch.Subscribe(user.Id, _ =>
        {
            if (watch.IsEnded(user)) http.Abort();
        });
        // Asked after subscribing: what came between is not missed.
        if (watch.IsEnded(user)) http.Abort();
        var left = DateTimeOffset.FromUnixTimeSeconds(user.ExpiresAt) + options.AccessTokenLifetime + TokenOptions.ClockSkew - time.GetUtcNow();
        var timer = time.CreateTimer(_ => http.Abort(), null, left > TimeSpan.Zero ? left : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        return new Watched(subscription, timer);
    }

    private static bool IsStream(HttpContext http) =>
        http.Features.Get<IHttpUpgradeFeature>()?.IsUpgradableRequest == true || http.Features.Get<IHttpExtendedConnectFeature>()?.IsExtendedConnect == true
        || http.Request.Headers.Accept.ToString().Contains("text/event-stream", StringComparison.OrdinalIgnoreCase);

    private sealed class Watched(IDisposable subscription, ITimer timer) : IDisposable
    {
        public void Dispose()
        {
            subscription.Dispose();
            timer.Dispose();
        }
    }
}
