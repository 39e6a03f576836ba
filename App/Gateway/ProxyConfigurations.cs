using System.Buffers;
using System.Text;

namespace App.Gateway;

/// <summary>What a configuration is filled in with. Addresses are host and port, without a scheme.</summary>
/// <param name="Gatehouse">Where the proxy reaches us.</param>
/// <param name="Upstream">Where the proxy reaches the service.</param>
/// <param name="Listen">Where the proxy listens.</param>
/// <param name="Folder">Where the configuration and the files beside it are kept.</param>
internal sealed record ProxySettings(string Issuer, string Gatehouse, string Upstream, string Listen, string Folder, string Audience, string ClientId)
{
    /// <summary>The names of our cookies, which the service behind never gets (section <c>Cookies</c>).</summary>
    public string SessionCookie { get; init; } = "session";

    public string RefreshCookie { get; init; } = "session_refresh";

    public string DeviceCookie { get; init; } = "device";
}

/// <summary>One way to put a proxy in front of a service.</summary>
/// <param name="Files">Names of the files it takes, the configuration first.</param>
/// <param name="IsTested">Whether our own tests run these very files with the real proxy.</param>
/// <param name="Asks">Whether we are asked about each request, so that an ended session is over at once and cookies are renewed on the way.</param>
internal sealed record ProxyConfiguration(string Id, string Name, IReadOnlyList<string> Files, bool IsTested, bool Asks)
{
    /// <summary>Browsers get through by their cookies. Otherwise it takes bearer tokens that are bound to the service, and passes on no roles beside them.</summary>
    public bool TakesCookies { get; init; } = true;

    /// <summary>It calls us by https and nothing else.</summary>
    public bool NeedsHttps { get; init; }
}

/// <summary>The configurations of proxies, as they are shown, tested and to be copied: one source for all three.</summary>
internal static class ProxyConfigurations
{
    public static readonly IReadOnlyList<ProxyConfiguration> All =
    [
        new("nginx", "nginx, auth_request", ["nginx.conf"], IsTested: true, Asks: true),
        new("caddy", "Caddy, forward_auth", ["Caddyfile"], IsTested: true, Asks: true),
        new("haproxy", "HAProxy, sub-request by Lua", ["haproxy.cfg", "gatehouse.lua"], IsTested: true, Asks: true),
        new("haproxy-jwt", "HAProxy, jwt_verify", ["haproxy-jwt.cfg"], IsTested: true, Asks: false) { TakesCookies = false },
        new("apache-introspection", "Apache, mod_auth_openidc with introspection", ["apache-introspection.conf"], IsTested: true, Asks: true) { TakesCookies = false, NeedsHttps = true },
        new("apache-jwks", "Apache, mod_auth_openidc with our keys", ["apache-jwks.conf"], IsTested: true, Asks: false) { TakesCookies = false, NeedsHttps = true },
        new("traefik", "Traefik, ForwardAuth", ["traefik.yml"], IsTested: false, Asks: true),
        new("envoy", "Envoy, ext_authz", ["envoy.yaml"], IsTested: false, Asks: true),
    ];

    private static readonly SearchValues<char> Forbidden = SearchValues.Create(" \t\r\n\"'`;{}\\$#%");

    /// <exception cref="ArgumentException">A value holds a character that could end its place in some configuration and begin another directive.</exception>
    public static string Fill(string file, ProxySettings settings)
    {
        var text = new StringBuilder(Read(file));
        foreach (var (name, value) in new[]
        {
            ("issuer", settings.Issuer), ("gatehouse", settings.Gatehouse), ("upstream", settings.Upstream), ("listen", settings.Listen), ("folder", settings.Folder),
            ("audience", settings.Audience), ("audience_encoded", Uri.EscapeDataString(settings.Audience)), ("client_id", settings.ClientId),
            ("session_cookie", settings.SessionCookie), ("refresh_cookie", settings.RefreshCookie), ("device_cookie", settings.DeviceCookie),
            ("session_cookie_pattern", Pattern(settings.SessionCookie)), ("refresh_cookie_pattern", Pattern(settings.RefreshCookie)), ("device_cookie_pattern", Pattern(settings.DeviceCookie)),
        })
        {
            if (name is not ("audience_encoded" or "session_cookie_pattern" or "refresh_cookie_pattern" or "device_cookie_pattern") && !CanTake(value))
                throw new ArgumentException($"{name} holds a character that a configuration can't take.", nameof(settings));
            text.Replace("{" + name + "}", value);
        }

        return text.ToString();
    }

    /// <summary>Whether a value stays one value, wherever a configuration or a string literal holds it.</summary>
    public static bool CanTake(string value) => !value.AsSpan().ContainsAny(Forbidden) || IsPlaceholder(value);

    // What isn't known here stays a gap for the reader to fill: <host and port of Gatehouse>.
    private static bool IsPlaceholder(string value) => value is ['<', .. var inside, '>'] && inside.All(c => char.IsAsciiLetter(c) || c == ' ');

    // Of what a cookie's name may hold here, the dot alone means something else in a pattern.
    private static string Pattern(string name) => name.Replace(".", "\\.", StringComparison.Ordinal);

    private static string Read(string file)
    {
        using var stream = typeof(ProxyConfigurations).Assembly.GetManifestResourceStream("Proxies/" + file)
            ?? throw new InvalidOperationException($"{file} isn't embedded.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
