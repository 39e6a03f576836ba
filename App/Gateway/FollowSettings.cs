using System.Runtime.InteropServices;
using App.Ops;
using Microsoft.Extensions.FileProviders;
using Microsoft.Extensions.Primitives;

namespace App.Gateway;

/// <summary>Notices that a settings file has changed, or that somebody sent SIGHUP, and has the gateway's routes read anew.</summary>
internal sealed class FollowSettings(GatewayConfig gateway, IHostEnvironment environment) : IHostedService, IDisposable
{
    private readonly List<IDisposable> _held = [];

    public Task StartAsync(CancellationToken cancellationToken)
    {
        // Looked at every few seconds: a mounted file is often a link that is turned around, which no watcher hears of.
        foreach (var folder in Hosting.SettingsFolders(environment))
        {
            var files = new PhysicalFileProvider(folder) { UsePollingFileWatcher = true, UseActivePolling = true };
            _held.Add(files);
            _held.Add(ChangeToken.OnChange(() => files.Watch("appsettings*.json"), () => _ = gateway.ReloadAsync()));
        }

        if (!OperatingSystem.IsWindows())
        {
            _held.Add(PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
            {
                signal.Cancel = true; // or it would end the process
                _ = gateway.ReloadAsync();
            }));
        }

        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _held.ForEach(held => held.Dispose());
}
