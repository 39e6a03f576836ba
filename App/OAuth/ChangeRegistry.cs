using App.Data;
using Microsoft.EntityFrameworkCore;

namespace App.OAuth;

/// <summary>
/// The one way to change the registry: the change, its audit entry and the new version in one transaction,
/// known to this process before the caller goes on and to the others at their next look. Where the database goes in between, this one is as the others.
/// </summary>
internal sealed class ChangeRegistry(AppDb db, ServiceRegistry registry)
{
    /// <param name="change">Changes tracked entities; false to leave everything as it was.</param>
    /// <exception cref="DbUpdateException">Somebody else made the same service, or changed it, at the same moment.</exception>
    public async Task<bool> RunAsync(Func<Task<bool>> change, CancellationToken ct)
    {
        await using (var transaction = await db.BeginWriteAsync(ct))
        {
            // First, so that on every database changes queue behind this one row.
            await db.RegistryVersion.ExecuteUpdateAsync(set => set.SetProperty(v => v.Version, v => v.Version + 1), ct);
            if (!await change()) return false;
            await db.SaveChangesAsync(ct);
            await transaction.CommitAsync(ct);
        }

        try
        {
            // Committed is committed: whoever asked may have left meanwhile, but this process must know.
            await registry.LoadAsync(CancellationToken.None);
        }
        catch (Exception e) when (DatabaseFault.Is(e))
        {
            // It is done, and who asked must hear so: a secret is told this once. The registry is read as soon as it can be (FollowRegistry).
        }

        return true;
    }

    /// <summary>Those that are registered, until the caller's transaction ends: a removal was waited for, or waits. On SQLite whoever writes is alone.</summary>
    public static async Task<IReadOnlyList<string>> StillRegisteredAsync(AppDb db, IReadOnlyList<string> among, CancellationToken ct)
    {
        if (!db.IsSqlite) await db.RegistryVersion.ExecuteUpdateAsync(set => set.SetProperty(v => v.Version, v => v.Version), ct);
        return await db.OAuthClients.Where(c => among.Contains(c.ClientId!)).Select(c => c.ClientId!).ToListAsync(ct);
    }
}
