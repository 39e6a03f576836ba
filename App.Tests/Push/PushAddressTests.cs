using System.Net;
using System.Net.Sockets;
using App.Push;

namespace App.Tests.Push;

/// <summary>Which addresses and URLs we let ourselves be sent to; exhaustively, for it is a pure function.</summary>
public sealed class PushAddressTests
{
    [Theory] // 179 (SSRF-01)
    [InlineData("0.0.0.0"), InlineData("0.255.255.255"), InlineData("10.0.0.0"), InlineData("10.255.255.255"), InlineData("100.64.0.0"), InlineData("100.100.100.200"), InlineData("100.127.255.255")]
    [InlineData("127.0.0.1"), InlineData("127.255.255.255"), InlineData("169.254.0.1"), InlineData("169.254.169.254"), InlineData("172.16.0.0"), InlineData("172.31.255.255")]
    [InlineData("192.0.0.192"), InlineData("192.0.2.1"), InlineData("192.88.99.1"), InlineData("192.168.0.0"), InlineData("192.168.255.255"), InlineData("198.18.0.1"), InlineData("198.19.255.255")]
    [InlineData("198.51.100.7"), InlineData("203.0.113.7"), InlineData("224.0.0.1"), InlineData("239.255.255.255"), InlineData("240.0.0.1"), InlineData("255.255.255.255"), InlineData("168.63.129.16")]
    public void An_inner_IPv4_address_is_not_public_in_whatever_it_is_wrapped(string text)
    {
        var inner = IPAddress.Parse(text);
        Assert.False(PushAddress.IsPublic(inner));
        foreach (var wrapped in Wrapped(inner)) Assert.False(PushAddress.IsPublic(wrapped), wrapped.ToString());
    }

    [Theory]
    [InlineData("1.0.0.1"), InlineData("9.255.255.255"), InlineData("11.0.0.0"), InlineData("100.63.255.255"), InlineData("100.128.0.0"), InlineData("126.255.255.255"), InlineData("128.0.0.0")]
    [InlineData("169.253.255.255"), InlineData("169.255.0.0"), InlineData("172.15.255.255"), InlineData("172.32.0.0"), InlineData("192.0.1.0"), InlineData("192.167.255.255"), InlineData("192.169.0.0")]
    [InlineData("198.17.255.255"), InlineData("198.20.0.0"), InlineData("223.255.255.255"), InlineData("8.8.8.8"), InlineData("2606:4700::1"), InlineData("2000::1"), InlineData("2001:200::1"), InlineData("2a00::1")]
    [InlineData("64:ff9b::8.8.8.8"), InlineData("::ffff:8.8.8.8"), InlineData("2002:808:808::1")]
    public void What_lies_beside_them_is_public(string text) => Assert.True(PushAddress.IsPublic(IPAddress.Parse(text)));

    [Theory]
    [InlineData("::"), InlineData("::1"), InlineData("::7f00:1"), InlineData("::8.8.8.8"), InlineData("fe80::1"), InlineData("fe80::1%1"), InlineData("febf::1"), InlineData("fec0::1"), InlineData("fc00::1"), InlineData("fdff::1")]
    [InlineData("fd00:ec2::254"), InlineData("fd20:ce::254"), InlineData("ff02::1"), InlineData("ff0e::1"), InlineData("100::1"), InlineData("64:ff9b:1::1"), InlineData("2001::1"), InlineData("2001:2::1")]
    [InlineData("2001:20::1"), InlineData("2001:db8::1"), InlineData("3fff::1"), InlineData("5f00::1"), InlineData("4000::1")]
    public void An_inner_IPv6_address_is_not_public(string text) => Assert.False(PushAddress.IsPublic(IPAddress.Parse(text)));

    [Theory] // 179 (SSRF-01), 180 (SSRF-02), 183 (SSRF-05)
    [InlineData("https://127.0.0.1:9911/"), InlineData("https://localhost"), InlineData("https://LOCALHOST./x"), InlineData("https://a.localhost"), InlineData("https://169.254.169.254/latest/meta-data/"), InlineData("https://[::1]/")]
    [InlineData("https://10.0.0.1"), InlineData("https://metadata.google.internal"), InlineData("https://printer.local"), InlineData("https://intranet"), InlineData("https://router.home.arpa")]
    [InlineData("https://2130706433"), InlineData("https://0x7f.1"), InlineData("https://0177.0.0.1"), InlineData("https://127.1"), InlineData("https://0"), InlineData("https://0x7f000001"), InlineData("https://127.0.0.1./")]
    [InlineData("https://[::ffff:127.0.0.1]"), InlineData("https://[::ffff:7f00:1]"), InlineData("https://[fe80::1%25eth0]"), InlineData("https://[64:ff9b::7f00:1]"), InlineData("https://[2002:7f00:1::]")]
    [InlineData("http://example.com/"), InlineData("file:///etc/passwd"), InlineData("gopher://example.com"), InlineData("ftp://example.com"), InlineData("unix:/run/x"), InlineData("javascript:alert(1)"), InlineData("ws://example.com")]
    [InlineData("https://u:p@example.com"), InlineData("https://u@example.com"), InlineData("https://@example.com"), InlineData("https://example.com/#a"), InlineData("//example.com"), InlineData("/events"), InlineData(""), InlineData("https://")]
    [InlineData("https://ⓛocalhost"), InlineData("https://１２７.0.0.1"), InlineData("https://example.com/ x"), InlineData("https://example.com\r\nx: y"), InlineData("https:///example.com\t")]
    public void A_URL_that_leads_inside_or_is_no_https_address_is_refused(string url) => Assert.NotNull(PushAddress.FaultOf(url, allowPrivateNetworks: false));

    [Fact]
    public void Of_an_empty_one_nothing_is_said_but_that_it_is_missing() => Assert.Equal("Enter the receiver’s address.", PushAddress.FaultOf("", allowPrivateNetworks: false)!.Words);

    [Theory]
    [InlineData("https://orders.example.com/events?tenant=7"), InlineData("https://8.8.8.8:8443/"), InlineData("https://[2606:4700::1]/"), InlineData("https://xn--bcher-kva.example/"), InlineData("https://notlocalhost.example/")]
    public void A_receiver_on_the_internet_is_taken(string url) => Assert.Null(PushAddress.FaultOf(url, allowPrivateNetworks: false));

    [Theory]
    [InlineData("http://127.0.0.1:9911/", true), InlineData("http://orders/events", true), InlineData("https://10.0.0.1", true)]
    [InlineData("file:///etc/passwd", false), InlineData("http://u:p@orders/", false), InlineData("ftp://orders", false)]
    public void The_setting_opens_private_networks_and_nothing_else(string url, bool good) => Assert.Equal(good, PushAddress.FaultOf(url, allowPrivateNetworks: true) is null);

    [Theory] // 179: whatever a name resolves to, the address is judged that is dialled.
    [InlineData("localhost"), InlineData("127.0.0.1"), InlineData("::1"), InlineData("::ffff:127.0.0.1"), InlineData("0.0.0.0")]
    public async Task What_resolves_to_an_inner_address_is_not_dialled(string host)
    {
        using var listener = new TcpListener(IPAddress.IPv6Any, 0);
        listener.Server.DualMode = true;
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        await Assert.ThrowsAsync<PushForbiddenException>(async () => await PushAddress.DialAsync(new DnsEndPoint(host, port), false, CancellationToken.None));
        Assert.False(listener.Pending());
        await using var dialled = await PushAddress.DialAsync(new DnsEndPoint("127.0.0.1", port), true, CancellationToken.None);
        using var accepted = await listener.AcceptTcpClientAsync();
    }

    private static IEnumerable<IPAddress> Wrapped(IPAddress inner)
    {
        var v4 = inner.GetAddressBytes();
        yield return inner.MapToIPv6();
        yield return new IPAddress([0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, .. v4]);
        yield return new IPAddress([0x20, 0x02, .. v4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        yield return new IPAddress([0x20, 0x01, 0, 0, 8, 8, 8, 8, 0, 0, 0, 0, .. v4.Select(b => (byte)~b)]);
        yield return new IPAddress([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, .. v4]);
    }
}
