using System.Data.Common;
using System.Runtime.CompilerServices;
using System.Text.Json;
using App.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace App.Events;

/// <summary>
/// Writes the events of a transaction as the last thing before it commits, so that the counter is locked for as short as can be, and puts
/// them into the index the moment it has committed, before the caller is told so: "signed out" is never answered while this process would
/// still accept the token. Nobody has to remember to do either, and nothing counts that was rolled back.
/// </summary>
internal sealed class CommitEvents(RevocationIndex index, EventFeed feed, TokenFacts tokens) : ISaveChangesInterceptor, IDbTransactionInterceptor
{
    private readonly ConditionalWeakTable<DbContext, UnitOfWork> _units = [];

    /// <exception cref="InvalidOperationException">There is no transaction: an event without its cause, or the other way round, must not be.</exception>
    public void Add(AppDb db, LoggedEvent entry)
    {
        var transaction = db.Database.CurrentTransaction?.TransactionId
            ?? throw new InvalidOperationException("A security event is written in the transaction of its cause; begin one with BeginWriteAsync first.");
        // Contexts are pooled, and a transaction that is disposed without a commit tells nobody: what it left behind ends here.
        if (_units.TryGetValue(db, out var unit) && unit.Transaction != transaction) _units.Remove(db);
        _units.GetValue(db, _ => new UnitOfWork(transaction)).Entries.Add(entry);
    }

    /// <summary>Whether this transaction says that of that user already.</summary>
    public bool Says(AppDb db, Cause cause, Guid userId) =>
        db.Database.CurrentTransaction is { TransactionId: var transaction } && Find(db, transaction) is { } unit && unit.Entries.Exists(e => e.Reason == cause.Reason && e.UserId == userId);

    /// <summary>A cursor is given out here alone: whoever adds an entry to the context themselves is told.</summary>
    public ValueTask<InterceptionResult<int>> SavingChangesAsync(DbContextEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        foreach (var entry in eventData.Context!.ChangeTracker.Entries<LoggedEvent>())
        {
            if (entry is { State: EntityState.Added, Entity.Cursor: 0 })
                throw new InvalidOperationException($"Entries are appended through {nameof(SecurityEventLog)}, inside a write transaction.");
        }

        return ValueTask.FromResult(result);
    }

    public InterceptionResult TransactionCommitting(DbTransaction transaction, TransactionEventData eventData, InterceptionResult result) =>
        Find(eventData.Context, eventData.TransactionId) is null ? result : throw new InvalidOperationException("A transaction with security events is committed asynchronously.");

    public async ValueTask<InterceptionResult> TransactionCommittingAsync(DbTransaction transaction, TransactionEventData eventData, InterceptionResult result, CancellationToken cancellationToken = default)
    {
        if (Find(eventData.Context, eventData.TransactionId) is not { } unit) return result;
        var (db, entries) = ((AppDb)eventData.Context!, unit.Entries);
        await BoundAudience.NameAsync(db, entries, cancellationToken);
        await NameRolesAsync(db, entries, cancellationToken);
        await db.EventCounter.ExecuteUpdateAsync(set => set.SetProperty(c => c.Value, c => c.Value + entries.Count), cancellationToken);
        var (newest, life) = await ReadAsync(db, cancellationToken);
        for (var i = 0; i < entries.Count; i++)
        {
            entries[i].Cursor = newest - entries.Count + 1 + i;
            // Whoever stole a key gives its tokens the longest life that is believed.
            entries[i].ExpiresAt = entries[i].OccurredAt + tokens.AliveFor(entries[i].KeyId is null ? life : tokens.LongestLifetime);
        }

        db.SecurityEvents.AddRange(entries);
        try
        {
            await db.SaveChangesAsync(cancellationToken);
        }
        finally
        {
            // Not to be tried again with a cursor that somebody else gets, should the caller go on with this context.
            foreach (var entry in entries) db.Entry(entry).State = EntityState.Detached;
        }

        return result;
    }

    public Task TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        if (Find(eventData.Context, eventData.TransactionId) is not { } unit) return Task.CompletedTask;
        _units.Remove(eventData.Context!);
        foreach (var entry in unit.Entries) index.Apply(entry);
        // Others not before it is on the disk: a power cut would take it back, and its cursor would come again for another.
        ((AppDb)eventData.Context!).WhenOnDisk(() => unit.Entries.ForEach(entry => feed.Offer(entry)));
        return Task.CompletedTask;
    }

    public Task TransactionRolledBackAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        _units.Remove(eventData.Context!);
        return Task.CompletedTask;
    }

    // As the transaction leaves them. The row of each such user has been locked since before their roles changed (UserChangedAsync), so of two
    // changes at once the later entry knows of both.
    private static async Task NameRolesAsync(AppDb db, List<LoggedEvent> entries, CancellationToken ct)
    {
        foreach (var entry in entries.Where(e => e.Type == EventTypes.TokenClaimsChange))
        {
            var roles = await db.UserRoles.Where(held => held.UserId == entry.UserId).Join(db.Roles, held => held.RoleId, role => role.Id, (_, role) => role.Name).ToListAsync(ct);
            var claims = JsonSerializer.Serialize(new { roles = roles.Order(StringComparer.Ordinal) });
            if (claims.Length <= LoggedEvent.LongestClaims) entry.Claims = claims;
        }
    }

    // After the counter was raised, and so locked: see TokenLife.LockAsync. Without a row nobody has said how they mint.
    private async Task<(long Newest, TimeSpan Life)> ReadAsync(AppDb db, CancellationToken ct)
    {
        (long, TimeSpan)? read = null;
        await db.ReadAsync(
            """SELECT "Value", (SELECT MAX("Seconds") FROM "TokenLives") FROM "EventCounter" """,
            row => read = (row.GetInt64(0), row.IsDBNull(1) ? tokens.LongestLifetime : TimeSpan.FromSeconds(row.GetInt32(1))), ct);
        return read ?? throw new InvalidOperationException("The counter of security events has no row.");
    }

    private UnitOfWork? Find(DbContext? context, Guid transaction) =>
        context is not null && _units.TryGetValue(context, out var unit) && unit.Transaction == transaction ? unit : null;

    private sealed class UnitOfWork(Guid transaction)
    {
        public Guid Transaction => transaction;
        public List<LoggedEvent> Entries { get; } = [];
    }
}
