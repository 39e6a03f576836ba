using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Net;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace App.Shared;

/// <summary>The settings at the root of the configuration.</summary>
public sealed class HostSettings : IValidatableObject
{
    [Description("The addresses to listen on, with `;` between them.")]
    public string Urls { get; set; } = "http://localhost:5080";

    [Description("The public base URL, which is also the `iss` of every token: http(s), without a slash at its end. Required except in Development, where it is the first address listened on.")]
    public string? Issuer { get; set; }

    [Required(AllowEmptyStrings = false)]
    [Description("The folder for everything the process writes by itself; a relative one is under the current directory.")]
    public string DataDir { get; set; } = "data";

    internal string DataPath => Path.GetFullPath(DataDir);

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        foreach (var address in Urls.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (!IsAddress(address)) yield return new ValidationResult($"{address} is no address to listen on; give one such as http://localhost:5080 or https://*:5443", [nameof(Urls)]);
        }

        if (Issuer is null) yield break;
        if (!Uri.TryCreate(Issuer, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
            yield return new ValidationResult("isn't an absolute http or https URL; give one such as https://id.example.com", [nameof(Issuer)]);
        else if (uri.Query.Length > 0 || uri.Fragment.Length > 0 || uri.UserInfo.Length > 0 || Issuer.EndsWith('/') || Issuer.AsSpan().ContainsAny('?', '#'))
            yield return new ValidationResult("has a query, a fragment, a user or a slash at its end; give the bare base URL such as https://id.example.com", [nameof(Issuer)]);
    }

    private static bool IsAddress(string text)
    {
        try
        {
            var address = BindingAddress.Parse(text);
            return address is { PathBase: "", Port: >= 0 and <= 65535 } && address.Scheme.ToUpperInvariant() is "HTTP" or "HTTPS";
        }
        catch (FormatException)
        {
            return false;
        }
    }
}

/// <summary>Where the outside finds this service: what links, tokens and metadata are built on, never the request's <c>Host</c>.</summary>
public sealed class PublicUrl(HostSettings settings, IServer server, IHostApplicationLifetime lifetime)
{
    private string? known = settings.Issuer;
    private string? origin;

    /// <summary>The base URL without a slash at its end; unset, the first address listened on.</summary>
    public string Issuer => known ?? FirstAddress();

    /// <summary>Scheme, host and port as a browser writes them in <c>Origin</c> (RFC 6454 section 6.2).</summary>
    public string Origin => known is null ? OriginOf(Issuer) : origin ??= OriginOf(known);

    /// <summary>Where this very process is reached from its own machine, over plain http; null where it listens on no such address.</summary>
    public Uri? Listening => server.Features.Get<IServerAddressesFeature>()?.Addresses.Select(address => new Uri(Reachable(address))).FirstOrDefault(uri => uri.Scheme == Uri.UriSchemeHttp);

    private static string OriginOf(string url) => new Uri(url).GetLeftPart(UriPartial.Authority);

    // Before the server listens there are wishes, not addresses (port 0): those aren't kept.
    private string FirstAddress()
    {
        var address = server.Features.Get<IServerAddressesFeature>()?.Addresses.FirstOrDefault() is { } first ? Reachable(first) : "http://localhost";
        if (lifetime.ApplicationStarted.IsCancellationRequested) known = address;
        return address;
    }

    private static string Reachable(string address)
    {
        var binding = BindingAddress.Parse(address);
        if (binding.IsUnixPipe || binding.IsNamedPipe) return "http://localhost";
        var everywhere = binding.Host is "+" or "*" || (IPAddress.TryParse(binding.Host.Trim('[', ']'), out var ip) && (ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any)));
        return OriginOf($"{binding.Scheme}://{(everywhere ? "localhost" : binding.Host)}:{binding.Port}");
    }
}

/// <summary>What people read as the name of the product (section <c>Brand</c>).</summary>
public sealed class Brand
{
    [Required, MaxLength(40)]
    [Description("The name that people read on pages, in mails and in authenticator apps.")]
    public string Name { get; set; } = "Gatehouse";
}
