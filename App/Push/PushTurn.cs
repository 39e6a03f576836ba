using App.Data;
using App.Events;
using Microsoft.EntityFrameworkCore;

namespace App.Push;

/// <summary>Whether a service has a receiver, as a transaction sees it. The registry, whose slice stands above, knows it and registers it.</summary>
internal delegate Task<bool> HasReceiver(AppDb db, string service, CancellationToken ct);

/// <summary>
/// A sender's turn at a receiver's row: nobody else sends to that receiver meanwhile. It ends when it is given back; that of a sender which
/// died ends by itself. What a turn writes counts only while it lasts.
/// </summary>
internal sealed class PushTurn(IServiceScopeFactory scopes, TimeProvider time, PushPosition place)
{
    /// <summary>How long a row is taken for: longer than any one attempt.</summary>
    public static readonly TimeSpan Length = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan BetweenSaves = TimeSpan.FromSeconds(1);

    private readonly List<UndeliveredEvent> _aside = [];

    /// <summary>The row as this turn will leave it.</summary>
    public PushPosition Place => place;

    public int SetAsideCount => _aside.Count;

    public void SetAside(UndeliveredEvent one) => _aside.Add(one);

    /// <returns>Null where another has the row, or was there first.</returns>
    public static async Task<PushTurn?> TakeAsync(IServiceScopeFactory scopes, TimeProvider time, PushPosition seen, CancellationToken ct)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        var (me, until) = (Guid.NewGuid(), time.GetUtcNow() + Length);
        await using var transaction = await db.BeginWriteAsync(ct);
        var taken = await db.PushPositions.Where(p => p.Service == seen.Service && p.Holder == seen.Holder && p.HeldUntil == seen.HeldUntil)
            .ExecuteUpdateAsync(set => set.SetProperty(p => p.Holder, me).SetProperty(p => p.HeldUntil, until), ct);
        await transaction.CommitAsync(ct);
        if (taken == 0) return null;
        (seen.Holder, seen.HeldUntil) = (me, until);
        return new PushTurn(scopes, time, seen);
    }

    /// <summary>Makes the row of a receiver that is new. It begins with every revocation still in force: the service may hold tokens revoked before.</summary>
    public static async Task BeginAsync(AppDb db, HasReceiver isThere, string service, DateTimeOffset now, CancellationToken ct)
    {
        await using var transaction = await db.BeginWriteAsync(ct);
        // Removed a moment ago, and this process is about to hear of it: nothing of it is to come back.
        if (!await isThere(db, service, ct)) return;
        var newest = await db.EventCounter.Select(c => c.Value).SingleAsync(ct);
        var horizon = now - RevocationIndex.Slack;
        var first = await db.SecurityEvents.Where(e => e.ExpiresAt > horizon).MinAsync(e => (long?)e.Cursor, ct);
        db.PushPositions.Add(new PushPosition { Service = service, Cursor = first - 1 ?? newest, HeldUntil = DateTimeOffset.UnixEpoch, NextAttemptAt = DateTimeOffset.UnixEpoch });
        try
        {
            await db.SaveChangesAsync(ct);
            await transaction.CommitAsync(ct);
        }
        catch (DbUpdateException e) when (UniqueViolation.Is(e))
        {
            // Another replica was faster.
        }
    }

    /// <summary>Before each attempt: makes the turn last for longer than that, and now and then writes down how far it has come.</summary>
    /// <returns>False where the turn is over: the row is another's by now, or gone.</returns>
    public async Task<bool> KeepAsync(CancellationToken ct)
    {
        var until = time.GetUtcNow() + Length;
        if ((until - place.HeldUntil).Duration() < BetweenSaves) return true; // either way: a clock that was set back leaves it too long
        place.HeldUntil = until;
        return await SaveAsync(ct);
    }

    public async Task<bool> SaveAsync(CancellationToken ct)
    {
        await using var scope = scopes.CreateAsyncScope();
        var db = scope.ServiceProvider.GetRequiredService<AppDb>();
        await using var transaction = await db.BeginWriteAsync(ct);
        var mine = await db.PushPositions.Where(p => p.Service == place.Service && p.Holder == place.Holder).ExecuteUpdateAsync(set => set
            .SetProperty(p => p.Cursor, place.Cursor).SetProperty(p => p.HeldUntil, place.HeldUntil).SetProperty(p => p.Attempts, place.Attempts)
            .SetProperty(p => p.FailingSince, place.FailingSince).SetProperty(p => p.NextAttemptAt, place.NextAttemptAt).SetProperty(p => p.LastError, place.LastError), ct);
        if (mine == 0) return false;
        // Where it polls, too, and refused the same one there: this attempt is the later one.
        var cursors = _aside.ConvertAll(u => u.Cursor);
        if (cursors.Count > 0) await db.UndeliveredEvents.Where(u => u.Service == place.Service && cursors.Contains(u.Cursor)).ExecuteDeleteAsync(ct);
        db.UndeliveredEvents.AddRange(_aside);
        await db.SaveChangesAsync(ct);
        await transaction.CommitAsync(ct);
        _aside.Clear();
        return true;
    }

    /// <summary>Writes down what came of it, and lets go; also when this process is stopping.</summary>
    public Task<bool> GiveBackAsync()
    {
        place.HeldUntil = DateTimeOffset.UnixEpoch;
        return SaveAsync(CancellationToken.None);
    }
}
