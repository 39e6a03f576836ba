using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace App.Ops;

/// <summary>How the process ends (section <c>Shutdown</c>).</summary>
public sealed class ShutdownOptions
{
    [Range(typeof(TimeSpan), "00:00:00", "00:01:00")]
    [Description("How long a process that was told to stop (SIGTERM) goes on serving while `/health/ready` already answers 503, so that whatever is in front sends everybody elsewhere. Unset, 5 seconds, and none in Development.")]
    public TimeSpan? Drain { get; set; }
}

/// <summary>
/// What lies between SIGTERM and the closed listener: readiness says no, who asks is still served and told that their connection is over.
/// A proxy that keeps connections would otherwise send a request down one that is being closed, and may not repeat it where it changes something.
/// Streams end at once and resume elsewhere.
/// </summary>
internal sealed partial class Drain(ShutdownOptions options, IOptions<HostOptions> host, IHostEnvironment environment, IHostApplicationLifetime lifetime, ILogger<Drain> logger)
    : IHostedLifecycleService
{
    private static readonly TimeSpan Usual = TimeSpan.FromSeconds(5);
    private readonly CancellationToken _stopping = lifetime.ApplicationStopping;

    private TimeSpan Length => options.Drain ?? (environment.IsDevelopment() ? TimeSpan.Zero : Usual);

    /// <summary>Told to stop: what would last long is better begun elsewhere.</summary>
    public bool HasBegun => _stopping.IsCancellationRequested;

    /// <summary>Each answer from now on is the last one on its connection. HTTP/2 has a word of its own for it, which the server says when it stops.</summary>
    public Task EndConnection(HttpContext http, RequestDelegate next)
    {
        if (HasBegun && HttpProtocol.IsHttp11(http.Request.Protocol)) http.Response.OnStarting(Say, http.Response);
        return next(http);

        static Task Say(object state)
        {
            var response = (HttpResponse)state;
            if (response.StatusCode != StatusCodes.Status101SwitchingProtocols) response.Headers.Connection = "close";
            return Task.CompletedTask;
        }
    }

    /// <summary>Before anything is stopped.</summary>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        lifetime.StopApplication(); // already so after a signal
        // Where nobody could listen, nobody is served.
        if (Length == TimeSpan.Zero || !lifetime.ApplicationStarted.IsCancellationRequested) return;
        Begun(Length);
        await Task.Delay(Length, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        // The time for open requests comes after it. Not where options are configured: that is before anybody has looked whether the settings are good.
        host.Value.ShutdownTimeout += Length;
        return Task.CompletedTask;
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(2013, LogLevel.Information, "Told to stop: no longer ready, and closing in {Length}")]
    private partial void Begun(TimeSpan length);
}
