using System.Text.RegularExpressions;
using App.Gateway;

namespace App.Tests.Gateway;

/// <summary>That they do what they say, App.E2E shows with the real proxies.</summary>
public sealed partial class ProxyConfigurationsTests
{
    private static readonly ProxySettings Settings = new(
        "https://id.example.com", "10.0.0.2:5080", "10.0.0.3:8080", "0.0.0.0:80", "/etc/proxy", "https://orders.example.com/a", "orders");

    public static TheoryData<string> Files => [.. ProxyConfigurations.All.SelectMany(c => c.Files)];

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_gap_is_filled(string file)
    {
        var text = ProxyConfigurations.Fill(file, Settings);
        Assert.DoesNotMatch(Gap(), text);
        Assert.DoesNotContain("{listen}", text, StringComparison.Ordinal);
        if (text.Contains("?audience=", StringComparison.Ordinal)) Assert.Contains("?audience=https%3A%2F%2Forders.example.com%2Fa", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_file_in_the_folder_belongs_to_one()
    {
        var known = ProxyConfigurations.All.SelectMany(c => c.Files).Order(StringComparer.Ordinal);
        Assert.Equal(known, Directory.GetFiles(Repository.PathOf("App/Gateway/Proxies")).Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void What_is_not_tested_says_so(string file)
    {
        var tested = ProxyConfigurations.All.Single(c => c.Files.Contains(file)).IsTested;
        Assert.Equal(!tested, ProxyConfigurations.Fill(file, Settings).Contains("Not run by our tests.", StringComparison.Ordinal));
    }

    [Fact] // That nginx does, ProxyAttackTests show.
    public void Traefik_passes_on_nothing_that_other_proxies_say_of_a_caller()
    {
        var text = ProxyConfigurations.Fill("traefik.yml", Settings);
        foreach (var name in new[] { "User", "Email", "Roles", "Session", "Request-User", "Request-Email", "Request-Groups", "Request-Preferred-Username", "Request-Access-Token", "Username", "Name", "Groups", "Token" })
        {
            var header = $"X-Auth-{name}: \"\"";
            Assert.Contains(header, text, StringComparison.Ordinal);
            Assert.Contains(header.Replace('-', '_'), text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("a;b"), InlineData("a b"), InlineData("a\nb"), InlineData("a}b"), InlineData("a\"b"), InlineData("<a;b>")]
    public void No_value_can_become_a_directive(string value) =>
        Assert.Throws<ArgumentException>(() => ProxyConfigurations.Fill("haproxy-jwt.cfg", Settings with { Audience = value }));

    [GeneratedRegex(@"\{(issuer|gatehouse|upstream|folder|audience|audience_encoded|client_id|(session|refresh|device)_cookie(_pattern)?)\}")]
    private static partial Regex Gap();
}
