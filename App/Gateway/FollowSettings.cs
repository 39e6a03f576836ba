using System.Runtime.InteropServices;
using App.Ops;
using Microsoft.Extensions.FileProviders;
using Microsoft.Extensions.Primitives;

namespace App.Gateway;

/// <summary>Notices that a settings file has changed, or that somebody sent SIGHUP, and has the gateway's routes read anew.</summary>
internal sealed class FollowSettings(GatewayConfig gateway, IHostEnvironment environment) : BackgroundService
{
    /// <summary>Between looks, of which one in four seconds goes to the files.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private PosixSignalRegistration? _hangUp;

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        if (!OperatingSystem.IsWindows())
        {
            _hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
            {
                signal.Cancel = true; // or it would end the process
                _ = gateway.ReloadAsync();
            });
        }

        return base.StartAsync(cancellationToken);
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(Hosting.SettingsFolders(environment).Select(folder => FollowAsync(folder, stoppingToken)));

    // Looked at every few seconds: a mounted file is often a link that is turned around, which no watcher hears of. And from here, where a folder that
    // can't be read just now, as when too many files are open, is looked at again; the framework's own timer would end the process.
    private async Task FollowAsync(string folder, CancellationToken ct)
    {
        using var files = new PhysicalFileProvider(folder) { UsePollingFileWatcher = true };
        for (IChangeToken? last = null; ; await Task.Delay(Interval, ct))
        {
            try
            {
                if (last is { HasChanged: false }) continue;
                var next = files.Watch("appsettings*.json"); // from before they are read
                if (last is not null) await gateway.ReloadAsync();
                last = next;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // What is there is in force.
            }
        }
    }

    public override void Dispose()
    {
        _hangUp?.Dispose();
        base.Dispose();
    }
}
