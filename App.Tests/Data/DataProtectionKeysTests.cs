using System.Security.Cryptography;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.EntityFrameworkCore;

namespace App.Tests.Data;

public sealed class DataProtectionKeysTests : IAsyncLifetime
{
    private readonly TestApp _app = TestApp.Start();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task They_rest_in_the_database_encrypted()
    {
        Protector(_app).Protect("x");

        var xml = string.Concat(await _app.DbAsync(db => db.DataProtectionKeys.Select(k => k.Xml!).ToListAsync()));
        Assert.Contains("<encryptedSecret decryptorType=\"App.Data.XmlDecryptor", xml, StringComparison.Ordinal);
        Assert.DoesNotContain("masterKey", xml, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("unencrypted", xml, StringComparison.OrdinalIgnoreCase);
        Assert.Empty(Directory.GetFiles(_app.Folder, "*.xml"));
    }

    [Fact]
    public async Task What_one_replica_protects_the_other_can_read()
    {
        var text = Protector(_app).Protect("for both");
        await using var replica = _app.StartReplica();
        Assert.Equal("for both", Protector(replica).Unprotect(text));
    }

    [Fact]
    public async Task Another_installation_can_not_read_it()
    {
        var text = Protector(_app).Protect("ours");
        var folder = Directory.CreateTempSubdirectory("gatehouse-other-");
        await using (var other = TestApp.Start(("DataDir", folder.FullName)))
            Assert.ThrowsAny<CryptographicException>(() => Protector(other).Unprotect(text));
        folder.Delete(recursive: true);
    }

    private static IDataProtector Protector(TestApp app) => app.Get<IDataProtectionProvider>().CreateProtector("test");
}
