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
    private readonly ConditionalWeakTable<DbContext, List<SecurityEvent>> _saved = [];

    public ValueTask<InterceptionResult<int>> SavingChangesAsync(DbContextEventData eventData, InterceptionResult<int> result, CancellationToken cancellationToken = default)
    {
        var added = eventData.Context!.ChangeTracker.Entries<SecurityEvent>().Where(e => e.State == EntityState.Added).Select(e => e.Entity);
        if (added.ToList() is { Count: > 0 } events) _saved.GetOrCreateValue(eventData.Context).AddRange(events);
        return ValueTask.FromResult(result);
    }

    public ValueTask<int> SavedChangesAsync(SaveChangesCompletedEventData eventData, int result, CancellationToken cancellationToken = default)
    {
        if (eventData.Context!.Database.CurrentTransaction is null) Apply(eventData.Context);
        return ValueTask.FromResult(result);
    }

    public Task SaveChangesFailedAsync(DbContextErrorEventData eventData, CancellationToken cancellationToken = default)
    {
        _saved.Remove(eventData.Context!);
        return Task.CompletedTask;
    }

    public Task TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        Apply(eventData.Context!);
        return Task.CompletedTask;
    }

    public Task TransactionRolledBackAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        _saved.Remove(eventData.Context!);
        return Task.CompletedTask;
    }

    private void Apply(DbContext context)
    {
        if (!_saved.TryGetValue(context, out var events)) return;
        _saved.Remove(context);
        foreach (var entry in events) index.Apply(entry);
    }
}
