using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace App.Data;

public sealed class KeyOptions
{
    [Secret(Trimmed = true)]
    [Description("The master key: 32 random bytes in base64 (`openssl rand -base64 32`), from the environment or a secret file. Signing keys and Data Protection keys are stored encrypted under it. Required except in Development, which makes one in `DataDir`.")]
    public string? MasterKey { get; set; }

    [Range(typeof(TimeSpan), "2.00:00:00", "365.00:00:00")]
    [Description("Age at which the current signing key is replaced by the next one.")]
    public TimeSpan RotateAfter { get; set; } = TimeSpan.FromDays(30);
}

/// <summary>
/// The one secret everything else at rest hangs on. It can't be printed; other keys are derived from it by purpose (HKDF, RFC 5869),
/// so that no two uses ever share a key.
/// </summary>
public sealed class MasterKey
{
    private const int Size = 32;
    private readonly byte[] _key;

    private MasterKey(byte[] key) => _key = key;

    /// <summary>Reads 32 bytes of base64.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out MasterKey? key)
    {
        var bytes = new byte[Size + 1];
        var good = Convert.TryFromBase64String(text?.Trim() ?? "", bytes, out var written) && written == Size;
        key = good ? new MasterKey(bytes[..Size]) : null;
        return good;
    }

    /// <summary>The development key: made once, in a file that only its owner may read.</summary>
    public static MasterKey ReadOrCreate(string path)
    {
        PrivateFolder.Ensure(Path.GetDirectoryName(path)!);
        return TryParse(Read(path), out var key)
            ? key
            : throw new SettingsException([$"{path} holds no master key (32 bytes of base64). Restore it, or remove it together with the database."]);
    }

    private static string Read(string path)
    {
        try
        {
            if (!File.Exists(path)) Create(path);
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw PrivateFolder.Unusable(path, e);
        }
    }

    public byte[] Derive(string purpose) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, _key, Size, info: Encoding.UTF8.GetBytes("gatehouse " + purpose));

    /// <summary>AES-256-GCM: nonce, tag, ciphertext. The purpose is bound in, so that no value can be put in another's place.</summary>
    public byte[] Encrypt(ReadOnlySpan<byte> plain, string purpose)
    {
        var sealedBytes = new byte[12 + 16 + plain.Length];
        RandomNumberGenerator.Fill(sealedBytes.AsSpan(0, 12));
        using var aes = new AesGcm(Derive(purpose), 16);
        aes.Encrypt(sealedBytes.AsSpan(0, 12), plain, sealedBytes.AsSpan(28), sealedBytes.AsSpan(12, 16));
        return sealedBytes;
    }

    /// <exception cref="CryptographicException">It was encrypted under another master key, for another purpose, or was changed.</exception>
    public byte[] Decrypt(ReadOnlySpan<byte> sealedBytes, string purpose)
    {
        if (sealedBytes.Length < 28) throw new CryptographicException("Too short to be encrypted.");
        var plain = new byte[sealedBytes.Length - 28];
        using var aes = new AesGcm(Derive(purpose), 16);
        aes.Decrypt(sealedBytes[..12], sealedBytes[28..], sealedBytes.Slice(12, 16), plain);
        return plain;
    }

    public override string ToString() => "(master key)";

    // Of several processes that start at once one makes it and the others read that one: File.Move without overwriting isn't enough,
    // it looks first and moves then. Written aside, so that whoever is killed here leaves no half key behind.
    private static void Create(string path)
    {
        FileStream? alone = null;
        SpinWait.SpinUntil(() => (alone = PrivateFolder.TryLock(path + ".making")) is not null);
        using (alone)
        {
            if (File.Exists(path)) return;
            var aside = $"{path}.{Guid.NewGuid():N}";
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            using (var file = new StreamWriter(aside, Encoding.ASCII, options))
                file.Write(Convert.ToBase64String(RandomNumberGenerator.GetBytes(Size)));
            File.Move(aside, path);
        }
    }
}
