using System.Buffers.Text;
using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using App.Ops;
using App.Tokens;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;

namespace App.Tests.Tokens;

/// <summary>Migration mode: HS256 as <c>jsonwebtoken</c> signs with a string secret.</summary>
public sealed class SharedSecretTests : IAsyncLifetime
{
    // Not ASCII: the key is the text's UTF-8, as Node makes it of a string.
    private const string Secret = "ein gemeinsames Geheimnis für alle, 40 Zeichen";

    private readonly TestApp _app = TestApp.Start(("Tokens:SharedSecret", Secret));

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Tokens_verify_by_an_HMAC_over_the_secret_as_text()
    {
        var user = await _app.SignUpAsync();
        var parts = user.AccessToken.Split('.');

        Assert.Equal(
            HMACSHA256.HashData(Encoding.UTF8.GetBytes(Secret), Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}")),
            Base64Url.DecodeFromChars(parts[2]));
        var header = JsonDocument.Parse(Base64Url.DecodeFromChars(parts[0])).RootElement;
        Assert.Equal("HS256", header.GetProperty("alg").GetString());
        Assert.Equal("at+jwt", header.GetProperty("typ").GetString());
        Assert.Equal(user.Email, await _app.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: "session=" + user.SessionCookie));
    }

    [Theory]
    [InlineData("/.well-known/jwks.json")]
    [InlineData("/.well-known/public-key.pem")]
    public async Task There_is_nothing_to_publish(string path) => Assert.Equal(HttpStatusCode.NotFound, (await _app.Client.GetAsync(path)).StatusCode);

    [Fact]
    public async Task Discovery_names_no_keys()
    {
        var document = await _app.Client.GetStringAsync("/.well-known/openid-configuration");
        Assert.DoesNotContain("jwks", document, StringComparison.Ordinal);
        Assert.DoesNotContain("ES256", document, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_signed_by_a_key_pair_is_refused_here_and_the_other_way_round()
    {
        await using var ordinary = _app.StartReplica();
        var user = await ordinary.SignUpAsync();
        Assert.Equal(user.Email, await ordinary.WhoAmIAsync(bearer: user.AccessToken));
        Assert.Null(await _app.WhoAmIAsync(bearer: user.AccessToken));

        var other = await _app.SignUpAsync();
        Assert.Null(await ordinary.WhoAmIAsync(bearer: other.AccessToken));
    }

    [Theory]
    [InlineData("HS256", "another secret of more than 32 characters")]
    [InlineData("none", Secret)]
    [InlineData("HS512", Secret)]
    public async Task Another_secret_or_algorithm_is_refused(string algorithm, string secret)
    {
        var user = await _app.SignUpAsync();
        var payload = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(user.AccessToken.Split('.')[1]));
        Assert.Null(await _app.WhoAmIAsync(bearer: Forge.Hmac(secret, $$"""{"alg":"{{algorithm}}","typ":"at+jwt"}""", payload)));
        Assert.NotNull(await _app.WhoAmIAsync(bearer: Forge.Hmac(Secret, """{"alg":"HS256","typ":"at+jwt"}""", payload)));
    }

    [Fact]
    public void The_start_warns_that_every_verifier_can_mint_and_does_not_print_the_secret()
    {
        _ = _app.Services;
        var line = Assert.Single(_app.Log.Lines, l => l.Contains("Tokens:SharedSecret", StringComparison.Ordinal));
        Assert.StartsWith("Warning App.Tokens", line, StringComparison.Ordinal);
        Assert.Contains("can also mint", line, StringComparison.Ordinal);
        Assert.DoesNotContain(_app.Log.Lines, l => l.Contains(Secret, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_a_secret_nothing_is_warned_of()
    {
        await using var app = TestApp.Start();
        _ = app.Services;
        Assert.DoesNotContain(app.Log.Lines, l => l.Contains("SharedSecret", StringComparison.Ordinal));
    }

    [Theory] // No signing key is read in this mode; the master key is found wrong all the same, by whatever is stored under it.
    [InlineData("DELETE FROM SigningKeys")]
    [InlineData("DELETE FROM DataProtectionKeys")]
    public async Task Another_master_key_stops_the_start(string forget)
    {
        await using var app = TestApp.Start();
        app.Get<IDataProtectionProvider>().CreateProtector("test").Protect("x");
        await app.DbAsync(db => db.Database.ExecuteSqlRawAsync(forget));
        var right = await File.ReadAllTextAsync(Path.Combine(app.Folder, "master.key"));
        foreach (var (key, fits) in new[] { (right, true), (Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)), false) })
        {
            var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "App.dll"), "keys", "list"]) { RedirectStandardError = true, RedirectStandardOutput = true };
            start.Environment["ASPNETCORE_ENVIRONMENT"] = "Development";
            start.Environment["DataDir"] = app.Folder;
            start.Environment["Tokens__SharedSecret"] = Secret;
            start.Environment["Keys__MasterKey"] = key;
            using var process = Process.Start(start)!;
            var output = process.StandardOutput.ReadToEndAsync();
            var line = (await process.StandardError.ReadToEndAsync()).TrimEnd();
            await output;
            await process.WaitForExitAsync();

            Assert.Equal(fits ? 0 : 1, process.ExitCode);
            if (fits) continue;
            Assert.StartsWith("Keys:MasterKey is not the one that this database's keys were stored under.", line, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', line);
        }
    }

    [Theory] // contract section 2: at least 32 bytes, of which a letter may have several
    [InlineData("sechzehn Bytes  ", 16, false)]
    [InlineData("ääääääääääääääää", 32, true)]
    [InlineData("äääääääääääääääa", 31, false)]
    [InlineData("🔐🔐🔐🔐🔐🔐🔐🔐", 32, true)]
    public void Its_length_is_counted_in_bytes(string secret, int bytes, bool enough)
    {
        Assert.Equal(bytes, Encoding.UTF8.GetByteCount(secret));
        var configuration = new ConfigurationBuilder().AddInMemoryCollection([new("Tokens:SharedSecret", secret)]).Build();
        Assert.Equal(enough ? [] : ["Tokens:SharedSecret is set to a secret, which is out of bounds. Give at least 32 bytes."], SettingsCheck.Read<TokenOptions>(configuration, "Tokens").Faults);
    }

    [Fact]
    public async Task A_short_secret_is_a_fault_of_the_settings_and_is_not_printed()
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "App.dll"), "--urls=http://127.0.0.1:0"]) { RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment["ASPNETCORE_ENVIRONMENT"] = "Development";
        start.Environment["Tokens__SharedSecret"] = "only-thirty-one-characters-long";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var line = (await process.StandardError.ReadToEndAsync()).TrimEnd();
        await process.WaitForExitAsync();

        Assert.Equal(1, process.ExitCode);
        Assert.StartsWith("Tokens:SharedSecret is set to a secret, which is out of bounds.", line, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', line);
        Assert.DoesNotContain("thirty-one", line + await output, StringComparison.Ordinal);
    }
}
