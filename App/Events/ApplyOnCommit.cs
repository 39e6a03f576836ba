using System.Data.Common;
using System.Runtime.CompilerServices;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;

namespace App.Events;

/// <summary>
/// Puts the events of a unit of work into the index the moment it has committed, and before the caller is told so:
/// "signed out" is never answered while this process would still accept the token.
/// Nobody has to remember to do it, and nothing is applied that was rolled back.
/// </summary>
internal sealed class ApplyOnCommit(RevocationIndex index) : ISaveChangesInterceptor, IDbTransactionInterceptor
{
    private readonly ConditionalWeakTable<DbContext, UnitOfWork> _units = [];

    public ValueTask<InterceptionResult<int>> SavingChangesAsync(DbContextEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        var context = eventData.Context!;
        var transaction = context.Database.CurrentTransaction?.TransactionId;
        // Contexts are pooled, and a transaction that is disposed without a commit tells nobody: what it left behind ends here.
        if (_units.TryGetValue(context, out var unit) && unit.Transaction != transaction) _units.Remove(context);
        var added = context.ChangeTracker.Entries<SecurityEvent>().Where(e => e.State == EntityState.Added).Select(e => e.Entity).ToList();
        if (added.Count > 0) _units.GetValue(context, _ => new UnitOfWork(transaction)).Saving = added;
        return ValueTask.FromResult(result);
    }

    public ValueTask<int> SavedChangesAsync(SaveChangesCompletedEventData eventData, int result, CancellationToken cancellationToken = default)
    {
        if (!_units.TryGetValue(eventData.Context!, out var unit)) return ValueTask.FromResult(result);
        unit.Saved.AddRange(unit.Saving);
        unit.Saving = [];
        // Without a transaction of the caller's, saved is committed.
        if (unit.Transaction is null) Apply(eventData.Context!, unit);
        return ValueTask.FromResult(result);
    }

    public Task SaveChangesFailedAsync(DbContextErrorEventData eventData, CancellationToken cancellationToken = default) => DropUnsaved(eventData.Context!);

    public Task SaveChangesCanceledAsync(DbContextEventData eventData, CancellationToken cancellationToken = default) => DropUnsaved(eventData.Context!);

    public Task TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        if (_units.TryGetValue(eventData.Context!, out var unit) && unit.Transaction == eventData.TransactionId) Apply(eventData.Context!, unit);
        return Task.CompletedTask;
    }

    public Task TransactionRolledBackAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        _units.Remove(eventData.Context!);
        return Task.CompletedTask;
    }

    // What was saved before in the same transaction still stands.
    private Task DropUnsaved(DbContext context)
    {
        if (_units.TryGetValue(context, out var unit)) unit.Saving = [];
        return Task.CompletedTask;
    }

    private void Apply(DbContext context, UnitOfWork unit)
    {
        _units.Remove(context);
        foreach (var entry in unit.Saved) index.Apply(entry);
    }

    /// <param name="transaction">The caller's transaction; null where saving alone commits.</param>
    private sealed class UnitOfWork(Guid? transaction)
    {
        public Guid? Transaction => transaction;
        public List<SecurityEvent> Saving { get; set; } = [];
        public List<SecurityEvent> Saved { get; } = [];
    }
}
