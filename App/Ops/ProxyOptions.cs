using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Net;
using Microsoft.AspNetCore.HttpOverrides;

namespace App.Ops;

/// <summary>What stands in front of the service (section <c>Proxy</c>).</summary>
public sealed class ProxyOptions : IValidatableObject
{
    [Description("A proxy in front ends TLS: every request counts as https, so cookies are `Secure`. Say so only where nothing but that proxy can reach the port.")]
    public bool TerminatesTls { get; set; }

    [Description("Proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are believed: addresses or networks such as `10.0.0.0/8`. From anybody else they are ignored.")]
    public string[] TrustedNetworks { get; set; } = [];

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext) => TrustedNetworks
        .Where(n => Network(n) is null)
        .Select(n => new ValidationResult($"has \"{n}\", which is neither an address nor a network; give one such as 10.0.0.7 or 10.0.0.0/8", [nameof(TrustedNetworks)]));

    internal static System.Net.IPNetwork? Network(string text) =>
        System.Net.IPNetwork.TryParse(text, out var network) ? network
        : IPAddress.TryParse(text, out var address) ? new System.Net.IPNetwork(address, address.GetAddressBytes().Length * 8)
        : null;
}

/// <summary>The feature of a request that came straight from a proxy that is believed.</summary>
internal sealed class TrustedPeer
{
    public static readonly TrustedPeer Instance = new();
}

/// <summary>Makes scheme, host and address of a request those that the client used, as far as the proxy may be believed.</summary>
internal static class Proxy
{
    public static IApplicationBuilder UseProxy(this IApplicationBuilder app)
    {
        var options = app.ApplicationServices.GetRequiredService<ProxyOptions>();

        // The framework takes two empty lists for "believe everybody", so without a proxy it isn't asked at all.
        if (options.TrustedNetworks.Length > 0)
        {
            var forwarded = new ForwardedHeadersOptions
            {
                ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto | ForwardedHeaders.XForwardedHost,
                ForwardLimit = null,
            };
            forwarded.KnownProxies.Clear();
            forwarded.KnownIPNetworks.Clear();
            System.Net.IPNetwork[] networks = [.. options.TrustedNetworks.Select(network => ProxyOptions.Network(network)!.Value)];
            foreach (var network in networks) forwarded.KnownIPNetworks.Add(network);
            // Before the address becomes the client's.
            app.Use((http, next) =>
            {
                if (IsOf(networks, http.Connection.RemoteIpAddress)) http.Features.Set(TrustedPeer.Instance);
                return next(http);
            });
            app.UseForwardedHeaders(forwarded);
        }

        if (!options.TerminatesTls) return app;
        return app.Use(static (http, next) =>
        {
            http.Request.Scheme = Uri.UriSchemeHttps;
            return next(http);
        });
    }

    private static bool IsOf(System.Net.IPNetwork[] networks, IPAddress? peer)
    {
        if (peer is null) return false;
        if (peer.IsIPv4MappedToIPv6) peer = peer.MapToIPv4();
        foreach (var network in networks)
            if (network.Contains(peer)) return true;
        return false;
    }

    /// <summary>Wherever it isn't Development, cookies and passwords keep off plain http, and the service knows its own name.</summary>
    public static IEnumerable<string> Faults(IServiceProvider services)
    {
        if (services.GetRequiredService<IHostEnvironment>().IsDevelopment()) yield break;
        var host = services.GetRequiredService<HostSettings>();
        var configuration = services.GetRequiredService<IConfiguration>();

        if (host.Issuer is null)
            yield return "Issuer isn't set, and only Development guesses it. Give the public base URL such as https://id.example.com.";
        else if (Uri.TryCreate(host.Issuer, UriKind.Absolute, out var issuer) && issuer.Scheme == Uri.UriSchemeHttp && !issuer.IsLoopback)
            yield return $"Issuer is \"{host.Issuer}\": only Development is reached over http. Give the https URL that people use.";

        // Kestrel's own endpoints, where there are any, take the place of Urls; where there is neither, it listens on an http address of its own.
        var own = configuration.GetSection("Kestrel:Endpoints").GetChildren().Select(e => e["Url"] ?? "").ToList();
        var endpoints = own.Count > 0 ? own : [.. host.Urls.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)];
        if (!services.GetRequiredService<ProxyOptions>().TerminatesTls && (endpoints.Count == 0 || !endpoints.All(e => e.Trim().StartsWith("https:", StringComparison.OrdinalIgnoreCase))))
            yield return $"Proxy:TerminatesTls is false and Urls is \"{host.Urls}\": plain http, which is for Development alone. Set Proxy:TerminatesTls=true behind a proxy that ends TLS, or give an https address with a certificate (Kestrel:Endpoints).";
    }
}
