using System.Security.Cryptography;
using App.Audit;
using App.Data;
using App.Events;
using Microsoft.EntityFrameworkCore;
using Microsoft.IdentityModel.Tokens;

namespace App.Tokens;

/// <summary>
/// What may happen to signing keys: they are made, rotated (next → current → retired) and revoked, each in one transaction with its event.
/// Two processes that do the same thing at once do it once: the unique index and the state as concurrency token make one of them lose, quietly.
/// </summary>
internal sealed class SigningKeys(AppDb db, MasterKey masterKey, SecurityEventLog events, AuditLog audit, SigningKeyRing ring, TimeProvider time)
{
    public const string Purpose = "signing keys";

    // What to tell in the transaction that is about to begin.
    private readonly List<(string KeyId, Cause Cause)> ended = [];

    public abstract record Outcome
    {
        public sealed record Done(string CurrentKeyId) : Outcome;
        public sealed record NotFound : Outcome;

        /// <summary>Another process was faster; the keys are as it left them.</summary>
        public sealed record Overtaken : Outcome;

        /// <summary>The caller is no admin any more.</summary>
        public sealed record Forbidden : Outcome;

        /// <summary>A shared secret signs (migration mode), and no key does.</summary>
        public sealed record AtRest : Outcome;
    }

    /// <summary>An admin who does it, and whether they may still do so: asked within the transaction. Without one it is the command line, or the schedule.</summary>
    public sealed record ByAdmin(Guid Id, Func<Task<bool>> MayStillAsync);

    public async Task<IReadOnlyList<SigningKey>> ListAsync(CancellationToken ct) =>
        await db.SigningKeys.AsNoTracking().OrderByDescending(k => k.CreatedAt).ToListAsync(ct);

    /// <summary>On a first start makes a current and a next key; afterwards nothing.</summary>
    public async Task EnsureAsync(CancellationToken ct)
    {
        if (await db.SigningKeys.AnyAsync(k => k.State == SigningKeyState.Current, ct)) return;
        var now = time.GetUtcNow();
        var current = Create(SigningKeyState.Current, now);
        current.ActivatedAt = now;
        db.SigningKeys.AddRange(current, Create(SigningKeyState.Next, now));
        await SaveAsync(current.Id, null, ct);
    }

    /// <summary>The next key signs from now on; the current one retires; a new next one is published.</summary>
    /// <param name="seen">Which key is to retire: where another signs by now, nothing happens. Null is whichever signs.</param>
    public async Task<Outcome> RotateAsync(CancellationToken ct, ByAdmin? by = null, string? seen = null)
    {
        if (ring.IsShared) return new Outcome.AtRest();
        var (current, next) = await ReadPairAsync(ct);
        if (current is null || next is null) return new Outcome.NotFound();
        if (seen is not null && seen != current.Id) return new Outcome.Overtaken();
        Promote(current, SigningKeyState.Retired, next, Causes.KeyRotated, by);
        return await SaveAsync(next.Id, by, ct);
    }

    /// <summary>Tokens signed by this key are refused at once, everywhere. If it was the current one, the next takes over.
    /// Also while a shared secret signs: replicas without it, and services that hold the key, believe it still.</summary>
    public async Task<Outcome> RevokeAsync(string keyId, CancellationToken ct, ByAdmin? by = null)
    {
        var (current, next) = await ReadPairAsync(ct);
        var key = await db.SigningKeys.SingleOrDefaultAsync(k => k.Id == keyId && k.State != SigningKeyState.Revoked, ct);
        if (key is null || current is null || next is null) return new Outcome.NotFound();

        if (key == current)
        {
            Promote(current, SigningKeyState.Revoked, next, Causes.KeyRevoked, by);
            return await SaveAsync(next.Id, by, ct);
        }

        if (key == next) db.SigningKeys.Add(Create(SigningKeyState.Next, time.GetUtcNow()));
        End(key, SigningKeyState.Revoked, Causes.KeyRevoked, by);
        return await SaveAsync(current.Id, by, ct);
    }

    private void Promote(SigningKey current, SigningKeyState end, SigningKey next, Cause cause, ByAdmin? by)
    {
        End(current, end, cause, by);
        next.State = SigningKeyState.Current;
        next.ActivatedAt = time.GetUtcNow();
        db.SigningKeys.Add(Create(SigningKeyState.Next, time.GetUtcNow()));
    }

    private void End(SigningKey key, SigningKeyState end, Cause cause, ByAdmin? by)
    {
        key.State = end;
        key.EndedAt = time.GetUtcNow();
        key.PrivateKey = null;
        ended.Add((key.Id, cause));
        audit.Add("signing-key-" + cause.Reason, detail: key.Id, actor: by?.Id);
    }

    private async Task<(SigningKey? Current, SigningKey? Next)> ReadPairAsync(CancellationToken ct)
    {
        var pair = await db.SigningKeys.Where(k => k.State == SigningKeyState.Current || k.State == SigningKeyState.Next).ToListAsync(ct);
        return (pair.Find(k => k.State == SigningKeyState.Current), pair.Find(k => k.State == SigningKeyState.Next));
    }

    private async Task<Outcome> SaveAsync(string currentKeyId, ByAdmin? by, CancellationToken ct)
    {
        var outcome = await CommitAsync(currentKeyId, by, ct);
        try
        {
            await ring.LoadAsync(CancellationToken.None);
        }
        catch (Exception e) when (DatabaseFault.Is(e))
        {
            // It is done, and who asked must hear so; the event that was written with it has the keys read again.
        }

        return outcome;
    }

    private async Task<Outcome> CommitAsync(string currentKeyId, ByAdmin? by, CancellationToken ct)
    {
        try
        {
            await using var transaction = await db.BeginWriteAsync(ct);
            if (by is not null && !await by.MayStillAsync())
            {
                db.ChangeTracker.Clear();
                return new Outcome.Forbidden();
            }

            foreach (var (keyId, cause) in ended) events.SigningKeyChanged(cause, keyId);
            await db.SaveChangesAsync(ct);
            await transaction.CommitAsync(ct);
            return new Outcome.Done(currentKeyId);
        }
        catch (DbUpdateException e) when (e is DbUpdateConcurrencyException || UniqueViolation.Is(e))
        {
            db.ChangeTracker.Clear();
            return new Outcome.Overtaken();
        }
        finally
        {
            ended.Clear();
        }
    }

    private SigningKey Create(SigningKeyState state, DateTimeOffset now)
    {
        using var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var id = Base64UrlEncoder.Encode(new ECDsaSecurityKey(ecdsa).ComputeJwkThumbprint());
        if (id.StartsWith('-')) return Create(state, now); // a command line would take it for an option
        var pkcs8 = ecdsa.ExportPkcs8PrivateKey();
        var key = new SigningKey
        {
            Id = id,
            State = state,
            PublicKey = ecdsa.ExportSubjectPublicKeyInfo(),
            PrivateKey = masterKey.Encrypt(pkcs8, Purpose),
            CreatedAt = now,
        };
        CryptographicOperations.ZeroMemory(pkcs8);
        return key;
    }
}
