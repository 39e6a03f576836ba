using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using App.Tokens;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Caching.Memory;

namespace App.Sessions;

/// <summary>How a token was presented. The same text means different things in the two places, and must never be taken from one for the other.</summary>
internal enum Carrier : byte
{
    Bearer,
    Cookie,

    /// <summary>Shown by the service that it is bound to, which asks about it. At our own doors it is nobody's.</summary>
    Service,
}

/// <summary>
/// Tokens that were verified in full, by the SHA-256 of the text they came in, so that the next request with it costs no cryptography.
/// An entry says "genuine", never "in force": expiry and revocation are asked each time. One that has expired stays like any other, so that a clock
/// that is set back finds it over. Bounded: when it is full a quarter goes, first what nobody asked for since the last time, so that an entry in use
/// stays, and a hit costs a look-up and at most one write.
/// </summary>
internal sealed class VerifiedTokens(TokenOptions options)
{
    private readonly ConcurrentDictionary<Key, Entry> _entries = new();
    private readonly Lock _turn = new();

    // Counted beside the dictionary: asking it for its count takes every one of its locks. Never less than there are.
    private int _count;

    private volatile int _round;

    public int Count => Volatile.Read(ref _count);

    public Entry? Find(in Key key)
    {
        if (!_entries.TryGetValue(key, out var entry)) return null;
        if (entry.Asked != _round) entry.Asked = _round; // once a round: otherwise the cores would pass the line to and fro
        return entry;
    }

    /// <param name="expiresAt">The token's <c>exp</c>, or earlier where its session ends first.</param>
    /// <param name="end">As <see cref="TokenVerifier.EndOf"/> says of that.</param>
    public void Add(in Key key, AuthenticateResult result, long expiresAt, long end)
    {
        var count = Interlocked.Increment(ref _count);
        if (!_entries.TryAdd(key, new Entry(result, expiresAt, end, _round))) Interlocked.Decrement(ref _count);
        else if (count > options.CacheSize) MakeRoom();
    }

    public void Remove(in Key key)
    {
        if (_entries.TryRemove(key, out _)) Interlocked.Decrement(ref _count);
    }

    private void MakeRoom()
    {
        lock (_turn)
        {
            if (Count <= options.CacheSize) return;
            var most = options.CacheSize - (options.CacheSize / 4);
            Drop(entry => entry.Added < _round && entry.Asked < _round, 0);
            Drop(entry => entry.Asked < _round, most);
            Drop(_ => true, most);
            _round++;
        }
    }

    private void Drop(Func<Entry, bool> which, int downTo)
    {
        foreach (var (key, entry) in _entries)
        {
            if (Count <= downTo) return;
            if (which(entry)) Remove(key);
        }
    }

    public sealed class Entry(AuthenticateResult result, long expiresAt, long end, int added)
    {
        public AuthenticateResult Result => result;
        public long ExpiresAt => expiresAt;
        public long End => end;
        public int Added => added;

        /// <summary>The last round in which it was asked for.</summary>
        public int Asked { get; set; } = -1;
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

/// <summary>
/// Sessions whose row this process has just seen or written, so that a token minted here needs no look-up when it first comes back.
/// For minutes only, and never instead of asking <see cref="App.Events.RevocationIndex"/>: what ends a session is there, and stays there for longer.
/// What another replica has ended is there within that replica's second.
/// </summary>
internal sealed class KnownSessions(TimeProvider time) : IDisposable
{
    private const int Most = 20_000;
    private static readonly TimeSpan Believed = TimeSpan.FromMinutes(6);

    private readonly MemoryCache _entries = new(new MemoryCacheOptions { SizeLimit = Most });

    /// <param name="end">As <see cref="SessionOptions.EndOf"/> says.</param>
    public void Add(Guid sessionId, Guid userId, DateTimeOffset end)
    {
        using var entry = _entries.CreateEntry(sessionId);
        entry.Value = new Known(userId, time.GetUtcNow() + Believed, end);
        // The cache has the wall's clock: this bounds it, and the line above decides.
        entry.AbsoluteExpirationRelativeToNow = Believed;
        entry.Size = 1;
    }

    /// <returns>When it will be over; null for one that isn't known, or is over.</returns>
    public DateTimeOffset? EndOf(Guid sessionId, Guid userId)
    {
        var now = time.GetUtcNow();
        return _entries.TryGetValue(sessionId, out Known? known) && known!.UserId == userId && now < known.Until && now < known.End ? known.End : null;
    }

    public void Dispose() => _entries.Dispose();

    private sealed record Known(Guid UserId, DateTimeOffset Until, DateTimeOffset End);
}
