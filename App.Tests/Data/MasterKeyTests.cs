using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using App.Data;
using App.Shared;
using App.Tokens;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Data;

public sealed class MasterKeyTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gatehouse-key-").FullName;

    private string KeyFile => Path.Combine(_folder, "sub", "master.key");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void It_is_made_once_in_a_file_for_its_owner_alone()
    {
        var made = MasterKey.ReadOrCreate(KeyFile);
        var text = File.ReadAllText(KeyFile);

        Assert.Equal(32, Convert.FromBase64String(text).Length);
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(KeyFile));
        Assert.Equal(made.Derive("test"), MasterKey.ReadOrCreate(KeyFile).Derive("test"));
        Assert.Equal(text, File.ReadAllText(KeyFile));
    }

    [Fact]
    public async Task Of_many_that_make_it_at_once_all_hold_the_same()
    {
        for (var round = 0; round < 20; round++)
        {
            var file = KeyFile + round;
            using var go = new Barrier(8);
            var derived = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Factory.StartNew(
                () =>
                {
                    go.SignalAndWait();
                    return Convert.ToHexString(MasterKey.ReadOrCreate(file).Derive("test"));
                },
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));

            Assert.Single(derived.Distinct());
            Assert.Equal(derived[0], Convert.ToHexString(MasterKey.ReadOrCreate(file).Derive("test")));
        }
    }

    [Fact]
    public void A_process_killed_while_making_it_does_not_block_the_next()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(KeyFile)!);
        File.WriteAllText(KeyFile + ".making", "");
        File.WriteAllText(KeyFile + "." + Guid.NewGuid().ToString("N"), "half");
        Assert.NotNull(MasterKey.ReadOrCreate(KeyFile));
    }

    [Fact]
    public void One_that_can_not_be_read_or_made_is_told_and_not_waited_for()
    {
        Directory.CreateDirectory(KeyFile);
        Assert.StartsWith($"DataDir: {KeyFile} can't be used: ", Assert.Single(Assert.Throws<SettingsException>(() => MasterKey.ReadOrCreate(KeyFile)).Faults), StringComparison.Ordinal);

        if (!OperatingSystem.IsLinux()) return; // elsewhere the file of this very process may be written
        File.CreateSymbolicLink(KeyFile + "2.making", Environment.ProcessPath!);
        Assert.StartsWith($"DataDir: {KeyFile}2.making can't be used: ", Assert.Single(Assert.Throws<SettingsException>(() => MasterKey.ReadOrCreate(KeyFile + "2")).Faults), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("garbage")]
    [InlineData("AAAA")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")] // 32 bytes, unpadded
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==")] // 33 bytes
    public void A_file_that_holds_none_is_refused_and_kept(string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(KeyFile)!);
        File.WriteAllText(KeyFile, text);

        var fault = Assert.Single(Assert.Throws<SettingsException>(() => MasterKey.ReadOrCreate(KeyFile)).Faults);
        Assert.StartsWith($"{KeyFile} holds no master key", fault, StringComparison.Ordinal);
        Assert.Equal(text, File.ReadAllText(KeyFile));
    }

    [Fact]
    public void White_space_around_it_is_forgiven_as_an_editor_leaves_it() =>
        Assert.True(MasterKey.TryParse(Convert.ToBase64String(new byte[32]) + "\n", out _));

    [Fact]
    public void What_it_encrypts_it_decrypts_for_the_same_purpose_only()
    {
        var key = Random();
        var plain = "secret"u8.ToArray();
        var closed = key.Encrypt(plain, "a");

        Assert.Equal(plain, key.Decrypt(closed, "a"));
        Assert.ThrowsAny<CryptographicException>(() => key.Decrypt(closed, "b"));
        Assert.ThrowsAny<CryptographicException>(() => Random().Decrypt(closed, "a"));
        Assert.Empty(key.Decrypt(key.Encrypt([], "a"), "a"));
        Assert.NotEqual(closed, key.Encrypt(plain, "a"));
    }

    [Fact]
    public void No_byte_of_what_it_encrypted_can_be_changed_or_cut()
    {
        var key = Random();
        var closed = key.Encrypt("secret"u8, "a");
        for (var i = 0; i < closed.Length; i++)
        {
            var bent = closed.ToArray();
            bent[i] ^= 1;
            Assert.ThrowsAny<CryptographicException>(() => key.Decrypt(bent, "a"));
            Assert.ThrowsAny<CryptographicException>(() => key.Decrypt(closed.AsSpan(0, i), "a"));
        }
    }

    [Fact]
    public void It_can_not_be_printed()
    {
        Assert.True(MasterKey.TryParse(Convert.ToBase64String(Encoding.ASCII.GetBytes("0123456789abcdef0123456789abcdef")), out var key));
        Assert.Equal("(master key)", $"{key}");
        Assert.Equal("{}", JsonSerializer.Serialize(key));
        Assert.Empty(typeof(MasterKey).GetProperties());
        Assert.Empty(typeof(MasterKey).GetFields());
    }

    [Fact]
    public async Task Another_master_key_stops_the_start_with_one_line_and_never_makes_new_signing_keys()
    {
        await using var app = TestApp.Start();
        var before = await app.DbAsync(db => db.SigningKeys.OrderBy(k => k.Id).Select(k => k.Id).ToListAsync());

        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "App.dll"), "--urls=http://127.0.0.1:0"]) { RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment["ASPNETCORE_ENVIRONMENT"] = "Development";
        start.Environment["DataDir"] = app.Folder;
        start.Environment["Keys__MasterKey"] = Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var line = (await process.StandardError.ReadToEndAsync()).TrimEnd();
        await output;
        await process.WaitForExitAsync();

        Assert.Equal(1, process.ExitCode);
        Assert.StartsWith("Keys:MasterKey is not the one that signing key", line, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', line);
        Assert.DoesNotContain(start.Environment["Keys__MasterKey"]!, line + await output, StringComparison.Ordinal);
        Assert.Equal(before, await app.DbAsync(db => db.SigningKeys.OrderBy(k => k.Id).Select(k => k.Id).ToListAsync()));
    }

    private static MasterKey Random() => MasterKey.TryParse(Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)), out var key) ? key : throw new UnreachableException();
}
