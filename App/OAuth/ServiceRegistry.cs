using System.Buffers.Text;
using System.Collections.Frozen;
using System.Security.Cryptography;
using App.Data;
using App.Events;
using Microsoft.AspNetCore.Authentication;
using Microsoft.EntityFrameworkCore;

namespace App.OAuth;

/// <summary>
/// The services in memory: who they are and by which secrets they are known. A snapshot, replaced whole when anything changes;
/// to authenticate one costs a look-up and one HMAC. Which of their tokens were taken back is in it too.
/// </summary>
internal sealed class ServiceRegistry(IServiceScopeFactory scopes, ServiceSecretKey secretKey, PushTargets targets, LiveServices live, TimeProvider time) : IDisposable
{
    private readonly SemaphoreSlim _one = new(1);
    private volatile Snapshot _now = Snapshot.Empty;

    public IEnumerable<RegisteredService> All => _now.Services.Values;

    public RegisteredService? Find(string id) => _now.Services.GetValueOrDefault(id);

    /// <summary>The audience of the service of that name: its own, or its id where it takes the tokens meant for everybody. Null where there is none.</summary>
    /// <param name="name">An audience, or a service's id.</param>
    public string? AudienceOf(string name) => _now.Audiences.GetValueOrDefault(name);

    /// <summary>A gateway let somebody through to the service of that name: a service that leaves all asking to its gateway is heard of by that alone.</summary>
    /// <param name="name">As for <see cref="AudienceOf"/>.</param>
    public void Reached(string name)
    {
        if (_now.BehindGateways.TryGetValue(name, out var contact)) contact.Touch(time.GetUtcNow());
    }

    public bool IsRevoked(string tokenId) => _now.RevokedTokens.Contains(tokenId);

    /// <returns>The service and the id of the secret that it showed; null for anybody else.</returns>
    public (RegisteredService Service, string SecretId)? Authenticate(string id, string secret)
    {
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        secretKey.Hash(id, secret, hash);
        // An unknown id costs what a wrong secret costs: it is compared with a secret that nobody has.
        var service = _now.Services.GetValueOrDefault(id);
        var (current, old) = service is null ? (Nobody.Current, Nobody.Old) : (service.Current, service.Old);
        // Both are always compared: which of the two it was must not show in the time.
        var (isCurrent, isOld) = (current.Matches(hash), old.Matches(hash));
        var secretId = isCurrent ? current.Id : isOld ? old.Id : null;
        return service is null || secretId is null ? null : (service, secretId);
    }

    /// <summary>Takes the registry from the database. Whoever has waited for it sees all that was committed before they asked.</summary>
    public Task LoadAsync(CancellationToken ct = default) => LookAsync(always: true, ct);

    /// <summary>The same, if anything has changed since: one row tells.</summary>
    public Task CatchUpAsync(CancellationToken ct) => LookAsync(always: false, ct);

    public void Dispose() => _one.Dispose();

    private static readonly RegisteredService Nobody = new(new OAuthClient { ClientId = "", SecretHash = RandomNumberGenerator.GetBytes(32) }, new Contact());

    private async Task LookAsync(bool always, CancellationToken ct)
    {
        await _one.WaitAsync(ct);
        try
        {
            await using var scope = scopes.CreateAsyncScope();
            var db = scope.ServiceProvider.GetRequiredService<AppDb>();
            // The version first: what is committed between the two looks is read now and once more at the next turn.
            var version = await db.RegistryVersion.Select(v => v.Version).SingleAsync(ct);
            if (!always && version == _now.Version) return;
            var clients = await db.OAuthClients.AsNoTracking().ToListAsync(ct);
            // Past their end by as much as a clock may jump: none comes back when it is set right.
            var horizon = time.GetUtcNow() - RevocationIndex.Slack;
            var revoked = await db.RevokedTokens.Where(t => t.ExpiresAt > horizon).Select(t => t.Id).ToListAsync(ct);
            var known = _now.Services;
            var services = clients.ToFrozenDictionary(c => c.ClientId!, c => new RegisteredService(c, known.GetValueOrDefault(c.ClientId!)?.Contact ?? new Contact()), StringComparer.Ordinal);
            _now = new Snapshot(
                version,
                services,
                AudiencesOf(clients),
                BehindGatewaysOf(services.Values),
                revoked.ToFrozenSet(StringComparer.Ordinal));
            live.Set(IsGood, id => Find(id) is not null, [.. clients.Select(targets.ReceiverOf).OfType<PushReceiver>()]);
        }
        finally
        {
            _one.Release();
        }
    }

    private bool IsGood(CallingService caller, string? tokenId) =>
        Find(caller.Id) is { } service && service.Client.Audience == caller.Audience
        && (caller.SecretId is null || service.HasSecret(caller.SecretId)) && (tokenId is null || !IsRevoked(tokenId));

    // What is somebody's audience means that, also where it is another one's id.
    private static FrozenDictionary<string, string> AudiencesOf(IReadOnlyList<OAuthClient> clients)
    {
        var audiences = clients.ToDictionary(c => c.ClientId!, c => c.Audience ?? c.ClientId!, StringComparer.Ordinal);
        foreach (var audience in clients.Select(c => c.Audience).OfType<string>()) audiences[audience] = audience;
        return audiences.ToFrozenDictionary(StringComparer.Ordinal);
    }

    private static FrozenDictionary<string, Contact> BehindGatewaysOf(IEnumerable<RegisteredService> services)
    {
        var contacts = new Dictionary<string, Contact>(StringComparer.Ordinal);
        foreach (var service in services.Where(s => s.Client.Trust == TrustMode.Gateway))
            contacts[service.Client.ClientId!] = contacts[service.Client.Audience ?? service.Client.ClientId!] = service.Contact;
        return contacts.ToFrozenDictionary(StringComparer.Ordinal);
    }

    private sealed record Snapshot(
        long Version, FrozenDictionary<string, RegisteredService> Services, FrozenDictionary<string, string> Audiences, FrozenDictionary<string, Contact> BehindGateways,
        FrozenSet<string> RevokedTokens)
    {
        public static readonly Snapshot Empty = new(
            -1, FrozenDictionary<string, RegisteredService>.Empty, FrozenDictionary<string, string>.Empty, FrozenDictionary<string, Contact>.Empty, FrozenSet<string>.Empty);
    }
}

/// <summary>One service of the snapshot, with all that is asked of it worked out beforehand.</summary>
internal sealed class RegisteredService(OAuthClient client, Contact contact)
{
    public OAuthClient Client => client;
    public ServiceDescription Description { get; } = client.Description;
    public Contact Contact => contact;
    public SecretInForce Current { get; } = new(client.SecretHash, client);
    public SecretInForce Old { get; } = new(client.OldSecretHash, client);

    /// <summary>What the pipeline is told once it has proved who it is, with this secret or a token that was got with it.</summary>
    public AuthenticateResult ResultOf(string secretId) => (secretId == Old.Id ? Old : Current).Result;

    /// <summary>Whether a token that was got with this secret is still good.</summary>
    public bool HasSecret(string secretId) => secretId == Current.Id || secretId == Old.Id;
}

/// <summary>The hash of one secret and a name for it, which tokens carry; neither says anything about the secret.</summary>
internal sealed class SecretInForce
{
    private readonly byte[] _hash;

    public SecretInForce(byte[]? hash, OAuthClient client)
    {
        var given = hash is { Length: > 0 };
        _hash = given ? hash! : RandomNumberGenerator.GetBytes(32);
        Id = given ? Base64Url.EncodeToString(SHA256.HashData(_hash).AsSpan(0, 9)) : null;
        Result = AuthenticateResult.Success(new AuthenticationTicket(new CallingService(client.ClientId!, client.Audience, Id).ToPrincipal(), ServiceHandler.Scheme));
    }

    public string? Id { get; }

    /// <summary>Worked out beforehand: it is told on each request.</summary>
    public AuthenticateResult Result { get; }

    public bool Matches(ReadOnlySpan<byte> other) => CryptographicOperations.FixedTimeEquals(_hash, other) && Id is not null;
}

/// <summary>When a service was last heard of. It outlives snapshots, and is written down now and then.</summary>
internal sealed class Contact
{
    private long _ticks;
    private long _written;

    public DateTimeOffset? At => Interlocked.Read(ref _ticks) is > 0 and var ticks ? new DateTimeOffset(ticks, TimeSpan.Zero) : null;

    public void Touch(DateTimeOffset now)
    {
        // Many requests within a second need not fight for the same cache line. A clock that was ahead is set back.
        if (Math.Abs(now.UtcTicks - Volatile.Read(ref _ticks)) > TimeSpan.TicksPerSecond) Interlocked.Exchange(ref _ticks, now.UtcTicks);
    }

    /// <summary>The moment to be written down, if the last one written is older than <paramref name="pace"/>.</summary>
    public DateTimeOffset? Due(TimeSpan pace) => At is { } at && Math.Abs(at.UtcTicks - _written) >= pace.Ticks ? at : null;

    /// <summary>It is; by the one who asked what was due.</summary>
    public void Written(DateTimeOffset at) => _written = at.UtcTicks;
}
