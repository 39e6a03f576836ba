namespace App.Data;

/// <summary>What a slice holds about a person: told to them when they ask for their data, erased with their account.</summary>
/// <param name="Name">The member of the export that it becomes.</param>
/// <param name="ReadAsync">Null where there is nothing to tell, or nothing that isn't a secret.</param>
/// <param name="EraseAsync">Runs in the transaction that deletes the account; null where the database itself erases it with the user's row.</param>
internal sealed record PersonalData(
    string Name,
    Func<AppDb, Guid, CancellationToken, Task<object>>? ReadAsync,
    Func<AppDb, Guid, CancellationToken, Task>? EraseAsync = null);
