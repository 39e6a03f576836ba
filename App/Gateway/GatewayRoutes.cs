using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Text.RegularExpressions;

namespace App.Gateway;

/// <summary>One service behind the built-in gateway: which requests are its, who may make them, and where they go.</summary>
public sealed partial class GatewayRoute : IValidatableObject
{
    /// <summary>The path that it and all below it is matched by, in any case; <c>/</c> takes everything of its host.</summary>
    public string Path { get; set; } = "/";

    /// <summary>The host that it is for, on which nothing of ours is found then; null for every host, where no route of that host takes the path.</summary>
    public string? Host { get; set; }

    /// <summary>Where it goes: base addresses, http or https. Several share the load.</summary>
    public string[] Destinations { get; set; } = [];

    /// <summary>Strangers may pass; whoever is signed in passes as themselves.</summary>
    public bool Public { get; set; }

    /// <summary>The role that a caller needs.</summary>
    public string? Role { get; set; }

    /// <summary>The registered service, by its audience or id, that the token handed on is bound to. Null hands on the token that every service takes.</summary>
    public string? Audience { get; set; }

    /// <summary>Also hands on <c>X-Auth-User</c>, <c>-Email</c>, <c>-Roles</c> and <c>-Session</c>.</summary>
    public bool IdentityHeaders { get; set; }

    /// <summary>The service doesn't know its own prefix: it is taken off.</summary>
    public bool StripPath { get; set; }

    /// <summary>How long may pass without a byte in either direction.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(100);

    /// <summary>How often a GET, HEAD or OPTIONS that got no answer is tried again, elsewhere if there is an elsewhere. Nothing else ever is. Who can't be reached within five seconds isn't there.</summary>
    [Range(0, 5)]
    public int Retries { get; set; } = 1;

    /// <summary>Asked every ten seconds, where set; a destination that doesn't answer 2xx gets no requests until it does.</summary>
    public string? HealthPath { get; set; }

    [Range(1, 10_000)]
    public int MaxBodyMegabytes { get; set; } = 30;

    /// <summary>What tells it from the others.</summary>
    internal string Id => $"{Host?.ToLowerInvariant()}{Path.TrimEnd('/').ToLowerInvariant()}/";

    // What is ours, nobody else can have; on a host of its own a service may have any path.
    private static readonly string[] Ours = [.. Ops.ApiPaths.All, "/account", "/admin", "/services", "/lab", "/tools", "/dev", "/ui", "/docs", "/error", "/_blazor", "/_framework"];

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (!PathForm().IsMatch(Path) || Path.Split('/').Any(s => s is "." or "..")) yield return new($"\"{Path}\" isn't a path; give / or segments of letters, digits, hyphen, dot, underscore and tilde, such as /orders", [nameof(Path)]);
        else if (Host is null && Path == "/") yield return new("takes everything, our own pages included; give a path, or a host of its own", [nameof(Path)]);
        else if (Host is null && Ours.Contains("/" + Path.Split('/')[1], StringComparer.OrdinalIgnoreCase)) yield return new($"\"{Path}\" is one of our own; give another, or a host of its own", [nameof(Path)]);
        if (Host is not null && Uri.CheckHostName(Host) is not (UriHostNameType.Dns or UriHostNameType.IPv4)) yield return new($"\"{Host}\" isn't a host name; leave scheme and port away", [nameof(Host)]);
        else if (Host?.Contains("xn--", StringComparison.OrdinalIgnoreCase) == true) yield return new($"\"{Host}\" is in Punycode; write it in its own letters", [nameof(Host)]);
        if (Destinations.Length == 0) yield return new("is empty; give the address of the service, such as http://orders:8080", [nameof(Destinations)]);
        foreach (var destination in Destinations)
            if (!Uri.TryCreate(destination, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https") || uri.UserInfo.Length > 0 || uri.Query.Length > 0 || uri.Fragment.Length > 0)
                yield return new($"has \"{destination}\", which isn't an http address without user, query and fragment, such as http://orders:8080", [nameof(Destinations)]);
        if (Public && Role is not null) yield return new("is set for a public route; a stranger has no role", [nameof(Role)]);
        if (HealthPath is not null && !HealthPath.StartsWith('/')) yield return new($"\"{HealthPath}\" isn't a path; begin it with /", [nameof(HealthPath)]);
    }

    [GeneratedRegex(@"\A(/|(/[A-Za-z0-9._~-]+)+/?)\z")]
    private static partial Regex PathForm();
}

[Description("The services behind the built-in gateway, each `{Path, Host, Destinations, Public, Role, Audience, IdentityHeaders, StripPath, Timeout, Retries, HealthPath, MaxBodyMegabytes}`. Read anew when a settings file changes, or at SIGHUP; a faulty list is refused whole, and the one before stays.")]
public sealed class GatewayRoutes : List<GatewayRoute>
{
    internal IEnumerable<string> Faults(PublicUrl publicUrl)
    {
        foreach (var twice in this.GroupBy(r => r.Id).Where(g => g.Count() > 1)) yield return $"Gateway:Routes names {twice.Key} {twice.Count()} times. Give each route a host or path of its own.";
        var own = new Uri(publicUrl.Origin).Host;
        foreach (var route in this.Where(r => r.Host?.Equals(own, StringComparison.OrdinalIgnoreCase) == true)) yield return $"Gateway:Routes gives {route.Host} away, where people sign in. Leave Host away and give a path.";
    }
}
