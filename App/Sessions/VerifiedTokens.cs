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
/// An entry says "genuine", never "in force": expiry and revocation are asked each time. Bounded, with a second chance: when it is full,
/// what nobody asked for since the last time goes, and a quarter goes in any case, so that a hit costs a look-up and at most one write.
/// </summary>
internal sealed class VerifiedTokens(TokenOptions options)
{
    private readonly ConcurrentDictionary<Key, Entry> _entries = new();
    private readonly Lock _turn = new();

    // Counted beside the dictionary: asking it for its count takes every one of its locks.
    private int _count;

    public int Count => Volatile.Read(ref _count);

    public AuthenticateResult? Find(in Key key)
    {
        if (!_entries.TryGetValue(key, out var entry)) return null;
        if (!entry.Asked) entry.Asked = true; // written once: otherwise the cores would pass the line to and fro
        return entry.Result;
    }

    public void Add(in Key key, AuthenticateResult result)
    {
        if (!_entries.TryAdd(key, new Entry(result)) || Interlocked.Increment(ref _count) <= options.CacheSize) return;
        lock (_turn)
        {
            if (Count > options.CacheSize) MakeRoom();
        }
    }

    public void Remove(in Key key)
    {
        if (_entries.TryRemove(key, out _)) Interlocked.Decrement(ref _count);
    }

    private void MakeRoom()
    {
        foreach (var (key, entry) in _entries)
        {
            if (entry.Asked) entry.Asked = false;
            else Remove(key);
        }

        foreach (var (key, _) in _entries)
        {
            if (Count <= options.CacheSize - (options.CacheSize / 4)) return;
            Remove(key);
        }
    }

    private sealed class Entry(AuthenticateResult result)
    {
        public AuthenticateResult Result => result;

        /// <summary>Since room was last made.</summary>
        public bool Asked { get; set; }
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
