using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using App.Data;

namespace App.OAuth;

/// <summary>
/// The secret of a service. Ours are 256 random bits and declared ones at least 32 characters, so nobody guesses one:
/// a keyed hash that takes a microsecond protects them at rest as well as one that takes a tenth of a second.
/// </summary>
internal sealed class ServiceSecret
{
    public const int Shortest = 32;
    public const int Longest = 256;

    private readonly string _text;

    private ServiceSecret(string text) => _text = text;

    public static ServiceSecret Generate() => new("gh_" + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32)));

    public static ServiceSecret Of(string text) => new(text);

    /// <summary>The text that its owner is shown once. This is the only way to it: the object itself prints nothing.</summary>
    public string Reveal() => _text;

    public byte[] Hash(ServiceSecretKey key, string serviceId) => key.Hash(serviceId, _text);

    public override string ToString() => "(service secret)";
}

/// <summary>The server key of service secrets, derived from the master key.</summary>
internal sealed class ServiceSecretKey(MasterKey masterKey)
{
    private readonly byte[] _key = masterKey.Derive("service secrets");

    /// <summary>The id is hashed with it, so that equal secrets of two services don't look equal; a space is in no id.</summary>
    public byte[] Hash(string serviceId, string secret)
    {
        var hash = new byte[HMACSHA256.HashSizeInBytes];
        Hash(serviceId, secret, hash);
        return hash;
    }

    public void Hash(string serviceId, string secret, Span<byte> hash)
    {
        Span<byte> text = stackalloc byte[1024];
        var length = serviceId.Length > 64 || secret.Length > ServiceSecret.Longest ? 0 : Encoding.UTF8.GetBytes($"{serviceId} {secret}", text);
        HMACSHA256.HashData(_key, text[..length], hash);
    }

    public override string ToString() => "(service secret key)";
}
