using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using App.Audit;
using App.Data;
using App.OAuth;
using App.Strategies;
using Microsoft.EntityFrameworkCore;

namespace App.Lab;

/// <summary>
/// The lab's two services in the registry. Their secrets follow from the master key and are written down nowhere: processes on one database
/// make the same ones, so none shuts another's services out, and what is left behind when the last has stopped is of use to nobody.
/// </summary>
internal sealed class RegisterLab(AppDb db, ChangeRegistry change, ServiceRegistry registry, ServiceSecretKey secretKey, MasterKey masterKey, AuditLog audit, TimeProvider time)
{
    private const int Attempts = 3;

    /// <summary>Two whom the registry knows by now; null where one of their names is somebody else's.</summary>
    public async Task<(Credentials Asks, Credentials Checks)?> RunAsync(CancellationToken ct)
    {
        var (asks, checks) = (Of("lab-asks"), Of("lab-checks"));
        for (var attempt = 1; registry.Authenticate(asks.Id, asks.Secret) is null || registry.Authenticate(checks.Id, checks.Secret) is null; attempt++)
        {
            try
            {
                if (!await change.RunAsync(async () => await WriteAsync(asks, TrustMode.Asks, ct) && await WriteAsync(checks, TrustMode.ChecksItself, ct), ct)) return null;
            }
            catch (DbUpdateException) when (attempt < Attempts)
            {
                // Another process did the same at the same moment.
                db.ChangeTracker.Clear();
                await registry.LoadAsync(ct);
            }
        }

        return (asks, checks);
    }

    private Credentials Of(string id) =>
        new(id, "gh_" + Base64Url.EncodeToString(HMACSHA256.HashData(masterKey.Derive("lab services"), Encoding.ASCII.GetBytes(id))));

    // Who presses a button in the lab is no admin: what an admin or the settings have made under that name stays as it is.
    private async Task<bool> WriteAsync(Credentials credentials, TrustMode trust, CancellationToken ct)
    {
        var hash = ServiceSecret.Of(credentials.Secret).Hash(secretKey, credentials.Id);
        var client = await db.OAuthClients.SingleOrDefaultAsync(c => c.ClientId == credentials.Id, ct);
        if (client is { } known && (known.Declared || known.Trust != trust || known.DisplayName != credentials.Id || known.Audience is not null)) return false;
        if (client?.SecretHash.AsSpan().SequenceEqual(hash) == true) return true;
        audit.Add(client is null ? "service-created" : "service-changed", detail: credentials.Id);
        if (client is null) db.Add(client = new OAuthClient { Id = Guid.CreateVersion7(time.GetUtcNow()), ClientId = credentials.Id, CreatedAt = time.GetUtcNow() });
        client.Describe(new ServiceDescription(credentials.Id, credentials.Id, trust, null, [], [], []));
        (client.SecretHash, client.SecretSetAt, client.OldSecretHash, client.OldSecretSetAt) = (hash, time.GetUtcNow(), null, null);
        return true;
    }
}
