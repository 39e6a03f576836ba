using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Net.Sockets;
using App.Ui;

namespace App.Push;

public sealed class PushOptions
{
    [Description("Lets events be pushed to receivers in private networks, on this machine, and over plain http. Off, a receiver is on the internet and speaks https: nobody reaches your inner network through us.")]
    public bool AllowPrivateNetworks { get; set; }

    [Range(typeof(TimeSpan), "00:01:00", "01:00:00")]
    [Description("How long an event is tried at a receiver that doesn't take it, before it is set aside for an admin to see and send again.")]
    public TimeSpan GiveUpAfter { get; set; } = TimeSpan.FromHours(1);
}

/// <summary>
/// Which addresses we let ourselves be sent to. A URL is judged when it is saved; what counts is the address that is dialled, which is
/// judged after the name was resolved and then dialled itself, so that no second answer of a name server can come between.
/// </summary>
internal static class PushAddress
{
    public const int LongestUrl = 500;

    private const string Field = "url";

    // The special-purpose registries of IANA (RFC 6890), less what is meant for everybody; and one address of a cloud's own that looks public.
    private static readonly IPNetwork[] Inner4 =
    [
        .. new[]
        {
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
            "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32",
        }.Select(IPNetwork.Parse),
    ];

    // Within 2000::/3, which holds all that is public; 2001::/23 has Teredo in it, which wraps any IPv4 address.
    private static readonly IPNetwork[] Inner6 = [.. new[] { "2001::/23", "2001:db8::/32", "3fff::/20" }.Select(IPNetwork.Parse)];

    private static readonly IPNetwork Global6 = IPNetwork.Parse("2000::/3");
    private static readonly IPNetwork SixToFour = IPNetwork.Parse("2002::/16");
    private static readonly IPNetwork Nat64 = IPNetwork.Parse("64:ff9b::/96");

    // Names that no public name server answers for (RFC 6761, 6762, 8375, and ICANN's .internal).
    private static readonly string[] InnerNames = ["localhost", "local", "internal", "localdomain", "lan", "home.arpa"];

    /// <summary>True for what anybody on the internet could reach. An address that wraps an IPv4 one is what that one is.</summary>
    public static bool IsPublic(IPAddress address)
    {
        if (address.AddressFamily == AddressFamily.InterNetwork) return !Array.Exists(Inner4, n => n.Contains(address));
        if (address.IsIPv4MappedToIPv6) return IsPublic(address.MapToIPv4());
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);
        if (Nat64.Contains(address)) return IsPublic(new IPAddress(bytes[12..]));
        if (SixToFour.Contains(address)) return IsPublic(new IPAddress(bytes[2..6]));
        return Global6.Contains(address) && !Array.Exists(Inner6, n => n.Contains(address));
    }

    /// <summary>What is wrong with a receiver's URL; null where nothing is, as far as can be told without resolving its name.</summary>
    public static Fault? FaultOf(string text, bool allowPrivateNetworks)
    {
        if (text.Length > LongestUrl || text.Any(c => c is <= ' ' or > '~') || !Uri.TryCreate(text, UriKind.Absolute, out var url) || url.HostNameType is UriHostNameType.Unknown or UriHostNameType.Basic)
            return new($"A receiver's URL is absolute, of at most {LongestUrl} characters, with a host in ASCII", Field, () => text.Length == 0 ? Text.NoUrl : Sentence.With(Text.BadUrl, LongestUrl));
        if (url.Scheme != Uri.UriSchemeHttps && !(allowPrivateNetworks && url.Scheme == Uri.UriSchemeHttp)) return new("A receiver's URL begins with https://", Field, () => Text.NotHttps);
        if (url.UserInfo.Length > 0 || text.Contains('@', StringComparison.Ordinal)) return new("A receiver's URL holds no user and no password; give a secret instead", Field, () => Text.HasUser);
        if (url.Fragment.Length > 0) return new("A receiver's URL has no fragment", Field, () => Text.HasFragment);
        return allowPrivateNetworks || IsPublicHost(url) ? null : new("A receiver is on the internet, not in a private network or on this machine", Field, () => Text.IsPrivate);
    }

    /// <summary>Resolves the host of a connection and dials what may be dialled. Made for <see cref="SocketsHttpHandler.ConnectCallback"/>.</summary>
    /// <exception cref="HttpRequestException">None of its addresses may be.</exception>
    public static async ValueTask<Stream> DialAsync(DnsEndPoint to, bool allowPrivateNetworks, CancellationToken ct)
    {
        var addresses = IPAddress.TryParse(to.Host, out var address) ? [address] : await Dns.GetHostAddressesAsync(to.Host, ct);
        var allowed = allowPrivateNetworks ? addresses : Array.FindAll(addresses, IsPublic);
        if (allowed.Length == 0) throw new PushForbiddenException();
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(allowed, to.Port, ct);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static bool IsPublicHost(Uri url)
    {
        var host = url.IdnHost.TrimEnd('.');
        if (IPAddress.TryParse(host, out var address)) return IsPublic(address);
        return host.Contains('.', StringComparison.Ordinal) && !Array.Exists(InnerNames, n => host.Equals(n, StringComparison.OrdinalIgnoreCase) || host.EndsWith("." + n, StringComparison.OrdinalIgnoreCase));
    }
}

/// <summary>The receiver's name leads only to addresses that we aren't to be sent to.</summary>
internal sealed class PushForbiddenException() : HttpRequestException("The receiver's address is not public.");
