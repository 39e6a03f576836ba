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
    public async Task Production_on_plain_http_doesnt_start_until_told_that_a_proxy_ends_TLS() =>
        await RefusesAsync(["Proxy:TerminatesTls"], Production, Https, MasterKey);

    [Fact] // and a secret that is too short isn't printed
    public async Task All_faults_are_said_at_once_in_a_line_each() =>
        await RefusesAsync(["Tokens:SharedSecret", "Tokens:AccessTokenLifetime", ": banana is no address", ": ftp://127.0.0.1:2121 is no address", ": http://127.0.0.1:99999 is no address"], Production, Https, Proxy, MasterKey,
            ("Tokens__SharedSecret", "eleven-char"), ("Tokens__AccessTokenLifetime", "soon"), ("Urls", "banana;ftp://127.0.0.1:2121;http://127.0.0.1:99999"));

    [Fact] // whoever mistypes the name of an environment isn't in Development
    public async Task Only_Development_may_be_lax() =>
        await RefusesAsync(["Keys:MasterKey", "Issuer", "Proxy:TerminatesTls"], ("ASPNETCORE_ENVIRONMENT", "development2"));

    [Fact] // 192.0.2.0/24 is nobody's (RFC 5737)
    public async Task An_address_of_another_machine_doesnt_start() => await RefusesAsync(["Urls"], Found.ByListening, Development, ("Urls", "http://192.0.2.1:5080"));

    [Fact]
    public async Task Https_without_a_certificate_doesnt_start() => // in a home without the developer's certificate
        await RefusesAsync(["Kestrel:Certificates"], Found.ByListening, Development, ("HOME", TestRun.NewFolder("home")), ("Urls", $"https://127.0.0.1:{TestRun.FreePort()}"));

    [Fact]
    public async Task A_certificate_that_is_none_doesnt_start() =>
        await RefusesAsync(["Kestrel: a certificate"], Found.ByListening, Development, ("Urls", ""), ("Kestrel__Endpoints__Https__Url", $"https://127.0.0.1:{TestRun.FreePort()}"),
            ("Kestrel__Endpoints__Https__Certificate__Path", "/nowhere/cert.pfx"));

    [Fact]
    public async Task A_data_folder_that_cant_be_made_doesnt_start() => await RefusesAsync(["DataDir"], Development, ("DataDir", "/proc/x"));

    [Fact]
    public async Task A_master_key_that_cant_be_read_doesnt_start()
    {
        var folder = TestRun.NewFolder("data");
        Directory.CreateDirectory(Path.Combine(folder, "master.key"));
        await RefusesAsync(["DataDir"], Development, ("DataDir", folder));
    }

    [Fact]
    public async Task A_database_that_is_none_doesnt_start()
    {
        var folder = TestRun.NewFolder("data");
        await File.WriteAllTextAsync(Path.Combine(folder, "gatehouse.db"), string.Concat(Enumerable.Repeat("not a database ", 1000)));
        await RefusesAsync(["gatehouse.db"], Development, ("DataDir", folder));
    }

    [Fact] // also where its settings are yet to be written
    public async Task Help_names_the_commands_and_touches_nothing()
    {
        var folder = TestRun.NewFolder("data");
        var (exit, output) = await Tool.TryRunAsync(await Service.CommandAsync(["--help"], [("DataDir", folder), Production]), TimeSpan.FromSeconds(30));
        Assert.Equal(0, exit);
        foreach (var command in new[] { "App migrate", "App keys", "App users" }) Assert.Contains(command, output, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }

    [Theory] // served all the same, it would take the registry for what its settings say, which may have been meant otherwise
    [InlineData(2, "--Issuer=http://localhost", "stray")]
    [InlineData(0, "--version")]
    public async Task A_word_that_is_no_setting_serves_nothing_and_touches_nothing(int exits, params string[] words)
    {
        var folder = TestRun.NewFolder("data");
        var (exit, output) = await Tool.TryRunAsync(await Service.CommandAsync(words, [("DataDir", folder), Production]), TimeSpan.FromSeconds(30));
        Assert.Equal(exits, exit);
        Assert.Contains(exits == 0 ? "Gatehouse 1." : "is no setting and no command", output, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }

    [Theory] // whoever asks what a command does, or would do, must not find it done
    [InlineData("sessions", "end-all", "--help")]
    [InlineData("keys", "rotate", "--dry-run=true")]
    [InlineData("migrate", "--Issuer=http://localhost", "junk")]
    public async Task A_command_with_a_word_that_is_no_setting_does_nothing(params string[] words)
    {
        var folder = TestRun.NewFolder("data");
        var (exit, output) = await Tool.TryRunAsync(await Service.CommandAsync(words, [("DataDir", folder), Development]), TimeSpan.FromSeconds(30));
        Assert.Equal(2, exit);
        Assert.Contains("Word 3 on the command line is no setting and no command.", output, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }

    /// <summary>What only the server itself can find comes after the migration of an empty database.</summary>
    private enum Found { AtOnce = 5, ByListening = 30 }

    private static Task RefusesAsync(string[] named, params (string Key, string Value)[] settings) => RefusesAsync(named, Found.AtOnce, settings);

    private static async Task RefusesAsync(string[] named, Found found, params (string Key, string Value)[] settings)
    {
        var start = await Service.CommandAsync([], [("DataDir", TestRun.NewFolder("data")), ("Urls", $"http://127.0.0.1:{TestRun.FreePort()}"), .. settings]);
        var (exit, output) = await Tool.TryRunAsync(start, TimeSpan.FromSeconds((int)found));

        Assert.NotEqual(0, exit);
        var lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        foreach (var setting in named) Assert.Single(lines, line => line.Contains(setting, StringComparison.Ordinal));
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
        Assert.DoesNotContain("Unhandled exception", output, StringComparison.Ordinal);
        Assert.DoesNotContain("eleven-char", output, StringComparison.Ordinal);
        Assert.InRange(lines.Length, named.Length, named.Length + 2);
    }
}
