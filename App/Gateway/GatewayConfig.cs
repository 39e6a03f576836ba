using System.Collections.Frozen;
using App.Ops;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Forwarder;

namespace App.Gateway;

/// <summary>
/// The setting <c>Gateway:Routes</c> as the proxy takes it, read anew from the same sources as at the start whenever somebody asks.
/// A list with a fault in it is refused whole: half a configuration could open what the other half was to close.
/// </summary>
internal sealed partial class GatewayConfig(IConfiguration configuration, PublicUrl publicUrl, IServiceProvider services, ILogger<GatewayConfig> logger) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1);
    private volatile FrozenSet<string> _hosts = [];

    /// <summary>What the proxy goes by.</summary>
    public InMemoryConfigProvider Provider { get; } = new([], []);

    public abstract record Outcome
    {
        public sealed record Taken(int Routes) : Outcome;
        public sealed record Refused(IReadOnlyList<string> Faults) : Outcome;
    }

    /// <summary>Those of the start, which were checked with all other settings.</summary>
    public void Begin(GatewayRoutes routes)
    {
        _hosts = routes.Select(route => route.Host).OfType<string>().ToFrozenSet(StringComparer.OrdinalIgnoreCase);
        Provider.Update([.. routes.Select(RouteOf)], [.. routes.Select(ClusterOf)]);
    }

    /// <summary>Whether it is a service's own.</summary>
    public bool IsGivenAway(string host) => _hosts.Contains(host);

    public bool GivesHostsAway => _hosts.Count > 0;

    /// <summary>Requests under way end by the routes that they began with.</summary>
    public async Task<Outcome> ReloadAsync()
    {
        await _turn.WaitAsync();
        try
        {
            var (routes, faults) = Read();
            // What the proxy would refuse by itself, it would refuse in silence.
            if (faults.Count == 0) faults = await JudgeAsync(routes);
            if (faults.Count > 0)
            {
                foreach (var fault in faults) Refused(fault);
                return new Outcome.Refused(faults);
            }

            Begin(routes);
            Taken(routes.Count);
            return new Outcome.Taken(routes.Count);
        }
        catch (Exception e)
        {
            // Nobody waits for it: what is wrong with a list in a way that no rule knows must be said here, or it is neither taken nor refused.
            Refused(e.Message);
            return new Outcome.Refused([e.Message]);
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose() => _turn.Dispose();

    private async Task<IReadOnlyList<string>> JudgeAsync(GatewayRoutes routes)
    {
        var validator = services.GetRequiredService<IConfigValidator>();
        List<string> faults = [];
        foreach (var route in routes)
        {
            var found = (await validator.ValidateRouteAsync(RouteOf(route))).Concat(await validator.ValidateClusterAsync(ClusterOf(route)));
            faults.AddRange(found.Select(e => $"Gateway:Routes: {route.Id}: {e.Message}"));
        }

        return faults;
    }

    private (GatewayRoutes Routes, IReadOnlyList<string> Faults) Read()
    {
        try
        {
            // Built beside the one that everything else was read from: that one stays what it was at the start.
            var sources = ((IConfigurationBuilder)configuration).Sources;
            var builder = new ConfigurationBuilder();
            using var now = new ConfigurationRoot([.. sources.Select(source => source.Build(builder))]);
            var (routes, faults) = SettingsCheck.Read<GatewayRoutes>(now, GatewayModule.RoutesSection);
            return (routes, [.. faults, .. routes.Faults(publicUrl)]);
        }
        catch (Exception e) when (e is InvalidDataException or FormatException or IOException or UnauthorizedAccessException)
        {
            return ([], [e.InnerException is null ? e.Message : $"{e.Message} {e.InnerException.Message}"]);
        }
    }

    private static RouteConfig RouteOf(GatewayRoute route)
    {
        var path = route.Path.TrimEnd('/');
        return new RouteConfig
        {
            RouteId = route.Id,
            ClusterId = route.Id,
            // Where all of a host is a service's, it comes before our own pages; elsewhere these come first.
            Order = route.Host is null ? 0 : -1,
            Match = new RouteMatch { Path = path + "/{**rest}", Hosts = route.Host is null ? null : [route.Host] },
            Transforms = route.StripPath && path.Length > 0 ? [new Dictionary<string, string> { ["PathRemovePrefix"] = path }] : null,
            Metadata = Gate.Write(route),
        };
    }

    private static ClusterConfig ClusterOf(GatewayRoute route) => new()
    {
        ClusterId = route.Id,
        Destinations = route.Destinations.Distinct(StringComparer.OrdinalIgnoreCase).ToDictionary(d => d, d => new DestinationConfig { Address = d }, StringComparer.OrdinalIgnoreCase),
        LoadBalancingPolicy = "PowerOfTwoChoices",
        // As they came: Kestrel has read them as UTF-8, and a cookie of one service counts for all of its host.
        HttpClient = new HttpClientConfig { RequestHeaderEncoding = "utf-8" },
        HttpRequest = new ForwarderRequestConfig { ActivityTimeout = route.Timeout },
        HealthCheck = route.HealthPath is null ? null : new HealthCheckConfig
        {
            // With nobody healthy left, trying is better than refusing.
            AvailableDestinationsPolicy = "HealthyOrPanic",
            Active = new ActiveHealthCheckConfig { Enabled = true, Path = route.HealthPath, Interval = TimeSpan.FromSeconds(10), Timeout = TimeSpan.FromSeconds(5), Policy = "ConsecutiveFailures" },
        },
    };

    [LoggerMessage(9101, LogLevel.Information, "The gateway has {Routes} routes from now on")]
    private partial void Taken(int routes);

    [LoggerMessage(9102, LogLevel.Error, "The gateway's new routes are refused, the old ones stay: {Fault}")]
    private partial void Refused(string fault);
}
