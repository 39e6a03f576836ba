using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using App.Data;
using App.Sessions;
using Microsoft.EntityFrameworkCore;

namespace App.Factors;

/// <summary>What somebody needs to bring their app and us together. Nothing is stored until a code has shown that it worked.</summary>
/// <param name="Handle">The secret, its session and its end, sealed: the page gives it back with the code.</param>
/// <param name="Key">The secret as text.</param>
/// <param name="Uri">The same for a QR code.</param>
internal sealed record AuthenticatorSetUp(string Handle, string Key, string Uri)
{
    public override string ToString() => "(authenticator set-up)";
}

/// <param name="Since">When two-step sign-in was turned on; null while it is off.</param>
/// <param name="HasApp">Whether a code of an authenticator app will do, beside a passkey.</param>
internal sealed record TwoStepState(DateTimeOffset? Since, bool HasApp, bool HasPasskeys, int CodesLeft);

/// <summary>Turns two-step sign-in on and off, and renews the recovery codes. Each of them needs a recent proof.</summary>
internal sealed class TwoStep(
    AppDb db, MasterKey masterKey, RecentProof proof, RecoveryCodes recovery, FactorChange change, Brand brand, TimeProvider time)
{
    private const string Purpose = "authenticator set-up";
    private static readonly TimeSpan SetUpLasts = TimeSpan.FromMinutes(15);

    public abstract record Outcome
    {
        public sealed record ProofRequired : Outcome;
        public sealed record Begun(AuthenticatorSetUp SetUp) : Outcome;
        public sealed record WrongCode(AuthenticatorSetUp SetUp) : Outcome;

        /// <summary>The set-up is too old, somebody else's, or no longer what is called for.</summary>
        public sealed record Stale : Outcome;

        /// <summary>New recovery codes, to be shown this once.</summary>
        public sealed record Codes(IReadOnlyList<string> List) : Outcome;

        public sealed record Off : Outcome;
    }

    public async Task<TwoStepState> ReadAsync(CurrentUser user, CancellationToken ct)
    {
        var step = await db.Authenticators.AsNoTracking().SingleOrDefaultAsync(a => a.UserId == user.Id, ct);
        return new TwoStepState(step?.AddedAt, step is { HasApp: true }, await db.Passkeys.AnyAsync(p => p.UserId == user.Id, ct), await recovery.LeftAsync(user.Id, ct));
    }

    /// <param name="act">What the page's button says: <c>begin</c>, <c>enable</c>, <c>passkeys</c>, <c>codes</c> or <c>off</c>.</param>
    public Task<Outcome> ActAsync(string? act, CurrentUser user, string? handle, string? code, string address, CancellationToken ct) => act switch
    {
        "begin" => BeginAsync(user, ct),
        "enable" => EnableAsync(user, handle, code, address, ct),
        "passkeys" => AskForPasskeysAsync(user, address, ct),
        "codes" => RenewCodesAsync(user, address, ct),
        "off" => TurnOffAsync(user, address, ct),
        _ => Task.FromResult<Outcome>(new Outcome.Stale()),
    };

    public async Task<Outcome> BeginAsync(CurrentUser user, CancellationToken ct)
    {
        if (!await proof.IsGivenAsync(user, ct)) return new Outcome.ProofRequired();
        var plain = new byte[24 + Totp.SecretSize];
        user.SessionId.TryWriteBytes(plain);
        BinaryPrimitives.WriteInt64BigEndian(plain.AsSpan(16), (time.GetUtcNow() + SetUpLasts).ToUnixTimeSeconds());
        RandomNumberGenerator.Fill(plain.AsSpan(24));
        return new Outcome.Begun(SetUpOf(user, Base64Url.EncodeToString(masterKey.Encrypt(plain, Purpose)), plain[24..]));
    }

    /// <summary>On from now, if the code shows that the app has the secret. That code's time step counts as used.</summary>
    public async Task<Outcome> EnableAsync(CurrentUser user, string? handle, string? code, string address, CancellationToken ct)
    {
        // Begun with a proof, in this session: it stands for that one, which may be too old by now, as long as it lasts itself.
        if (Open(user, handle) is not { } secret) return await proof.IsGivenAsync(user, ct) ? new Outcome.Stale() : new Outcome.ProofRequired();
        var now = time.GetUtcNow();
        if (Totp.StepOf(secret, string.Concat((code ?? "").Where(char.IsAsciiDigit)), now) is not { } step) return new Outcome.WrongCode(SetUpOf(user, handle!, secret));
        try
        {
            return await SaveAsync(user, FactorChange.AuthenticatorAdded, address, async () =>
            {
                var sealedSecret = Authenticator.Seal(masterKey, user.Id, secret);
                // To passkeys alone, an app is added.
                var joined = await db.Authenticators.Where(a => a.UserId == user.Id && a.Secret == Array.Empty<byte>())
                    .ExecuteUpdateAsync(set => set.SetProperty(a => a.Secret, sealedSecret).SetProperty(a => a.AddedAt, now).SetProperty(a => a.LastStep, step), ct);
                if (joined == 0) db.Add(new Authenticator { UserId = user.Id, Secret = sealedSecret, AddedAt = now, LastStep = step });
                return true;
            }, ct);
        }
        catch (DbUpdateException e) when (UniqueViolation.Is(e))
        {
            return await OnAlreadyAsync(step => step.HasApp && CryptographicOperations.FixedTimeEquals(step.Open(masterKey), secret), user, address, ct);
        }
    }

    /// <summary>On from now, with the passkeys there are as the second step, for who has no app.</summary>
    public async Task<Outcome> AskForPasskeysAsync(CurrentUser user, string address, CancellationToken ct)
    {
        if (!await proof.IsGivenAsync(user, ct)) return new Outcome.ProofRequired();
        try
        {
            return await SaveAsync(user, FactorChange.AuthenticatorAdded, address, async () =>
            {
                if (!await db.Passkeys.AnyAsync(p => p.UserId == user.Id, ct)) return false;
                db.Add(new Authenticator { UserId = user.Id, AddedAt = time.GetUtcNow() });
                return true;
            }, ct);
        }
        catch (DbUpdateException e) when (UniqueViolation.Is(e))
        {
            return await OnAlreadyAsync(step => !step.HasApp && time.GetUtcNow() - step.AddedAt < TimeSpan.FromMinutes(1), user, address, ct);
        }
    }

    // By the same form, sent twice: the browser shows this answer, and nobody has seen the codes of the first.
    private async Task<Outcome> OnAlreadyAsync(Func<Authenticator, bool> isTheSame, CurrentUser user, string address, CancellationToken ct)
    {
        db.ChangeTracker.Clear();
        var step = await db.Authenticators.AsNoTracking().SingleOrDefaultAsync(a => a.UserId == user.Id, ct);
        return step is not null && isTheSame(step) ? await RenewAsync(user, address, ct) : new Outcome.Stale();
    }

    public async Task<Outcome> RenewCodesAsync(CurrentUser user, string address, CancellationToken ct)
    {
        if (!await proof.IsGivenAsync(user, ct)) return new Outcome.ProofRequired();
        return await RenewAsync(user, address, ct);
    }

    // Only for as long as it is on: it may be turned off in another tab.
    private Task<Outcome> RenewAsync(CurrentUser user, string address, CancellationToken ct) =>
        SaveAsync(user, FactorChange.CodesRenewed, address, () => db.Authenticators.AnyAsync(a => a.UserId == user.Id, ct), ct);

    public async Task<Outcome> TurnOffAsync(CurrentUser user, string address, CancellationToken ct)
    {
        if (!await proof.IsGivenAsync(user, ct)) return new Outcome.ProofRequired();
        await using var transaction = await db.BeginWriteAsync(ct);
        await db.HoldUserAsync(user.Id, ct);
        if (await db.FindLifeAsync(user.SessionId, ct) is not { RevokedAt: null }) return new Outcome.Stale();
        await change.NoteAsync(FactorChange.AuthenticatorRemoved, user, address, ct);
        if (await db.Authenticators.Where(a => a.UserId == user.Id).ExecuteDeleteAsync(ct) == 0) return new Outcome.Stale();
        await recovery.RemoveAsync(user.Id, ct);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return new Outcome.Off();
    }

    private async Task<Outcome> SaveAsync(CurrentUser user, string action, string address, Func<Task<bool>> also, CancellationToken ct)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        await db.HoldUserAsync(user.Id, ct);
        if (await db.FindLifeAsync(user.SessionId, ct) is not { RevokedAt: null }) return new Outcome.Stale();
        await change.NoteAsync(action, user, address, ct);
        if (!await also()) return new Outcome.Stale();
        var codes = await recovery.ReplaceAsync(user.Id, ct);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        return new Outcome.Codes(codes);
    }

    private AuthenticatorSetUp SetUpOf(CurrentUser user, string handle, byte[] secret) => new(handle, Totp.Text(secret), Totp.Uri(secret, brand.Name, user.Email));

    private byte[]? Open(CurrentUser user, string? handle)
    {
        try
        {
            var plain = masterKey.Decrypt(Base64Url.DecodeFromChars(handle), Purpose);
            var good = new Guid(plain.AsSpan(0, 16)) == user.SessionId && BinaryPrimitives.ReadInt64BigEndian(plain.AsSpan(16)) > time.GetUtcNow().ToUnixTimeSeconds();
            return good ? plain[24..] : null;
        }
        catch (Exception e) when (e is FormatException or CryptographicException)
        {
            return null;
        }
    }
}
