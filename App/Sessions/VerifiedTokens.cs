using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using App.Tokens;
using Microsoft.AspNetCore.Authentication;

namespace App.Sessions;

/// <summary>How a token was presented. The same text means different things in the two places, and must never be taken from one for the other.</summary>
internal enum Carrier : byte { Bearer, Cookie }

/// <summary>
/// Tokens that were verified in full, by the SHA-256 of the text they came in, so that the next request with it costs no cryptography.
/// An entry says "genuine", never "in force": expiry and revocation are asked each time. Bounded by two generations: when the young one
/// is full it becomes the old one and the old one is dropped, so an entry in use stays and an unused one goes, at no bookkeeping per hit.
/// </summary>
internal sealed class VerifiedTokens(TokenOptions options)
{
    private readonly Lock _turn = new();
    private volatile Generations _now = new([], []);

    public int Count => _now.Young.Count + _now.Old.Count;

    public AuthenticateResult? Find(in Key key)
    {
        var (young, old) = _now;
        if (young.TryGetValue(key, out var result)) return result;
        if (!old.TryGetValue(key, out result)) return null;
        Add(key, result);
        return result;
    }

    public void Add(in Key key, AuthenticateResult result)
    {
        var now = _now;
        if (!now.Young.TryAdd(key, result) || Interlocked.Increment(ref now.Added) <= options.CacheSize / 2) return;
        lock (_turn)
        {
            if (ReferenceEquals(_now, now)) _now = new Generations([], now.Young);
        }
    }

    public void Remove(in Key key)
    {
        var (young, old) = _now;
        young.TryRemove(key, out _);
        old.TryRemove(key, out _);
    }

    private sealed record Generations(ConcurrentDictionary<Key, AuthenticateResult> Young, ConcurrentDictionary<Key, AuthenticateResult> Old)
    {
        // Counted beside the dictionary: asking it for its count takes every one of its locks.
        public int Added;
    }

    /// <summary>The hash of a presented text, and where it was presented.</summary>
    public readonly record struct Key(UInt128 High, UInt128 Low, Carrier Carrier)
    {
        public static Key Of(ReadOnlySpan<char> text, Carrier carrier)
        {
            Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
            Span<byte> ascii = stackalloc byte[Usual];
            // Half the bytes, half the work. A text that isn't ASCII is no token, but must still have a key of its own.
            if (text.Length <= Usual && Ascii.FromUtf16(text, ascii, out var length) == OperationStatus.Done) SHA256.HashData(ascii[..length], hash);
            else SHA256.HashData(MemoryMarshal.AsBytes(text), hash);
            return new Key(MemoryMarshal.Read<UInt128>(hash), MemoryMarshal.Read<UInt128>(hash[16..]), carrier);
        }

        private const int Usual = 2048;

        // The hash is already uniform: any 32 bits of it will do.
        public override int GetHashCode() => (int)(uint)Low ^ (int)Carrier;
    }
}
