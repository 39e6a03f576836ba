using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using App.Data;

namespace App.Sessions;

/// <summary>
/// A refresh token: session id, 32 secret bytes, and a tag under a server key.
/// The tag tells one of ours from a guess without a look at the database, so that a stranger who knows a session's id can't end it by "reusing" nonsense.
/// Its successor is derived from it under the same key: every replica that is shown the parent arrives at the same child, and only hashes are stored.
/// </summary>
internal sealed class RefreshToken
{
    private const int SecretSize = 32;
    private const int TagSize = 16;
    private const int Size = 16 + SecretSize + TagSize;

    private readonly byte[] _secret;

    private RefreshToken(Guid sessionId, byte[] secret) => (SessionId, _secret) = (sessionId, secret);

    public Guid SessionId { get; }

    /// <summary>What the database knows of it.</summary>
    public byte[] Hash() => SHA256.HashData(_secret);

    public static RefreshToken First(Guid sessionId) => new(sessionId, RandomNumberGenerator.GetBytes(SecretSize));

    /// <summary>The one token that may follow this one.</summary>
    public RefreshToken Successor(RefreshKey key) => new(SessionId, key.Mac("successor"u8, SessionId, _secret));

    public static RefreshToken? Parse(string? text, RefreshKey key)
    {
        Span<byte> bytes = stackalloc byte[Size];
        if (text is null || text.Length != Base64Url.GetEncodedLength(Size)
            || Base64Url.DecodeFromChars(text, bytes, out _, out var written) != OperationStatus.Done || written != Size) return null;
        var token = new RefreshToken(new Guid(bytes[..16], bigEndian: true), bytes.Slice(16, SecretSize).ToArray());
        return CryptographicOperations.FixedTimeEquals(token.Tag(key), bytes[^TagSize..]) ? token : null;
    }

    /// <summary>The text the client keeps. This is the only way to it: the object itself prints nothing.</summary>
    public string Reveal(RefreshKey key)
    {
        Span<byte> bytes = stackalloc byte[Size];
        SessionId.TryWriteBytes(bytes, bigEndian: true, out _);
        _secret.CopyTo(bytes[16..]);
        Tag(key).CopyTo(bytes[^TagSize..]);
        return Base64Url.EncodeToString(bytes);
    }

    public override string ToString() => "(refresh token)";

    private Span<byte> Tag(RefreshKey key) => key.Mac("tag"u8, SessionId, _secret).AsSpan(0, TagSize);
}

/// <summary>The server key of refresh tokens, derived from the master key.</summary>
internal sealed class RefreshKey(MasterKey masterKey)
{
    private readonly byte[] _key = masterKey.Derive("refresh tokens");

    public byte[] Mac(ReadOnlySpan<byte> purpose, Guid sessionId, ReadOnlySpan<byte> secret)
    {
        Span<byte> message = stackalloc byte[purpose.Length + 1 + 16 + secret.Length];
        purpose.CopyTo(message);
        message[purpose.Length] = 0;
        sessionId.TryWriteBytes(message[(purpose.Length + 1)..], bigEndian: true, out _);
        secret.CopyTo(message[(purpose.Length + 17)..]);
        return HMACSHA256.HashData(_key, message);
    }

    public override string ToString() => "(refresh key)";
}
