using System.Collections.Concurrent;
using System.Diagnostics;
using App.Data;
using App.Events;
using App.Sessions;
using App.Tokens;
using Microsoft.EntityFrameworkCore;

namespace App.OAuth;

/// <summary>
/// Tokens that one service alone accepts (contract section 2): the claims and times of the caller's own token, another audience.
/// Minted once per session and service, and reused until a newer token of the session outlives it; never good for longer than the token
/// it was got with. A hit costs a look-up and what every check costs; nothing is read or signed.
/// </summary>
internal sealed class BoundTokens(ServiceRegistry registry, AccessTokens tokens, CheckToken check, TokenOptions options, TimeProvider time) : IDisposable
{
    private const int Most = 20_000;

    // With less than this left a newer token of the session is worth a new one.
    private static readonly long NearExpiry = (long)TokenOptions.ClockSkew.TotalSeconds;

    // Past this the database is as good as away.
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(2);

    private readonly ConcurrentDictionary<Key, BoundToken> _held = new();
    private readonly Gate[] _gates = [.. Enumerable.Range(0, 16).Select(_ => new Gate())];

    /// <summary>The audience that a token can be bound to by that name; null for one that no registered service has.</summary>
    /// <param name="name">An audience, or a service's id.</param>
    public string? AudienceOf(string name) => name == options.Audience ? name : registry.AudienceOf(name);

    /// <summary>Somebody is let through to the service of that name.</summary>
    public void Reached(string name) => registry.Reached(name);

    /// <summary>Whether this is the audience of tokens that aren't bound at all.</summary>
    public bool IsEverybodys(string audience) => audience == options.Audience;

    /// <param name="user">The caller, by a token that is in force.</param>
    /// <param name="audience">As <see cref="AudienceOf"/> gave it; not everybody's.</param>
    /// <returns>Null where the session has ended meanwhile.</returns>
    public ValueTask<BoundToken?> ForAsync(CurrentUser user, string audience, HttpContext http)
    {
        var key = new Key(user.SessionId, audience);
        return Known(key, user) is { } token ? ValueTask.FromResult<BoundToken?>(token) : FirstAsync(key, user, http);
    }

    public void Dispose()
    {
        foreach (var gate in _gates) gate.Turn.Dispose();
    }

    private async ValueTask<BoundToken?> FirstAsync(Key key, CurrentUser user, HttpContext http)
    {
        var asked = Stopwatch.GetTimestamp();
        var gate = _gates[(uint)key.GetHashCode() % (uint)_gates.Length];
        if (!await gate.Turn.WaitAsync(LongestWait, http.RequestAborted)) throw new DatabaseBusyException();
        try
        {
            if (Known(key, user) is { } token) return token;
            // Whoever was before has waited in vain, and this one with them.
            if (gate.GaveUpAt > asked) throw new DatabaseBusyException();
            try
            {
                return await RememberAsync(http.RequestServices.GetRequiredService<AppDb>(), user, key.Audience, http.RequestAborted) ? Mint(key, user) : null;
            }
            catch (Exception e) when (DatabaseFault.Is(e) && !http.RequestAborted.IsCancellationRequested)
            {
                gate.GaveUpAt = Stopwatch.GetTimestamp();
                throw;
            }
        }
        finally
        {
            gate.Turn.Release();
        }
    }

    // One that is held says that the row is there: to mint a newer one takes neither the database nor a turn. Two at once do no harm.
    private BoundToken? Known(Key key, CurrentUser user) =>
        !_held.TryGetValue(key, out var held) ? null : Serves(held, user) ? held : Mint(key, user);

    private BoundToken Mint(Key key, CurrentUser user)
    {
        var claims = tokens.Bind(user, key.Audience, time.GetUtcNow());
        var minted = new BoundToken(claims, "Bearer " + tokens.Mint(claims));
        if (_held.Count >= Most) MakeRoom();
        // An older token of the same session gets one of its own, which must not take the place of a newer.
        _held.AddOrUpdate(key, minted, (_, held) => claims.ExpiresAt >= held.Claims.ExpiresAt || !check.IsInForce(held.Claims) ? minted : held);
        return minted;
    }

    private bool Serves(BoundToken held, CurrentUser user)
    {
        var claims = held.Claims;
        if (claims.ExpiresAt > user.ExpiresAt || !SaysTheSame(claims, user) || !check.IsInForce(claims)) return false;
        return claims.ExpiresAt == user.ExpiresAt || claims.ExpiresAt - time.GetUtcNow().ToUnixTimeSeconds() > NearExpiry;
    }

    private static bool SaysTheSame(CurrentUser a, CurrentUser b) =>
        (a.Id, a.AuthTime, a.Email, a.EmailVerified, a.Name) == (b.Id, b.AuthTime, b.Email, b.EmailVerified, b.Name)
        && (ReferenceEquals(a.Roles, b.Roles) || a.Roles.SequenceEqual(b.Roles)) && (ReferenceEquals(a.Amr, b.Amr) || a.Amr.SequenceEqual(b.Amr));

    /// <summary>
    /// The row that has the service hear of this session and user from now on. Both rows are locked first: an end of either that comes
    /// later finds this one, and one that came before is found here.
    /// </summary>
    private static async Task<bool> RememberAsync(AppDb db, CurrentUser user, string audience, CancellationToken ct)
    {
        if (await db.BoundAudiences.AnyAsync(b => b.SessionId == user.SessionId && b.Audience == audience, ct)) return true;
        try
        {
            await using var transaction = await db.BeginWriteAsync(ct);
            var good = await db.Users.Where(u => u.Id == user.Id && (u.TokensNotBefore == null || u.TokensNotBefore < user.IssuedAt))
                .ExecuteUpdateAsync(set => set.SetProperty(u => u.TokensNotBefore, u => u.TokensNotBefore), ct);
            var alive = await db.Sessions.Where(s => s.Id == user.SessionId && s.UserId == user.Id && s.RevokedAt == null)
                .ExecuteUpdateAsync(set => set.SetProperty(s => s.RevokedAt, s => s.RevokedAt), ct);
            if (good == 0 || alive == 0) return false;
            var row = db.BoundAudiences.Add(new BoundAudience { SessionId = user.SessionId, UserId = user.Id, Audience = audience });
            await db.SaveChangesAsync(ct);
            await transaction.CommitAsync(ct);
            row.State = EntityState.Detached;
            return true;
        }
        catch (DbUpdateException e) when (UniqueViolation.Is(e))
        {
            db.ChangeTracker.Clear();
            return true; // Another replica, the same row.
        }
    }

    private void MakeRoom()
    {
        foreach (var (key, token) in _held)
            if (!check.IsInForce(token.Claims)) _held.TryRemove(key, out _);
        foreach (var (key, _) in _held)
        {
            if (_held.Count <= Most - (Most / 4)) break;
            _held.TryRemove(key, out _);
        }
    }

    private readonly record struct Key(Guid Session, string Audience);

    private sealed class Gate
    {
        public SemaphoreSlim Turn { get; } = new(1);

        /// <summary>When the database last failed whoever had their turn. Read and written by whom it has let in.</summary>
        public long GaveUpAt { get; set; }
    }
}

/// <summary>A token bound to one service, ready to be handed on.</summary>
/// <param name="Authorization">The value of the header, scheme included.</param>
internal sealed record BoundToken(CurrentUser Claims, string Authorization)
{
    public override string ToString() => $"(token of session {Claims.SessionId} for {Claims.Audience})";
}
