using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using App.Data;
using App.Ops;
using Microsoft.EntityFrameworkCore;
using Microsoft.IdentityModel.Tokens;

namespace App.Tokens;

/// <summary>
/// The keys in memory: which one signs, which ones verify, and what the world is told of them.
/// A snapshot, replaced whole when the keys change; asking it costs a dictionary look-up.
/// </summary>
internal sealed class SigningKeyRing(IServiceScopeFactory scopes, MasterKey masterKey, TokenOptions options, TimeProvider time)
{
    /// <summary>By then the last token of a key that signs no more has expired, by any clock.</summary>
    public static readonly TimeSpan VerifiedAfterEnd = TokenOptions.LongestLifetime + TokenOptions.ClockSkew;

    private readonly Lock _turn = new();
    private volatile Snapshot _now = Snapshot.Empty;
    private long _asked;
    private long _taken;

    /// <summary>True in migration mode: one shared secret, nothing to publish.</summary>
    public bool IsShared => options.SharedSecret is not null;

    public bool IsLoaded => _now.Signing is not null;

    public SigningCredentials Signing => _now.Signing ?? throw new InvalidOperationException("The signing keys have not been loaded.");

    /// <summary>The public keys as a JWK set (RFC 7517), and the current one as PEM.</summary>
    public PublishedKeys Published => _now.Published;

    public SecurityKey? Find(string keyId) => _now.Verifying.GetValueOrDefault(keyId);

    /// <summary>One that signed once, however long ago: what it signed is over, and still ours. A key that was revoked may be anybody's.</summary>
    public async Task<SecurityKey?> FindRetiredAsync(string keyId)
    {
        await using var scope = scopes.CreateAsyncScope();
        var keys = scope.ServiceProvider.GetRequiredService<AppDb>().SigningKeys.AsNoTracking();
        return await keys.SingleOrDefaultAsync(k => k.Id == keyId && k.State == SigningKeyState.Retired) is { } key ? PublicKey(key) : null;
    }

    /// <summary>Takes the keys from the database. Cheap enough to call at every hint that they may have changed.</summary>
    /// <exception cref="SettingsException">The current key was encrypted under another master key.</exception>
    public async Task LoadAsync(CancellationToken ct = default)
    {
        if (options.SharedSecret is { } secret)
        {
            var shared = new SymmetricSecurityKey(Encoding.UTF8.GetBytes(secret));
            _now = new Snapshot(new SigningCredentials(shared, SecurityAlgorithms.HmacSha256), FrozenDictionary<string, SecurityKey>.Empty, PublishedKeys.None);
            return;
        }

        // Of several at once the one that began last wins: it has seen what all the others were called for. An older look must not undo it.
        var turn = Interlocked.Increment(ref _asked);
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        var horizon = time.GetUtcNow() - VerifiedAfterEnd;
        var keys = await db.SigningKeys.AsNoTracking()
            .Where(k => k.State == SigningKeyState.Current || k.State == SigningKeyState.Next
                || (k.State == SigningKeyState.Retired && k.EndedAt > horizon))
            .ToListAsync(ct);
        if (keys.Find(k => k.State == SigningKeyState.Current) is not { } current) return;
        lock (_turn)
        {
            if (turn < _taken) return;
            Use(current, keys);
            _taken = turn;
        }
    }

    /// <summary>Takes these keys; the ones in the database are left alone. What <see cref="LoadAsync"/> ends in.</summary>
    public void Use(SigningKey current, IReadOnlyCollection<SigningKey> all)
    {
        var signing = _now.Signing?.Key.KeyId == current.Id ? _now.Signing : Credentials(current);
        var verifying = all.ToFrozenDictionary(k => k.Id, k => _now.Verifying.GetValueOrDefault(k.Id) ?? PublicKey(k), StringComparer.Ordinal);
        _now = new Snapshot(signing, verifying, PublishedKeys.Of(current, all));
    }

    private SigningCredentials Credentials(SigningKey key)
    {
        var ecdsa = ECDsa.Create();
        try
        {
            ecdsa.ImportPkcs8PrivateKey(masterKey.Decrypt(key.PrivateKey, SigningKeys.Purpose), out _);
        }
        catch (CryptographicException)
        {
            // Making a new key here would silently sign everybody out, or hide that the wrong database is attached.
            throw new SettingsException([$"Keys:MasterKey is not the one that signing key {key.Id} was stored under. Give the master key that belongs to this database."]);
        }

        return new SigningCredentials(new ECDsaSecurityKey(ecdsa) { KeyId = key.Id }, SecurityAlgorithms.EcdsaSha256);
    }

    private static ECDsaSecurityKey PublicKey(SigningKey key)
    {
        var ecdsa = ECDsa.Create();
        ecdsa.ImportSubjectPublicKeyInfo(key.PublicKey, out _);
        return new ECDsaSecurityKey(ecdsa) { KeyId = key.Id };
    }

    private sealed record Snapshot(SigningCredentials? Signing, FrozenDictionary<string, SecurityKey> Verifying, PublishedKeys Published)
    {
        public static readonly Snapshot Empty = new(null, FrozenDictionary<string, SecurityKey>.Empty, PublishedKeys.None);
    }
}

/// <summary>What the world may know of the keys, ready to be sent.</summary>
internal sealed record PublishedKeys(PublishedDocument JwkSet, PublishedDocument Pem)
{
    public static readonly PublishedKeys None = new(new PublishedDocument([], WellKnown.JwkSet), new PublishedDocument([], WellKnown.PemFile));

    public static PublishedKeys Of(SigningKey current, IEnumerable<SigningKey> all)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartArray("keys");
            foreach (var key in all.OrderBy(k => k.State).ThenBy(k => k.Id, StringComparer.Ordinal)) Write(json, key);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        var pem = PemEncoding.WriteString("PUBLIC KEY", current.PublicKey) + "\n";
        return new PublishedKeys(new PublishedDocument(buffer.ToArray(), WellKnown.JwkSet), new PublishedDocument(Encoding.ASCII.GetBytes(pem), WellKnown.PemFile));
    }

    // Written member by member: a serializer given a key object would one day publish its private half too.
    private static void Write(Utf8JsonWriter json, SigningKey key)
    {
        using var ecdsa = ECDsa.Create();
        ecdsa.ImportSubjectPublicKeyInfo(key.PublicKey, out _);
        var point = ecdsa.ExportParameters(false).Q;
        json.WriteStartObject();
        json.WriteString("kty", "EC");
        json.WriteString("crv", "P-256");
        json.WriteString("x", Base64UrlEncoder.Encode(point.X));
        json.WriteString("y", Base64UrlEncoder.Encode(point.Y));
        json.WriteString("kid", key.Id);
        json.WriteString("use", "sig");
        json.WriteString("alg", "ES256");
        json.WriteEndObject();
    }
}
