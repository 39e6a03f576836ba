using System.Diagnostics;
using App.Ops;
using App.Shared;

namespace App.Tests.Ops;

public sealed class HostingTests : IDisposable
{
    private readonly DirectoryInfo secrets = Directory.CreateTempSubdirectory("gatehouse-secrets-");

    public void Dispose() => secrets.Delete(recursive: true);

    [Fact]
    public async Task The_command_line_beats_a_secret_file_which_beats_the_environment_which_beats_the_file()
    {
        await File.WriteAllTextAsync(Path.Combine(secrets.FullName, "Brand__Name"), "From the folder\n");
        await File.WriteAllTextAsync(Path.Combine(secrets.FullName, "Docs__Enabled"), "oops");

        var (exit, lines) = await RunAsync(("SECRETS_DIR", secrets.FullName), ("Docs__Enabled", "true"), ("RateLimits__PerAddressPerMinute", "0"), ("Brand__Name", ""));

        Assert.Equal(1, exit);
        Assert.Contains("Docs:Enabled is \"oops\". Give true or false.", lines);
        Assert.Contains("RateLimits:PerAddressPerMinute is \"0\", which is out of bounds. Give 1 to 100000.", lines);
        Assert.DoesNotContain(lines, l => l.Contains("Brand", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, l => l.StartsWith("   at ", StringComparison.Ordinal));
    }

    [Theory] // as the configuration reads them
    [InlineData("")]
    [InlineData("--urls http://127.0.0.1:5080")]
    [InlineData("--urls http://127.0.0.1:5080 Issuer=https://id.test /Lab:Enabled=true")]
    [InlineData("--lab --environment Production")]
    [InlineData("/urls http://127.0.0.1:5080 --ConnectionStrings:Default=Data.Source=x.db")]
    [InlineData("--nonsense", 1)]
    [InlineData("--lab -x", 2)]
    [InlineData("--Issuer --lab", 1)]
    [InlineData("--Issuer=https://id.test stray", 2)]
    [InlineData("-x=1", 1)]
    [InlineData("--Lab:Enabled=true --dry-run=true", 2)]
    public void A_word_on_the_command_line_is_a_setting_or_is_found(string words, int? place = null) =>
        Assert.Equal(place, Launch.FindStray(words.Split(' ', StringSplitOptions.RemoveEmptyEntries)));

    [Fact]
    public async Task A_secrets_folder_that_is_missing_is_one_line()
    {
        var (exit, lines) = await RunAsync(("SECRETS_DIR", "/nowhere"));

        Assert.Equal(1, exit);
        Assert.StartsWith("SECRETS_DIR is \"/nowhere\": no such folder.", Assert.Single(lines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_level_of_the_log_that_there_is_not_is_one_line()
    {
        var (exit, lines) = await RunAsync(("Logging__LogLevel__Default", "verbose"));

        Assert.Equal(1, exit);
        Assert.StartsWith("Logging:LogLevel: Configuration value 'verbose' is not supported. Give Trace,", Assert.Single(lines), StringComparison.Ordinal);
    }

    [Fact]
    public void The_command_line_comes_last()
    {
        var builder = Hosting.CreateBuilder(["--Brand:Name=Shell"]);

        Assert.Equal("Shell", builder.Configuration["Brand:Name"]);
        Assert.Equal("600", builder.Configuration["RateLimits:PerAddressPerMinute"]);
    }

    [Fact]
    public void Only_what_settings_can_cure_is_explained()
    {
        Assert.True(Hosting.Explains(new SettingsException(["Demo:Key isn't set."])));
        Assert.False(Hosting.Explains(new InvalidOperationException("a bug")));
    }

    private static async Task<(int Exit, IReadOnlyList<string> Lines)> RunAsync(params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "App.dll"), "--urls=http://127.0.0.1:0"])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var lines = (await process.StandardError.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        await output;
        await process.WaitForExitAsync();
        return (process.ExitCode, lines);
    }
}
