using System.Diagnostics;
using App.Sessions;
using App.Strategies;
using App.Tokens;
using Gatehouse;

namespace App.Lab;

/// <summary>One of the services: where it is called, and its line to us.</summary>
internal sealed record Stand(Strategy Strategy, Uri Address, Line Line);

/// <summary>The lab's services. They start with the first experiment, so that a start without one costs nothing, and stop with the process.</summary>
internal sealed class LabBench(PublicUrl publicUrl, TokenOptions tokens, CookieNames cookies, LabOptions options, IHostApplicationLifetime lifetime) : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly List<IAsyncDisposable> _hosts = [];
    private readonly Line[] _lines = [new(), new(), new(), new()];
    private IReadOnlyList<Stand>? _stands;
    private KnowsTheKey? _key;
    private GatehouseVerifier? _verifier;

    /// <summary>Empty until the first experiment.</summary>
    public IReadOnlyList<Stand> Stands => _stands ?? [];

    /// <summary>What the third service's feed is allowed to age.</summary>
    public TimeSpan StaleAfter => options.StaleAfter;

    /// <summary>Returns when every service is ready to be called. One caller at a time.</summary>
    /// <exception cref="HttpRequestException">We can't be reached, or publish no key.</exception>
    public async Task OpenAsync((Credentials Asks, Credentials Checks) credentials, CancellationToken ct)
    {
        if (_stands is null) await StartAsync(credentials, ct);
        await _key!.FetchKeysAsync(ct);
        for (var begun = Stopwatch.GetTimestamp(); !_verifier!.Stats().Connected; await Task.Delay(20, ct))
            if (Stopwatch.GetElapsedTime(begun) > Patience) throw new HttpRequestException("The third service doesn't get the feed.");
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        foreach (var line in _lines) line.Dispose();
    }

    private async Task StartAsync((Credentials Asks, Credentials Checks) credentials, CancellationToken ct)
    {
        var url = publicUrl.Listening ?? throw new HttpRequestException("This process listens on no http address.");
        var us = new Neighbour(url, publicUrl.Issuer, tokens.Audience, cookies.Session);
        var (asking, gateway, checking, knowing) = (_lines[0], _lines[1], _lines[2], _lines[3]);
        try
        {
            var asks = await KeepAsync(AsksUs.StartAsync(asking, us, credentials.Asks, ct));
            var behind = await KeepAsync(BehindGateway.StartServiceAsync(ct));
            var front = await KeepAsync(BehindGateway.StartGatewayAsync(gateway, us, behind.Address, ct));
            var relay = await KeepAsync(ChecksItself.StartRelayAsync(checking, us, ct));
            var checks = await KeepAsync(ChecksItself.StartAsync(relay.Address, us, credentials.Checks, options.StaleAfter, ct));
            _key = new KnowsTheKey(knowing, us);
            var key = await KeepAsync(_key.StartAsync(ct));
            _verifier = checks.Services.GetRequiredService<GatehouseVerifier>();
            _stands =
            [
                new(Strategy.Asks, asks.Address, asking), new(Strategy.Gateway, front.Address, gateway),
                new(Strategy.Checks, checks.Address, checking), new(Strategy.KeyAlone, key.Address, knowing),
            ];
            // Before the server waits for its connections to end, of which the relay's are some.
            lifetime.ApplicationStopping.Register(() => _ = StopAsync());
        }
        catch
        {
            await StopAsync();
            throw;
        }
    }

    private async Task<LoopbackHost> KeepAsync(Task<LoopbackHost> starting)
    {
        var host = await starting;
        lock (_hosts) _hosts.Add(host);
        return host;
    }

    private async Task StopAsync()
    {
        List<IAsyncDisposable> running;
        lock (_hosts)
        {
            running = [.. _hosts];
            _hosts.Clear();
        }

        foreach (var host in running) await host.DisposeAsync();
        _key?.Dispose();
    }
}
