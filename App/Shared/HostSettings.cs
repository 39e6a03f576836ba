using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Net;
using System.Xml;
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
        else if (uri.Host != uri.IdnHost || !System.Text.Ascii.IsValid(Issuer))
            yield return new ValidationResult($"has letters that a header can't hold; write its host as {uri.IdnHost}, and the rest percent-encoded", [nameof(Issuer)]);
        else if (Issuer.Any(c => c is <= ' ' or '\\' or '\x7f'))
            yield return new ValidationResult("has white space or a backslash; give the bare base URL such as https://id.example.com", [nameof(Issuer)]);
        else if (uri.Query.Length > 0 || uri.Fragment.Length > 0 || uri.UserInfo.Length > 0 || Issuer.EndsWith('/') || Issuer.AsSpan().ContainsAny('?', '#'))
            yield return new ValidationResult("has a query, a fragment, a user or a slash at its end; give the bare base URL such as https://id.example.com", [nameof(Issuer)]);
    }

    private static bool IsAddress(string text)
    {
        try
        {
            var address = BindingAddress.Parse(text);
            // Kestrel makes two addresses of localhost, which would be given two ports; and pipes have names on Windows alone.
            if ((address.Port == 0 && address.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase)) || (address.IsNamedPipe && !OperatingSystem.IsWindows())) return false;
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

/// <summary>What people know the product by, on pages and in letters (section <c>Brand</c>).</summary>
public sealed class Brand : IValidatableObject
{
    private const string Colour = "^#[0-9a-fA-F]{6}$";

    // What the accent stands on, or what stands on it, in gatehouse.css: the ones nearest to it.
    private const string LightSurface = "#f2f1ec", DarkSurface = "#171b1a", DarkText = "#06231c";

    // WCAG 2.2, success criterion 1.4.3.
    private const double Enough = 4.5;

    private const int LargestLogo = 64 * 1024;

    /// <summary>Of this program, whatever it calls itself.</summary>
    internal static string Version { get; } = typeof(Brand).Assembly.GetName().Version?.ToString(2) ?? "";

    [Required, MaxLength(40)]
    [Description("The name that people read on pages, in mails and in authenticator apps.")]
    public string Name { get; set; } = "Gatehouse";

    [Description("A picture to show beside the name: the path of an SVG or PNG file of at most 64 KB.")]
    public string? Logo { get; set => field = string.IsNullOrWhiteSpace(value) ? null : value; }

    [Description("Where people find help, for a link at the foot of each page: an absolute http(s) URL.")]
    public string? HelpUrl { get; set => field = string.IsNullOrWhiteSpace(value) ? null : value; }

    [Description("The same for how their data is handled.")]
    public string? PrivacyUrl { get; set => field = string.IsNullOrWhiteSpace(value) ? null : value; }

    [RegularExpression(Colour)]
    [Description("The colour of buttons and links on light pages and in letters, such as `#1d6b57`: dark enough to be read and to be written on.")]
    public string? Accent { get; set => field = string.IsNullOrWhiteSpace(value) ? null : value; }

    [RegularExpression(Colour)]
    [Description("The same on dark pages, such as `#6fcfb3`: light enough. Goes with Brand:Accent.")]
    public string? AccentDark { get; set => field = string.IsNullOrWhiteSpace(value) ? null : value; }

    /// <summary>Null for what is neither of the two.</summary>
    internal static string? LogoType(byte[] file)
    {
        if (file.AsSpan().StartsWith((ReadOnlySpan<byte>)[0x89, (byte)'P', (byte)'N', (byte)'G', 0x0d, 0x0a, 0x1a, 0x0a])) return "image/png";
        try
        {
            using var reader = XmlReader.Create(new MemoryStream(file), new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore, XmlResolver = null });
            return reader.MoveToContent() == XmlNodeType.Element && reader.LocalName == "svg" ? "image/svg+xml" : null;
        }
        catch (XmlException)
        {
            return null;
        }
    }

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        foreach (var (url, member) in new[] { (HelpUrl, nameof(HelpUrl)), (PrivacyUrl, nameof(PrivacyUrl)) })
            if (url is not null && !(Uri.TryCreate(url, UriKind.Absolute, out var link) && link.Scheme is "http" or "https")) yield return new ValidationResult("isn't an absolute http or https URL", [member]);
        if (Accent is null != AccentDark is null)
            yield return new ValidationResult("isn't set, and the other accent is; give both, one for light pages and one for dark", [Accent is null ? nameof(Accent) : nameof(AccentDark)]);
        if (Accent is not null && Contrast(Accent, LightSurface) is < Enough and var light)
            yield return new ValidationResult(TooNear(light, "darker"), [nameof(Accent)]);
        if (AccentDark is not null && Math.Min(Contrast(AccentDark, DarkSurface), Contrast(AccentDark, DarkText)) is < Enough and var dark)
            yield return new ValidationResult(TooNear(dark, "lighter"), [nameof(AccentDark)]);
        if (Logo is null) yield break;
        if (new FileInfo(Logo) is not { Exists: true, Length: <= LargestLogo }) yield return new ValidationResult("isn't a file of at most 64 KB", [nameof(Logo)]);
        else if (Read(Logo) is not { } picture) yield return new ValidationResult("can't be read; give a file that this process may read", [nameof(Logo)]);
        else if (LogoType(picture) is null) yield return new ValidationResult("is neither an SVG nor a PNG", [nameof(Logo)]);
    }

    private static byte[]? Read(string file)
    {
        try
        {
            return File.ReadAllBytes(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string TooNear(double contrast, string cure) =>
        string.Create(CultureInfo.InvariantCulture, $"its contrast with what is around it is {contrast:0.0}, and {Enough} is needed to read it; give a {cure} one");

    // WCAG 2.2, "contrast ratio" and "relative luminance".
    private static double Contrast(string one, string other)
    {
        var (a, b) = (Luminance(one), Luminance(other));
        return (Math.Max(a, b) + 0.05) / (Math.Min(a, b) + 0.05);
    }

    private static double Luminance(string colour)
    {
        var bytes = Convert.FromHexString(colour.AsSpan(1));
        return (0.2126 * Linear(bytes[0])) + (0.7152 * Linear(bytes[1])) + (0.0722 * Linear(bytes[2]));

        static double Linear(byte value) => value / 255d is var c && c <= 0.04045 ? c / 12.92 : Math.Pow((c + 0.055) / 1.055, 2.4);
    }
}
