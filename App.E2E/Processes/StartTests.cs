using App.E2E.Harness;

namespace App.E2E.Processes;

/// <summary>A wrong setting stops the start at once, with a line for each fault that names the setting.</summary>
[Collection("Start")]
public sealed class StartTests
{
    private static readonly (string, string) Development = ("ASPNETCORE_ENVIRONMENT", "Development");
    private static readonly (string, string) Production = ("ASPNETCORE_ENVIRONMENT", "Production");
    private static readonly (string, string) MasterKey = ("Keys__MasterKey", Convert.ToBase64String(System.Security.Cryptography.RandomNumberGenerator.GetBytes(32)));
    private static readonly (string, string) Https = ("Issuer", "https://id.example.test");
    private static readonly (string, string) Proxy = ("Proxy__TerminatesTls", "true");

    [Fact]
    public async Task Production_without_a_master_key_doesnt_start() =>
        await RefusesAsync(["Keys:MasterKey"], Production, Https, Proxy);

    [Fact]
    public async Task Production_with_a_short_shared_secret_doesnt_start_and_doesnt_print_it() =>
        await RefusesAsync(["Tokens:SharedSecret"], Production, Https, Proxy, MasterKey, ("Tokens__SharedSecret", "eleven-char"));

    [Fact]
    public async Task Production_on_plain_http_doesnt_start_until_told_that_a_proxy_ends_TLS() =>
        await RefusesAsync(["Proxy:TerminatesTls"], Production, Https, MasterKey);

    [Fact]
    public async Task A_lifetime_that_is_no_time_doesnt_start() =>
        await RefusesAsync(["Tokens:AccessTokenLifetime"], Development, ("Tokens__AccessTokenLifetime", "banana"));

    [Fact]
    public async Task Two_faults_are_said_at_once_in_two_lines() =>
        await RefusesAsync(["Keys:MasterKey", "Tokens:AccessTokenLifetime"], Production, Https, Proxy, ("Tokens__AccessTokenLifetime", "banana"));

    private static async Task RefusesAsync(string[] named, params (string Key, string Value)[] settings)
    {
        var folder = TestRun.NewFolder("data");
        var start = await Service.CommandAsync(["--urls", $"http://127.0.0.1:{TestRun.FreePort()}"], [.. settings, ("DataDir", folder)]);
        var (exit, output) = await Tool.TryRunAsync(start, TimeSpan.FromSeconds(5));

        Assert.NotEqual(0, exit);
        var lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        foreach (var setting in named) Assert.Single(lines, line => line.Contains(setting, StringComparison.Ordinal));
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
        Assert.DoesNotContain("Unhandled exception", output, StringComparison.Ordinal);
        Assert.DoesNotContain("eleven-char", output, StringComparison.Ordinal);
        Assert.InRange(lines.Length, named.Length, named.Length + 2);
    }
}
